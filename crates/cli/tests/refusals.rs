//! Bad input: one line with what, where and what to do; exit code 2; no other output, nothing lost.

mod common;

use common::{Folder, refused, text};

#[test]
fn typos_get_the_nearest_valid_word() {
    let folder = Folder::new("words");
    for (arguments, expected) in [
        (&["trian"][..], "train"),
        (&["train", "lenet"], "did you mean lenet5?"),
        (&["train", "--data", "digit"], "did you mean digits?"),
        (&["train", "--data", "zebras"], "use digits, mnist"),
        (&["train", "--recipe", "lenet5-digit"], "did you mean lenet5-digits?"),
        (&["train", "--set", "optim.lrr=1"], "did you mean optim.lr?"),
        (&["train", "--set", "optim.lr"], "not an assignment"),
        (&["train", "--set", "optim.name=sdg"], "did you mean sgd?"),
        (&["train", "--epochs", "0"], "--epochs: train.epochs=0: recipe: train.epochs must be from 1"),
        (&["train", "--epochs", "many"], "--epochs"),
        (&["train", "--batch", "0"], "train.batch must be from 1"),
        (
            &["train", "--size", "32x32"],
            "expected height and width, such as 224,224, or one number for a square",
        ),
        (&["train", "--size", "0,32"], "expected height and width, such as 224,224"),
        (&["train", "--set", "data.size=[32]"], "--set: data.size=[32]"),
        (&["train", "--max-pixels", "0"], "data.max_pixels must be 1 or more"),
        (&["train", "--lr", "nan"], "optim.lr"),
        (&["train", "--bacth", "3"], "--batch"),
        (&["train", "--threads", "1000"], "cores"),
        (&["train", "--set", "loss.smoothing=2"], "loss.smoothing"),
        (&["inspect", "lenet5", "--plan", "--batch", "100000000"], "is too large; the limits are"),
        (&["inspect", "lenet5", "--plan", "--train", "--batch", "100000000"], "is too large; the limits are"),
        (&["inspect", "lenet5", "--plan", "--train", "--batch", "0"], "--batch"),
        (&["inspect", "lenet6", "--plan", "--train"], "did you mean lenet5?"),
        (&["inspect"], "<MODEL>"),
        (&["inspect", "lenet6"], "did you mean lenet5? `striate models` lists them all"),
        (&["tran"], "unknown command tran; did you mean train?"),
        (&["evl"], "unknown command evl; did you mean eval?"),
        (&["inspect", "zebra"], "unknown network zebra; `striate models` lists them all"),
        (&["inspect", "lenet5", "--classes", "0"], "at least one class"),
        (&["inspect", "lenet5", "--input", "1,32"], "--input"),
        (&["inspect", "lenet5", "--input", "1,4,4"], "conv1"),
        (&["inspect", "lenet5", "--batch", "0"], "--batch"),
        (&["inspect", "vgg16", "--input", "3,16,16"], "features.30"),
        (&["inspect", "lenet5", "--plan", "--without", "fusee"], "did you mean fuse?"),
        (&["data", "get", "minst", "--from", "."], "did you mean mnist?"),
        (&["data", "get", "minst"], "did you mean mnist?"),
        (&["data", "info", "mnits"], "did you mean mnist?"),
        (&["recipes", "lenet"], "lenet5"),
        (&["experiment", "poling"], "did you mean pooling?"),
        (&["experiment", "pooling", "--seeds", "0"], "--seeds"),
        (&["experiment", "pooling", "--seed", "1"], "use --seeds N"),
        (&["experiment", "crops", "--seeds", "2"], "--seeds: crops trains nothing"),
        (&["experiment", "crops", "--full"], "--full: crops has a single scale"),
        (&["eval", "x.safetensors", "--data", "digits", "--protocol", "11crop"], "--protocol"),
        (&["train", "--resume", "nowhere"], "nowhere: not a run folder (no recipe.toml)"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
}

#[test]
fn missing_and_damaged_files_are_named() {
    let folder = Folder::new("files");
    folder.write("text.safetensors", "plain text, not a model");
    folder.write("empty.safetensors", "");
    folder.write("huge.safetensors", [&u64::MAX.to_le_bytes()[..], &[0; 32]].concat());
    folder.write("plain.safetensors", [&2u64.to_le_bytes()[..], b"{}"].concat());
    folder.write(
        "bad.toml",
        "name = \"bad\"\ninput = [1, 8, 8]\nlayers = [{ op = \"conv\", kernel_size = 3 }]",
    );
    folder.write("giant.toml", "name = \"a\"\ninput = [1, 8, 8]\nlayers = [{ op = \"conv\", out_channels = 99999999999, kernel_size = 3 }]");
    folder.write("picture.png", "no picture");
    folder.write("x.npy", "no array");
    striate_tensor::npy::write::<f32>(&folder.path("none.npy"), &[0, 1, 32, 32].into(), &[]).unwrap();
    folder.write(
        "rows.toml",
        "name = \"rows\"\ninput = [7]\nlayers = [{ op = \"linear\", out_features = 10 }]",
    );
    striate_tensor::npy::write::<f32>(&folder.path("row.npy"), &[1, 7].into(), &[0.5; 7]).unwrap();
    striate_tensor::npy::write::<f32>(&folder.path("tiny.npy"), &[1, 1, 7, 7].into(), &[0.5; 49]).unwrap();
    folder.write("set/images.npy", "no array");
    folder.write("notes.txt", "a network?");
    let weights = striate_formats::pytorch_bytes(&Default::default()).unwrap();
    folder.write("weights.pth", &weights);
    let colors = [2, 3, 32, 32];
    striate_tensor::npy::write::<f32>(&folder.path("colors.npy"), &colors.into(), &[0.5; 2 * 3 * 32 * 32])
        .unwrap();
    folder.write("graph.onnx", striate_testkit::onnx::model(&[3, 4, 4], &[], &[]).bytes);
    let pool = striate_testkit::onnx::node("GlobalAveragePool", &["x"], "y", &[]);
    folder.write("open.onnx", striate_testkit::onnx::model_on(&[-1, 3, -1, -1], &[pool], &[]).bytes);
    folder.write("empty.pth", "");
    let some = [("a.weight".to_owned(), ([2].into(), vec![0.5; 2]))].into();
    let some = striate_formats::pytorch_bytes(&some).unwrap();
    for name in ["some.pth", "weights.bin", "weights.caffemodel"] {
        folder.write(name, &some);
    }
    std::fs::create_dir(folder.path("arrays")).unwrap();
    let labels = striate_tensor::npy::write(&folder.path("arrays/labels.npy"), &[2].into(), &[0i64, 1]);
    labels.unwrap();
    std::fs::copy(folder.path("colors.npy"), folder.path("arrays/images.npy")).unwrap();
    folder.write("cut.pth", &some[..some.len() / 2]);
    folder.json(&["train", "--epochs", "1", "--out", "run"]);
    let model = text(&folder.path("run/last.safetensors")).to_owned();
    let cut = std::fs::read(&model).unwrap();
    folder.write("cut.safetensors", &cut[..cut.len() / 2]);
    let mut flipped = cut.clone();
    flipped[cut.len() / 2] ^= 1;
    folder.write("flipped.safetensors", flipped);
    for (arguments, expected) in [
        (&["eval", "nothere.safetensors", "--data", "digits"][..], "nothere.safetensors"),
        (&["eval", "text.safetensors", "--data", "digits"], "not a complete safetensors file"),
        (
            &["eval", "empty.safetensors", "--data", "digits"],
            "empty.safetensors: is empty; write or download",
        ),
        (&["predict", "empty.pth", "picture.png"], "empty.pth: is empty; write or download it again"),
        (
            &["predict", "cut.pth", "picture.png"],
            "cut.pth: is truncated or damaged: not a complete zip archive",
        ),
        (
            &["verify", "graph.onnx"],
            "graph.onnx: is an ONNX file, not a model file; make a model file with: striate convert graph.onnx graph.safetensors",
        ),
        (&["eval", "huge.safetensors", "--data", "digits"], "not a complete safetensors file"),
        (&["eval", "cut.safetensors", "--data", "digits"], "not a complete safetensors file"),
        (&["eval", "flipped.safetensors", "--data", "digits"], "checksum"),
        (
            &["eval", "plain.safetensors", "--data", "digits"],
            "plain.safetensors: contains only weights, not a network; specify their network with --model NAME|FILE",
        ),
        (&["verify", "plain.safetensors"], "make a model file with `striate convert` and --model NAME"),
        (
            &["eval", "lenet5", "--data", "digits"],
            "lenet5: is a built-in network, not a file with trained weights; train it with `striate train lenet5`",
        ),
        (&["predict", "lenet5", "picture.png"], "or pass a weights file with --model lenet5"),
        (&["convert", "lenet5", "out.onnx"], "lenet5: is a built-in network"),
        (&["verify", "lenet5"], "lenet5: is a built-in network"),
        (&["predict", "weights.pth", "picture.png", "--classes", "3"], "--model <NAME|FILE>"),
        (
            &["run", &model, "--input", "colors.npy", "--output", "y.npy"],
            "colors.npy: has shape [2, 3, 32, 32]; lenet5 takes [N, 1, 32, 32]",
        ),
        (
            &["run", "lenet5", "--weights", &model, "--input", "colors.npy", "--output", "y.npy"],
            "colors.npy: has shape [2, 3, 32, 32]; lenet5 takes [N, 1, 32, 32]",
        ),
        (&["verify", "cut.safetensors"], "cut.safetensors"),
        (&["inspect", "bad.toml"], "out_channels"),
        (&["inspect", "giant.toml"], "is too large; the limits are 16,777,216 per axis"),
        (&["inspect", "notes.txt"], "notes.txt"),
        (&["inspect", "nothere.pth"], "cannot read nothere.pth: no such file or folder; check the path"),
        (
            &["run", "nothere.caffemodel", "--input", "row.npy", "--output", "y.npy"],
            "cannot read nothere.caffemodel",
        ),
        (&["train", "nothere/net"], "cannot read nothere/net: no such file or folder"),
        (&["inspect", "set"], "set is a folder; a network is a .toml"),
        (&["predict", "weights.pth", "picture.png"], "weights.pth: contains no tensors"),
        (
            &["eval", "some.pth", "--data", "digits"],
            "some.pth: contains only weights, not a network; specify their network with --model",
        ),
        (&["verify", "weights.bin"], "weights.bin: contains only weights"),
        (&["verify", "cut.pth"], "cut.pth: is truncated or damaged: not a complete zip archive"),
        (
            &["data", "info", "npy:arrays", "--picture", "x.png"],
            "npy:arrays: its arrays contain values of any range, not bytes",
        ),
        (&["verify", "weights.caffemodel"], "weights.caffemodel: contains only weights"),
        (
            &["run", "weights.pth", "--input", "row.npy", "--output", "y.npy"],
            "weights.pth: contains no tensors",
        ),
        (
            &["run", "some.pth", "--input", "row.npy", "--output", "y.npy"],
            "some.pth: contains only weights, not a network; name the network here, and this file with --weights",
        ),
        (&["predict", &model, "picture.png", "--csv", "nowhere/a.csv"], "the folder nowhere does not exist"),
        (&["data", "info", "nothing", "--picture", "nowhere/a.png"], "the folder nowhere does not exist"),
        (&["predict", &model, "picture.png"], "picture.png: not an image"),
        (&["predict", &model, "nothere.png"], "nothere.png"),
        (&["predict", &model, "a.png", "b.png", "--picture", "c.png"], "exactly one image"),
        (&["run", "lenet5", "--input", "x.npy", "--output", "y.npy"], "not a .npy file"),
        (&["run", "open.onnx", "--input", "x.npy", "--output", "y.npy"], "x.npy: is not a .npy file"),
        (&["run", "lenet5", "--input", "none.npy", "--output", "y.npy"], "is empty"),
        (&["run", "lenet5", "--input", "row.npy", "--output", "y.npy"], "lenet5 takes [N, 1, 32, 32]"),
        (
            &["run", "lenet5", "--input", "tiny.npy", "--output", "y.npy"],
            "tiny.npy, shape [1, 1, 7, 7]: network lenet5, layer conv2 (conv): a window of 5x5 does not fit",
        ),
        (&["train", "--lr", "0"], "optim.lr must be a finite number above 0"),
        (&["train", "rows.toml"], "takes inputs [N, 7], not images"),
        (&["inspect", "rows.toml", "--input", "1,2"], "expected 1 extent"),
        (&["train", "--data", "npy:set"], "not a .npy file"),
        (&["train", "--data", "npy:nowhere"], "nowhere: not a folder"),
        (&["data", "get", "mnist", "--from", "set"], "train-images-idx3-ubyte"),
        (&["data", "get", "mnist", "--from", "nowhere"], "nowhere: not a folder"),
        (&["train", "--epochs", "1", "--out", "run"], "already contains a run"),
        (&["train", "--resume", "run", "--lr", "1"], "--lr cannot be used with --resume"),
        (&["train", "--weights", "plain.safetensors", "--out", "other"], "missing"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
    assert_eq!(std::fs::read(&model).unwrap(), cut, "the model file is unchanged");
    let rows = folder.json(&["run", "rows.toml", "--input", "row.npy", "--output", "y.npy"]);
    assert_eq!(rows["output_shape"], serde_json::json!([10]), "a network may also read rows");
}

/// IDX files with the right names but wrong content, in the data folder.
#[test]
fn invalid_idx_files_are_refused() {
    let folder = Folder::new("idx");
    let data = folder.path("data");
    let variables = [("STRIATE_DATA", text(&data))];
    let header = |extents: [u32; 3]| {
        let mut bytes = vec![0, 0, 8, 3];
        extents.iter().for_each(|extent| bytes.extend(extent.to_be_bytes()));
        bytes
    };
    for (name, content, expected) in [
        ("overflowing sizes", header([u32::MAX, u32::MAX, u32::MAX]), "more elements than memory"),
        ("no data", header([60_000, 28, 28]), "declares 47040000 bytes"),
        ("another format", b"hello".to_vec(), "not an IDX file"),
    ] {
        for file in [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ] {
            folder.write(&format!("data/mnist/{file}"), &content);
        }
        let line = refused(&folder.run_with(&["train", "--data", "mnist"], &variables), name);
        assert!(line.contains(expected), "{name}: {line}");
        let source = folder.path("data/mnist");
        let get = folder.run_with(&["data", "get", "mnist", "--from", text(&source)], &variables);
        assert!(refused(&get, name).contains("MD5"), "{name}");
    }
    let line = refused(&folder.run_with(&["train", "--data", "fashion-mnist"], &variables), "missing set");
    assert!(line.contains("run: striate data get fashion-mnist"), "{line}");
}

#[test]
fn mirror_addresses_are_checked() {
    let folder = Folder::new("mirrors");
    let data = folder.path("data");
    for address in ["ftp://host/mnist", "host/mnist", "http://", "http://good/,file:///data"] {
        let variables = [("STRIATE_DATA", text(&data)), ("STRIATE_MIRROR", address)];
        let line = refused(&folder.run_with(&["data", "get", "mnist"], &variables), address);
        assert!(line.contains("STRIATE_MIRROR") && line.contains("http://HOST/FOLDER"), "{line}");
    }
    assert!(!data.exists());
}

#[test]
fn instruction_sets_are_checked() {
    let folder = Folder::new("isa-names");
    let unknown = folder.run_with(&["inspect", "lenet5"], &[("STRIATE_ISA", "mmx")]);
    assert!(refused(&unknown, "mmx").contains("unknown instruction set"));
    for isa in striate_engine::Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        let absent = folder.run_with(&["inspect", "lenet5"], &[("STRIATE_ISA", isa.name())]);
        assert!(refused(&absent, isa.name()).contains("this machine does not support"), "{isa}");
    }
}

#[test]
fn damaged_checkpoint_error_names_the_previous_one() {
    let folder = Folder::new("checkpoints");
    folder.json(&["train", "--out", "run", "--steps", "5"]);
    folder.json(&["train", "--resume", "run", "--steps", "9"]);
    let state = folder.path("run/checkpoints/step-000000009/state.safetensors");
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 16;
    std::fs::write(&state, bytes).unwrap();
    let line = folder.refusal(&["train", "--resume", "run"]);
    assert!(line.contains("step-000000009") && line.contains("step-000000005"), "{line}");
}
