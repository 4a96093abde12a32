//! Real ImageNet weights, where they have been fetched, name twenty labeled photographs as well as their
//! publishers' own code does.

mod common;

use common::{Folder, text};

/// Model file, least number right by the first guess, least number right among five.
const MODELS: [(&str, usize, usize); 2] =
    [("squeezenet1_1.safetensors", 12, 18), ("efficientnet-lite0.safetensors", 17, 20)];

#[test]
fn photographs_are_named_by_real_weights() {
    let data = striate_data::data_folder().unwrap().join("weights");
    let folder = Folder::new("imagenet");
    for (name, least_first, least_five) in MODELS {
        let model = data.join(name);
        if !model.is_file() {
            let what = format!("{name} is missing; run scripts/fetch-weights.sh");
            striate_testkit::missing_data("photographs_are_named_by_real_weights", &what);
            continue;
        }
        assert_eq!(folder.json(&["verify", text(&model)])["ok"], true, "{name}");
        let guessed = folder.json(&["predict", text(&model), text(&data.join("photographs"))]);
        let guesses = guessed["predictions"].as_array().unwrap();
        assert_eq!(guesses.len(), 20, "photographs");
        let (mut first, mut five) = (0, 0);
        for guess in guesses {
            // imagenet_NN_LABEL.jpg
            let file = guess["file"].as_str().unwrap().trim_end_matches(".jpg");
            let label: u64 = file.rsplit('_').next().unwrap().parse().unwrap();
            let top: Vec<u64> =
                guess["top"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
            assert_eq!(top.len(), 5);
            first += usize::from(top[0] == label);
            five += usize::from(top.contains(&label));
        }
        println!("{name}: {first} and {five} of 20 photographs right (top 1, top 5)");
        assert!(first >= least_first && five >= least_five, "{name}: {first} and {five} of 20");
    }
}
