//! Texts from files to a trained model, through the command line.

mod common;

use common::{Folder, text};
use serde_json::{Value, json};
use striate_vision::{Image, encode_png};

/// A sentence of one of two languages, which share letters but not words.
fn sentence(class: &str, number: usize) -> String {
    let words: [&str; 8] = match class {
        "one" => ["kalo", "mita", "suru", "pelo", "nika", "toma", "rasi", "velu"],
        _ => ["strin", "glomp", "frast", "klunt", "brisk", "plond", "drask", "flimt"],
    };
    let word = |place: usize| words[(number * 7 + place * (3 + number % 4)) % 8];
    format!("{} {number}", (0..5).map(word).collect::<Vec<_>>().join(" "))
}

/// Two classes: `train` training and four test sentences each.
fn sentences(folder: &Folder, train: usize) {
    for class in ["one", "two"] {
        let lines: Vec<String> = (0..train + 4).map(|number| sentence(class, number)).collect();
        folder.write(&format!("set/train/{class}/a.txt"), lines[..train].join("\n"));
        folder.write(&format!("set/test/{class}/a.txt"), lines[train..].join("\r\n"));
    }
}

fn trained(folder: &Folder, out: &str, more: &[&str]) -> Value {
    let base = ["train", "--data", "text:set", "--out", out];
    folder.json(&[&base[..], more].concat())
}

#[test]
fn two_languages_are_learned_without_errors() {
    let folder = Folder::new("languages");
    sentences(&folder, 60);
    let run = trained(&folder, "run", &["--epochs", "12"]);
    assert_eq!(
        (&run["top1_error"], &run["summary"]["network"]["name"]),
        (&json!(0.0), &json!("char-cnn-short"))
    );
    let data = &run["summary"]["data"];
    let encoding = data["encoding"].as_str().unwrap();
    let start =
        "the first 204 characters in lower case and reverse order, as planes of 28 characters: 0123456789abd";
    assert!(encoding.starts_with(start), "{encoding}");
    let notes = data["notes"].to_string();
    assert!(notes.contains("the first 204 are used, which 0 of 120 exceed"), "{notes}");
    assert!(notes.contains("the alphabet is all 28 characters of the train texts"), "{notes}");
    assert_eq!(run["summary"]["network"]["input"], json!([28, 204]));
    let model = folder.path("run/last.safetensors");
    let evaluated = folder.json(&["eval", text(&model), "--data", "text:set", "--csv", "guesses.csv"]);
    assert_eq!((&evaluated["n"], &evaluated["top1_error"]), (&json!(8), &json!(0.0)));
    let table = std::fs::read_to_string(folder.path("guesses.csv")).unwrap();
    assert!(table.contains("\"set/test/one/a.txt:1\",\"one\",\"one\""), "{table}");
    assert_eq!(folder.json(&["verify", text(&model)])["ok"], json!(true));
    folder.write("new.txt", "SURU pelo kalo\n\nklunt glomp\n");
    let guesses = folder.json(&["predict", text(&model), "new.txt", "--text", "brisk drask", "--top", "1"]);
    let of = |index: usize| &guesses["predictions"][index];
    assert_eq!((&of(0)["text"], &of(0)["top"][0]["class"]), (&json!("brisk drask"), &json!("two")));
    assert_eq!((&of(1)["line"], &of(1)["top"][0]["class"]), (&json!(1), &json!("one")));
    assert_eq!((&of(2)["line"], &of(2)["top"][0]["class"]), (&json!(3), &json!("two")));
    assert!(folder.path("run/report.html").exists());
    let info = folder.json(&["data", "info", "text:set"]);
    assert_eq!(info["parts"][1]["counts"], json!([4, 4]));
    let check = folder.json(&["data", "check", "text:set"]);
    assert_eq!((&check["images"], &check["errors"]), (&json!(128), &json!(0)), "{check}");
    // A second training from this model keeps its alphabet and length.
    folder.write("more.tsv", "über kalo\tone\nüber brisk\ttwo\n");
    let tuned = ["train", text(&model), "--data", "text:more.tsv", "--epochs", "1", "--out", "tuned"];
    assert_eq!(folder.json(&tuned)["summary"]["data"]["encoding"], json!(encoding));
}

#[test]
fn texts_give_the_same_weights_for_any_threads_and_after_resuming() {
    let folder = Folder::new("same-texts");
    sentences(&folder, 12);
    let more = |threads: &'static str| {
        ["--epochs", "3", "--set", "data.length=120", "--no-report", "--threads", threads]
    };
    let one = trained(&folder, "one", &more("1"));
    let two = trained(&folder, "two", &more("2"));
    assert_eq!(one["weights_sha256"], two["weights_sha256"]);
    assert_eq!(one["summary"]["network"]["input"][1], json!(120));
    let part = trained(&folder, "part", &[&more("2")[..], &["--steps", "2"]].concat());
    assert_eq!(part["steps"], json!(2));
    let resumed = folder.json(&["train", "--resume", "part", "--no-report"]);
    assert_eq!(resumed["weights_sha256"], one["weights_sha256"]);
    folder.write("set/train/two/a.txt", "other words\nand more\n");
    let refused = folder.refusal(&["train", "--resume", "part"]);
    assert!(refused.contains("train/two/a.txt"), "{refused}");
}

#[test]
fn images_sounds_and_texts_are_not_confused() {
    let folder = Folder::new("confused-texts");
    sentences(&folder, 6);
    trained(&folder, "texts", &["--epochs", "1", "--no-report"]);
    folder.json(&["train", "--epochs", "1", "--no-report", "--out", "digits"]);
    folder.write("blank.txt", "\n \n");
    folder.write("image.png", encode_png(&Image::filled(8, 8, [40; 3])).unwrap());
    let (of_texts, of_images) = ("texts/last.safetensors", "digits/last.safetensors");
    for (arguments, what) in [
        (&["predict", of_images, "--text", "a"][..], "--text applies to texts, but the model takes images"),
        (&["predict", of_texts], "is missing"),
        (&["predict", of_texts, "blank.txt"], "blank.txt: has no texts, only blank lines"),
        (&["predict", of_texts, "set/test/one/a.txt", "--picture", "x.png"], "--picture applies to images"),
        (&["predict", of_texts, "--text", "a", "--size", "8"], "--size applies to images"),
        (&["eval", of_texts, "--data", "digits"], "the model takes texts, but digits has images"),
        (&["eval", of_images, "--data", "text:set"], "the model takes images, but text:set has texts"),
        (&["eval", of_texts, "--data", "text:set", "--mirror"], "--mirror applies to images"),
        (&["look", of_texts, "image.png"], "the model takes texts, not images"),
        (&["train", "lenet5", "--data", "text:set"], "lenet5: takes inputs [N, 1, 32, 32], not texts"),
        (&["train", "char-cnn", "--data", "digits"], "char-cnn: takes inputs [N, 70, 1014], not images"),
        (&["train", "--data", "text:set", "--size", "9"], "data.length sets the size of texts"),
        (&["train", "--data", "digits", "--set", "data.length=9"], "data.length applies to texts"),
        (&["train", "--data", "text:set", "--set", "data.seconds=9"], "data.seconds applies to sounds"),
        (&["train", "--data", "text:set", "--set", "data.augment=shift"], "do not apply to texts"),
        (&["train", "--data", "text:set", "--set", "data.length=0"], "data.length must be 1 or more"),
        (&["train", "--data", "text:set", "--set", "data.alphabet='aba'"], "the alphabet has a twice"),
        (
            &["train", "--data", "text:set", "--set", "data.alphabet=''"],
            "data.alphabet must have a character",
        ),
        (&["train", "--data", "text:set", "--cache", "0"], "--cache"),
        (&["train", of_texts, "--data", "digits"], "takes texts, but digits has none"),
        (&["train", "--data", "text:not-here.tsv"], "not-here.tsv"),
        (&["data", "info", "text:set", "--picture", "x.png"], "texts are not drawn"),
        (&["data", "show", "--data", "text:set", "--picture", "x.png"], "texts are not drawn"),
        (&["data", "prepare", "text:set", "out"], "text:set"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(what), "{arguments:?}: {line}");
    }
}

#[test]
fn unusable_lines_are_named_or_skipped() {
    let folder = Folder::new("lines");
    let mut lines: String = ["one", "two"]
        .iter()
        .flat_map(|class| (0..8).map(move |n| sentence(class, n) + "\t" + class + "\n"))
        .collect();
    lines += "no label\n";
    folder.write("set.tsv", &lines);
    let line = folder.refusal(&["train", "--data", "text:set.tsv"]);
    assert!(
        line.contains("1 of 17 texts cannot be read") && line.contains("set.tsv:17: has no tab"),
        "{line}"
    );
    let skipping = ["train", "--data", "text:set.tsv", "--epochs", "1", "--no-report", "--skip-unreadable"];
    let run = folder.json(&[&skipping[..], &["--out", "run"]].concat());
    assert_eq!(run["summary"]["data"]["unreadable"].as_array().unwrap().len(), 1);
    let check = folder.run(&["data", "check", "text:set.tsv"]);
    let printed = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{printed}");
    assert!(printed.contains("set.tsv:17"), "{printed}");
}
