//! Fine-tuning with its default recipe overfits a small set.

mod common;

use common::{Scratch, dataset, reduced};
use striate_engine::{Cpu, Inference};
use striate_formats::{Weights, read_weights};
use striate_graph::Network;
use striate_train::{Limits, Settings, Trainer};

/// The training error, in inference form, after fine-tuning on 20 images of 2 classes.
fn training_error(network: Network, weights: Weights, test: &str) -> f64 {
    let scratch = Scratch::new(&format!("{test}-{}", network.name));
    let [c, h, w] = network.image().unwrap();
    let settings = Settings::chosen(&network.name, "stripes", &network, true).unwrap();
    assert!(settings.name == "fine-tuning" && settings.recipe.train.epochs <= 30);
    let weights = Some(("weights".as_ref(), weights));
    let (data, cpu) = (dataset(20, 2, [c, h, w]), Cpu::new(0).unwrap());
    let mut trainer = Trainer::create(settings, network, data, weights, cpu, &scratch.run("run")).unwrap();
    trainer.train(Limits::default(), &mut ()).unwrap();
    trainer.measure_training().unwrap().top1_error()
}

#[test]
fn fine_tuning_overfits_20_images_from_random_weights() {
    for name in ["squeezenet1_1", "resnet18"] {
        let network = reduced(name);
        let weights = Inference::initial_weights(&network, 5).unwrap();
        assert_eq!(training_error(network, weights, "random"), 0.0, "{name}");
    }
}

/// At full size, with weights from `scripts/fetch-weights.sh`; `scripts/defaults-train.sh` does the same
/// with EfficientNet.
#[test]
fn fine_tuning_overfits_20_images_from_published_weights() {
    for name in ["squeezenet1_1"] {
        let home = std::path::PathBuf::from(std::env::var("HOME").unwrap_or_default());
        let path = home.join(format!(".cache/striate/weights/{name}.safetensors"));
        if !path.is_file() {
            let what = format!("{name}.safetensors is missing; run scripts/fetch-weights.sh");
            striate_testkit::missing_data("fine_tuning_overfits_20_images_from_published_weights", &what);
            continue;
        }
        let network = (striate_models::find(name).unwrap().build)().unwrap();
        let weights = read_weights(&path).unwrap().weights;
        assert_eq!(training_error(network, weights, "published"), 0.0, "{name}");
    }
}
