//! Whole runs: figures, bit-identical results, refusals.

mod common;

use common::{Scratch, dataset, losses, reduced, stripes, trainer};
use striate_data::Dataset;
use striate_engine::{Cpu, Inference};
use striate_graph::{Init, Network};
use striate_train::{Limits, Observer, Outcome, Recipe, Settings, Trainer};

/// Everything that fine-tuning adds: a separate rate for the last layer, clipping, batch-norm statistics, a
/// joined last batch.
fn settings(epochs: u64) -> Settings {
    let mut settings = Settings::named("fine-tuning").unwrap();
    for set in ["optim.lr=0.01", "train.batch_norm_momentum=0.3", "train.batch=8", "data.holdout=0.0"] {
        settings.set("--set", set).unwrap();
    }
    settings.set("--epochs", &format!("train.epochs={epochs}")).unwrap();
    settings
}

fn network() -> Network {
    let text = "name = 'small'\ninput = [3, 12, 12]\nlayers = [{ op = 'conv', out_channels = 6, kernel_size = 3 }, \
                { op = 'global_average_pool' }, { op = 'batch_norm' }, { op = 'relu' }, { op = 'flatten' }, \
                { op = 'linear', out_features = 10 }]";
    Network::from_text(text).unwrap()
}

fn resumed(run: &std::path::Path, data: Dataset, threads: usize, steps: Option<u64>) -> Outcome {
    let (limits, cpu) = (Limits { steps, any_isa: false }, Cpu::new(threads).unwrap());
    let trainer = Trainer::resume(run, None, |_, _| Ok(data), cpu, limits, &mut ()).unwrap();
    trainer.run(limits, &mut ()).unwrap()
}

#[test]
fn threads_and_interruptions_change_no_bit_of_fine_tuning() {
    let scratch = Scratch::new("bits");
    // 17 images: batches of 8 and 9.
    let data = || dataset(17, 2, [3, 12, 12]);
    let one = trainer(settings(4), network(), data(), 1, &scratch.path("one"));
    assert_eq!(one.steps(), 8);
    let one = one.run(Limits::default(), &mut ()).unwrap();
    let two = trainer(settings(4), network(), data(), 2, &scratch.path("two"));
    assert_eq!(two.run(Limits::default(), &mut ()).unwrap().weights_sha256, one.weights_sha256);

    let path = scratch.path("stopped");
    let stopped = trainer(settings(4), network(), data(), 2, &path);
    stopped.run(Limits { steps: Some(1), any_isa: false }, &mut ()).unwrap();
    for step in [2, 5, 6] {
        let outcome = resumed(&path, data(), 1, Some(step));
        assert_eq!(outcome.steps, step);
        assert_ne!(outcome.weights_sha256, one.weights_sha256);
    }
    let end = resumed(&path, data(), 2, None);
    assert_eq!((end.weights_sha256, end.train_loss), (one.weights_sha256, one.train_loss));
}

/// Runs the training to its end and returns the outcome.
fn outcome(settings: Settings, data: Dataset, scratch: &Scratch, name: &str) -> Outcome {
    trainer(settings, network(), data, 1, &scratch.path(name)).run(Limits::default(), &mut ()).unwrap()
}

#[test]
fn epoch_loss_weights_batches_by_image_count() {
    let scratch = Scratch::new("weighted");
    let mut settings = settings(1);
    settings.set("--set", "train.batch=6").unwrap();
    let outcome = outcome(settings, dataset(16, 2, [3, 12, 12]), &scratch, "run");
    let [a, b, c] = outcome.losses[..] else { panic!("three steps") };
    let expected = (6.0 * f64::from(a) + 6.0 * f64::from(b) + 4.0 * f64::from(c)) / 16.0;
    assert!((outcome.train_loss.unwrap() - expected).abs() < 1e-12);
    assert!((losses(&scratch.path("run"))[0] - expected).abs() < 1e-6);
}

#[test]
fn final_figures_never_include_training_images() {
    let scratch = Scratch::new("figures");
    let set = |holdout: &str| {
        let mut settings = settings(1);
        settings.set("--set", &format!("data.holdout={holdout}")).unwrap();
        settings
    };
    let plain = || dataset(20, 2, [3, 12, 12]);
    let part = |name| Some(stripes(6, 2, [3, 12, 12])).filter(|_| name);
    for (name, holdout, validation, test, expected, count) in [
        ("held-out", "0.2", false, false, Some("held-out"), Some(4)),
        ("none", "0.0", false, false, None, None),
        ("validation", "0.2", true, false, Some("validation"), Some(6)),
        ("test", "0.2", true, true, Some("test"), Some(6)),
    ] {
        let data = Dataset { validation: part(validation), test: part(test), ..plain() };
        let outcome = outcome(set(holdout), data, &scratch, name);
        assert_eq!((outcome.part, outcome.tally.map(|tally| tally.n())), (expected, count), "{name}");
        let model = striate_formats::ModelFile::load(&outcome.model).unwrap();
        assert_eq!(model.evaluation.map(|e| e.part), expected.map(str::to_owned), "{name}");
    }
}

/// Lines of the epochs.
#[derive(Default)]
struct Lines(Vec<String>);

impl Observer for Lines {
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

/// Validation uses hinge, smoothed and RBF losses too: at a negligible learning rate, the validation loss equals that
/// of a training step on the same images.
#[test]
fn validation_uses_the_training_loss() {
    let scratch = Scratch::new("losses");
    for (index, (loss, end)) in [
        ("{ name = 'hinge', power = 2 }", "linear"),
        ("{ name = 'cross_entropy', smoothing = 0.2 }", "linear"),
        ("{ name = 'mean_squared' }", "linear"),
        ("{ name = 'rbf' }", "rbf"),
    ]
    .into_iter()
    .enumerate()
    {
        let text = format!(
            "name = 'n'\ninput = [1, 6, 6]\nlayers = [{{ op = 'flatten' }}, {{ op = 'linear', out_features = 84 }}, \
             {{ op = '{end}', out_features = 2 }}]"
        );
        let images = stripes(12, 2, [1, 6, 6]);
        let data = Dataset { train: images.clone(), validation: Some(images), ..dataset(12, 2, [1, 6, 6]) };
        let mut settings: Settings = Recipe::default().into();
        for set in [
            format!("loss={loss}"),
            "optim.lr=1e-12".into(),
            "train.batch=12".into(),
            "train.epochs=1".into(),
        ] {
            settings.set("--set", &set).unwrap();
        }
        let out = scratch.path(&index.to_string());
        let network = Network::from_text(&text).unwrap();
        let outcome = trainer(settings, network, data, 1, &out).run(Limits::default(), &mut ()).unwrap();
        let validation = outcome.tally.unwrap().loss();
        assert!(
            (validation / outcome.train_loss.unwrap() - 1.0).abs() < 1e-5,
            "{loss}: {validation} {}",
            outcome.train_loss.unwrap()
        );
    }
}

#[test]
fn summary_names_data_network_changes_and_origins() {
    let scratch = Scratch::new("summary");
    let network = reduced("resnet18");
    let mut settings = Settings::chosen("resnet18", "stripes", &network, false).unwrap();
    settings.set("--epochs", "train.epochs=2").unwrap();
    let mut run = trainer(settings, network, dataset(60, 3, [1, 64, 64]), 1, &scratch.path("run"));
    let summary = serde_json::to_value(run.summary().unwrap()).unwrap();
    assert_eq!(summary["data"]["parts"][0], serde_json::json!({ "name": "training", "images": 57 }));
    assert_eq!(summary["data"]["parts"][1], serde_json::json!({ "name": "held-out", "images": 3 }));
    assert_eq!(summary["network"]["input"], serde_json::json!([1, 64, 64]));
    assert_eq!(
        summary["network"]["changes"],
        serde_json::json!([
            "input channels: 1 instead of 3, to match the data",
            "classes: 3 instead of 10 in the last layer"
        ])
    );
    let origin = |field: &str| {
        let values = summary["recipe"]["values"].as_array().unwrap();
        values.iter().find(|value| value["field"] == field).unwrap()["origin"].as_str().unwrap().to_owned()
    };
    assert_eq!(origin("train.epochs"), "flag --epochs");
    assert_eq!(origin("optim.weight_decay"), "recipe");
    assert!(origin("optim.lr").starts_with("rule: 0.003 is for layers of up to 576 inputs"));
    assert_eq!(origin("optim.beta1"), "default");
    assert!(origin("train.batch").starts_with("rule: halved from 64"), "{}", origin("train.batch"));
    assert_eq!(summary["recipe"]["name"], "batch-norm");
    assert_eq!((&summary["steps_per_epoch"], &summary["steps"]), (&4.into(), &8.into()));
    assert!(summary["memory_bytes"].as_u64().unwrap() > 1 << 20);
}

#[test]
fn single_images_for_batch_norms_are_joined_or_refused() {
    let scratch = Scratch::new("single");
    let mut run = trainer(settings(1), network(), dataset(17, 2, [3, 12, 12]), 1, &scratch.path("joined"));
    let changes = run.summary().unwrap().network.changes;
    assert!(changes.last().unwrap().starts_with("last batch: 9 images"), "{changes:?}");
    let mut lines = Lines::default();
    assert_eq!(run.run(Limits::default(), &mut lines).unwrap().steps, 2);
    assert_eq!(lines.0.len(), 1);

    let mut one = settings(1);
    one.set("--batch", "train.batch=1").unwrap();
    let data = dataset(17, 2, [3, 12, 12]);
    let cpu = Cpu::new(1).unwrap();
    let error = Trainer::create(one, network(), data, None, cpu, &scratch.run("refused")).err().unwrap();
    assert!(error.is_input() && error.to_string().contains("single value"), "{error}");
    assert!(!scratch.path("refused").exists());
}

/// With a factor of zero, the last layer does not change; with one, it changes as without the factor.
#[test]
fn head_factor_scales_the_rate_of_the_last_layer_alone() {
    let scratch = Scratch::new("head");
    let weights = |factor: &str| {
        let mut settings = settings(1);
        settings.set("--set", &format!("optim.head_factor={factor}")).unwrap();
        let outcome = outcome(settings, dataset(16, 2, [3, 12, 12]), &scratch, factor);
        striate_formats::ModelFile::load(&outcome.model).unwrap().weights
    };
    let mut adapted = network();
    adapted.set_classes(2).unwrap();
    adapted.init = Init::He;
    let first = Inference::initial_weights(&adapted, 0).unwrap();
    let (still, fast) = (weights("0"), weights("10"));
    for (name, value) in &first {
        let is_head = name.starts_with("linear");
        assert_eq!(&still[name] == value, is_head, "{name}");
        assert_ne!(&fast[name], value, "{name}");
    }
}
