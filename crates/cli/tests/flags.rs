//! Flags without effect are refused on one line, and usage errors state what to do.

mod common;

use common::{Folder, refused};
use striate_formats::{ModelFile, onnx_model_bytes, pytorch_bytes};
use striate_vision::{Image, encode_png};

/// A folder with a run, an ONNX file, a weights file, an image folder and arrays.
fn files(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.json(&["train", "--epochs", "1", "--out", "run"]);
    let path = folder.path("run/last.safetensors");
    folder.write("model.safetensors", std::fs::read(&path).unwrap());
    let model = ModelFile::load(&path).unwrap();
    folder.write("model.onnx", onnx_model_bytes(&model).unwrap());
    folder.write("weights.pth", pytorch_bytes(&model.weights).unwrap());
    folder.write("a.png", encode_png(&Image::filled(9, 8, [9, 80, 200])).unwrap());
    folder
}

#[test]
fn flags_for_other_kinds_of_files_are_refused() {
    let folder = files("flags-files");
    const KEY: &str = "--key selects a state dict in a checkpoint, but ";
    const OUTPUT: &str = "--output selects an output of an ONNX graph, but ";
    const INPUT: &str = "--input fixes the input shape of an ONNX graph, but ";
    const IGNORE: &str =
        "--ignore-unexpected ignores tensors of a weights file that the network does not have, but ";
    let reading: [(&[&str], &str); 4] = [
        (&["--key", "ema"], KEY),
        (&["--output", "scores"], OUTPUT),
        (&["--input", "1,32,32"], INPUT),
        (&["--ignore-unexpected"], IGNORE),
    ];
    let model = "model.safetensors is a model file; omit it";
    for (flags, what) in reading {
        for (command, sources) in [
            (&["train"][..], "lenet5 is a built-in network; omit it"),
            (&["train", "model.safetensors"], model),
            (&["predict", "model.safetensors", "a.png"], model),
            (&["eval", "model.safetensors", "--data", "digits"], model),
            (&["convert", "model.safetensors", "new.pth"], model),
        ] {
            let line = folder.refusal(&[command, flags].concat());
            assert_eq!(line, format!("error: {what}{sources}\n"), "{command:?} {flags:?}");
        }
    }
    for (command, expected) in [
        (
            "train lenet5 --weights weights.pth --output y",
            "weights.pth is a weights file, lenet5 is a built-in network",
        ),
        (
            "train lenet5 --weights model.safetensors --key y",
            "--key selects a state dict in a checkpoint, but model.safe",
        ),
        (
            "train model.onnx --key y",
            "--key selects a state dict in a checkpoint, but model.onnx is an ONNX file",
        ),
        ("predict model.onnx a.png --ignore-unexpected", "model.onnx is an ONNX file; omit it"),
        ("convert weights.pth b.pth --ignore-unexpected", "weights.pth is a weights file without a network"),
        (
            "convert weights.pth b.pth --input 1,32,32",
            "--input fixes the input shape of an ONNX graph, but weights.pth",
        ),
        (
            "inspect lenet5 --key a",
            "--key selects a state dict in a checkpoint, but lenet5 is a built-in network",
        ),
        (
            "inspect lenet5 --output a",
            "--output selects an output of an ONNX graph, but lenet5 is a built-in network",
        ),
        (
            "inspect model.onnx --key a",
            "--key selects a state dict in a checkpoint, but model.onnx is an ONNX file",
        ),
        ("inspect weights.pth --text", "--text applies to networks, but weights.pth contains only weights"),
        (
            "inspect weights.pth --plan --train",
            "--plan applies to networks, but weights.pth contains only weights",
        ),
        (
            "inspect weights.pth --classes 3",
            "--classes applies to networks, but weights.pth contains only weights",
        ),
        (
            "run lenet5 --input x.npy --output y.npy --key a",
            "--key selects a state dict in a checkpoint, but lenet5",
        ),
        (
            "run lenet5 --input x.npy --output y.npy --onnx-output a",
            "--onnx-output selects an output of an ONNX graph",
        ),
        ("run model.onnx --input x.npy --output y.npy --ignore-unexpected", "model.onnx is an ONNX file"),
        (
            "bench infer lenet5 --output a",
            "--output selects an output of an ONNX graph, but lenet5 is a built-in",
        ),
        ("bench infer --output a", "bench infer and bench train need exactly one network"),
        ("bench peak lenet5", "bench peak does not accept a network or problem; omit it"),
        ("bench peak --seconds 1", "--seconds applies only to bench kernels, bench infer, bench train"),
        (
            "train --epochs 3 --set train.epochs=5",
            "train.epochs is set by both --set and --epochs; set it once",
        ),
        ("train --set optim.lr=1 --set optim.lr=2", "optim.lr is set by --set twice; set it once"),
        (
            "train --overfit-one-batch --set data.augment=affine",
            "--set: --overfit-one-batch sets data.augment itself; omit one of them",
        ),
        (
            "train --overfit-one-batch --set schedule.warmup=0.5",
            "--set: --overfit-one-batch sets schedule.warmup itself; omit one of them",
        ),
        (
            "train --skip-unreadable",
            "--skip-unreadable applies to image files, but digits is built in; omit it",
        ),
        (
            "train --data npy:x --max-pixels 9",
            "--max-pixels applies to image files, but npy:x contains arrays",
        ),
        (
            "eval model.safetensors --data digits --max-pixels 9",
            "--max-pixels applies to image files, but digits is",
        ),
        ("eval model.safetensors --data mnist --skip-unreadable", "but mnist is not stored as image files"),
    ] {
        let line = folder.refusal(&command.split(' ').collect::<Vec<_>>());
        assert!(line.contains(expected), "{command}: {line}");
    }
}

#[test]
fn flags_with_an_effect_are_accepted() {
    let folder = files("flags-effect");
    striate_tensor::npy::write(&folder.path("x.npy"), &[1, 1, 32, 32].into(), &[0.5f32; 1024]).unwrap();
    for command in [
        "train lenet5 --weights weights.pth --ignore-unexpected --steps 1 --out one",
        "convert weights.pth b.pth --model lenet5 --ignore-unexpected --classes 10",
        "inspect model.onnx --output fc3",
        "run lenet5 --weights weights.pth --input x.npy --output y.npy --ignore-unexpected",
        "run lenet5 --weights weights.pth --input x.npy --output y.npy --classes 3 --seed 4",
        "run lenet5 --input x.npy --output y.npy --seed 4",
    ] {
        let output = folder.run(&command.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// With --overfit-one-batch, the number of epochs may come from any flag.
#[test]
fn overfitting_uses_the_given_number_of_epochs() {
    let folder = Folder::new("flags-overfit");
    let flags = ["train", "--overfit-one-batch", "--batch", "8", "--out"];
    for (out, epochs) in [("set", &["--set", "train.epochs=3"]), ("flag", &["--epochs", "3"])] {
        let result = folder.json(&[&flags[..], &[out], epochs].concat());
        assert_eq!((&result["epochs"], &result["steps"]), (&3.into(), &3.into()), "{result}");
    }
}

#[test]
fn overfitting_uses_a_constant_learning_rate_from_the_first_step() {
    let folder = Folder::new("flags-constant");
    let drafted = folder.json(&["train", "--overfit-one-batch", "--dry-run"]);
    let schedule = &drafted["recipe"]["schedule"];
    assert_eq!((&schedule["name"], &schedule["warmup"]), (&"constant".into(), &0.0.into()), "{schedule}");
}

/// Every flag of `train` is refused with `--resume`, except those listed here.
#[test]
fn resume_refuses_flags_that_would_change_the_run() {
    let folder = Folder::new("flags-resume");
    folder.json(&["train", "--steps", "3", "--out", "run"]);
    let help = String::from_utf8(folder.run(&["train", "--help"]).stdout).unwrap();
    let options = help.split("Options:").nth(1).unwrap().split("\n\n").next().unwrap();
    let flags: Vec<Vec<&str>> = (options.lines())
        .filter_map(|line| line.trim().strip_prefix("--").map(|_| line.trim()))
        .map(|line| line.split("  ").next().unwrap().split(' ').collect())
        .collect();
    assert!(flags.len() > 20, "{flags:?}");
    let mut refused = 0;
    for words in flags {
        let allowed = [
            "--resume",
            "--any-isa",
            "--epochs",
            "--steps",
            "--cache",
            "--threads",
            "--device",
            "--no-report",
        ];
        if allowed.contains(&words[0]) || ["--precision", "--json"].contains(&words[0]) {
            continue;
        }
        let value: &[&str] = if words.len() == 1 { &[] } else { &["1,1"] };
        let value =
            if ["--batch", "--lr", "--seed", "--max-pixels"].contains(&words[0]) { &["1"] } else { value };
        let line = folder.refusal(&[&["train", "--resume", "run", words[0]], value].concat());
        let expected =
            format!("error: {} cannot be used with --resume, which takes the run's own recipe", words[0]);
        assert!(line.starts_with(&expected), "{line}");
        refused += 1;
    }
    assert!(refused > 15, "{refused}");
    let line = folder.refusal(&["train", "lenet5", "--resume", "run"]);
    assert!(line.starts_with("error: MODEL cannot be used with --resume, which takes"), "{line}");
    let line = folder.refusal(&["train", "--any-isa"]);
    assert_eq!(line, "error: --resume <FOLDER> is missing; see striate train --help\n");
}

/// Scripts may pass `--seed` to every verb that computes; where nothing is drawn, the program says so.
#[test]
fn seed_without_effect_is_reported() {
    let folder = files("flags-seed");
    striate_tensor::npy::write(&folder.path("x.npy"), &[1, 1, 32, 32].into(), &[0.5f32; 1024]).unwrap();
    for (command, is_used) in [
        ("eval model.safetensors --data digits", false),
        ("convert weights.pth b.pth", false),
        ("inspect lenet5", false),
        ("verify model.safetensors", false),
        ("bench kernels m8n8k8 --seconds 0.001", false),
        ("run lenet5 --weights weights.pth --input x.npy --output y.npy", false),
        ("run model.safetensors --input x.npy --output y.npy", false),
        ("run lenet5 --input x.npy --output y.npy", true),
    ] {
        let output = folder.run(&[&command.split(' ').collect::<Vec<_>>()[..], &["--seed", "1"]].concat());
        let notes = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {notes}");
        let note = "--seed has no effect: nothing is drawn at random\n";
        assert_eq!(notes.matches(note).count(), usize::from(!is_used), "{command}: {notes}");
    }
}

#[test]
fn refusal_with_a_seed_without_effect_is_one_line() {
    let folder = files("flags-seed-refused");
    for (command, expected) in [
        ("eval none.safetensors --data digits", "none.safetensors"),
        ("predict model.safetensors none.png", "none.png"),
        ("convert none.pth b.pth", "none.pth"),
        ("inspect lenet", "did you mean lenet5?"),
        ("verify none.safetensors", "none.safetensors"),
        ("bench kernels m8n8k8k", "the last field has no number"),
        ("run model.safetensors --input none.npy --output y.npy", "none.npy"),
        ("run model.safetensors --input a.png --output y.npy --threads 1000", "a.png: is not a .npy file"),
    ] {
        let line = folder.refusal(&[&command.split(' ').collect::<Vec<_>>()[..], &["--seed", "1"]].concat());
        assert!(line.contains(expected), "{command}: {line}");
    }
}

#[test]
fn usage_errors_state_what_to_do() {
    let folder = Folder::new("flags-usage");
    for (command, expected) in [
        ("trian", "unknown command trian; did you mean train?"),
        ("zebra", "unknown command zebra; see striate --help"),
        ("data inof", "unknown command inof; did you mean info?"),
        ("train --bacth 3", "unknown flag --bacth; did you mean --batch?"),
        ("train --zebra", "unknown flag --zebra; see striate train --help"),
        ("verify a b", "unexpected argument b; see striate verify --help"),
        ("train --batch", "--batch: a value is required; see striate train --help"),
        ("train --epochs many", "--epochs many: must be a whole number, 0 or more"),
        ("train --seed -3", "--seed -3: must be a whole number, 0 or more"),
        (
            "train --seed 99999999999999999999",
            "--seed 99999999999999999999: must be at most 18446744073709551615",
        ),
        (
            "run m --classes 18446744073709551616",
            "--classes 18446744073709551616: must be at most 18446744073709551615",
        ),
        ("bench infer lenet5 --batch 65537", "--batch 65537: must be a whole number from 1 to 65536"),
        (
            "bench infer lenet5 --batch 99999999999999999999",
            "--batch 99999999999999999999: must be a whole number from 1 to 65536",
        ),
        ("train --lr fast", "--lr fast: must be a number"),
        ("inspect lenet5 --input 1,a", "--input 1,a: expected comma-separated extents, such as 3,224,224"),
        ("bench peak --seconds -1", "--seconds -1: must be a number of seconds from 0 to 3600"),
        ("eval m --data digits --protocol 11crop", "--protocol: unknown value 11crop; did you mean 10crop?"),
        ("bench trian", "WHAT: unknown value trian; did you mean train?"),
        ("eval m", "--data <SPEC> is missing; see striate eval --help"),
        ("convert", "<IN>, <OUT> are missing; see striate convert --help"),
        ("train --lr 1 --lr 2", "--lr is given twice; give it once"),
        ("inspect lenet5 --text --plan", "--plan cannot be used with --text, which only prints the network"),
        (
            "inspect lenet5 --batch 2 --text",
            "--batch cannot be used with --text, which only prints the network",
        ),
        ("inspect lenet5 --plan --layers", "--plan cannot be used with --layers; omit one of them"),
        ("inspect lenet5 --without fuse", "--plan is missing; see striate inspect --help"),
        ("inspect lenet5 --train", "--plan is missing; see striate inspect --help"),
        ("inspect lenet5 --verbose", "--plan is missing; see striate inspect --help"),
        ("inspect lenet5 --plan --verbose --json", "--verbose cannot be used with --json; omit one of them"),
        ("train --dry-run --out run", "--out cannot be used with --dry-run, which writes nothing"),
    ] {
        let line = folder.refusal(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(line, format!("error: {expected}\n"), "{command}");
    }
}

#[cfg(unix)]
#[test]
fn argument_that_is_not_utf8_is_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new("flags-utf8");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_striate"))
        .args([OsStr::new("train"), OsStr::new("--data"), OsStr::from_bytes(b"set\xff")])
        .current_dir(folder.path(""))
        .output()
        .unwrap();
    assert_eq!(refused(&output, "utf8"), "error: set\u{fffd} is not UTF-8; rename the file\n");
}
