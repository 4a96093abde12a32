//! Outputs never overwrite inputs, and their names match their formats.

mod common;

use common::Folder;
use striate_testkit::onnx;
use striate_testkit::protobuf::Message;
use striate_vision::{Image, encode_png};

fn split(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

/// The names of the files in the folder with their contents.
fn contents(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    let mut all: Vec<_> = files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn outputs_never_overwrite_inputs_or_each_other() {
    let folder = Folder::new("outputs");
    folder.json(&["train", "--epochs", "1", "--out", "run"]);
    folder.write("model.safetensors", std::fs::read(folder.path("run/last.safetensors")).unwrap());
    folder.write("model.csv", std::fs::read(folder.path("model.safetensors")).unwrap());
    folder.write("mynet.toml", "name = 'n'");
    folder.json(&["convert", "model.safetensors", "a.pth"]);
    folder.write("photo.png", encode_png(&Image::filled(9, 8, [9, 80, 200])).unwrap());
    folder.write("names.csv", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
    striate_tensor::npy::write(&folder.path("x.npy"), &[1, 1, 32, 32].into(), &[0.5f32; 1024]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path("photo.png"), folder.path("link.png")).unwrap();
    folder.write("both.png", encode_png(&Image::filled(9, 8, [9, 80, 200])).unwrap());
    #[cfg(unix)]
    for (file, link) in [("a.pth", "hard.pth"), ("both.png", "both.csv")] {
        std::fs::hard_link(folder.path(file), folder.path(link)).unwrap();
    }
    let before = contents(&folder);
    let linked: &[_] = &[
        ("predict model.safetensors photo.png --picture link.png", "link.png: this command reads the file"),
        ("convert a.pth hard.pth", "hard.pth: this command reads the file"),
        (
            "predict model.safetensors photo.png --picture both.png --csv both.csv",
            "both.csv: used by both --picture and --csv; choose different files",
        ),
    ];
    let plain = [
        (
            "convert a.pth a.pth",
            "a.pth: this command reads the file and would overwrite it; choose another file for OUT",
        ),
        ("convert a.pth run/../a.pth", "a.pth: this command reads the file"),
        (
            "convert a.pth model.safetensors --model model.safetensors",
            "model.safetensors: this command reads the file",
        ),
        ("predict model.safetensors photo.png --picture photo.png", "photo.png: this command reads the file"),
        (
            "predict model.safetensors photo.png --picture ./run/../photo.png",
            "photo.png: this command reads the file",
        ),
        (
            "predict model.safetensors photo.png --csv model.safetensors",
            "model.safetensors: tables are written as .csv; choose a name ending in .csv for --csv",
        ),
        ("predict model.csv photo.png --csv model.csv", "model.csv: this command reads the file"),
        (
            "predict model.safetensors photo.png --csv names.csv --names names.csv",
            "names.csv: this command reads the file",
        ),
        (
            "predict model.safetensors photo.png --picture f.png --csv f.png",
            "f.png: tables are written as .csv; choose a name ending in .csv for --csv",
        ),
        (
            "predict model.safetensors photo.png --picture x.jpg",
            "x.jpg: pictures are written as .png; choose a name",
        ),
        ("data info digits --picture sheet.jpg", "sheet.jpg: pictures are written as .png"),
        ("data info digits --picture sheet", "choose a name ending in .png for --picture"),
        ("run lenet5 --input x.npy --output x.npy", "x.npy: this command reads the file"),
        (
            "run lenet5 --weights a.pth --input x.npy --output y.pth",
            "y.pth: arrays are written as .npy; choose a name",
        ),
        (
            "history --html mynet.toml",
            "mynet.toml: web pages are written as .html; choose a name ending in .html",
        ),
        ("history --html no/page.html", "the folder no does not exist"),
    ];
    for (command, expected) in plain.iter().chain(if cfg!(unix) { linked } else { &[] }) {
        let line = folder.refusal(&split(command));
        assert!(line.contains(expected), "{command}: {line}");
    }
    assert!(contents(&folder) == before, "a file was changed");
    for command in [
        "predict model.safetensors photo.png --picture new.PNG --csv photo.csv",
        "predict model.safetensors . --csv all.csv",
        "convert a.pth b.pth",
        "history --html page.HTM",
    ] {
        let output = folder.run(&split(command));
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// External data of an ONNX file are inputs too: here the weights and biases of a linear layer, in a file each.
#[test]
fn outputs_never_overwrite_external_data() {
    let folder = Folder::new("outputs-external");
    let stored =
        |name: &str, file: &str, extents: &[i64]| onnx::external(name, extents, &[("location", file)]);
    let nodes = [
        onnx::node("GlobalAveragePool", &["x"], "pooled", &[]),
        onnx::node("Flatten", &["pooled"], "means", &[]),
        onnx::node("Gemm", &["means", "w", "b"], "y", &[onnx::int("transB", 1)]),
    ];
    let graph = nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node));
    let graph = graph.message(5, &stored("w", "data/weights.csv", &[2, 3]));
    let graph = graph.message(5, &stored("b", "bias.png", &[2]));
    let graph = graph.message(11, &onnx::value("x", &[-1, 3, 4, 4])).message(12, &onnx::value("y", &[-1, 2]));
    folder.write("ext.onnx", onnx::model_of(17, &graph).bytes);
    let floats = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let weights = folder.write("data/weights.csv", floats(&[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]));
    folder.write("bias.png", floats(&[0.0, 0.0]));
    folder.write("photo.png", encode_png(&Image::filled(9, 8, [255, 51, 0])).unwrap());
    let before = (contents(&folder), std::fs::read(&weights).unwrap());
    for (command, expected) in [
        ("predict ext.onnx photo.png --preprocessing zero-one --csv data/weights.csv", "data/weights.csv"),
        ("predict ext.onnx photo.png --preprocessing zero-one --picture bias.png", "bias.png"),
        ("predict w.pth photo.png --model ext.onnx --csv data/../data/weights.csv", "weights.csv"),
    ] {
        let line = folder.refusal(&split(command));
        assert!(
            line.contains(&format!("{expected}: this command reads the file and would overwrite it")),
            "{line}"
        );
    }
    assert!((contents(&folder), std::fs::read(&weights).unwrap()) == before, "a file was changed");
    // Softmax of the mean red and the mean blue, (1, 0).
    let predicted =
        folder.json(&split("predict ext.onnx photo.png --preprocessing zero-one --csv data/new.csv"));
    let score = predicted["predictions"][0]["top"][0]["score"].as_f64().unwrap();
    assert!((score - 0.731_059).abs() < 1e-5, "{predicted}");
}

/// A run or a picture inside an image folder would be read as data by the next run.
#[test]
fn runs_and_pictures_are_not_written_into_image_folders() {
    let folder = Folder::new("outputs-data");
    for path in ["set/cat/a", "set/cat/b", "set/dog/a", "set/dog/b"] {
        folder.write(&format!("{path}.png"), encode_png(&Image::filled(9, 8, [9, 80, 200])).unwrap());
    }
    folder.write("one/a.png", encode_png(&Image::filled(9, 8, [9, 80, 200])).unwrap());
    for (command, expected) in [
        (
            "train --data set --out set/run",
            "set/run: is inside the data set (set) and would be read as data; choose another",
        ),
        ("train --data set --out set", "set: is inside the data set (set)"),
        ("train --data .", "runs: is inside the data set (.) and would be read as data"),
        ("data info set --picture set/sheet.png", "set/sheet.png: is inside the data set (set)"),
        ("eval m.safetensors --data set --csv set/cat/x.csv", "set/cat/x.csv: is inside the data set (set)"),
        (
            "look m.safetensors --data set --layer conv1 --out set/look",
            "set/look: is inside the data set (set)",
        ),
        (
            "predict m.safetensors one --picture set/../one/new.png",
            "new.png: is inside the image folder (one) and would be read as one of its images; choose another",
        ),
        ("predict m.safetensors one --picture one/x.png", "one/x.png: is inside the image folder (one)"),
    ] {
        let line = folder.refusal(&split(command));
        assert!(line.contains(expected), "{command}: {line}");
    }
    assert_eq!(std::fs::read_dir(folder.path("set")).unwrap().count(), 2);
    assert_eq!(std::fs::read_dir(folder.path("set/cat")).unwrap().count(), 2);
    assert!(!folder.path("runs").exists());
    // Next to parts, nothing is read as data.
    std::fs::create_dir(folder.path("parts")).unwrap();
    std::fs::rename(folder.path("set"), folder.path("parts/train")).unwrap();
    let line = folder.refusal(&split("train --data parts --out parts/train/run"));
    assert!(line.contains("parts/train/run: is inside the data set (parts/train)"), "{line}");
    folder.json(&split("train --data parts --epochs 1 --out parts/run"));
    for command in
        ["report parts/run --out parts/train/x.html", "compare parts/run --picture parts/train/x.png"]
    {
        let line = folder.refusal(&split(command));
        assert!(line.contains("is inside the data set (parts/train)"), "{command}: {line}");
    }
    let info = folder.json(&split("data info parts"));
    assert_eq!(info["classes"], serde_json::json!(["cat", "dog"]));
}

/// A skipped file whose extension contains a line break: text stays on one line, JSON keeps the name.
#[cfg(unix)]
#[test]
fn line_breaks_in_extensions_start_no_line() {
    let folder = Folder::new("outputs-extensions");
    for path in ["cat/a", "cat/b", "dog/a", "dog/b"] {
        folder.write(&format!("set/{path}.png"), encode_png(&Image::filled(9, 8, [9, 80, 200])).unwrap());
    }
    let name = "set/cat/a.x\nerror: forged";
    folder.write(name, "no image");
    for command in ["train --data set --dry-run", "data info set"] {
        let output = folder.run(&split(command));
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(output.status.success() && text.contains("skipped: 1 × x error: forged, first"), "{text}");
        assert!(text.lines().all(|line| !line.starts_with("error")), "{command}: {text}");
    }
    let unreadable = "set/cat/b\nforged.png";
    folder.write(unreadable, "no image");
    let survey = &folder.json(&["data", "info", "set"])["survey"];
    let skipped = serde_json::json!([{ "kind": "x\nerror: forged", "count": 1, "first": name }]);
    assert_eq!((&survey["skipped"], &survey["unreadable"][0]["file"]), (&skipped, &unreadable.into()));
}

/// Names with line breaks are always printed on one line.
#[cfg(unix)]
#[test]
fn line_breaks_in_names_start_no_line() {
    let folder = Folder::new("outputs-breaks");
    folder.json(&["train", "--epochs", "1", "--out", "run"]);
    let model = "m\nforged.safetensors";
    folder.write(model, std::fs::read(folder.path("run/last.safetensors")).unwrap());
    striate_tensor::npy::write(&folder.path("x\nforged.npy"), &[1, 1, 32, 32].into(), &[0.5f32; 1024])
        .unwrap();
    for (arguments, expected) in [
        (&["verify", model][..], "m forged.safetensors: the content"),
        (&["convert", model, "w\nforged.pth"], "w forged.pth written"),
        (&["inspect", "w\nforged.pth"], "w forged.pth: weights without a network"),
        (&["run", model, "--input", "x\nforged.npy", "--output", "y\nforged.npy"], "y forged.npy written"),
        (&["eval", model, "--data", "digits"], "error "),
    ] {
        let output = folder.run(arguments);
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(output.status.success() && text.contains(expected), "{arguments:?}: {text}");
        assert!(text.lines().all(|line| !line.starts_with("forged")), "{arguments:?}: {text}");
    }
}
