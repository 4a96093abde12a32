//! The output of `models`, `inspect` and `history` for the built-in networks.

mod common;

use common::Folder;
use serde_json::{Value, json};
use striate_engine::Inference;
use striate_formats::safetensors_bytes;
use striate_graph::Network;
use striate_tensor::{Shape, npy};

fn inspected(arguments: &[&str]) -> Value {
    let folder = Folder::new(&format!("inspect-{}", arguments.join("-").replace(',', "_")));
    folder.json(&[&["inspect"], arguments].concat())
}

#[test]
fn models_lists_every_network() {
    let listed = Folder::new("models").json(&["models"]);
    let models = listed["models"].as_array().unwrap();
    assert_eq!(models.len(), striate_models::all().len());
    let years: Vec<u64> = models.iter().map(|model| model["year"].as_u64().unwrap()).collect();
    assert!(years.is_sorted());
    let googlenet = models.iter().find(|model| model["name"] == "googlenet-2014").unwrap();
    assert_eq!(googlenet["params"], 6_998_552);
    assert_eq!(googlenet["params_aux"], 13_378_280 - 6_998_552);
    assert_eq!(googlenet["input"], json!([3, 224, 224]));
}

#[test]
fn inspect_reports_shares_memory_and_auxiliary_heads() {
    let network = inspected(&["googlenet", "--batch", "2"]);
    assert_eq!(network["params"], 6_624_904);
    assert_eq!(network["params_aux"], 13_004_888 - 6_624_904);
    let layers = network["layers"].as_array().unwrap();
    let sum = |field: &str| layers.iter().map(|layer| layer[field].as_f64().unwrap()).sum::<f64>();
    assert!((sum("params_share") - 1.0).abs() < 1e-9 && (sum("macs_share") - 1.0).abs() < 1e-9);
    assert_eq!(sum("neurons"), network["neurons"].as_f64().unwrap());
    let memory = &network["memory"];
    assert_eq!(memory["batch"], 2);
    let [inference, training] =
        ["inference_bytes", "training_bytes"].map(|name| memory[name].as_u64().unwrap());
    assert!(4 * 6_624_904 < inference && inference < training, "{memory}");
}

#[test]
fn networks_adapt_to_classes_and_input() {
    let network = inspected(&["googlenet", "--classes", "10", "--input", "1,128,160"]);
    assert_eq!(network["input"], json!([1, 128, 160]));
    let layers = network["layers"].as_array().unwrap();
    assert_eq!(layers.last().unwrap()["output"], json!([10]));
    assert!(network["memory"]["training_bytes"].is_u64(), "the auxiliary heads adapt to the classes");
    // Too small for the pooling in the auxiliary heads, but not for the network.
    let small = inspected(&["googlenet", "--input", "3,64,64"]);
    assert!(small["memory"]["training_bytes"].is_null() && small["memory"]["inference_bytes"].is_u64());
    for model in striate_models::all() {
        let adapted = inspected(&[model.name, "--classes", "7"]);
        assert_eq!(
            adapted["layers"].as_array().unwrap().last().unwrap()["output"],
            json!([7]),
            "{}",
            model.name
        );
    }
}

const VOLUMES: &str = r#"
    name = "volumes"
    input = [2, 4, 6, 8]
    layers = [
        { name = "conv", op = "conv", out_channels = 3, kernel_size = 3, padding = [1, 0, 0] },
        { op = "relu" },
        { name = "pool", op = "max_pool", kernel_size = [1, 2, 2], stride = [1, 2, 2] },
        { op = "global_average_pool" },
        { op = "flatten" },
        { name = "fc", op = "linear", out_features = 5 },
    ]"#;

/// Computed by hand: 3 kernels of 2·27 taps at 4×4×6 positions.
#[test]
fn volumes_are_inspected_and_run() {
    let folder = Folder::new("volumes");
    folder.write("volumes.toml", VOLUMES);
    let network = folder.json(&["inspect", "volumes.toml", "--batch", "2"]);
    assert_eq!((&network["input"], &network["params"]), (&json!([2, 4, 6, 8]), &json!(3 * 55 + 20)));
    assert_eq!(network["macs"], 3 * 54 * 4 * 4 * 6 + 15);
    let [conv, _, pool, ..] = &network["layers"].as_array().unwrap()[..] else {
        panic!("expected six layers")
    };
    assert_eq!((&conv["output"], &conv["receptive_field"]), (&json!([3, 4, 4, 6]), &json!(3)));
    assert_eq!((&pool["output"], &pool["receptive_field"]), (&json!([3, 4, 2, 3]), &json!(4)));
    assert!(network["memory"]["training_bytes"].as_u64() > network["memory"]["inference_bytes"].as_u64());
    let table = String::from_utf8(folder.run(&["inspect", "volumes.toml"]).stdout).unwrap();
    assert!(table.contains("3×4×4"), "the pool has a receptive field of 3×4×4: {table}");
    let x: Vec<f32> = (0..3 * 2 * 4 * 6 * 8).map(|i| (i % 7) as f32).collect();
    striate_tensor::npy::write(&folder.path("x.npy"), &[3, 2, 4, 6, 8].into(), &x).unwrap();
    let run = folder.json(&["run", "volumes.toml", "--input", "x.npy", "--output", "y.npy"]);
    assert_eq!((&run["output_shape"], &run["n"]), (&json!([5]), &json!(3)));
    let run =
        folder.json(&["run", "volumes.toml", "--input", "x.npy", "--output", "y.npy", "--layer", "pool"]);
    assert_eq!(run["output_shape"], json!([3, 4, 2, 3]));
}

#[test]
fn sizes_of_wrong_rank_are_refused() {
    let folder = Folder::new("ranks");
    folder.write("volumes.toml", VOLUMES);
    let network =
        |input: &str, layer: &str| format!("name = \"n\"\ninput = {input}\nlayers = [{{ {layer} }}]");
    let conv = "op = \"conv\", out_channels = 2, kernel_size = ";
    let pool = "op = \"max_pool\", stride = 1, kernel_size = ";
    for (name, text) in [
        ("deep.toml", network("[1, 8, 8]", &format!("{conv}[2, 3, 3]"))),
        ("deep-border.toml", network("[1, 8, 8]", &format!("{conv}3, padding = [1, 0, 0]"))),
        ("four.toml", network("[1, 8, 8]", &format!("{conv}[1, 2, 3, 4]"))),
        ("row.toml", network("[8]", &format!("{conv}3"))),
        ("rank6.toml", network("[1, 2, 2, 2, 2]", &format!("{conv}1"))),
        ("large.toml", network("[1, 2, 8, 8]", &format!("{conv}3"))),
        ("high.toml", network("[1, 9]", &format!("{conv}[7, 3]"))),
        ("high-border.toml", network("[1, 9]", &format!("{conv}3, padding = [1, 0]"))),
        ("deep-signal.toml", network("[1, 9]", &format!("{conv}[2, 1, 3]"))),
        ("giant.toml", network("[1, 8, 8, 8]", &format!("{conv}65536, padding = 65536"))),
        (
            "wide-gaps.toml",
            network("[1, 1, 8]", &format!("{pool}[2, 1], padding = [1, 0], dilation = [2, 1]")),
        ),
    ] {
        folder.write(name, text);
    }
    striate_tensor::npy::write(&folder.path("maps.npy"), &[1, 2, 6, 8].into(), &[0.5f32; 96]).unwrap();
    for (arguments, expected) in [
        (
            &["inspect", "deep.toml"][..],
            "kernel_size: [2, 3, 3] has a depth, but the input does not; write [height, width]",
        ),
        (
            &["inspect", "deep-border.toml"],
            "padding: pads the depth by 1 before and 1 after, but the input has no depth; write [height, width]",
        ),
        (
            &["inspect", "high.toml"],
            "kernel_size: [7, 3] has a height, but the input does not; write one number, the width",
        ),
        (
            &["inspect", "high-border.toml"],
            "padding: pads the height by 1 before and 1 after, but the input has no height; write one number or \
             [0, left, 0, right]",
        ),
        (
            &["inspect", "deep-signal.toml"],
            "kernel_size: [2, 1, 3] has a depth, but the input does not; write one number, the width",
        ),
        (&["inspect", "four.toml"], "has 4 numbers; expected one, [height, width] or [depth, height, width]"),
        (
            &["inspect", "row.toml"],
            "takes maps [N, C, H, W], signals [N, C, W] or volumes [N, C, D, H, W], not [1, 8]",
        ),
        (&["inspect", "rank6.toml"], "volumes [N, C, D, H, W], not [1, 1, 2, 2, 2, 2]"),
        (&["inspect", "large.toml"], "a window of 3x3x3 does not fit the input [1, 1, 2, 8, 8]"),
        (&["inspect", "giant.toml"], "layer conv1 (conv): kernel_size exceeds 4294967296 taps, the limit"),
        (&["inspect", "wide-gaps.toml"], "covers only padding"),
        (&["inspect", "volumes.toml", "--input", "2,6,8"], "expected 4 extents, separated by commas"),
        (&["inspect", "volumes.toml", "--input", "2,2,6,2"], "conv"),
        (
            &["run", "volumes.toml", "--input", "maps.npy", "--output", "y.npy"],
            "[1, 2, 6, 8]; volumes takes [N, 2, 4, 6, 8]",
        ),
        (&["train", "volumes.toml"], "takes inputs [N, 2, 4, 6, 8], not images"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
}

#[test]
fn output_into_missing_folder_is_refused() {
    let folder = Folder::new("no-folder");
    for arguments in [
        &["history", "--html", "nowhere/line.html"][..],
        &["data", "info", "digits", "--picture", "nowhere/digits.png"],
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains("the folder nowhere does not exist; create it first"), "{arguments:?}: {line}");
    }
}

#[test]
fn excessive_padding_is_refused() {
    let folder = Folder::new("border");
    let conv = "out_channels = 1, kernel_size = 2, dilation = 65536, padding = 65535, stride = 65536";
    folder.write(
        "border.toml",
        format!("name = \"n\"\ninput = [1048576, 1, 1]\nlayers = [{{ op = \"conv\", {conv} }}]"),
    );
    let line = folder.refusal(&["inspect", "border.toml"]);
    assert!(
        line.contains(
            "network n: input has more than 17,592,186,044,416 elements, the limit, including its padding"
        ),
        "{line}"
    );
}

/// An allocation failure reports what the memory was for.
#[cfg(target_os = "linux")]
#[test]
fn allocation_failure_names_its_purpose() {
    let folder = Folder::new("memory");
    let network = |layers: &str| format!("name = \"net\"\ninput = [1, 128, 128]\nlayers = [{layers}]");
    let pad = "{ op = \"pad\", before = [0, 0, 30000, 30000], after = [0, 0, 0, 0] }";
    folder.write("pad.toml", network(&format!("{pad}, {{ op = \"global_average_pool\" }}")));
    let linear = "{ op = \"flatten\" }, { op = \"linear\", out_features = 65536 }";
    folder.write("linear.toml", network(linear));
    for (file, batch) in [("one.npy", 1), ("two.npy", 2)] {
        let images = Shape::from([batch, 1, 128, 128]);
        npy::write(&folder.path(file), &images, &vec![0.5f32; images.numel()]).unwrap();
    }
    for (net, x, expected) in [
        (
            "pad.toml",
            "one.npy",
            ["the values of a single input: not enough memory: cannot allocate ", "; try a smaller one"],
        ),
        (
            "pad.toml",
            "two.npy",
            ["the values of a batch of 2: not enough memory: cannot allocate ", "; try a smaller batch"],
        ),
        (
            "linear.toml",
            "two.npy",
            ["the weights of net: not enough memory: cannot allocate 4295229440 bytes", "bytes\n"],
        ),
    ] {
        let output = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 3000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_striate")])
            .args(["run", net, "--input", x, "--output", "y.npy", "--threads", "1"])
            .current_dir(folder.path(""))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{net} on {x}: {stderr}");
        assert!(expected.iter().all(|words| stderr.contains(words)), "{net} on {x}: {stderr}");
    }
    folder
        .write("huge.toml", network("{ op = \"global_average_pool\" }").replace("128, 128", "60000, 60000"));
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 3000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_striate")])
        .args(["inspect", "huge.toml", "--plan", "--threads", "1"])
        .current_dir(folder.path(""))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("huge.toml: the input of a batch of 1: not enough memory"), "{stderr}");
    assert!(stderr.contains("; choose a smaller --input"), "{stderr}");
}

#[test]
fn run_adapts_network_to_channels_and_classes() {
    let folder = Folder::new("run-adapted");
    let image = Shape::from([1, 1, 64, 80]);
    npy::write(&folder.path("x.npy"), &image, &vec![0.5f32; image.numel()]).unwrap();
    let run = ["run", "inception-v2", "--input", "x.npy", "--output", "y.npy", "--classes"];
    let ran = folder.json(&[&run[..], &["5"]].concat());
    assert_eq!(ran["output_shape"], json!([5]));
    let notes = String::from_utf8(folder.run(&[&run[..], &["5"]].concat()).stderr).unwrap();
    let note =
        "x.npy, shape [1, 1, 64, 80]: inception-v2 is adapted to it; by itself, it takes [N, 3, 224, 224]";
    assert!(notes.contains(note), "{notes}");
    assert!(folder.refusal(&[&run[..], &["0"]].concat()).contains("at least one class"));
    // Images too small for GoogLeNet's auxiliary heads, which `run` does not need.
    let image = Shape::from([2, 3, 33, 47]);
    npy::write(&folder.path("small.npy"), &image, &vec![0.5f32; image.numel()]).unwrap();
    let network = (striate_models::find("googlenet").unwrap().build)().unwrap();
    let weights = Inference::initial_weights(&network, 0).unwrap();
    folder.write("weights.safetensors", safetensors_bytes(&weights, Default::default()).unwrap());
    let run =
        ["run", "googlenet", "--weights", "weights.safetensors", "--input", "small.npy", "--output", "y.npy"];
    assert_eq!(folder.json(&run)["output_shape"], json!([1000]));
    let bench = ["bench", "infer", "lenet5", "--classes", "3", "--input", "2,28,28", "--seconds", "0.01"];
    assert_eq!(folder.json(&bench)["network"], "lenet5");
    assert!(folder.refusal(&["bench", "peak", "--classes", "3"]).contains("bench infer"));
}

/// With `--json`, text and plan are also printed as one object.
#[test]
fn text_and_plan_are_available_as_json() {
    let folder = Folder::new("inspect-json");
    let printed = folder.json(&["inspect", "lenet5", "--classes", "7", "--text"]);
    let network = Network::from_text(printed["text"].as_str().unwrap()).unwrap();
    assert_eq!((printed["name"].as_str().unwrap(), network.classes().unwrap()), ("lenet5", 7));
    let plan = folder.json(&["inspect", "lenet5", "--batch", "2", "--plan"]);
    let bytes = folder.json(&["inspect", "lenet5", "--batch", "2"])["memory"]["inference_bytes"].clone();
    assert_eq!((&plan["name"], &plan["batch"], &plan["peak_bytes"]), (&json!("lenet5"), &json!(2), &bytes));
    let steps = plan["steps"].as_array().unwrap();
    let flops: u64 = steps.iter().map(|step| step["flops"].as_u64().unwrap()).sum();
    assert_eq!(flops, 2 * 2 * 416_520);
    for step in steps {
        assert!(step["seconds"].is_f64() != (step["once"] == true), "{step}");
    }
}

/// The plan of a training step has three products per layer with weights, except that the first layer needs no data
/// gradient.
#[test]
fn plan_of_a_training_step_is_available_as_text_and_json() {
    let folder = Folder::new("inspect-train");
    for (name, flags) in [("lenet5", &[][..]), ("net.toml", &["--threads", "1"])] {
        if name == "net.toml" {
            let text = folder.run(&["inspect", "lenet5", "--text"]).stdout;
            folder.write(name, text);
        }
        let plan = folder.json(&[&["inspect", name, "--plan", "--train", "--batch", "2"], flags].concat());
        assert_eq!((&plan["training"], &plan["batch"]), (&json!(true), &json!(2)));
        let steps = plan["steps"].as_array().unwrap();
        let flops: u64 = steps.iter().map(|step| step["flops"].as_u64().unwrap()).sum();
        let [all, first] = [416_520, 6 * 28 * 28 * 25];
        assert_eq!(flops, 2 * 2 * (3 * all - first));
        assert!(steps.iter().all(|step| step["once"] == false && step["seconds"].is_f64()));
    }
    let bytes = folder.json(&["inspect", "lenet5", "--batch", "2"])["memory"]["training_bytes"].clone();
    let plan = folder.json(&["inspect", "lenet5", "--plan", "--train", "--batch", "2"]);
    assert_eq!(plan["peak_bytes"], bytes);
    let text = folder.run(&["inspect", "lenet5", "--plan", "--train"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("plan of a training step of lenet5 on cpu"), "{text}");
}

#[test]
fn plan_shows_share_of_peak_and_folds_steps_that_run_once() {
    let folder = Folder::new("inspect-plan");
    let plan = folder.json(&["inspect", "resnet20", "--plan"]);
    assert_eq!(plan["training"], json!(false));
    let peak = plan["peak_gflops"].as_f64().unwrap();
    let steps = plan["steps"].as_array().unwrap();
    for step in steps.iter().filter(|step| step["op"] == "conv") {
        let number = |key: &str| step[key].as_f64().unwrap();
        let gflops = number("flops") / number("seconds") / 1e9;
        assert!((number("gflops") / gflops - 1.0).abs() < 1e-6, "{step}");
        assert!((number("percent_of_peak") / (gflops / peak * 100.0) - 1.0).abs() < 1e-6, "{step}");
        assert!(step["format"].is_string() && step["bytes"].as_u64().unwrap() > 0, "{step}");
    }
    let shares: f64 = plan["shares"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{}", plan["shares"]);
    let lines = |flags: &[&str]| {
        let output = folder.run(&[&["inspect", "resnet20", "--plan"], flags].concat());
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let once = steps.iter().filter(|step| step["once"] == true).count();
    let (short, long) = (lines(&[]), lines(&["--verbose"]));
    assert!(short[0].starts_with("plan of inference of resnet20 on cpu"));
    assert!(short[1].contains("once, for fixed weights: ") && once > 20);
    assert_eq!(long.len() + 1, short.len() + once);
    for lines in [short, long] {
        let last = lines.last().unwrap();
        assert!(last.starts_with("time ") && last.ends_with("% the rest"), "{last}");
    }
}

#[test]
fn large_networks_are_grouped_by_module() {
    let folder = Folder::new("inspect-modules");
    let lines = |arguments: &[&str]| {
        let output = folder.run(arguments);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let short = lines(&["inspect", "resnet152"]);
    assert!(short.len() < 80, "{} lines", short.len());
    assert!(short.iter().any(|line| line.trim_start().starts_with("layer3.35")));
    assert!(lines(&["inspect", "resnet152", "--layers"]).len() > 515);
}

#[test]
fn history_lists_milestones_and_verdicts() {
    let folder = Folder::new("history");
    let history = folder.json(&["history"]);
    let line = history["line"].as_array().unwrap();
    assert_eq!((&line[0]["year"], &line[line.len() - 1]["name"]), (&json!(1957), &json!("ResNet")));
    let alexnet = line.iter().find(|milestone| milestone["name"] == "AlexNet").unwrap();
    assert_eq!((&alexnet["params"], &alexnet["layers"]), (&json!(60_965_224), &json!(8)));
    let claims = history["claims"].as_array().unwrap();
    assert!(claims.len() >= 13 && claims.iter().any(|claim| claim["verdict"] == "wrong"));
    let text = String::from_utf8(folder.run(&["history"]).stdout).unwrap();
    assert!(text.contains("1/8.7 of AlexNet's"));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let lines_of = |name: &str| {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).filter(|line| line.starts_with(name)).collect::<Vec<_>>()
    };
    assert_eq!(
        lines_of("Perceptron "),
        ["Perceptron 1957 trunk 400 photocells, 512 units, 8 responses: 4,096 trained weights"]
    );
    assert_eq!(
        lines_of("Zip code net "),
        [
            "Zip code net 1989 trunk 1,256 units, 64,660 connections, 9,760 parameters",
            "Zip code net zip codes 5.0 % one view"
        ]
    );
    let [sizes, errors] = &lines_of("Network in network ")[..] else { panic!("two tables:\n{text}") };
    assert!(sizes.contains(" 966,986 ") && errors.ends_with("CIFAR-10 8.81 % augmented"), "{text}");
    let errors_of_resnet = "ImageNet top-5 3.57 % (6) 4.49 % several scales";
    assert!(lines_of("ResNet ")[1].ends_with(errors_of_resnet), "{text}");
}

#[test]
fn history_page_is_self_contained() {
    let folder = Folder::new("history-page");
    assert!(folder.run(&["history", "--html", "line.html"]).status.success());
    let page = std::fs::read_to_string(folder.path("line.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 5);
    // Wide charts scroll; the tree has a variant for narrow screens.
    assert!(
        page.contains("figure svg { min-width: 900px; }")
            && page.contains("figure.across { display: none; }")
    );
    for figure in ["<figure class=\"across\"", "<figure class=\"upright\""] {
        assert_eq!(page.matches(figure).count(), 1, "{figure}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    for outside in ["<script", "<img", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    assert!(!page.contains("NaN") && !page.contains("inf\""));
    let output = folder.run(&["history", "--html", "missing/line.html"]);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
}

/// As in `striate inspect resnet152 --json | head -1`. The output exceeds a pipe's buffer, so the program is still
/// writing when the pipe closes.
#[cfg(unix)]
#[test]
fn closed_pipe_ends_the_program_silently() {
    use std::io::Read;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    let mut command = Command::new(env!("CARGO_BIN_EXE_striate"));
    command.args(["inspect", "resnet152", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.signal(), Some(signal_hook::consts::SIGPIPE));
}

#[test]
fn run_reports_unused_auxiliary_heads() {
    let folder = Folder::new("heads");
    let text = r#"
        name = "net"
        input = [1, 32, 32]
        heads = [{ layer = "aux.fc", weight = 0.3 }]
        layers = [
            { name = "flat", op = "flatten" },
            { name = "aux.fc", op = "linear", out_features = 10 },
            { name = "fc", op = "linear", out_features = 10, inputs = ["flat"] },
        ]"#;
    folder.write("net.toml", text);
    let trained = folder.json(&["train", "net.toml", "--data", "digits", "--steps", "1", "--out", "run"]);
    let model = trained["model"].as_str().unwrap();
    let images = Shape::from([2, 1, 32, 32]);
    npy::write(&folder.path("x.npy"), &images, &[0.5f32; 2048]).unwrap();
    let ran = folder.run(&["run", "net.toml", "--weights", model, "--input", "x.npy", "--output", "y.npy"]);
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{stderr}");
    assert!(stderr.contains("ignored 2 tensors of auxiliary heads"), "{stderr}");
}
