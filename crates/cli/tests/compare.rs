//! `compare`: runs beside each other, complete or not; and the event file that training leaves for TensorBoard.

mod common;

use common::Folder;
use serde_json::json;

#[test]
fn runs_are_compared_by_what_their_folders_hold() {
    let folder = Folder::new("compare");
    folder.json(&["train", "--epochs", "2", "--out", "whole"]);
    // A third and a half of another run.
    let steps = (folder.json(&["train", "--epochs", "1", "--out", "one"])["steps"].as_u64().unwrap() * 3 / 2)
        .to_string();
    folder.json(&["train", "--epochs", "3", "--lr", "0.02", "--out", "half", "--steps", &steps]);
    let value = folder.json(&["compare", "whole", "half", "--picture", "runs.png"]);
    let [whole, half] = [0, 1].map(|index| &value["runs"][index]);
    assert_eq!(
        (&whole["complete"], &whole["epochs"], &whole["network"]),
        (&json!(true), &json!(2), &json!("lenet5"))
    );
    assert_eq!(
        (&half["complete"], &half["epochs"], &half["planned_epochs"]),
        (&json!(false), &json!(1), &json!(3))
    );
    let fields: Vec<&str> = value["recipe_differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["optim.lr", "train.epochs"]);
    let metrics = std::fs::read_to_string(folder.path("whole/metrics.csv")).unwrap();
    let errors: Vec<f64> =
        metrics.lines().skip(1).map(|line| line.split(',').nth(5).unwrap().parse().unwrap()).collect();
    assert_eq!(whole["best_top1_error"], errors[0].min(errors[1]));
    assert_eq!(whole["last_top1_error"], errors[1]);
    let tested = folder.json(&["eval", "whole/last.safetensors", "--data", "digits"]);
    assert_eq!((&tested["part"], &whole["test_images"]), (&json!("test"), &tested["n"]));
    assert_eq!((&whole["test_top1_error"], &half["test_top1_error"]), (&tested["top1_error"], &json!(null)));
    let picture = striate_vision::decode(&std::fs::read(folder.path("runs.png")).unwrap()).unwrap();
    assert_eq!((picture.width(), picture.height()), (880, 2 * 540));

    let output = folder.run(&["compare", "whole", "half"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    for expected in
        ["1 of 3", "half: incomplete, 1 of 3 epochs; train --resume half continues it", "optim.lr"]
    {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn runs_that_cannot_be_read_are_refused() {
    let folder = Folder::new("compare-refusals");
    folder.write("empty/recipe.toml", "nothing = [");
    folder.write("empty/network.toml", "name = 3");
    folder.write("other/notes.txt", "");
    for (run, expected) in [
        ("other", "other: not a run folder (no recipe.toml)"),
        ("none", "none: not a run folder"),
        ("empty", "empty/network.toml"),
    ] {
        let line = folder.refusal(&["compare", run]);
        assert!(line.contains(expected), "{line}");
    }
    folder.json(&["train", "--epochs", "1", "--out", "garbage"]);
    folder.write("garbage/metrics.csv", "epoch,step\n1,18\n2,\u{1b}[2Jmany\n");
    let expected = "garbage/metrics.csv, line 3: step is not a number: \u{fffd}[2Jmany; remove the line";
    for arguments in [&["compare", "garbage"][..], &["report", "garbage"], &["train", "--resume", "garbage"]]
    {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{line}");
    }
    let line = folder.refusal(&["compare", "other", "--picture", "x.txt"]);
    assert!(line.contains("choose a name ending in .png for --picture"), "{line}");
}

/// A resumed run continues the event file of its folder; a new run does not take over one.
#[test]
fn event_file_is_continued_by_resume() {
    let folder = Folder::new("events");
    let events = |run: &str| std::fs::read(folder.path(run).join("events.out.tfevents.striate")).unwrap();
    let count = |run: &str, tag: &str| {
        let bytes = events(run);
        bytes.windows(tag.len()).filter(|window| *window == tag.as_bytes()).count()
    };
    folder.json(&["train", "--epochs", "3", "--out", "once"]);
    let steps =
        folder.json(&["train", "--epochs", "3", "--out", "twice", "--steps", "30"])["steps"].to_string();
    assert_eq!(steps, "30");
    folder.json(&["train", "--resume", "twice"]);
    for tag in ["loss/train", "loss/validation", "error/validation", "images_per_second", "kernels"] {
        assert_eq!(count("twice", tag), 3, "{tag}");
    }
    for tag in ["weight_norm/", "gradient_norm/", "dead_relus/", "samples"] {
        assert_eq!(count("twice", tag), count("once", tag), "{tag}");
        assert!(count("once", tag) > 0 || tag == "dead_relus/", "{tag}");
    }
    folder.write("taken/events.out.tfevents.striate", "of the user");
    let line = folder.refusal(&["train", "--out", "taken"]);
    assert!(line.contains("taken already contains events.out.tfevents.striate"), "{line}");
}
