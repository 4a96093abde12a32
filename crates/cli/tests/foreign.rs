//! Models not written by Striate, on images: the meaning of their outputs, their preprocessing, their
//! class names.

mod common;

use common::{Folder, refused};
use serde_json::{Value, json};
use striate_testkit::onnx::{entry, floats, int, integers, model_of, node, value};
use striate_testkit::protobuf::Message;
use striate_vision::{Image, encode_png};

/// An ONNX graph on images `[N, 3, 4, 4]`: the mean of each channel, then `scores` linear outputs "s" of these
/// weights, without a bias, then `end`.
fn graph(weights: &[[f32; 3]], end: &[Message], outputs: &[(&str, &[i64])]) -> Message {
    let nodes = [
        node("GlobalAveragePool", &["x"], "pooled", &[]),
        node("Flatten", &["pooled"], "means", &[]),
        node("Gemm", &["means", "w"], "s", &[int("transB", 1)]),
    ];
    let graph = nodes.iter().chain(end).fold(Message::new(), |graph, node| graph.message(1, node));
    let tensor = floats("w", &[weights.len() as i64, 3], weights.as_flattened());
    let graph = graph.message(5, &tensor).message(5, &integers("shape", &[2], &[-1, weights.len() as i64]));
    let graph = graph.message(11, &value("x", &[-1, 3, 4, 4]));
    outputs.iter().fold(graph, |graph, (name, extents)| graph.message(12, &value(name, extents)))
}

fn onnx(graph: &Message, metadata: &[(&str, &str)]) -> Vec<u8> {
    let model = model_of(17, graph);
    metadata.iter().fold(model, |model, (key, value)| model.message(14, &entry(key, value))).bytes
}

/// The scores of the red, green and blue channel, from 0 to 1.
const CHANNELS: [[f32; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// An image of means (1, 0.2, 0) from 0 to 1.
const ORANGE: [u8; 3] = [255, 51, 0];

fn write_image(folder: &Folder, name: &str, color: [u8; 3]) {
    folder.write(name, encode_png(&Image::filled(6, 5, color)).unwrap());
}

fn top(predicted: &Value) -> Vec<(String, f64)> {
    let top = predicted["predictions"][0]["top"].as_array().unwrap();
    let one = |guess: &Value| (guess["class"].as_str().unwrap().to_owned(), guess["score"].as_f64().unwrap());
    top.iter().map(one).collect()
}

fn assert_top(predicted: &Value, expected: &[(&str, f64)]) {
    let top = top(predicted);
    assert_eq!(top.len(), expected.len(), "{predicted}");
    for ((class, score), (expected_class, expected)) in top.iter().zip(expected) {
        assert!(class == expected_class && (score - expected).abs() < 1e-5, "{predicted}");
    }
}

fn notes(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Expected values are computed by hand from ONNX Runtime's outputs (1, 0.2, 0), with sigmoid and softmax.
#[test]
fn end_of_graph_decides_the_meaning_of_scores() {
    let folder = Folder::new("foreign-heads");
    write_image(&folder, "orange.png", ORANGE);
    let sigmoid = node("Sigmoid", &["s"], "y", &[]);
    let softmax =
        [node("Softmax", &["s"], "p", &[int("axis", 1)]), node("Reshape", &["p", "shape"], "y", &[])];
    let red = &CHANNELS[..1];
    let independent = [("0", 0.731_059), ("1", 0.549_834), ("2", 0.5)];
    let shares = [("0", 0.550295), ("1", 0.247263), ("2", 0.202442)];
    for (name, graph, expected, note, is_independent) in [
        (
            "one",
            graph(red, &[], &[("s", &[-1, 1])]),
            &[("1", 0.731_059), ("0", 0.268_941)][..],
            "sigmoid gives the probability of the second of two classes",
            false,
        ),
        (
            "one-sigmoid",
            graph(red, std::slice::from_ref(&sigmoid), &[("y", &[-1, 1])]),
            &[("1", 0.731_059), ("0", 0.268_941)],
            "single output: the probability of the second of two classes",
            false,
        ),
        (
            "sigmoids",
            graph(&CHANNELS, std::slice::from_ref(&sigmoid), &[("y", &[-1, 3])]),
            &independent,
            "independent scores",
            true,
        ),
        ("scores", graph(&CHANNELS, &[], &[("s", &[-1, 3])]), &shares, "", false),
        ("softmax", graph(&CHANNELS, &softmax, &[("y", &[-1, 3])]), &shares, "no softmax is applied", false),
    ] {
        let file = format!("{name}.onnx");
        folder.write(&file, onnx(&graph, &[]));
        let predict = ["predict", &file, "orange.png", "--preprocessing", "zero-one", "--json"];
        let output = folder.run(&predict);
        assert!(output.status.success(), "{name}: {}", notes(&output));
        let predicted: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_top(&predicted, expected);
        assert_eq!(predicted["independent_scores"], is_independent, "{name}");
        assert!(notes(&output).contains(note), "{name}: {}", notes(&output));
        let line = "preprocessing (--preprocessing zero-one): RGB in [0, 1], shorter side resized to 4";
        assert!(notes(&output).contains(line), "{name}: {}", notes(&output));
    }
}

/// What was chosen in reading the network is reported with a conversion, not with a refusal.
#[test]
fn notes_on_the_named_network_follow_a_conversion() {
    let folder = Folder::new("foreign-named");
    for (file, classes) in [("two.onnx", 2), ("three.onnx", 3)] {
        let outputs: [(&str, &[i64]); 2] = [("means", &[-1, 3]), ("s", &[-1, classes])];
        folder.write(file, onnx(&graph(&CHANNELS[..classes as usize], &[], &outputs), &[]));
    }
    folder.json(&["convert", "three.onnx", "w.pth"]);
    let convert = ["convert", "w.pth", "w.safetensors", "--preprocessing", "zero-one", "--model"];
    let output = folder.run(&[&convert[..], &["three.onnx"]].concat());
    let note = "three.onnx: of its 2 outputs (means, s), s is used; --output NAME selects";
    assert!(output.status.success() && notes(&output).contains(note), "{}", notes(&output));
    let line = folder.refusal(&[&convert[..], &["two.onnx"]].concat());
    assert!(line.contains("w.pth: the last layer has 3 classes in the file, but 2 in two"), "{line}");
}

#[test]
fn scores_are_the_output_unless_another_is_selected() {
    let folder = Folder::new("foreign-outputs");
    write_image(&folder, "orange.png", ORANGE);
    let end = [node("Neg", &["means"], "minus", &[]), node("ArgMax", &["s"], "best", &[int("axis", 1)])];
    let outputs: [(&str, &[i64]); 3] = [("means", &[-1, 3]), ("pooled", &[-1, 3, 1, 1]), ("s", &[-1, 3])];
    // The scores are computed from the means; the last class has the highest.
    let backward = [CHANNELS[2], CHANNELS[1], CHANNELS[0]];
    folder.write("head.onnx", onnx(&graph(&backward, &[], &outputs), &[]));
    let predict = ["predict", "head.onnx", "orange.png", "--preprocessing", "zero-one"];
    assert_eq!(top(&folder.json(&predict))[0].0, "2");
    assert_eq!(top(&folder.json(&[&predict[..], &["--output", "means"]].concat()))[0].0, "0");
    let output = folder.run(&["convert", "head.onnx", "head.safetensors", "--preprocessing", "zero-one"]);
    assert!(
        notes(&output).contains("of its 3 outputs (means, pooled, s), s is used; --output NAME selects"),
        "{}",
        notes(&output)
    );
    assert_eq!(top(&folder.json(&["predict", "head.safetensors", "orange.png"]))[0].0, "2");
    let outputs = [outputs[0], outputs[2], ("minus", &[-1, 3])];
    folder.write("two.onnx", onnx(&graph(&CHANNELS, &end[..1], &outputs), &[]));
    let predict = ["predict", "two.onnx", "orange.png", "--preprocessing", "zero-one"];
    for arguments in [&predict[..], &["convert", "two.onnx", "x.safetensors"], &["train", "two.onnx"]] {
        let line = folder.refusal(arguments);
        assert!(
            line.contains(
                "two.onnx: 2 of its 3 outputs may be the scores (s, minus); select one with --output"
            ),
            "{line}"
        );
    }
    assert_eq!(top(&folder.json(&[&predict[..], &["--output", "s"]].concat()))[0].0, "0");
    assert_eq!(top(&folder.json(&[&predict[..], &["--output", "minus"]].concat()))[0].0, "2");
    let line = folder.refusal(&[&predict[..], &["--output", "minos"]].concat());
    assert!(line.contains("two.onnx: ") && line.contains("minos"), "{line}");
    folder.write("best.onnx", onnx(&graph(&CHANNELS, &end, &[("best", &[-1, 1])]), &[]));
    let line = folder.refusal(&["predict", "best.onnx", "orange.png", "--preprocessing", "zero-one"]);
    assert!(line.contains("ArgMax") && line.contains("--output s"), "{line}");
    assert_eq!(
        top(&folder.json(&[
            "predict",
            "best.onnx",
            "orange.png",
            "--preprocessing",
            "zero-one",
            "--output",
            "s"
        ]))[0]
            .0,
        "0"
    );
}

#[test]
fn unknown_preprocessing_is_refused_listing_the_options() {
    let folder = Folder::new("foreign-preprocessing");
    write_image(&folder, "set/a/1.png", ORANGE);
    write_image(&folder, "set/b/1.png", [0, 255, 0]);
    folder.write("bare.onnx", onnx(&graph(&CHANNELS[..2], &[], &[("s", &[-1, 2])]), &[]));
    let words = "choose it with --preprocessing imagenet, caffe, tensorflow, zero-one or FILE.json";
    for arguments in [
        &["predict", "bare.onnx", "set/a/1.png"][..],
        &["eval", "bare.onnx", "--data", "set", "--names", "names.txt"],
    ] {
        folder.write("names.txt", "a\nb\n");
        let line = folder.refusal(arguments);
        assert!(line.contains("bare.onnx: ") && line.contains(words), "{line}");
    }
    let output = folder.run(&["convert", "bare.onnx", "bare.safetensors"]);
    assert!(output.status.success() && notes(&output).contains("takes only arrays"), "{}", notes(&output));
    // For a network that takes blue, green, red, red is the third channel.
    folder.write("bgr.onnx", onnx(&graph(&CHANNELS, &[], &[("s", &[-1, 3])]), &[]));
    for (word, expected) in [("caffe", "2"), ("imagenet", "0"), ("tensorflow", "0"), ("zero-one", "0")] {
        let predicted = folder.json(&["predict", "bgr.onnx", "set/a/1.png", "--preprocessing", word]);
        assert_eq!(top(&predicted)[0].0, expected, "{word}");
        folder.json(&["convert", "bgr.onnx", "kept.safetensors", "--preprocessing", word]);
        assert_eq!(folder.json(&["predict", "kept.safetensors", "set/a/1.png"]), predicted, "{word}");
    }
    let line = folder.refusal(&["predict", "bgr.onnx", "set/a/1.png", "--preprocessing", "imagnet"]);
    assert!(line.contains("expected imagenet, caffe, tensorflow, zero-one or FILE.json"), "{line}");
}

#[test]
fn exporter_metadata_provide_classes_and_preprocessing() {
    let folder = Folder::new("foreign-metadata");
    write_image(&folder, "orange.png", ORANGE);
    let scores = graph(&CHANNELS, &[], &[("s", &[-1, 3])]);
    folder.write(
        "custom-vision.onnx",
        onnx(
            &scores,
            &[
                ("Image.BitmapPixelFormat", "Bgr8"),
                ("Image.NominalPixelRange", "Normalized_0_1"),
                ("labels", "blue,green,red"),
            ],
        ),
    );
    folder.write(
        "ultralytics.onnx",
        onnx(
            &scores,
            &[
                ("author", "Ultralytics"),
                ("task", "classify"),
                ("names", "{0: 'red', 1: \"green\", 2: 'blue'}"),
            ],
        ),
    );
    for file in ["custom-vision.onnx", "ultralytics.onnx"] {
        let output = folder.run(&["predict", file, "orange.png"]);
        assert!(output.status.success(), "{file}: {}", notes(&output));
        assert!(notes(&output).contains("preprocessing (from its metadata"), "{}", notes(&output));
        assert!(notes(&output).contains("class names from its metadata"), "{}", notes(&output));
        assert_eq!(top(&folder.json(&["predict", file, "orange.png"]))[0].0, "red", "{file}");
        let kept = format!("{file}.safetensors");
        folder.json(&["convert", file, &kept]);
        assert_eq!(top(&folder.json(&["predict", &kept, "orange.png"]))[0].0, "red", "{file}");
    }
}

#[test]
fn class_names_are_read_from_every_file_format() {
    let folder = Folder::new("foreign-names");
    write_image(&folder, "orange.png", ORANGE);
    folder.write("bare.onnx", onnx(&graph(&CHANNELS, &[], &[("s", &[-1, 3])]), &[]));
    folder.write("lines.txt", "red\ngreen\nblue\n");
    folder.write("list.json", r#"["red", "green", "blue"]"#);
    folder.write("map.json", r#"{"2": "blue", "0": "red", "1": "green"}"#);
    let predict = ["predict", "bare.onnx", "orange.png", "--preprocessing", "zero-one", "--names"];
    for names in ["lines.txt", "list.json", "map.json"] {
        assert_eq!(top(&folder.json(&[&predict[..], &[names]].concat()))[0].0, "red", "{names}");
        let convert = ["convert", "bare.onnx", "named.onnx", "--preprocessing", "zero-one", "--names", names];
        folder.json(&convert);
        assert_eq!(top(&folder.json(&["predict", "named.onnx", "orange.png"]))[0].0, "red", "{names}");
    }
    folder.write("two.txt", "red\ngreen\n");
    folder.write("odd.txt", "red\ngr\u{1b}[2Jeen\nblue\n");
    for (names, expected) in [
        ("two.txt", "two.txt: 2 names for a model of 3 classes"),
        ("odd.txt", "odd.txt: "),
        ("missing.txt", "missing.txt"),
        ("imagenet", "ImageNet has 1,000 classes, but the model has 3"),
    ] {
        let line = folder.refusal(&[&predict[..], &[names]].concat());
        assert!(line.contains(expected), "{line}");
        let line = folder.refusal(&["convert", "bare.onnx", "out.safetensors", "--names", names]);
        assert!(line.contains(expected) && !folder.path("out.safetensors").exists(), "{line}");
    }
}

#[test]
fn predict_folder_reports_skipped_and_broken_files() {
    let folder = Folder::new("foreign-folder");
    folder.write("bare.onnx", onnx(&graph(&CHANNELS, &[], &[("s", &[-1, 3])]), &[]));
    write_image(&folder, "images/a.png", ORANGE);
    let green = encode_png(&Image::filled(6, 5, [0, 255, 0])).unwrap();
    folder.write("images/without-ending", &green);
    folder.write("images/wrong.txt", &green);
    folder.write("images/notes.txt", "not an image");
    folder.write("images/.hidden.png", &green);
    folder.write("images/deeper/b.png", &green);
    let predict = ["predict", "bare.onnx", "images", "--preprocessing", "zero-one"];
    let predicted = folder.json(&predict);
    let files: Vec<&str> = predicted["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["file"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["images/a.png", "images/without-ending", "images/wrong.txt"]);
    assert_eq!(
        predicted["skipped"],
        json!([
            { "kind": "folder", "count": 1, "first": "images/deeper" },
            { "kind": "hidden", "count": 1, "first": "images/.hidden.png" },
            { "kind": "txt", "count": 1, "first": "images/notes.txt" },
        ])
    );
    folder.write("images/cut.png", &green[..green.len() / 2]);
    folder.write("images/empty.jpg", "");
    folder.write("images/torn.pnm", "P9");
    let output = folder.run(&[&predict[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", notes(&output));
    let predicted: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(predicted["predictions"].as_array().unwrap().len(), 3);
    let broken: Vec<&str> =
        predicted["unreadable"].as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(broken, ["images/cut.png", "images/empty.jpg", "images/torn.pnm"]);
    let output = folder.run(&predict);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("images/a.png"));
    for part in
        ["images/cut.png: ", "images/empty.jpg: ", "3 of 6 images could not be read", "skipped: 1 × txt"]
    {
        assert!(notes(&output).contains(part), "{part}: {}", notes(&output));
    }
    let line = refused(
        &folder.run(&[
            "predict",
            "bare.onnx",
            "images/a.png",
            "--preprocessing",
            "zero-one",
            "--max-pixels",
            "29",
        ]),
        "29",
    );
    assert!(line.contains("images/a.png: "), "{line}");
    folder.json(&[
        "predict",
        "bare.onnx",
        "images/a.png",
        "--preprocessing",
        "zero-one",
        "--max-pixels",
        "30",
    ]);
}

/// The network averages its maps, so it accepts other sizes; the image has 5 rows and 6 columns.
#[test]
fn other_size_of_preprocessed_images_is_reported() {
    let folder = Folder::new("foreign-other-size");
    write_image(&folder, "orange.png", ORANGE);
    folder.write("bare.onnx", onnx(&graph(&CHANNELS, &[], &[("s", &[-1, 3])]), &[]));
    let form = |steps: Value| json!({ "channels": 3, "steps": steps, "mean": [0, 0, 0], "std": [1, 1, 1] });
    let crop = |side: usize| json!([{ "step": "center_crop", "height": side, "width": side }]);
    for (steps, expected) in [
        (json!([]), Some("the input is as large as each image instead of 4x4")),
        (crop(3), Some("the input is 3x3 instead of 4x4: RGB in [0, 1], center crop 3x3")),
        (crop(4), None),
    ] {
        folder.write("form.json", form(steps).to_string());
        let predict = ["predict", "bare.onnx", "orange.png", "--preprocessing", "form.json"];
        let output = folder.run(&predict);
        assert!(output.status.success(), "{}", notes(&output));
        match expected {
            Some(note) => assert!(notes(&output).contains(note), "{}", notes(&output)),
            None => assert!(!notes(&output).contains("instead of"), "{}", notes(&output)),
        }
        assert_top(&folder.json(&predict), &[("0", 0.550_295), ("1", 0.247_263), ("2", 0.202_442)]);
    }
}

/// The network averages its maps, so it accepts other sizes.
#[test]
fn size_is_refused_for_images_of_any_size() {
    let folder = Folder::new("foreign-any-size");
    folder.write("bare.onnx", onnx(&graph(&CHANNELS, &[], &[("s", &[-1, 3])]), &[]));
    write_image(&folder, "a.png", ORANGE);
    let form = json!({ "channels": 3, "steps": [], "mean": [0, 0, 0], "std": [1, 1, 1] });
    folder.write("form.json", form.to_string());
    let line =
        folder.refusal(&["predict", "bare.onnx", "a.png", "--preprocessing", "form.json", "--size", "8,8"]);
    let expected =
        "error: bare.onnx: --size 8,8: the preprocessing does not produce images of one size; omit --size\n";
    assert_eq!(line, expected);
}

#[test]
fn size_changes_input_and_preprocessing_together() {
    let folder = Folder::new("foreign-size");
    write_image(&folder, "set/red/1.png", ORANGE);
    write_image(&folder, "set/blue/1.png", [0, 0, 200]);
    folder.write("names.txt", "red\ngreen\nblue\n");
    folder.write("bare.onnx", onnx(&graph(&CHANNELS, &[], &[("s", &[-1, 3])]), &[]));
    let flags = ["--preprocessing", "zero-one", "--names", "names.txt", "--size", "8,6"];
    let output = folder.run(&[&["predict", "bare.onnx", "set/red/1.png"][..], &flags].concat());
    assert!(output.status.success(), "{}", notes(&output));
    assert!(notes(&output).contains("the input is 8x6 instead of 4x4"), "{}", notes(&output));
    let measured = folder.json(&[&["eval", "bare.onnx", "--data", "set"][..], &flags].concat());
    assert_eq!(measured["top1_error"], 0.0);
    let flat = Message::new();
    let flat = flat
        .message(1, &node("Flatten", &["x"], "f", &[]))
        .message(1, &node("MatMul", &["f", "w"], "s", &[]));
    let flat = flat.message(5, &floats("w", &[48, 2], &[0.5; 96])).message(11, &value("x", &[-1, 3, 4, 4]));
    folder.write("flat.onnx", onnx(&flat.message(12, &value("s", &[-1, 2])), &[]));
    let line = folder.refusal(&[
        "predict",
        "flat.onnx",
        "set/red/1.png",
        "--preprocessing",
        "zero-one",
        "--size",
        "8,8",
    ]);
    assert!(
        line.contains("--size 8,8: the preprocessing yields [N, 3, 8, 8], but flat takes [N, 3, 4, 4]")
            && line.contains("; omit --size"),
        "{line}"
    );
}

/// Two of three classes, in another order: the red image is right, the image labeled blue is actually green.
#[test]
fn eval_matches_classes_by_name_among_all_model_classes() {
    let folder = Folder::new("foreign-eval");
    folder.write("names.txt", "red\ngreen\nblue\n");
    folder.write("bare.onnx", onnx(&graph(&CHANNELS, &[], &[("s", &[-1, 3])]), &[]));
    folder.json(&[
        "convert",
        "bare.onnx",
        "model.safetensors",
        "--preprocessing",
        "zero-one",
        "--names",
        "names.txt",
    ]);
    let confusion = json!([[1, 0, 0], [0, 0, 0], [0, 1, 0]]);
    for root in ["plain", "only/test", "Only/Test"] {
        write_image(&folder, &format!("{root}/blue/1.png"), [10, 250, 20]);
        write_image(&folder, &format!("{root}/Red/1.png"), ORANGE);
        let root = root.split('/').next().unwrap();
        let output = folder.run(&["eval", "model.safetensors", "--data", root, "--json"]);
        assert!(output.status.success(), "{root}: {}", notes(&output));
        let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&measured["confusion"], &measured["n"]), (&confusion, &json!(2)), "{root}");
        assert_eq!(measured["missing_classes"], json!(["green"]), "{root}");
        assert!(
            notes(&output)
                .contains("the data has 2 of the model's 3 classes; predictions still range over all 3"),
            "{}",
            notes(&output)
        );
    }
    write_image(&folder, "plain/eel/1.png", ORANGE);
    let line = folder.refusal(&["eval", "model.safetensors", "--data", "plain"]);
    assert!(
        line.contains("model.safetensors on plain: the model has no class eel")
            && line.contains("[red, green, blue]")
            && line.contains("[Red, blue, eel]"),
        "{line}"
    );
}

/// With the ImageNet names, its classes match by name and by WordNet ID.
#[test]
fn imagenet_classes_match_by_name_and_id() {
    let folder = Folder::new("foreign-imagenet");
    let mut weights = vec![[0.0f32; 3]; 1000];
    (weights[853], weights[0]) = ([9.0, 0.0, 0.0], [0.0, 9.0, 0.0]);
    folder.write("thousand.onnx", onnx(&graph(&weights, &[], &[("s", &[-1, 1000])]), &[]));
    write_image(&folder, "set/thatch/1.png", [250, 0, 0]);
    write_image(&folder, "set/n01440764/1.png", [0, 250, 0]);
    let flags = ["--preprocessing", "zero-one", "--names", "imagenet"];
    let predicted =
        folder.json(&[&["predict", "thousand.onnx", "set/thatch/1.png", "--top", "1"][..], &flags].concat());
    assert_eq!(
        (top(&predicted)[0].0.as_str(), &predicted["predictions"][0]["top"][0]["index"]),
        ("thatch", &json!(853))
    );
    let output = folder.run(&[&["eval", "thousand.onnx", "--data", "set"][..], &flags].concat());
    assert!(output.status.success(), "{}", notes(&output));
    assert!(notes(&output).contains("matched 1 class by WordNet ID"), "{}", notes(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.starts_with("error 0.00 % (top 5: 0.00 %)") && table.contains("thatch"), "{table}");
    let output = folder.run(&["predict", "thousand.onnx", "set/thatch/1.png", "--preprocessing", "zero-one"]);
    assert!(notes(&output).contains("--names imagenet"), "{}", notes(&output));
}
