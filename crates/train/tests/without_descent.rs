//! Runs without gradient descent, of support vector machines and self-organizing cells: same bits, interruptions, what
//! a run folder has.

mod common;

use std::path::Path;

use common::{Scratch, dataset, trainer};
use striate_data::Dataset;
use striate_engine::Cpu;
use striate_graph::ops::{Conv, Relu};
use striate_graph::{Network, Op};
use striate_train::{Limits, Observer, Outcome, RunFacts, Settings, Trainer, Work, read_metrics};

/// The networks, each with the side of its images and the largest error on stripes. The Neocognitron of 1980 does not
/// tell these apart; `cli/tests/ancestors.rs` trains it on digits.
const NETWORKS: [(&str, usize, f64); 4] = [
    ("hog-svm", 32, 0.2),
    ("sift-svm", 32, 0.2),
    ("neocognitron", 16, 0.67),
    ("neocognitron-digits", 16, 0.4),
];

fn images(name: &str) -> Dataset {
    let side = NETWORKS.iter().find(|(own, ..)| *own == name).unwrap().1;
    dataset(150, 3, [1, side, side])
}

fn network(name: &str) -> Network {
    (striate_models::find(name).unwrap().build)().unwrap()
}

fn created(name: &str, threads: usize, run: &Path) -> Trainer {
    let mut settings = Settings::named(name).unwrap();
    if name.starts_with("neocognitron") {
        settings.set("--set", "self_organization.presentations=[50, 50, 300]").unwrap();
    }
    trainer(settings, network(name), images(name), threads, run)
}

fn trained(name: &str, threads: usize, run: &Path) -> Outcome {
    created(name, threads, run).run(Limits::default(), &mut ()).unwrap()
}

/// Resumes the run in this folder, with its notes.
fn resumed(name: &str, run: &Path) -> (Outcome, Vec<String>) {
    let mut notes = Notes { stops: false, notes: vec![] };
    let (limits, cpu) = (Limits::default(), Cpu::new(1).unwrap());
    let load = |_: &_, _: &_| Ok(images(name));
    let run = Trainer::resume(run, None, load, cpu, limits, &mut notes).unwrap();
    let outcome = run.run(limits, &mut notes).unwrap();
    (outcome, notes.notes)
}

/// Collects notes, and stops at once if asked to.
struct Notes {
    stops: bool,
    notes: Vec<String>,
}

impl Observer for Notes {
    fn work(&mut self, work: &Work) {
        assert!(work.done <= work.all, "{work:?}");
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn stop(&mut self) -> bool {
        self.stops
    }
}

#[test]
fn threads_and_interruptions_change_no_bit() {
    let scratch = Scratch::new("without-descent-bits");
    for (name, _, most) in NETWORKS {
        let [one, two, stopped] = ["one", "two", "stopped"].map(|run| scratch.path(&format!("{name}-{run}")));
        let first = trained(name, 1, &one);
        assert_eq!((first.finished, first.epochs, first.steps), (true, 1, 135), "{name}");
        assert_eq!(trained(name, 2, &two).weights_sha256, first.weights_sha256, "{name}");
        let mut stops = Notes { stops: true, notes: vec![] };
        let outcome = created(name, 1, &stopped).run(Limits::default(), &mut stops).unwrap();
        assert!(!outcome.finished && outcome.steps == 0 && outcome.tally.is_none(), "{name}");
        let (again, notes) = resumed(name, &stopped);
        assert!(notes.iter().any(|note| note.contains("training starts over")), "{notes:?}");
        assert_eq!(again.weights_sha256, first.weights_sha256, "{name}");
        // A finished run is reported again.
        let (reported, _) = resumed(name, &one);
        let error = |outcome: &Outcome| outcome.tally.as_ref().unwrap().top1_error();
        assert_eq!(
            (reported.weights_sha256.as_str(), error(&reported)),
            (&first.weights_sha256[..], error(&first))
        );
        assert!(error(&first) <= most, "{name}: {}", error(&first));
    }
}

#[test]
fn run_folder_is_that_of_any_network() {
    let scratch = Scratch::new("svm-folder");
    let run = scratch.path("run");
    let outcome = trained("hog-svm", 2, &run);
    let columns = read_metrics(&run).unwrap();
    let values = |name: &str| columns.iter().find(|(other, _)| other == name).unwrap().1.clone();
    assert_eq!((values("step"), values("rate")), (vec![(1.0, 135.0)], vec![]));
    assert!((values("train_loss")[0].1 - outcome.train_loss.unwrap()).abs() < 1e-6);
    let facts = RunFacts::read(&run).unwrap();
    assert!(facts.is_complete() && facts.seconds().is_some());
    for file in
        ["best.safetensors", "last.safetensors", "data.json", "plan.txt", "events.out.tfevents.striate"]
    {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
}

#[test]
fn networks_without_s_cells_are_refused() {
    let scratch = Scratch::new("self-organization-refused");
    let conv = |network: &mut Network, name: &str, change: fn(&mut Conv)| {
        let layer = network.layers.iter_mut().find(|layer| layer.name == name).unwrap();
        let Op::Conv(conv) = &mut layer.op else { panic!("{name} is not a convolution") };
        change(conv);
    };
    let one = "self_organization={layers=['s1'],rules=['labels'],selectivity=[1],speed=[1],columns=[1],\
               presentations=[9]}";
    let layers = |last: &str| format!("self_organization.layers=['s1','s2','{last}']");
    let unchanged: &dyn Fn(&mut Network) = &|_| {};
    for (set, change, expected) in [
        ("data.holdout=0.0", unchanged, "no images are held out; raise data.holdout"),
        (&layers("s4"), unchanged, "s4: network neocognitron: no convolution s4.excitation found"),
        (&layers("s2"), unchanged, "names s2 twice; name it once"),
        (one, unchanged, "s2.excitation.weight would stay as it is initialized"),
        (
            &layers("s3"),
            &|network| conv(network, "s1.excitation", |conv| conv.bias = true),
            "s1.excitation must have square kernels of an odd side",
        ),
        (
            &layers("s3"),
            &|network| conv(network, "s2.inhibition", |conv| conv.bias = true),
            "s2.inhibition must be a 1×1 convolution without biases",
        ),
        (
            &layers("s3"),
            &|network| {
                let last = network.layers.len() - 2;
                network.layers[last].op = Relu {}.into();
            },
            "need a last layer that reads the softmax of cells times a constant",
        ),
    ] {
        let mut settings = Settings::named("neocognitron").unwrap();
        settings.set("--set", set).unwrap();
        let mut network = network("neocognitron");
        change(&mut network);
        let (cpu, out) = (Cpu::new(1).unwrap(), scratch.run("run"));
        let data = dataset(30, 3, [1, 16, 16]);
        let error = Trainer::create(settings, network, data, None, cpu, &out).err().expect(expected);
        assert!(error.is_input() && error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let scratch = Scratch::new("svm-refused");
    let refusal = |sets: &[&str], text: &str| {
        let mut settings = Settings::named("sift-svm").unwrap();
        sets.iter().for_each(|set| settings.set("--set", set).unwrap());
        let (network, data) = (Network::from_text(text).unwrap(), dataset(30, 3, [1, 32, 32]));
        let (cpu, out) = (Cpu::new(1).unwrap(), scratch.run("run"));
        let error = Trainer::create(settings, network, data, None, cpu, &out).err().unwrap();
        assert!(error.is_input(), "{error}");
        error.to_string()
    };
    let own = network("sift-svm").to_text();
    let without = "name = 'n'\ninput = [128, 8, 8]\nlayers = [{ op = 'conv', out_channels = 9, kernel_size = 3 }, \
                   { op = 'flatten' }, { op = 'relu' }]";
    let linear = without.replace("'relu'", "'linear', out_features = 10");
    for (sets, text, expected) in [
        (&["data.holdout=0.0"][..], &own[..], "no images are held out; raise data.holdout"),
        (&["svm.codebook=wrods"], &own, "wrods must be a layer of network"),
        (&["svm.codebook=conv1"], &linear, "conv1 must be a layer of network"),
        (&["data.features.step=40"], &own, "less than a step of the grid"),
    ] {
        let text = refusal(sets, text);
        assert!(text.contains(expected), "{text}");
    }
    let mut few = Settings::named("sift-svm").unwrap();
    few.set("--set", "svm.descriptors=20").unwrap();
    let few = trainer(few, network("sift-svm"), dataset(150, 3, [1, 32, 32]), 1, &scratch.path("few"));
    let error = few.run(Limits::default(), &mut ()).unwrap_err().to_string();
    assert!(error.contains("20 descriptors for 200 words; raise svm.descriptors or add images"), "{error}");
    let mut settings = Settings::named("hog-svm").unwrap();
    settings.set("--seed", "train.seed=1").unwrap();
    let refused = |text: &str| {
        let (network, data) = (Network::from_text(text).unwrap(), dataset(30, 3, [1, 32, 32]));
        let (cpu, out) = (Cpu::new(1).unwrap(), scratch.run("other"));
        Trainer::create(settings.clone(), network, data, None, cpu, &out).err().unwrap().to_string()
    };
    assert!(
        refused(without).contains("support vector machines need a linear last layer"),
        "{}",
        refused(without)
    );
    assert!(refused(&linear).contains("would stay as it is initialized"), "{}", refused(&linear));
    let out = scratch.path("steps");
    let steps = Limits { steps: Some(3), any_isa: false };
    let error = created("hog-svm", 1, &out).run(steps, &mut ()).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("not trained in steps"), "{error}");
}
