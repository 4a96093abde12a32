//! `striate report`, and the report at the end of training.

mod common;

use common::Folder;
use serde_json::{Value, json};
use striate_tensor::{Shape, npy};
use striate_testkit::html::{Element, checked};
use striate_vision::{Image, encode_png};

/// A report is smaller than this, in bytes.
const LARGEST: usize = 2_000_000;

/// Returns the elements of a report.
fn page(folder: &Folder, name: &str) -> (String, Vec<Element>) {
    let page = std::fs::read_to_string(folder.path(name)).unwrap();
    assert!(page.len() < LARGEST, "{} bytes", page.len());
    assert!(!page.contains("http:") && !page.contains("https:"));
    let all = checked(&page);
    (page, all)
}

fn sections(all: &[Element]) -> Vec<&str> {
    all.iter().filter(|own| own.name == "section").map(|own| own.attribute("id")).collect()
}

/// The images in the section `id`, by their descriptions.
fn images<'a>(all: &'a [Element], id: &str) -> Vec<&'a str> {
    let start = all.iter().position(|own| own.name == "section" && own.attribute("id") == id).unwrap();
    let inside = all[start + 1..].iter().take_while(|own| own.around.contains(&"section".into()));
    inside.filter(|own| own.name == "img").map(|own| own.attribute("alt")).collect()
}

/// Checks that the figures in a report, and those that `report --json` gives, equal those of `eval`.
fn assert_equal_figures(all: &[Element], reported: &Value, evaluated: &Value) {
    for field in ["n", "top1_error", "top5_error", "loss", "macro_f1", "calibration_error"] {
        assert_eq!(reported[field], evaluated[field], "{field}");
        if let Some(own) = all.iter().find(|own| own.name == "data" && own.attribute("class") == field) {
            let value: f64 = own.attribute("value").parse().unwrap();
            assert_eq!(Some(value), evaluated[field].as_f64(), "{field}");
        } else {
            assert_eq!(field, "top5_error");
        }
    }
    for field in ["top1_interval", "per_class", "confusion", "reliability", "part"] {
        assert_eq!(reported[field], evaluated[field], "{field}");
    }
    let cells = all.iter().filter(|own| ["hit", "miss"].contains(&own.attribute("class")));
    let counts = evaluated["confusion"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    assert_eq!(cells.count(), counts.filter(|count| **count != 0).count());
}

#[test]
fn training_on_digits_ends_with_a_report_whose_figures_are_those_of_eval() {
    let folder = Folder::new("report-digits");
    let trained = folder.json(&["train", "--epochs", "2", "--out", "run"]);
    assert_eq!(trained["report"], "run/report.html");
    let (text, all) = page(&folder, "run/report.html");
    let expected = [
        "summary",
        "results",
        "curves",
        "calibration",
        "confusions",
        "classes",
        "mistakes",
        "pairs",
        "kernels",
        "features",
        "samples",
        "recipe",
        "plan",
    ];
    assert_eq!(sections(&all), expected);
    let evaluated = folder.json(&["eval", "run/last.safetensors", "--data", "digits"]);
    let reported = folder.json(&["report", "run", "--out", "again.html"]);
    assert_equal_figures(&all, &reported, &evaluated);
    assert_eq!(reported["notes"], json!([]));
    let wrong =
        (evaluated["n"].as_f64().unwrap() * evaluated["top1_error"].as_f64().unwrap()).round() as usize;
    let shown = images(&all, "mistakes");
    assert_eq!(shown.len(), 2 * wrong.min(12), "each with its evidence: {shown:?}");
    assert!(shown.iter().skip(1).step_by(2).all(|alt| alt.starts_with("Evidence for ")), "{shown:?}");
    assert!(!images(&all, "kernels").is_empty() && !images(&all, "features").is_empty());
    assert_eq!(images(&all, "samples").len(), 6 * 8);
    for expected in ["1,438", "optim.lr = ", "seed", "cpu "] {
        assert!(text.contains(expected), "{expected}");
    }
    // The same run gives the same report but for the time.
    let (again, _) = page(&folder, "again.html");
    assert!(again.lines().filter(|line| !text.contains(line)).count() <= 1);
}

/// Class names are untrusted, and may be in any script.
#[test]
fn report_of_an_image_folder_shows_and_escapes_its_class_names() {
    let folder = Folder::new("report-folder");
    for (class, level) in [("<b>猫<b>", 40), ("ö & <script>", 90), ("дом", 150)] {
        for index in 0..8 {
            let image = Image::filled(36 + index, 40, [level + index as u8, level / 2, 10]);
            for part in ["train", "val"] {
                folder.write(&format!("set/{part}/{class}/{index}.png"), encode_png(&image).unwrap());
            }
        }
    }
    let arguments = ["train", "lenet5", "--data", "set", "--epochs", "1", "--out", "run", "--json"];
    let output = folder.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (text, all) = page(&folder, "run/report.html");
    assert!(
        text.contains("&lt;b&gt;猫&lt;b&gt;")
            && !text.contains("<b>猫")
            && text.contains("ö &amp; &lt;script&gt;")
    );
    assert_eq!(all.iter().filter(|own| own.name == "script").count(), 1);
    let evaluated = folder.json(&["eval", "run/last.safetensors", "--data", "set"]);
    assert_eq!(evaluated["part"], "validation");
    let reported = folder.json(&["report", "run"]);
    assert_equal_figures(&all, &reported, &evaluated);
    let table = all.iter().find(|own| own.name == "table" && own.attribute("class") == "classes").unwrap();
    ["<b>猫<b>", "ö & <script>", "дом"].iter().for_each(|class| assert!(table.text.contains(class)));
    // Data that has changed, and then is gone.
    folder.write("set/train/дом/new.png", encode_png(&Image::filled(40, 40, [1, 2, 3])).unwrap());
    let changed = "the data set set has changed since the run began: training has 25 images, 24 before; \
                   set/train/дом/new.png is new; figures and images are left out";
    for (expected, then) in [(changed, true), ("neither a built-in", false)] {
        let reported = folder.json(&["report", "run"]);
        assert!(reported["notes"][0].as_str().unwrap().contains(expected), "{reported}");
        let (_, all) = page(&folder, "run/report.html");
        assert_eq!(sections(&all), ["summary", "curves", "recipe", "plan"]);
        if then {
            std::fs::rename(folder.path("set"), folder.path("moved")).unwrap();
        }
    }
    let output = folder.run(&["report", "run"]);
    let (printed, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.starts_with("report run/report.html ("), "{printed}");
    assert_eq!(notes.lines().count(), 1, "{notes}");
}

#[test]
fn report_of_arrays_has_figures_but_no_images() {
    let folder = Folder::new("report-arrays");
    let values: Vec<f32> = (0..40 * 32 * 32).map(|i| (i * 7 % 17) as f32 / 9.0 - 0.9).collect();
    let labels: Vec<i64> = (0..40).map(|i| i % 2).collect();
    for part in ["", "val_"] {
        let images = npy::bytes(&Shape::from([40, 1, 32, 32]), &values);
        folder.write(&format!("set/{part}images.npy"), images);
        folder.write(&format!("set/{part}labels.npy"), npy::bytes(&Shape::from([40]), &labels));
    }
    folder.json(&["train", "lenet5", "--data", "npy:set", "--epochs", "1", "--out", "run"]);
    let (text, all) = page(&folder, "run/report.html");
    let reported = folder.json(&["report", "run"]);
    assert_equal_figures(
        &all,
        &reported,
        &folder.json(&["eval", "run/last.safetensors", "--data", "npy:set"]),
    );
    assert!(all.iter().all(|own| own.name != "img") && text.contains("arrays of numbers, so no images"));
}

#[test]
fn what_is_not_a_finished_run_is_refused() {
    let folder = Folder::new("report-refusals");
    let line = folder.refusal(&["report", "nowhere"]);
    assert!(line.contains("nowhere: not a run folder (no recipe.toml)"), "{line}");
    folder.json(&["train", "--steps", "3", "--out", "run"]);
    assert!(!folder.path("run/report.html").exists());
    std::fs::remove_file(folder.path("run/last.safetensors")).unwrap();
    let line = folder.refusal(&["report", "run"]);
    assert!(line.contains("run: no model (last.safetensors) yet") && line.contains("--resume run"), "{line}");
    let line = folder.refusal(&["report", "run", "--out", "run/report.txt"]);
    assert!(line.contains(".html") || line.contains("no model"), "{line}");
}

/// Whatever prevents the report, the run has succeeded.
#[test]
fn training_succeeds_without_a_report() {
    let folder = Folder::new("report-fails");
    folder.json(&["train", "--epochs", "1", "--steps", "3", "--out", "run"]);
    std::fs::create_dir(folder.path("run/report.html")).unwrap();
    let output = folder.run(&["train", "--resume", "run", "--json"]);
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && lines.contains("no report: "), "{lines}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["report"].is_null() && result["finished"] == true);
}
