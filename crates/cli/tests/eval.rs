//! `eval`: the table of `--csv`, protocols with several views of an image, and several models.

mod common;

use std::collections::BTreeMap;

use common::{Folder, text};
use serde_json::{Value, json};
use striate_engine::Inference;
use striate_formats::ModelFile;
use striate_graph::Builder;
use striate_models::imagenet_classes;
use striate_tensor::random::{Random, Stream};
use striate_vision::{Image, Preprocessing, encode_png};

/// Writes a model with fully connected layers for 8×8 pixels and these classes; its preprocessing resizes the shorter
/// side to 10.
fn write_model(folder: &Folder, name: &str, seed: u64, classes: &[&str]) {
    let net = Builder::new("net", [3, 8, 8]);
    let x = net.input().conv(6, 3).relu().max_pool(2, 2).flatten().linear(12).relu();
    let network = x.linear(classes.len()).finish().unwrap();
    let weights = Inference::initial_weights(&network, seed).unwrap();
    let form: Option<Preprocessing> = serde_json::from_value(json!({
        "channels": 3,
        "steps": [
            { "step": "resize_shorter", "size": 10, "filter": "bilinear" },
            { "step": "center_crop", "height": 8, "width": 8 },
        ],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.2, 0.2, 0.2],
    }))
    .unwrap();
    let classes = classes.iter().map(ToString::to_string).collect();
    let bare = ModelFile::bare(network, weights).unwrap();
    let model = ModelFile { classes, preprocessing: form.clone(), predict: form, ..bare };
    model.save(&folder.path(name)).unwrap();
}

/// Writes seven images of three classes.
fn write_images(folder: &Folder) {
    let mut random = Random::new(1, Stream::Other, 0);
    for index in 0..7 {
        let (width, height) = (11 + 5 * index, 29 - 2 * index);
        let bytes = (0..width * height * 3).map(|_| random.below(256) as u8).collect();
        let image = encode_png(&Image::new(width, height, 3, bytes).unwrap()).unwrap();
        folder.write(&format!("set/{}/{index}.png", ["a", "b", "c"][index % 3]), image);
    }
}

fn table(folder: &Folder, name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.path(name)).unwrap();
    let cells = |line: &str| line.split(',').map(|cell| cell.trim_matches('"').to_owned()).collect();
    text.lines().map(cells).collect()
}

fn new_folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    write_model(&folder, "m.safetensors", 1, &["a", "b", "c"]);
    write_images(&folder);
    folder
}

#[test]
fn table_has_a_line_for_each_image() {
    let folder = new_folder("eval-csv");
    let measured = folder.json(&["eval", "m.safetensors", "--data", "set", "--csv", "g.csv"]);
    let rows = table(&folder, "g.csv");
    assert_eq!(rows[0].join(","), "file,class,class1,score1,class2,score2,class3,score3,correct");
    assert_eq!(rows.len(), 8);
    let guessed = folder.json(&["predict", "m.safetensors", "set/a/3.png"]);
    let row = rows.iter().find(|row| row[0] == "set/a/3.png").unwrap();
    assert_eq!(row[1], "a");
    for (place, guess) in guessed["predictions"][0]["top"].as_array().unwrap().iter().enumerate() {
        let score = guess["score"].as_f64().unwrap();
        assert_eq!(row[2 + 2 * place], guess["class"].as_str().unwrap());
        assert!((row[3 + 2 * place].parse::<f64>().unwrap() - score).abs() < 2e-6);
    }
    let wrong = rows.iter().filter(|row| row[8] == "false").count();
    assert!(rows[1..].iter().all(|row| (row[1] == row[2]).to_string() == row[8]));
    assert_eq!(measured["top1_error"], json!(wrong as f64 / 7.0));

    let model = folder.json(&["train", "--epochs", "1"])["model"].as_str().unwrap().to_owned();
    folder.json(&["eval", &model, "--data", "digits", "--csv", "digits.csv"]);
    let rows = table(&folder, "digits.csv");
    assert_eq!((rows.len(), rows[0][0].as_str(), rows[1][0].as_str()), (360, "index", "0"));
    assert_eq!(rows[0].len(), 2 + 10 + 1);
}

#[test]
fn protocols_state_their_views_and_give_the_same_bits_for_any_thread_count() {
    let folder = new_folder("eval-protocols");
    for (flags, crops, scales) in [
        (&["--protocol", "center", "--mirror"][..], 2, json!([])),
        (&["--protocol", "10crop"], 10, json!([10])),
        (&["--protocol", "144crop"], 144, json!([9, 10, 11, 13])),
        (&["--protocol", "dense"], 1, json!([10])),
        (&["--protocol", "dense", "--mirror"], 2, json!([10])),
        (&["--protocol", "multiscale"], 3, json!([9, 10, 11])),
    ] {
        let eval = |threads: &str, csv: &str| {
            let start = ["eval", "m.safetensors", "--data", "set", "--threads", threads, "--csv", csv];
            folder.json(&[&start[..], flags].concat())
        };
        let (one, three) = (eval("1", "1.csv"), eval("3", "3.csv"));
        assert_eq!((&one["crops"], &one["scales"]), (&json!(crops), &scales), "{flags:?}");
        assert_eq!(one["n"], 7);
        assert_eq!(one, three, "{flags:?}");
        assert_eq!(table(&folder, "1.csv"), table(&folder, "3.csv"), "{flags:?}");
    }
    let output = folder.run(&["eval", "m.safetensors", "--data", "set", "--protocol", "10crop"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let line = "m.safetensors: 10crop, 10 crops of each image, half of them mirrored, shorter side 10\n";
    assert!(printed.starts_with(line), "{printed}");
}

/// The mean of two models of which one has its classes in another order.
#[test]
fn ensemble_averages_models_by_class_name() {
    let folder = new_folder("eval-ensemble");
    write_model(&folder, "n.safetensors", 2, &["c", "a", "b"]);
    write_model(&folder, "other.safetensors", 3, &["a", "b", "x"]);
    let scores = |models: &[&str]| -> Vec<BTreeMap<String, f64>> {
        folder.json(&[&["eval"], models, &["--data", "set", "--csv", "g.csv", "--mirror"]].concat());
        let score = |pair: &[String]| (pair[0].clone(), pair[1].parse().unwrap());
        table(&folder, "g.csv")[1..].iter().map(|row| row[2..8].chunks(2).map(score).collect()).collect()
    };
    let (m, n) = (scores(&["m.safetensors"]), scores(&["n.safetensors"]));
    let both = scores(&["m.safetensors", "n.safetensors"]);
    for (index, row) in both.iter().enumerate() {
        for (class, score) in row {
            let mean = f64::midpoint(m[index][class], n[index][class]);
            assert!((score - mean).abs() < 2e-6, "image {index}, {class}: {score}, not {mean}");
        }
    }
    let measured = folder.json(&["eval", "m.safetensors", "n.safetensors", "--data", "set"]);
    assert_eq!((&measured["crops"], &measured["models"][1]["file"]), (&json!(2), &json!("n.safetensors")));
    let line = folder.refusal(&["eval", "m.safetensors", "other.safetensors", "--data", "set"]);
    assert!(line.contains("model 2: the model has no class x"), "{line}");
}

#[test]
fn built_in_sets_are_mirrored_and_averaged_but_not_cropped() {
    let folder = Folder::new("eval-digits");
    let train = |seed: &str| {
        let out = format!("run{seed}");
        let trained = folder.json(&["train", "--epochs", "2", "--seed", seed, "--out", &out]);
        trained["model"].as_str().unwrap().to_owned()
    };
    let (first, second) = (train("1"), train("2"));
    let measured = folder.json(&["eval", &first, &second, "--data", "digits"]);
    assert!(measured["n"] == 359 && measured["top1_error"].as_f64().unwrap() < 0.3, "{measured}");
    // A model together with itself is that model.
    let (alone, twice) = (
        folder.json(&["eval", &first, "--data", "digits"]),
        folder.json(&["eval", &first, &first, "--data", "digits"]),
    );
    assert_eq!(alone["confusion"], twice["confusion"]);
    let loss = |value: &Value| value["loss"].as_f64().unwrap();
    assert!((loss(&alone) - loss(&twice)).abs() < 1e-5);
    assert_eq!(folder.json(&["eval", &first, "--data", "digits", "--mirror"])["crops"], 2);
    let line = folder.refusal(&["eval", &first, "--data", "digits", "--protocol", "10crop"]);
    assert!(line.contains("--protocol 10crop applies to image files, but digits is built in"), "{line}");
}

#[test]
fn protocols_that_cannot_work_are_refused_in_one_line() {
    let folder = new_folder("eval-refusals");
    let net = Builder::new("net", [3, 8, 8]);
    let network = net.input().flatten().softmax().linear(3).finish().unwrap();
    let weights = Inference::initial_weights(&network, 1).unwrap();
    let model = ModelFile {
        classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
        ..ModelFile::bare(network, weights).unwrap()
    };
    model.save(&folder.path("fixed.safetensors")).unwrap();
    for (command, expected) in [
        ("m.safetensors --data set --protocol 10crop --mirror", "10crop already includes"),
        (
            "fixed.safetensors --data set --protocol dense --preprocessing zero-one",
            "(softmax) needs an input of a fixed size",
        ),
        ("m.safetensors --data set --protocol 10crop --csv m.safetensors", "choose a name ending in .csv"),
        ("m.safetensors --data set --csv none/g.csv", "the folder none does not exist"),
        ("m.safetensors --data npy:set --mirror", "--mirror applies to images, but npy:set contains arrays"),
    ] {
        let arguments: Vec<&str> = ["eval"].into_iter().chain(command.split(' ')).collect();
        let line = folder.refusal(&arguments);
        assert!(line.contains(expected), "{command}: {line}");
    }
}

/// For a model, a protocol and `--mirror`, the first prediction for [`gradients`] and its probability by PyTorch, as
/// `scripts/reference/eval_torch.py --figures` prints them.
const FIGURES: [(&str, &str, bool, usize, f64); 11] = [
    ("squeezenet1_1", "center", false, 818, 0.062763),
    ("squeezenet1_1", "center", true, 310, 0.048749),
    ("squeezenet1_1", "10crop", false, 310, 0.037441),
    ("squeezenet1_1", "144crop", false, 818, 0.036369),
    ("squeezenet1_1", "dense", true, 818, 0.045971),
    ("squeezenet1_1", "multiscale", false, 892, 0.057146),
    ("efficientnet-lite0", "center", false, 818, 0.149306),
    ("efficientnet-lite0", "center", true, 818, 0.155324),
    ("efficientnet-lite0", "10crop", false, 818, 0.087508),
    ("efficientnet-lite0", "dense", true, 818, 0.069631),
    ("efficientnet-lite0", "multiscale", false, 818, 0.042320),
];

/// An image of which every program has the same pixels: colors that change from side to side.
fn gradients() -> Vec<u8> {
    let (width, height) = (320, 240);
    let color =
        |x: usize, y: usize| [x * 255 / 319, y * 255 / 239, x * y / 150 % 256].map(|value| value as u8);
    let bytes = (0..height).flat_map(|y| (0..width).flat_map(move |x| color(x, y))).collect();
    encode_png(&Image::new(width, height, 3, bytes).unwrap()).unwrap()
}

#[test]
fn protocols_give_the_scores_of_pytorch_for_real_weights() {
    let data = striate_data::data_folder().unwrap().join("weights");
    for (name, protocol, mirror, class, expected) in FIGURES {
        let model = data.join(format!("{name}.safetensors"));
        if !model.is_file() {
            let what = format!("{name} is missing; run scripts/fetch-weights.sh");
            let test = "protocols_give_the_scores_of_pytorch_for_real_weights";
            striate_testkit::missing_data(test, &what);
            continue;
        }
        let folder = Folder::new(&format!("eval-torch-{name}-{protocol}-{mirror}"));
        let class = imagenet_classes()[class].name;
        folder.write(&format!("set/{class}/0.png"), gradients());
        let mut arguments = vec!["eval", text(&model), "--data", "set", "--protocol", protocol];
        arguments.extend(["--csv", "g.csv"].into_iter().chain(mirror.then_some("--mirror")));
        let measured = folder.json(&arguments);
        let rows = table(&folder, "g.csv");
        let found: f64 = rows[1][3].parse().unwrap();
        let place = format!("{name}, {protocol}, {mirror}: {found}, not {expected}");
        assert!(measured["top1_error"] == 0.0 && (found - expected).abs() < 1e-4, "{place}");
    }
}
