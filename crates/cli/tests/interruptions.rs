//! Runs that are killed, stopped, or run out of disk space resume to bit-identical results.

mod common;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Folder, text};
use striate_tensor::random::{Random, Stream};

const RUN: [&str; 10] = [
    "train",
    "--epochs",
    "3",
    "--batch",
    "16",
    "--set",
    "checkpoint.every_seconds=0.01",
    "--seed",
    "1",
    "--json",
];

fn sha(result: &serde_json::Value) -> String {
    result["weights_sha256"].as_str().unwrap().to_owned()
}

fn start(folder: &Folder, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_striate"))
        .args(arguments)
        .current_dir(folder.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// `STRIATE_KILLS` is the number of kills; `scripts/kill-test.sh` sets 200.
#[test]
fn killed_runs_resume_to_the_same_bits() {
    let kills: usize = std::env::var("STRIATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let folder = Folder::new("kill");
    let expected = sha(&folder.json(&[&RUN[..9], &["--out", "whole"]].concat()));
    let mut random = Random::new(1, Stream::Other, 0);
    let (mut done, mut run, mut finished) = (0, 0, 0);
    while done < kills {
        let name = format!("run{run}");
        let mut arguments: Vec<&str> = [&RUN[..9], &["--out", &name]].concat();
        loop {
            let mut child = start(&folder, &arguments);
            std::thread::sleep(Duration::from_millis(20 + random.below(400) as u64));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                done += 1;
            }
            child.wait().unwrap();
            if !folder.path(&name).join("recipe.toml").is_file() {
                // Killed before the run was created.
                let _ = std::fs::remove_dir_all(folder.path(&name));
                continue;
            }
            arguments = vec!["train", "--resume", &name];
            let is_done = folder.path(&name).join("last.safetensors").is_file();
            if is_done || done >= kills {
                break;
            }
        }
        assert_eq!(sha(&folder.json(&["train", "--resume", &name])), expected, "after {done} kills");
        finished += 1;
        run += 1;
        std::fs::remove_dir_all(folder.path(&name)).unwrap();
    }
    assert!(finished > 0);
}

/// The lock of a killed process ends with it; its file stays but does not block.
#[test]
fn run_of_a_killed_process_can_be_resumed_by_the_next() {
    let folder = Folder::new("kill-lock");
    let long = ["train", "--epochs", "1000", "--set", "checkpoint.every_seconds=0.01", "--out", "run"];
    let mut child = start(&folder, &long);
    let lock = folder.path("run/run.lock");
    let own = format!("{}\n", child.id());
    while std::fs::read_to_string(&lock).ok().as_ref() != Some(&own)
        || !folder.path("run/recipe.toml").is_file()
    {
        assert!(child.try_wait().unwrap().is_none(), "the run has ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let line = folder.refusal(&["train", "--resume", "run", "--steps", "1"]);
    assert!(line.contains(&format!("run is in use by process {};", child.id())), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), own, "the lock file of the killed process");
    let mut next = start(&folder, &["train", "--resume", "run", "--steps", "1"]);
    let id = next.id();
    assert!(next.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), format!("{id}\n"));
}

#[cfg(unix)]
#[test]
fn signals_stop_runs_cleanly() {
    let folder = Folder::new("signals");
    for (name, signal) in [("int", "-INT"), ("term", "-TERM")] {
        let long = [&["train", "--set", "train.epochs=300"][..], &RUN[3..9], &["--out", name]].concat();
        let mut child = start(&folder, &long);
        while !folder.path(name).join("checkpoints").is_dir() {
            assert!(child.try_wait().unwrap().is_none(), "the run has ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(1), "{signal}");
        assert!(folder.path(name).join("last.safetensors").is_file());
        let state = folder.json(&["train", "--resume", name, "--steps", "1"]);
        assert!(state["steps"].as_u64().unwrap() >= 1);
    }
}

/// A limit on file sizes stands in for a full disk: the run reports it, and the last checkpoint remains valid.
#[cfg(unix)]
#[test]
fn resume_after_full_disk_keeps_last_checkpoint() {
    let folder = Folder::new("full");
    folder.json(&[&RUN[..9], &["--out", "run", "--steps", "20"]].concat());
    let program = env!("CARGO_BIN_EXE_striate");
    let command = format!("ulimit -f 100; exec {program} train --resume run --steps 40");
    let output = Command::new("bash").args(["-c", &command]).current_dir(folder.path("")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot write") && text.contains("state.safetensors"), "{text}");
    let end = folder.json(&["train", "--resume", "run"]);
    assert_eq!(sha(&end), sha(&folder.json(&[&RUN[..9], &["--out", "whole"]].concat())));
}

/// Other output files are also written completely or not at all: on a full disk, the old file stays, without leftovers.
#[cfg(unix)]
#[test]
fn full_disk_keeps_existing_output_files() {
    let folder = Folder::new("full-pages");
    let program = env!("CARGO_BIN_EXE_striate");
    let sixty = striate_tensor::Shape::from([60, 1, 32, 32]);
    striate_tensor::npy::write(&folder.path("x.npy"), &sixty, &[0.5f32; 60 * 32 * 32]).unwrap();
    let before = std::fs::read_dir(folder.path("")).unwrap().count();
    for (arguments, out) in [
        ("history --html", "page.html"),
        ("data info digits --picture", "sheet.png"),
        ("run lenet5 --input x.npy --output", "y.npy"),
    ] {
        let path = folder.write(out, "old");
        let command = format!("ulimit -f 1; exec '{program}' {arguments} {out}");
        let output =
            Command::new("bash").args(["-c", &command]).current_dir(folder.path("")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {text}");
        assert!(text.contains(&format!("cannot write {out}")), "{arguments}: {text}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old", "{arguments}");
        std::fs::remove_file(path).unwrap();
        assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), before, "{arguments}");
    }
}

#[test]
fn non_finite_values_are_reported() {
    let folder = Folder::new("nan");
    let output = folder.run(&["train", "--lr", "1e30", "--out", "run", "--set", "schedule.warmup=0"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error: step ") && text.contains("non-finite values, first in "), "{text}");
    assert!(
        !text.contains("the last checkpoint") && text.contains("start a new run with a smaller --lr"),
        "{text}"
    );
}

/// Without its checkpoints, a trained model would be replaced by one that starts from scratch.
#[test]
fn run_without_checkpoints_is_not_resumed() {
    let folder = Folder::new("no-checkpoints");
    folder.json(&["train", "--epochs", "1", "--out", "run"]);
    let model = std::fs::read(folder.path("run/last.safetensors")).unwrap();
    std::fs::remove_dir_all(folder.path("run/checkpoints")).unwrap();
    let line = folder.refusal(&["train", "--resume", "run", "--epochs", "2"]);
    assert!(line.contains("run: has a trained model, but its checkpoints are missing"), "{line}");
    assert_eq!(std::fs::read(folder.path("run/last.safetensors")).unwrap(), model);
    let recipe = folder.path("run/recipe.toml");
    folder.json(&["train", "--recipe", text(&recipe), "--out", "anew"]);
}

/// The loss of a stopped run is that of the last epoch with images; without any, there is none.
#[test]
fn stopped_runs_report_a_loss_only_after_training() {
    let folder = Folder::new("stopped");
    let run = |steps: &str| folder.run(&["train", "--steps", steps, "--out", steps]);
    let printed = String::from_utf8(run("0").stdout).unwrap();
    assert!(printed.starts_with("stopped at step 0, nothing trained on yet\n"), "{printed}");
    assert!(!printed.contains("curves"), "{printed}");
    let result = folder.json(&["train", "--steps", "0", "--out", "json"]);
    assert_eq!(result["train_loss"], serde_json::Value::Null);
    let steps = result["summary"]["steps_per_epoch"].as_u64().unwrap().to_string();
    let result = folder.json(&["train", "--steps", &steps, "--out", "epoch"]);
    assert!(result["train_loss"].as_f64().unwrap() > 0.0, "{result}");
}

/// With a warm-up, training works for a while; checkpoints from that time stay valid. At some of these rates an update
/// overflows, at others the loss.
#[test]
fn last_good_checkpoint_survives_non_finite_values() {
    let folder = Folder::new("nan-late");
    let slow = ["schedule.name=constant", "schedule.warmup=1", "checkpoint.every_seconds=0"];
    let sets: Vec<&str> = slow.iter().flat_map(|set| ["--set", *set]).collect();
    for rate in ["1e7", "1e8", "1e9"] {
        let output =
            folder.run(&[&["train", "--lr", rate, "--epochs", "1000", "--out", rate], &sets[..]].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("; the last checkpoint is intact; start a new run with a smaller --lr"),
            "{text}"
        );
        let step: u64 =
            text.split("error: step ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(step > 0, "{text}");
        let manifest = folder.path(rate).join(format!("checkpoints/step-{step:09}/manifest.json"));
        assert!(manifest.is_file(), "{} is missing", manifest.display());
        let resumed = folder.run(&["train", "--resume", rate, "--steps", "1"]);
        let text = String::from_utf8_lossy(&resumed.stderr).into_owned();
        // Finite weights may still be so large that the scores of the example overflow.
        assert!(resumed.status.success() || text.contains("golden pair"), "{text}");
    }
}
