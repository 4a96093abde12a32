//! Every built-in network trains with its default recipe, except those of `without_descent.rs`.
//!
//! Networks are narrower and images smaller than the originals; `scripts/defaults-train.sh` uses the original sizes.
//! Two networks train at a time, each on one thread: a step has too little work for more threads.
//! `STRIATE_NETWORKS` limits the networks to train to a comma-separated list.

mod common;

use std::sync::Mutex;

use common::{Scratch, dataset, losses, reduced, trainer};
use striate_testkit::each_of;
use striate_train::{Limits, Settings};

/// Number of images, of which 114 are training images.
const IMAGES: usize = 120;
/// Epochs of 8 steps or fewer.
const EPOCHS: usize = 4;
/// Largest loss of the last epoch, as a fraction of that of the first.
const FALLEN: f64 = 0.97;

#[test]
fn every_network_trains_with_its_default_recipe() {
    let scratch = Scratch::new("defaults");
    let wanted = std::env::var("STRIATE_NETWORKS").unwrap_or_default();
    let failures = Mutex::new(Vec::new());
    let models: Vec<_> = striate_models::all()
        .iter()
        .filter(|model| Settings::named(model.recipe).unwrap().recipe.replacement().is_none())
        .filter(|model| wanted.is_empty() || wanted.split(',').any(|x| x == model.name))
        .collect();
    each_of(&models, 2, |model| {
        let network = reduced(model.name);
        let [_, height, width] = network.sample().unwrap();
        let channels = if network.takes_signals() { 1 } else { 3 };
        let mut settings = Settings::chosen(model.name, "stripes", &network, false).unwrap();
        // With fewer, chance decides whether the loss of the deepest networks falls.
        settings.set("--epochs", &format!("train.epochs={EPOCHS}")).unwrap();
        let out = scratch.path(model.name);
        let run = trainer(settings, network, dataset(IMAGES, 3, [channels, height, width]), 1, &out);
        let outcome = run.run(Limits::default(), &mut ());
        let losses = losses(&out);
        println!("{:<20} {losses:.3?}", model.name);
        let has_fallen = losses.len() == EPOCHS && losses[EPOCHS - 1] < FALLEN * losses[0];
        let falls = has_fallen && losses.iter().all(|x| x.is_finite());
        if outcome.is_err() || !falls {
            failures.lock().unwrap().push(format!("{}: {losses:?} {:?}", model.name, outcome.err()));
        }
        std::fs::remove_dir_all(&out).unwrap();
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "the loss does not fall:\n{}", failures.join("\n"));
}
