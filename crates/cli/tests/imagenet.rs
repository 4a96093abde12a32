//! Real ImageNet weights, if downloaded, classify twenty labeled photographs as well as the original code does, and
//! give English class names.

mod common;

use common::{Folder, text};
use striate_models::imagenet_classes;

/// A model file, and the minimum number of photographs that it classifies correctly (top 1 and top 5).
const MODELS: [(&str, usize, usize); 2] =
    [("squeezenet1_1.safetensors", 12, 18), ("efficientnet-lite0.safetensors", 17, 20)];
/// The photographs.
const COUNT: usize = 20;

#[test]
fn real_weights_classify_photographs_as_published() {
    let data = striate_data::data_folder().unwrap().join("weights");
    for (name, first, five) in MODELS {
        let model = data.join(name);
        if !model.is_file() {
            let what = format!("{name} is missing; run scripts/fetch-weights.sh");
            striate_testkit::missing_data("real_weights_classify_photographs_as_published", &what);
            continue;
        }
        let folder = Folder::new(&format!("imagenet-{name}"));
        assert_eq!(folder.json(&["verify", text(&model)])["ok"], true, "{name}");
        let guessed = folder.json(&["predict", text(&model), text(&data.join("photographs"))]);
        let guesses = guessed["predictions"].as_array().unwrap();
        assert_eq!(guesses.len(), COUNT, "photographs");
        let (mut right, mut among_five) = (0, 0);
        for guess in guesses {
            // imagenet_NN_LABEL.jpg
            let file = guess["file"].as_str().unwrap();
            let label: usize = file.trim_end_matches(".jpg").rsplit('_').next().unwrap().parse().unwrap();
            let class = imagenet_classes()[label].name;
            let top: Vec<&str> =
                guess["top"].as_array().unwrap().iter().map(|one| one["class"].as_str().unwrap()).collect();
            assert_eq!(top.len(), 5);
            right += usize::from(top[0] == class);
            among_five += usize::from(top.contains(&class));
            // Also as class folders, for `eval`.
            let image = std::fs::read(file).unwrap();
            folder.write(&format!("set/{class}/{}", file.rsplit('/').next().unwrap()), image);
        }
        println!("{name}: {right} and {among_five} of {COUNT} photographs right (top 1, top 5)");
        assert!(right >= first && among_five >= five, "{name}: {right} and {among_five} of {COUNT}");
        let measured = folder.json(&["eval", text(&model), "--data", "set"]);
        let wrong = |key: &str| (measured[key].as_f64().unwrap() * COUNT as f64).round() as usize;
        assert_eq!(measured["n"], COUNT, "{name}");
        assert_eq!((wrong("top1_error"), wrong("top5_error")), (COUNT - right, COUNT - among_five), "{name}");
    }
}
