//! Features of the loop: parts of a batch, averages, mixtures, plateaus, early stopping, frozen layers, the range test.

mod common;

use common::{Scratch, dataset, losses, stripes, trainer};
use striate_data::Dataset;
use striate_engine::Cpu;
use striate_formats::{ModelFile, Weights};
use striate_graph::Network;
use striate_train::{Limits, Observer, Outcome, Recipe, Session, Settings, Trainer};

fn network(norm: &str) -> Network {
    with_dropout(norm, "{ op = 'dropout', probability = 0.2 },")
}

fn with_dropout(norm: &str, dropout: &str) -> Network {
    let text = format!(
        "name = 'small'\ninput = [3, 12, 12]\nlayers = [{{ op = 'conv', out_channels = 6, kernel_size = 3 }}, {norm} \
         {{ op = 'relu' }}, {{ op = 'global_average_pool' }}, {{ op = 'flatten' }}, {dropout} \
         {{ op = 'linear', out_features = 3 }}]"
    );
    Network::from_text(&text).unwrap()
}

const NORM: &str = "{ op = 'batch_norm' },";

fn settings(sets: &[&str]) -> Settings {
    let mut settings: Settings = Recipe::default().into();
    let usual = ["train.batch=8", "train.epochs=4", "optim.lr=0.05", "schedule.warmup=0"];
    for set in usual.iter().chain(sets) {
        settings.set("--set", set).unwrap();
    }
    settings
}

/// 30 images to train on, 9 for validation.
fn data() -> Dataset {
    Dataset { validation: Some(stripes(9, 3, [3, 12, 12])), ..dataset(30, 3, [3, 12, 12]) }
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Observer for Lines {
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

fn resumed(run: &std::path::Path, threads: usize, steps: Option<u64>) -> Outcome {
    let (limits, cpu) = (Limits { steps, any_isa: false }, Cpu::new(threads).unwrap());
    let trainer = Trainer::resume(run, None, |_, _| Ok(data()), cpu, limits, &mut ()).unwrap();
    trainer.run(limits, &mut ()).unwrap()
}

fn weights(outcome: &Outcome) -> Weights {
    ModelFile::load(&outcome.model).unwrap().weights
}

/// Every feature with a state at once: any number of threads, and stops within epochs, change no bit.
#[test]
fn threads_and_interruptions_change_no_bit_of_any_feature() {
    let scratch = Scratch::new("features");
    for (name, sets) in [
        (
            "rmsprop",
            &[
                "optim.name=rmsprop",
                "optim.lr=0.01",
                "train.ema=0.9",
                "train.accumulate=3",
                "train.accumulate_batch_norm=true",
                "schedule.name=plateau",
                "schedule.patience=0",
                "data.mixup=0.4",
                "data.cutmix=1",
            ][..],
        ),
        (
            "lars",
            &[
                "optim.name=lars",
                "optim.lr=1",
                "optim.decay_norms=false",
                "optim.rates={'linear1' = 2.0}",
                "train.freeze=['*.bias']",
                "loss.class_weights=balanced",
                "loss.smoothing=0.1",
                "train.clip_norm=1",
            ],
        ),
    ] {
        let whole = trainer(settings(sets), network(NORM), data(), 1, &scratch.path(&format!("{name}-one")));
        let steps = whole.steps();
        let whole = whole.run(Limits::default(), &mut ()).unwrap();
        let path = scratch.path(&format!("{name}-parts"));
        let stopped = trainer(settings(sets), network(NORM), data(), 2, &path);
        stopped.run(Limits { steps: Some(1), any_isa: false }, &mut ()).unwrap();
        for step in 2..steps - 1 {
            resumed(&path, 1 + step as usize % 2, Some(step));
        }
        let end = resumed(&path, 2, None);
        assert_eq!(end.weights_sha256, whole.weights_sha256, "{name}");
        assert_eq!((end.train_loss, end.steps, end.finished), (whole.train_loss, steps, true), "{name}");
        let metrics = |path: &str| std::fs::read_to_string(scratch.path(path).join("metrics.csv")).unwrap();
        let plain = |text: String| -> Vec<String> {
            text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
        };
        let [one, parts] = [format!("{name}-one"), format!("{name}-parts")].map(|path| plain(metrics(&path)));
        assert_eq!(one, parts, "{name}");
    }
}

/// A step with three parts is that of the whole batch, but for rounding.
#[test]
fn parts_of_a_batch_make_the_same_step_as_the_whole() {
    let scratch = Scratch::new("parts");
    let plain = with_dropout("", "");
    let run = |sets: &[&str], name: &str| {
        let outcome = trainer(settings(sets), plain.clone(), data(), 1, &scratch.path(name));
        outcome.run(Limits::default(), &mut ()).unwrap()
    };
    let whole = run(&["train.batch=24"], "whole");
    let parts = run(&["train.batch=8", "train.accumulate=3"], "parts");
    assert_eq!((whole.steps, parts.steps), (8, 8));
    for (whole, parts) in whole.losses.iter().zip(&parts.losses) {
        assert!((whole - parts).abs() < 1e-4, "{whole} {parts}");
    }
}

#[test]
fn parts_of_a_batch_are_refused_with_batch_norm() {
    let session = |sets: &[&str]| {
        Session::new(settings(sets), network(NORM), data(), None, Cpu::new(1).unwrap()).map(|_| ())
    };
    let error = session(&["train.accumulate=2"]).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("train.accumulate_batch_norm = true"), "{error}");
    session(&["train.accumulate=2", "train.accumulate_batch_norm=true"]).unwrap();
    session(&["train.accumulate=2", "train.freeze=['batch_norm1']"]).unwrap();
}

#[test]
fn run_stops_early_and_says_so() {
    let scratch = Scratch::new("early");
    let path = scratch.path("run");
    // At a negligible rate, the loss of the first epoch stays the lowest or nearly so.
    let sets = ["train.patience=2", "optim.lr=1e-30", "train.epochs=9", "optim.weight_decay=0"];
    let mut lines = Lines::default();
    let run = trainer(settings(&sets), network(""), data(), 1, &path);
    let outcome = run.run(Limits::default(), &mut lines).unwrap();
    assert_eq!((outcome.epochs, outcome.finished, outcome.tally.is_some()), (3, true, true));
    assert!(lines.0.last().unwrap().starts_with("early stopping: no validation loss below"), "{:?}", lines.0);
    assert_eq!(losses(&path).len(), 3);
    let again = resumed(&path, 1, None);
    assert_eq!((again.steps, again.finished, again.losses.len()), (outcome.steps, true, 0));
    assert_eq!(again.weights_sha256, outcome.weights_sha256);
}

#[test]
fn what_needs_a_validation_loss_is_refused_without_images_for_it() {
    for set in ["train.patience=2", "schedule.name=plateau"] {
        let settings = settings(&[set, "data.holdout=0.0"]);
        let data = dataset(30, 3, [3, 12, 12]);
        let error = Session::new(settings, network(""), data, None, Cpu::new(1).unwrap()).err().unwrap();
        let text = error.to_string();
        assert!(error.is_input() && text.contains(set.split('=').next().unwrap()), "{text}");
        assert!(text.contains("raise data.holdout"), "{text}");
    }
}

/// The rates of a plateau fall by the factor.
#[test]
fn plateau_lowers_the_rate() {
    let scratch = Scratch::new("plateau");
    let path = scratch.path("run");
    let sets = ["schedule.name=plateau", "schedule.patience=1", "schedule.factor=0.5", "train.epochs=6"];
    let still = ["optim.lr=1e-6", "optim.weight_decay=0", "optim.rates={'*' = 0.0}"];
    let mut lines = Lines::default();
    trainer(settings(&[&sets[..], &still].concat()), network(""), data(), 1, &path)
        .run(Limits::default(), &mut lines)
        .unwrap();
    let notes: Vec<&String> = lines.0.iter().filter(|line| line.starts_with("plateau")).collect();
    assert_eq!(notes.len(), 2, "{:?}", lines.0);
    assert!(notes[0].contains("5.000e-7") && notes[1].contains("2.500e-7"), "{notes:?}");
}

#[test]
fn frozen_parameters_stay_and_the_rest_learns() {
    let scratch = Scratch::new("frozen");
    let sets = ["train.freeze=['conv1', 'batch_norm1']", "train.ema=0.5"];
    let run = trainer(settings(&sets), network(NORM), data(), 1, &scratch.path("run"));
    let first = striate_engine::Inference::initial_weights(run.session().network(), 0).unwrap();
    let last = weights(&run.run(Limits::default(), &mut ()).unwrap());
    for (name, value) in &first {
        assert_eq!(&last[name] == value, !name.starts_with("linear"), "{name}");
    }
    let error =
        Session::new(settings(&["train.freeze=['cnv1']"]), network(NORM), data(), None, Cpu::new(1).unwrap());
    let error = error.err().unwrap().to_string();
    assert!(error.contains("cnv1; did you mean conv1?"), "{error}");
}

/// What is exported with a running average is the average, with which the validation loss agrees.
#[test]
fn average_is_evaluated_and_exported() {
    let scratch = Scratch::new("average");
    let run = |sets: &[&str], name: &str| {
        trainer(settings(sets), network(NORM), data(), 1, &scratch.path(name))
            .run(Limits::default(), &mut ())
            .unwrap()
    };
    let (plain, average) = (run(&[], "plain"), run(&["train.ema=0.99"], "average"));
    assert_eq!(plain.losses, average.losses);
    assert_ne!(plain.weights_sha256, average.weights_sha256);
    let model = ModelFile::load(&average.model).unwrap();
    let network = model.network.clone();
    let inference = striate_engine::Inference::new(network, &model.weights, Cpu::new(1).unwrap()).unwrap();
    let mut held = data();
    let split = held.validation.take().unwrap();
    let part = striate_data::Prepared::new(split, held.preprocessing.as_ref()).unwrap();
    let tally = striate_train::evaluate(&inference, striate_graph::Loss::default(), &part, |_| {}).unwrap();
    assert_eq!(tally.loss(), average.tally.unwrap().loss());
}

/// At the end of the best epoch, both model files are the same.
#[test]
fn best_and_last_model_coincide_at_the_best_epoch() {
    let scratch = Scratch::new("coincide");
    let path = scratch.path("run");
    trainer(settings(&["train.epochs=1"]), network(NORM), data(), 1, &path)
        .run(Limits::default(), &mut ())
        .unwrap();
    let read = |name: &str| std::fs::read(path.join(name)).unwrap();
    assert_eq!(read("best.safetensors"), read("last.safetensors"));
}

#[test]
fn range_test_proposes_a_rate() {
    let session = || {
        let sets = ["optim.momentum=0", "optim.weight_decay=0", "data.mixup=0.1"];
        Session::new(settings(&sets), network(NORM), data(), None, Cpu::new(1).unwrap()).unwrap()
    };
    let curve = session().find_rate(&mut ()).unwrap();
    assert_eq!(curve, session().find_rate(&mut ()).unwrap());
    let proposal = curve.proposal().unwrap();
    assert!((1e-4..5.0).contains(&proposal.rate), "{proposal:?}");
    assert!(curve.rates.windows(2).all(|pair| pair[0] < pair[1]) && !curve.stopped);
}

/// The layers of a shallower network start a deeper one, whose other layers keep their initial values.
#[test]
fn deeper_network_starts_from_a_shallower_one() {
    let conv = "{ op = 'conv', out_channels = 3, kernel_size = 3, padding = 1 },";
    let (shallow, deep) = (with_dropout("", ""), with_dropout(conv, ""));
    // The deeper one has a second convolution of another shape.
    let weights = striate_engine::Inference::initial_weights(&shallow, 9).unwrap();
    let start = |sets: &[&str]| {
        let given = Some(("shallow.safetensors".as_ref(), weights.clone()));
        Session::new(settings(sets), deep.clone(), data(), given, Cpu::new(1).unwrap())
    };
    assert!(start(&[]).is_err());
    let mut session = start(&["model.start=shallower"]).unwrap();
    let changes = session.summary().unwrap().network.changes;
    assert!(changes[0].starts_with("from the weights: conv1 from conv1; "), "{changes:?}");
}
