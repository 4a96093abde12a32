//! Malicious and misplaced files on the command line: nothing is written or removed where it does
//! not belong, and any bad path gives one line and exit code 2.

#![cfg(unix)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{Folder, refused, text};
use striate_tensor::file::RunLock;

mod common;

const DIGITS: &[&str] = &["train", "--steps", "2", "--threads", "1"];

/// Trains for two steps in the folder `run`, and returns the model.
fn model(folder: &Folder) -> String {
    let output = folder.run(&[DIGITS, &["--out", "run"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text(&folder.path("run/last.safetensors")).to_owned()
}

/// Returns the paths below `root`, folders included, without what is in `runs`.
fn tree(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() && !path.ends_with("runs") {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

fn pipe(folder: &Folder, name: &str) -> PathBuf {
    let path = folder.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn network_name_never_becomes_a_path() {
    let folder = Folder::new("stem");
    let network = String::from_utf8(folder.run(&["inspect", "lenet5", "--text"]).stdout).unwrap();
    let work = folder.path("work/deep");
    fs::create_dir_all(&work).unwrap();
    for (number, name) in ["../../evil", "/tmp/evil", "..", ".", ".hidden/x", "a\\\\b", &"x".repeat(300)]
        .into_iter()
        .enumerate()
    {
        let net = network.replacen("name = \"lenet5\"", &format!("name = \"{name}\""), 1);
        assert_ne!(net, network);
        let file = folder.write("work/deep/net.toml", net);
        let before = tree(&folder.path(""));
        let output = Command::new(env!("CARGO_BIN_EXE_striate"))
            .args(DIGITS)
            .arg(&file)
            .current_dir(&work)
            .output()
            .unwrap();
        let after = tree(&folder.path(""));
        let new: Vec<_> = after.into_iter().filter(|path| !before.contains(path)).collect();
        if output.status.success() {
            let expected = if number == 0 { vec![work.join("runs")] } else { vec![] };
            assert!(new == expected || new.is_empty(), "{name}: {new:?}");
        } else {
            refused(&output, name);
            assert!(new.is_empty(), "{name}: {new:?}");
        }
    }
    for entry in fs::read_dir(work.join("runs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(name.chars().all(is_safe) && !name.starts_with('.') && name.len() < 100, "{name}");
    }
}

#[test]
fn run_folder_that_is_a_link_is_refused() {
    let folder = Folder::new("out-link");
    let file = folder.write("elsewhere/thesis.txt", "of the user");
    symlink(folder.path("elsewhere"), folder.path("out")).unwrap();
    symlink(folder.path("missing"), folder.path("dangling")).unwrap();
    for out in ["out", "dangling"] {
        let line = folder.refusal(&[DIGITS, &["--out", out]].concat());
        assert!(line.contains(out) && line.contains("it is a link"), "{line}");
    }
    assert_eq!(tree(&folder.path("elsewhere")), [file]);
    assert!(!folder.path("missing").exists());
}

#[test]
fn linked_checkpoints_folder_is_refused_and_kept() {
    let folder = Folder::new("checkpoint-link");
    model(&folder);
    let elsewhere = folder.path("elsewhere");
    fs::rename(folder.path("run/checkpoints"), &elsewhere).unwrap();
    symlink(&elsewhere, folder.path("run/checkpoints")).unwrap();
    let before = tree(&elsewhere);
    let line = folder.refusal(&["train", "--resume", "run", "--steps", "4"]);
    assert!(line.contains("run/checkpoints is a link"), "{line}");
    assert_eq!(tree(&elsewhere), before);
}

#[test]
fn converted_file_replaces_a_link_but_not_its_target() {
    let folder = Folder::new("convert-link");
    let model = model(&folder);
    let precious = folder.write("precious.pth", "of the user");
    symlink(&precious, folder.path("out.pth")).unwrap();
    assert!(folder.run(&["convert", &model, "out.pth"]).status.success());
    assert_eq!(fs::read_to_string(precious).unwrap(), "of the user");
    assert!(!folder.path("out.pth").is_symlink());
}

#[test]
fn second_run_in_a_folder_is_refused_with_the_process_id_of_the_first() {
    let folder = Folder::new("lock");
    model(&folder);
    let lock = RunLock::acquire(&folder.path("run")).unwrap();
    let id = format!("run is in use by process {};", std::process::id());
    let line = folder.refusal(&["train", "--resume", "run", "--steps", "4"]);
    assert!(line.contains(&id), "{line}");

    fs::create_dir(folder.path("new")).unwrap();
    let other = RunLock::acquire(&folder.path("new")).unwrap();
    let line = folder.refusal(&[DIGITS, &["--out", "new"]].concat());
    assert!(line.contains("new is in use by process"), "{line}");

    // The lock files stay, like those of killed processes; they do not block.
    drop((lock, other));
    assert!(folder.run(&["train", "--resume", "run", "--steps", "4"]).status.success());
    assert!(folder.run(&[DIGITS, &["--out", "new"]].concat()).status.success());
}

#[test]
fn new_run_does_not_overwrite_files_of_a_run() {
    let folder = Folder::new("occupied");
    for name in ["last.safetensors", "metrics.csv", "best.safetensors", "recipe.toml"] {
        let file = folder.write(&format!("out/{name}"), "of the user");
        let line = folder.refusal(&[DIGITS, &["--out", "out"]].concat());
        assert!(line.contains("out already contains"), "{line}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "of the user");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn refused_resume_leaves_recipe_unchanged() {
    let folder = Folder::new("recipe");
    let trained = folder.run(&["train", "--epochs", "2", "--out", "run", "--threads", "1"]);
    assert!(trained.status.success());
    let recipe = folder.path("run/recipe.toml");
    // A comment and a blank line would not survive rewriting.
    let before = format!("# by hand\n\n{}", fs::read_to_string(&recipe).unwrap());
    fs::write(&recipe, &before).unwrap();
    let unchanged = || assert_eq!(fs::read_to_string(&recipe).unwrap(), before);

    let line = folder.refusal(&["train", "--resume", "run", "--epochs", "1"]);
    assert!(line.contains("--epochs 1 is too low; the run needs at least"), "{line}");
    unchanged();
    folder.refusal(&["train", "--resume", "run", "--epochs", "0"]);
    unchanged();
    assert!(folder.run(&["train", "--resume", "run"]).status.success());
    unchanged();

    let steps: Vec<_> = fs::read_dir(folder.path("run/checkpoints")).unwrap().collect();
    for step in steps {
        fs::write(step.unwrap().path().join("state.safetensors"), "damaged").unwrap();
    }
    folder.refusal(&["train", "--resume", "run", "--epochs", "5"]);
    unchanged();
    let changed = before.replacen("lr = 0.", "lr = 1.", 1);
    assert_ne!(changed, before);
    fs::write(&recipe, &changed).unwrap();
    folder.refusal(&["train", "--resume", "run", "--epochs", "5"]);
    assert_eq!(fs::read_to_string(&recipe).unwrap(), changed);
}

/// Commands that read a file, represented by `X`.
const READERS: &[&[&str]] = &[
    &["train", "X.toml", "--steps", "1"],
    &["train", "X.safetensors", "--steps", "1"],
    &["train", "X.onnx", "--steps", "1"],
    &["train", "--recipe", "X.toml", "--steps", "1"],
    &["train", "--weights", "X.pth", "--steps", "1"],
    &["train", "--data", "idx/X", "--steps", "1"],
    &["train", "--resume", "X"],
    &["eval", "X.safetensors", "--data", "digits"],
    &["eval", "X.onnx", "--data", "digits"],
    &["predict", "X.safetensors", "good.png"],
    &["predict", "MODEL", "X.png"],
    &["predict", "MODEL", "X"],
    &["convert", "X.pth", "out.safetensors"],
    &["convert", "X.caffemodel", "out.safetensors"],
    &["convert", "X.onnx", "out.safetensors"],
    &["convert", "X.safetensors", "out.pth"],
    &["convert", "MODEL", "out.onnx", "--preprocessing", "X.json"],
    &["inspect", "X.toml"],
    &["inspect", "X.pth"],
    &["inspect", "X.safetensors"],
    &["inspect", "X.onnx"],
    &["inspect", "X.caffemodel"],
    &["run", "lenet5", "--input", "X.npy", "--output", "y.npy"],
    &["verify", "X.safetensors"],
    &["bench", "infer", "X.toml"],
];

/// Returns a replacement for `X`, and the file that it refers to in `argument`.
fn placed(argument: &str, name: &str, model: &str) -> String {
    argument.replace("MODEL", model).replace('X', name)
}

#[test]
fn invalid_paths_are_refused_in_one_line_with_the_path() {
    let folder = Folder::new("kinds");
    let model = model(&folder);
    folder.write("good.png", good_png(&folder));
    type Make = fn(&Folder, &str);
    let kinds: [(&str, Make); 6] = [
        ("missing", |_, _| ()),
        ("pipe", |folder, name| drop(pipe(folder, name))),
        ("device", |folder, name| symlink("/dev/zero", folder.path(name)).unwrap()),
        ("empty", |folder, name| drop(folder.write(name, ""))),
        ("garbage", |folder, name| {
            drop(folder.write(name, b"\x89\xff\x00 nothing \x1b[2J at all\n".repeat(50)))
        }),
        ("folder", |folder, name| fs::create_dir_all(folder.path(name)).unwrap()),
    ];
    for (kind, make) in kinds {
        // An empty recipe has all defaults.
        for reader in READERS.iter().filter(|reader| kind != "empty" || !reader.contains(&"--recipe")) {
            let named = reader.iter().find(|argument| argument.contains('X')).unwrap();
            let named = placed(named, kind, &model);
            if let Some(parent) = folder.path(&named).parent() {
                fs::create_dir_all(parent).unwrap();
            }
            if folder.path(&named).symlink_metadata().is_err() {
                make(&folder, &named);
            }
            let arguments: Vec<String> = reader.iter().map(|a| placed(a, kind, &model)).collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let line = refused(&timed(&folder, &arguments), &format!("{kind} {arguments:?}"));
            let known = line.contains(kind) && !line.contains('\u{1b}');
            assert!(known, "{kind} {arguments:?}: {line}");
        }
    }
    let names: Vec<_> = ["out.safetensors", "out.pth", "out.onnx", "y.npy"]
        .into_iter()
        .filter(|name| folder.path(name).exists())
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

/// Runs the program and kills it if it waits for a pipe.
fn timed(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new("timeout")
        .args(["--signal=KILL", "60"])
        .arg(env!("CARGO_BIN_EXE_striate"))
        .args(arguments)
        .current_dir(folder.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Returns an image of a digit as a PNG file, drawn by the program.
fn good_png(folder: &Folder) -> Vec<u8> {
    let output = folder.run(&["data", "info", "digits", "--picture", "sheet.png"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(folder.path("sheet.png")).unwrap()
}

#[test]
fn unwritable_output_is_refused_with_its_path() {
    let folder = Folder::new("outputs");
    let model = model(&folder);
    folder.write("good.png", good_png(&folder));
    for extension in ["pth", "csv", "png", "html"] {
        fs::create_dir_all(folder.path(&format!("taken.{extension}"))).unwrap();
    }
    folder.write("file", "");
    for arguments in [
        &["convert", &model, "taken.pth"][..],
        &["convert", &model, "nowhere/a.pth"],
        &["convert", &model, "file/a.pth"],
        &["predict", &model, "good.png", "--csv", "taken.csv"],
        &["predict", &model, "good.png", "--picture", "taken.png"],
        &["data", "info", "digits", "--picture", "taken.png"],
        &["history", "--html", "taken.html"],
        &["train", "--steps", "1", "--out", "file"],
        &["train", "--steps", "1", "--out", "file/run"],
    ] {
        let line = folder.refusal(arguments);
        let named = ["taken.", "nowhere", "file"].iter().any(|name| line.contains(name));
        assert!(named, "{arguments:?}: {line}");
    }
    assert_eq!(fs::read_dir(folder.path("taken.pth")).unwrap().count(), 0);
}

/// Runs the program with its standard output at `stdout`.
fn with_stdout(folder: &Folder, arguments: &[&str], stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_striate"));
    command.args(arguments).current_dir(folder.path("")).stdout(stdout).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn full_stdout_gives_one_line_and_exit_code_1() {
    let folder = Folder::new("full");
    let model = model(&folder);
    folder.write("good.png", good_png(&folder));
    for arguments in [
        &["models"][..],
        &["models", "--json"],
        &["inspect", "lenet5"],
        &["inspect", "lenet5", "--text"],
        &["recipes"],
        &["history"],
        &["data", "info", "digits"],
        &["predict", &model, "good.png"],
        &["predict", &model, "good.png", "--json"],
        &["verify", &model],
        &["--help"],
        &["train", "--help"],
        &["--version"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = with_stdout(&folder, arguments, full.into());
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {line}");
        assert!(line.starts_with("error: cannot write to stdout: "), "{arguments:?}: {line}");
        assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    }
    // A training run must not be lost because of its output.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = with_stdout(&folder, &[DIGITS, &["--out", "trained"]].concat(), full.into());
    assert_eq!(output.status.code(), Some(1));
    assert!(folder.path("trained/last.safetensors").is_file());
}

#[test]
fn pipe_closed_by_its_reader_ends_the_program_silently() {
    let folder = Folder::new("closed");
    for arguments in [&["models"][..], &["history", "--json"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = with_stdout(&folder, arguments, writer.into());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.is_empty(), "{arguments:?}: {text}");
    }
}

#[test]
fn output_to_dev_stdout_is_printed_and_keeps_the_device() {
    let folder = Folder::new("stdout");
    let file = fs::File::create(folder.path("page.html")).unwrap();
    let output = with_stdout(&folder, &["history", "--html", "/dev/stdout"], file.into());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read_to_string(folder.path("page.html")).unwrap().contains("<html"));
    assert!(!Path::new("/dev/stdout").is_file() || Path::new("/dev/stdout").is_symlink());
}

/// Writes an image under a name that is hostile to terminals and spreadsheets.
fn hostile_image(folder: &Folder, name: &[u8], png: &[u8]) -> PathBuf {
    let path = folder.path("images").join(OsStr::from_bytes(name));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, png).unwrap();
    path
}

#[test]
fn hostile_file_names_reach_neither_terminal_nor_spreadsheet() {
    let folder = Folder::new("names");
    let model = model(&folder);
    let png = good_png(&folder);
    for name in [
        &b"a\x1b[2J\x07.png"[..],
        b"b\nerror: forged.png",
        "c\u{202e}gnp\u{9b}.png".as_bytes(),
        b"d\xff\xfe.png",
    ] {
        hostile_image(&folder, name, &png);
    }
    fs::write(folder.path("=cmd|' .png"), &png).unwrap();
    let images = ["predict", &model, "images", "=cmd|' .png", "--top", "1"];

    let output = folder.run(&[&images[..], &["--csv", "table.csv"]].concat());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let is_hostile = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(!printed.contains(is_hostile), "{printed:?}");
    // Two lines for each image, none of them caused by the line break in the name.
    assert_eq!(printed.lines().count(), 10, "{printed}");
    assert!(printed.lines().all(|line| !line.starts_with("error: forged")), "{printed}");

    let table = fs::read_to_string(folder.path("table.csv")).unwrap();
    assert!(!table.contains(is_hostile), "{table:?}");
    assert_eq!(table.lines().count(), 6, "{table}");
    assert!(table.contains("\"'=cmd|' .png\","), "{table}");

    let output = folder.run(&[&images[..], &["--json"]].concat());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !printed.contains(is_hostile), "{printed:?}");
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let files: Vec<&str> =
        json["predictions"].as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    for expected in ["images/a\u{1b}[2J\u{7}.png", "images/d\u{fffd}\u{fffd}.png", "=cmd|' .png"] {
        assert!(files.contains(&expected), "{files:?}");
    }
}

#[test]
fn errors_show_hostile_names_harmlessly() {
    let folder = Folder::new("errors");
    for name in [&b"\x1b[2Ja.safetensors"[..], b"a\xff\nb.safetensors", "\u{202e}a.safetensors".as_bytes()] {
        let output = Command::new(env!("CARGO_BIN_EXE_striate"))
            .arg("verify")
            .arg(OsStr::from_bytes(name))
            .current_dir(folder.path(""))
            .output()
            .unwrap();
        let line = refused(&output, &String::from_utf8_lossy(name));
        assert!(!line.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
}

#[test]
fn layer_names_of_any_length_fit_tables() {
    let folder = Folder::new("long");
    let network = String::from_utf8(folder.run(&["inspect", "lenet5", "--text"]).stdout).unwrap();
    let long = "x".repeat(70_000);
    let net = network.replace("\"conv1\"", &format!("\"{long}\""));
    assert_ne!(net, network);
    folder.write("net.toml", net);
    for flags in [&["inspect", "net.toml"][..], &["inspect", "net.toml", "--plan", "--threads", "1"]] {
        let output = folder.run(flags);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 2)) && !error.contains("panicked"), "{error}");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.lines().all(|line| line.chars().count() < 400), "{flags:?}");
    }
}

#[test]
fn unavailable_memory_gives_one_line() {
    let folder = Folder::new("memory");
    for arguments in [
        &["inspect", "lenet5", "--plan", "--batch", "2000000000"][..],
        &["inspect", "vgg16", "--plan", "--batch", "50000000"],
        &["inspect", "lenet5", "--plan", "--train", "--batch", "2000000000"],
        &["inspect", "lenet5", "--plan", "--train", "--batch", "99999999999"],
        &["inspect", "vgg16", "--plan", "--train", "--batch", "20000"],
        &["inspect", "lenet5", "--plan", "--batch", "18446744073709551615"],
        &["bench", "infer", "lenet5", "--batch", "2000000000"],
        &["bench", "train", "lenet5", "--batch", "2000000000"],
    ] {
        let output = folder.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {:?} {error}", output.status);
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{arguments:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}
