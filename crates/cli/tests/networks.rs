//! `models` and `inspect`: what they print of the networks of the history.

mod common;

use common::Folder;
use serde_json::{Value, json};

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
fn inspect_gives_shares_memory_and_auxiliary_heads() {
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
    assert!(network["memory"]["training_bytes"].is_u64(), "the heads follow the classes");
    // Too small for the heads' pools, not for the network.
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

#[test]
fn long_networks_are_shown_by_modules() {
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
