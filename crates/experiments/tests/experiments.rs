//! The experiments of the program are valid, and an experiment gives the same figures whether it is stopped or not.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use striate_engine::Cpu;
use striate_experiments::{Definition, Event, Experiment, Figures, Record, Runner, SHIPPED, Scale, find};
use striate_train::Observer;

/// Two variants on the built-in digits, which take a second.
const SMALL: Experiment = Experiment {
    name: "small",
    text: r#"
        title = "Activations"
        claim = "none"
        source = "none"
        seeds = 2
        measures = [
            { figure = "test_error" },
            { figure = "train_error" },
            { figure = "train_loss" },
            { figure = "steps_to_loss", below = 0.0 },
            { figure = "steps_to_error", below = 2.0 },
            { figure = "gradient_norm", layers = ["conv"] },
            { figure = "test_error_after", name = "error upside down", transforms = [
                { name = "RandomRotation", degrees = [180, 180] },
            ] },
            { figure = "test_error_moved", name = "error one pixel aside", maps = [
                { translate = [1, 0] },
                { translate = [-1, 0] },
            ] },
            { figure = "test_error_moved", name = "error in place", maps = [{ scale = 1.0 }] },
            { figure = "parameters" },
            { figure = "macs" },
        ]
        recipe = { data = { share = 0.5, holdout = 0.1 }, train = { epochs = 3, batch = 32 } }
        variants = [
            { name = "relu", network = "network.toml", replace = { activation = "relu" } },
            { name = "tanh", network = "network.toml", replace = { activation = "tanh" } },
        ]
        full = { set = ["data.share = 1.0"] }
    "#,
    networks: &[(
        "network.toml",
        r#"
        name = "$activation-network"
        input = [1, 8, 8]
        layers = [
            { name = "conv", op = "conv", kernel_size = 3, out_channels = 4 },
            { op = "$activation" },
            { op = "flatten" },
            { op = "linear", out_features = 10 },
        ]"#,
    )],
};

fn runner(definition: Definition, folder: &Path, threads: usize) -> Runner {
    let device = Arc::new(Cpu::new(threads).unwrap());
    Runner { seeds: definition.seeds, definition, scale: Scale::Small, folder: folder.to_owned(), device }
}

/// Stops every run after a few steps.
struct Impatient(usize);

impl Observer for Impatient {
    fn stop(&mut self) -> bool {
        self.0 += 1;
        self.0.is_multiple_of(20)
    }
}

/// Runs all of it with `observer`, again and again until it is complete. Returns the figures of each run.
fn all_figures(runner: &Runner, observer: &mut dyn Observer) -> Vec<(String, u64, Figures)> {
    let mut figures = Vec::new();
    for _ in 0..100 {
        let report = |event: Event| {
            if let Event::Done { run, figures: own, .. } = event {
                figures.push((run.variant.name.clone(), run.seed, own.clone()));
            }
        };
        if runner.run(observer, report).unwrap() {
            return figures;
        }
    }
    panic!("the experiment does not end");
}

#[test]
fn stopped_experiment_gives_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let definition = || SMALL.definition().unwrap();
    let whole = runner(definition(), &folder.path().join("whole"), 1);
    let expected = all_figures(&whole, &mut ());
    assert_eq!(expected.len(), 4);
    let stopped = runner(definition(), &folder.path().join("stopped"), 2);
    assert_eq!(all_figures(&stopped, &mut Impatient(0)), expected);
    assert_eq!(stopped.table().unwrap(), whole.table().unwrap());
    assert_eq!(all_figures(&whole, &mut ()), [], "finished runs are kept");

    let table = whole.table().unwrap();
    let names = ["test error", "training error", "training loss", "steps to loss 0", "steps to 200.00 %"];
    assert_eq!(table.figures[..5], names);
    assert_eq!(table.figures[5..8], ["gradient of conv", "error upside down", "error one pixel aside"]);
    assert_eq!(table.figures[8..], ["error in place", "parameters", "multiply-adds"]);
    let value = |name: &str| {
        let place = table.figures.iter().position(|other| other == name).unwrap();
        table.rows[0].cells[place].mean
    };
    assert!(value("error upside down") > value("test error"));
    assert!(value("error one pixel aside") > value("test error"));
    assert_eq!(value("error in place"), value("test error"));
    assert_eq!(value("steps to loss 0"), None);
    // 1,438 training images, of which a half is used and a tenth of that held out: 21 batches.
    assert_eq!(value("steps to 200.00 %"), Some(21.0));
    assert_eq!(value("parameters"), Some((40 + 144 * 10 + 10) as f64));
    assert!(value("gradient of conv").is_some_and(|norm| norm > 0.0));
    assert_eq!(whole.curves().unwrap()[1].points.len(), 3);
    let record = whole.record().unwrap();
    assert_eq!(Record::from_text(&record.to_text()).unwrap(), record);
    assert!(record.is_of(&definition()) && record.summary().starts_with("test error: relu "), "{record:?}");
}

/// Variants with recipes of their own on two data sets.
const GRID: Experiment = Experiment {
    name: "grid",
    text: r#"
        title = "Grid"
        claim = "none"
        source = "none"
        seeds = 2
        measures = [{ figure = "test_error" }, { figure = "seconds" }]
        set = ["data.share = 0.2"]
        recipe = { data = { holdout = 0.0 }, train = { epochs = 1, batch = 32 } }
        data = [
            { name = "own-size", set = ["data.spec = 'digits'"] },
            { name = "larger", set = ["data.spec = 'digits'", "data.size = [32, 32]"] },
        ]
        variants = [
            { name = "linear", network = "network.toml" },
            { name = "hog-svm", network = "hog-svm", recipe = "hog-svm", set = ["data.size = [32, 32]"] },
        ]
    "#,
    networks: &[(
        "network.toml",
        r#"
        name = "linear"
        input = [1, 8, 8]
        layers = [{ op = "flatten" }, { op = "linear", out_features = 10 }]"#,
    )],
};

#[test]
fn every_variant_runs_on_every_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let grid = runner(GRID.definition().unwrap(), folder.path(), 1);
    let mut events = Vec::new();
    let report = |event: Event| match event {
        Event::Begins { run, index, count, seconds_left } => {
            events.push(format!("{run}: {index} of {count}, {}", seconds_left.is_some()));
        }
        Event::Kept { run } => events.push(format!("{run}: kept")),
        Event::Done { .. } => {}
    };
    assert!(grid.run(&mut (), report).unwrap());
    assert_eq!(events[0], "linear on own-size, seed 0: 0 of 8, false");
    assert_eq!(events[7], "hog-svm on larger, seed 1: 7 of 8, true");
    assert!(folder.path().join("larger/hog-svm-1/figures.json").is_file());
    let record = grid.record().unwrap();
    assert_eq!(record.table.rows.len(), 4);
    let errors: Vec<f64> = record.table.rows.iter().map(|row| row.cells[0].mean.unwrap()).collect();
    assert!(errors.iter().all(|error| *error < 0.5), "{errors:?}");
    // The hand-made features are of the same images in both.
    assert_eq!(errors[1], errors[3]);
    assert!(record.summary().starts_with("test error: own-size: "), "{}", record.summary());
    assert!(record.curves.is_empty(), "a single epoch does not make a curve");
}

#[test]
fn recorded_results_are_readable() {
    for experiment in SHIPPED {
        if let Some(record) = experiment.record().unwrap() {
            assert_eq!(record.name, experiment.name);
            assert!(!record.summary().is_empty());
        }
    }
    assert!(Record::from_text("{}").unwrap_err().to_string().starts_with("result.json: "));
}

#[test]
fn runs_of_another_scale_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let small = Runner { seeds: 1, ..runner(SMALL.definition().unwrap(), folder.path(), 1) };
    small.run(&mut (), |_| {}).unwrap();
    let full = Runner { scale: Scale::Full, ..small };
    let error = full.run(&mut (), |_| {}).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("another definition, scale"), "{error}");
}

#[test]
fn shipped_experiments_are_valid() {
    let mut names = BTreeSet::new();
    for experiment in SHIPPED {
        let definition = experiment.definition().unwrap();
        assert!(names.insert(experiment.name), "{} occurs twice", experiment.name);
        let fewest = if definition.trains() { 3 } else { 1 };
        assert!(definition.seeds >= fewest && definition.variants.len() > 1, "{}", experiment.name);
        let variants: BTreeSet<&str> = definition.variants.iter().map(|variant| &variant.name[..]).collect();
        assert_eq!(variants.len(), definition.variants.len(), "{}", experiment.name);
        for variant in &definition.variants {
            let Some(training) = variant.training() else { continue };
            let mut network = training.network.clone();
            // Hand-made features take the place of pixels.
            if variant.name.ends_with("-svm") {
                continue;
            }
            if network.image().unwrap()[1] < 32 {
                network.set_input([1, 28, 28]);
            }
            network.set_classes(10).unwrap();
            network.graph(2).unwrap();
        }
    }
}

#[test]
fn unknown_experiment_suggests_the_closest() {
    assert!(find("poling").unwrap_err().to_string().contains("did you mean pooling?"));
}

#[test]
fn invalid_definitions_are_refused() {
    for (from, to, expected) in [
        ("name = \"relu\"", "name = \"../relu\"", "a name has letters"),
        ("figure = \"macs\"", "figure = \"mac\"", "mac"),
        ("epochs = 3", "epochs = 0", "train.epochs"),
        ("data.share = 1.0", "data.share = 2.0", "data.share"),
        ("$activation\" }", "relux\" }", "relux"),
        ("network = \"network.toml\"", "protocol = \"center\"", "give a network to train"),
        ("name = \"tanh\",", "name = \"tanh\", baseline = \"tanh\",", "its baseline tanh is not above it"),
        ("figure = \"macs\"", "figure = \"views\"", "does not apply"),
    ] {
        let text: &'static str = String::leak(SMALL.text.replace(from, to));
        let networks: &'static [_] =
            Vec::leak(vec![(SMALL.networks[0].0, &*String::leak(SMALL.networks[0].1.replace(from, to)))]);
        let error = Experiment { text, networks, ..SMALL }.definition().unwrap_err();
        assert!(error.is_input() && error.to_string().contains(expected), "{error}");
    }
}
