//! Sounds from files to a trained model, through the command line.

mod common;

use std::f64::consts::TAU;

use common::{Folder, text};
use serde_json::{Value, json};
use striate_testkit::wav;
use striate_vision::{Image, encode_png};

/// A noisy tone of about `seconds`, in 16 bits.
fn tone(hertz: f64, seconds: f64, number: usize) -> Vec<u8> {
    let rate = [8_000, 16_000, 22_050][number % 3];
    let (count, loudness) = ((seconds * f64::from(rate)) as usize, 3_000.0 + 1_000.0 * (number % 5) as f64);
    let sample = |n: usize| {
        let noise = ((n + 7_919 * number) * 2_654_435_761 % 4_294_967_296) as f64 / 4_294_967_296.0 - 0.5;
        (loudness * ((TAU * hertz * n as f64 / f64::from(rate)).sin() + 0.2 * noise)) as i16
    };
    wav(rate, 1, &(0..count).map(sample).collect::<Vec<_>>())
}

/// Two classes of high and low tones: `train` training and four test sounds each.
fn tones(folder: &Folder, train: usize) {
    for (class, hertz) in [("high", 900.0), ("low", 300.0)] {
        for number in 0..train + 4 {
            let part = if number < train { "train" } else { "test" };
            let file = format!("set/{part}/{class}/{number}.wav");
            let (pitch, length) =
                (hertz * (1.0 + 0.01 * (number % 9) as f64), 0.3 + 0.02 * (number % 6) as f64);
            folder.write(&file, tone(pitch, length, number));
        }
    }
}

fn trained(folder: &Folder, out: &str, more: &[&str]) -> Value {
    let base = ["train", "--data", "audio:set", "--out", out];
    folder.json(&[&base[..], more].concat())
}

#[test]
fn two_pitches_are_learned_without_errors() {
    let folder = Folder::new("pitches");
    tones(&folder, 40);
    let run = trained(&folder, "run", &["--epochs", "8"]);
    assert_eq!(
        (&run["top1_error"], &run["summary"]["network"]["name"]),
        (&json!(0.0), &json!("panns-cnn6-quarter"))
    );
    let data = &run["summary"]["data"];
    let encoding = "mono at 16000 Hz, 0.40 s, at one loudness, as log-mel spectrogram of 64 bands and 41 frames \
                    (window 25 ms, hop 10 ms)";
    assert_eq!(data["encoding"], json!(encoding));
    assert!(data["notes"][0].as_str().unwrap().starts_with("the sounds last 0.30 to 0.40 s; 0.4 s are used"));
    assert_eq!(run["summary"]["network"]["input"], json!([1, 64, 41]));
    let model = folder.path("run/last.safetensors");
    let evaluated = folder.json(&["eval", text(&model), "--data", "audio:set"]);
    assert_eq!((&evaluated["n"], &evaluated["top1_error"]), (&json!(8), &json!(0.0)));
    assert_eq!(folder.json(&["verify", text(&model)])["ok"], json!(true));
    folder.write("new/a.wav", tone(880.0, 0.7, 1));
    folder.write("new/b.wav", tone(310.0, 0.1, 2));
    folder.write("new/notes.txt", "x");
    let guesses = folder.json(&["predict", text(&model), "new"]);
    let best = |index: usize| guesses["predictions"][index]["top"][0]["class"].clone();
    assert_eq!(
        (best(0), best(1), &guesses["skipped"][0]["kind"]),
        (json!("high"), json!("low"), &json!("txt"))
    );
    assert!(folder.path("run/report.html").exists());
    let info = folder.json(&["data", "info", "audio:set"]);
    assert_eq!(info["parts"][1]["counts"], json!([4, 4]));
    let check = folder.json(&["data", "check", "audio:set"]);
    assert_eq!((&check["images"], &check["errors"]), (&json!(88), &json!(0)), "{check}");
    // A second training from this model keeps its rate, length and bands.
    folder.write("more/high/1.wav", tone(900.0, 0.9, 0));
    folder.write("more/low/1.wav", tone(300.0, 0.9, 0));
    let tuned = ["train", text(&model), "--data", "audio:more", "--epochs", "1", "--out", "tuned"];
    assert_eq!(folder.json(&tuned)["summary"]["data"]["encoding"], json!(encoding));
}

#[test]
fn waveforms_give_the_same_weights_for_any_threads_and_after_resuming() {
    let folder = Folder::new("waveforms");
    tones(&folder, 12);
    let more = |threads: &'static str| {
        ["m5", "--epochs", "3", "--set", "data.seconds=0.25", "--no-report", "--threads", threads]
    };
    let one = trained(&folder, "one", &more("1"));
    let two = trained(&folder, "two", &more("2"));
    assert_eq!(one["weights_sha256"], two["weights_sha256"]);
    assert_eq!(one["summary"]["network"]["input"], json!([1, 2_000]));
    let encoding = one["summary"]["data"]["encoding"].as_str().unwrap();
    assert!(encoding.ends_with("as waveform of 2000 samples"), "{encoding}");
    let part = trained(&folder, "part", &[&more("2")[..], &["--steps", "2"]].concat());
    assert_eq!(part["steps"], json!(2));
    let resumed = folder.json(&["train", "--resume", "part", "--no-report"]);
    assert_eq!(resumed["weights_sha256"], one["weights_sha256"]);
    let model = folder.path("one/last.safetensors");
    let evaluated = folder.json(&["eval", text(&model), "--data", "audio:set"]);
    assert_eq!(evaluated["top1_error"], one["top1_error"]);
    folder.write("new.wav", tone(880.0, 0.7, 1));
    folder.json(&["predict", text(&model), "new.wav"]);
    std::fs::remove_file(folder.path("set/train/high/3.wav")).unwrap();
    let refused = folder.refusal(&["train", "--resume", "part"]);
    assert!(refused.contains("train/high/3.wav"), "{refused}");
}

#[test]
fn images_and_sounds_are_not_confused() {
    let folder = Folder::new("confused");
    tones(&folder, 4);
    for class in ["a", "b"] {
        for number in 0..4 {
            let image = Image::filled(8, 8 + number, [40; 3]);
            folder.write(&format!("images/{class}/{number}.png"), encode_png(&image).unwrap());
        }
    }
    trained(&folder, "sounds", &["--epochs", "1", "--no-report"]);
    let lenet =
        ["train", "lenet5", "--data", "images", "--epochs", "1", "--no-report", "--out", "images-run"];
    folder.json(&lenet);
    let (of_sounds, of_images) = ("sounds/last.safetensors", "images-run/last.safetensors");
    for (arguments, what) in [
        (
            &["predict", of_sounds, "images/a/0.png"][..],
            "images/a/0.png: is an image, but the model takes sounds",
        ),
        (&["predict", of_sounds, "images/a"], "no sounds in this folder"),
        (&["predict", of_images, "set/test/low/4.wav"], "is a sound (WAV), but the model takes images"),
        (&["predict", of_sounds, "set/test/low/4.wav", "--size", "8"], "--size applies to images"),
        (&["predict", of_sounds, "set/test/low/4.wav", "--picture", "x.png"], "--picture applies to images"),
        (&["eval", of_sounds, "--data", "images"], "the model takes sounds, but images has images"),
        (&["eval", of_images, "--data", "audio:set"], "the model takes images, but audio:set has sounds"),
        (
            &["eval", of_sounds, "--data", "audio:set", "--protocol", "10crop"],
            "--protocol 10crop applies to images",
        ),
        (&["eval", of_sounds, "--data", "audio:set", "--mirror"], "--mirror applies to images"),
        (&["look", of_sounds, "images/a/0.png"], "the model takes sounds, not images"),
        (&["train", "m5", "--data", "images"], "network m5: takes inputs [N, 1, 32000], not images"),
        (&["train", "--data", "audio:set", "--size", "9"], "data.size applies to images"),
        (&["train", "--data", "audio:set", "--max-pixels", "9"], "--max-pixels applies to images"),
        (&["train", "--data", "images", "--set", "data.seconds=1"], "data.seconds applies to sounds"),
        (&["train", of_sounds, "--data", "images"], "takes sounds, but images has none"),
        (&["train", "m5", "--data", "audio:set", "--set", "data.mels=9"], "m5 takes waveforms; omit it"),
        (&["train", "--data", "audio:set", "--set", "data.seconds=0"], "data.seconds must be"),
        (&["train", "--data", "audio:set", "--set", "data.seconds=61"], "data.seconds must be"),
        (&["train", "--data", "audio:set", "--set", "data.seconds=nan"], "data.seconds must be"),
        (&["train", "--data", "audio:set", "--set", "data.seconds=0.001"], "too few for a window"),
        (&["train", "--data", "audio:set", "--set", "data.sample_rate=9"], "sample rate must be from"),
        (&["train", "--data", "audio:images"], "has no sounds; add some or remove the folder"),
        (&["train", "--data", "audio:not-here"], "not-here"),
        (&["train", "lenet5", "--data", "images", "--set", "data.augment=sounds"], "applies only to sounds"),
        (&["data", "info", "audio:set", "--picture", "x.png"], "sounds are not drawn"),
        (&["data", "prepare", "audio:set", "out"], "audio:set"),
        (&["data", "show", "--data", "audio:set", "--picture", "x.png"], "sounds are not drawn"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(what), "{arguments:?}: {line}");
    }
}

#[test]
fn damaged_sounds_are_named_or_skipped() {
    let folder = Folder::new("damaged");
    tones(&folder, 6);
    let whole = tone(300.0, 0.3, 0);
    folder.write("set/train/low/cut.wav", &whole[..whole.len() / 2]);
    let line = folder.refusal(&["train", "--data", "audio:set"]);
    assert!(
        line.contains("1 of 21 sounds cannot be read") && line.contains("cut.wav: damaged sound (truncated)")
    );
    let run = trained(&folder, "run", &["--epochs", "1", "--no-report", "--skip-unreadable"]);
    assert_eq!(run["summary"]["data"]["unreadable"].as_array().unwrap().len(), 1);
    let check = folder.run(&["data", "check", "audio:set"]);
    let printed = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{printed}");
    assert!(printed.contains("cut.wav: damaged sound (truncated)"), "{printed}");
    assert!(printed.contains("21 sounds (1 unreadable) in 2 classes among 21 files"), "{printed}");
    let predicted = folder.refusal(&["predict", "run/last.safetensors", "set/train/low/cut.wav"]);
    assert!(predicted.contains("truncated"), "{predicted}");
}
