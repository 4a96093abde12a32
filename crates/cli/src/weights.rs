//! Weights and model files on the command line, and what is reported about them.

use std::path::Path;

use striate_engine::Inference;
use striate_formats::{Fitted, Head, Loaded, ReadOptions, Weights, fit, fit_constants, read_weights_with};
use striate_graph::Network;
use striate_predict::Resolved;
use striate_tensor::text::{counted, printable, printable_path};
use striate_tensor::{Error, Result};

use crate::effect::note_unused_seed;

/// Loads the weights in the file at `path` for `network`. Its notes state what was chosen, to be reported
/// once the weights are known to fit.
pub fn load(network: &Network, path: &Path, options: &ReadOptions) -> Result<Loaded> {
    let mut loaded = read_weights_with(path, options)?;
    loaded
        .choose_for(network)
        .and_then(|()| fit_constants(network, &mut loaded))
        .map_err(|e| e.at(printable_path(path)))?;
    Ok(loaded)
}

/// Whether the weights in the file at `path` are those of `network`, with any number of classes.
pub fn are_for(network: &Network, path: &Path, options: &ReadOptions) -> bool {
    load(network, path, options).and_then(|loaded| fit(network, loaded.weights)).is_ok()
}

/// Loads the weights in the file at `path` for `network` without its auxiliary heads. If `is_adapted`, a last layer for
/// another number of classes is replaced as [`fit_for`] does.
///
/// # Errors
/// If they do not fit; without `is_adapted`, also if they have another number of classes.
pub fn load_for(
    network: &Network,
    path: &Path,
    is_adapted: bool,
    seed: Option<u64>,
    options: &ReadOptions,
) -> Result<Weights> {
    let Loaded { weights, notes, .. } = load(network, path, options)?;
    let fitted = fit(network, weights).map_err(|e| e.at(printable_path(path)))?;
    if let (Some(Head { classes, .. }), false) = (&fitted.replaced, is_adapted) {
        let (name, own) = (&network.name, network.classes()?);
        let what = format!(
            "its last layer has {classes} classes, but that of {name} has {own}; add --classes {classes}"
        );
        return Err(Error::input(what).at(printable_path(path)));
    }
    complete(network, fitted, notes, path, seed)
}

/// Fits `weights` of the file at `path` to `network` without its auxiliary heads; a last layer for another number of
/// classes is replaced by a new one, drawn with `seed`. What was done is reported.
pub fn fit_for(network: &Network, weights: Weights, path: &Path, seed: Option<u64>) -> Result<Weights> {
    let fitted = fit(network, weights).map_err(|e| e.at(printable_path(path)))?;
    complete(network, fitted, Vec::new(), path, seed)
}

/// Drops auxiliary heads, draws a replaced last layer, and reports it after `notes`.
fn complete(
    network: &Network,
    fitted: Fitted,
    mut notes: Vec<String>,
    path: &Path,
    seed: Option<u64>,
) -> Result<Weights> {
    if fitted.replaced.is_none() {
        note_unused_seed(seed);
    }
    let mut weights = fitted.weights;
    notes.extend(fitted.notes);
    let heads = network.auxiliary_variables()?;
    let ignored = heads.iter().filter(|(name, _)| weights.remove(name).is_some()).count();
    if ignored > 0 {
        notes.push(format!(
            "ignored {} of auxiliary heads, used only in training",
            counted(ignored, "tensor")
        ));
    }
    print_notes(path, &notes);
    if let Some(head) = fitted.replaced {
        let mut initial = Inference::initial_weights(network, seed.unwrap_or(0))?;
        initial.retain(|name, _| head.variables.contains(name));
        weights.extend(initial);
    }
    Ok(weights)
}

/// Returns the network that `name` stands for, and reports what was chosen when it was read.
pub fn resolve(name: &str, options: &ReadOptions) -> Result<Resolved> {
    let resolved = striate_predict::resolve_with(name, options)?;
    print_notes(Path::new(name), &resolved.notes);
    Ok(resolved)
}

/// Prints notes on a file to stderr, one line each.
pub fn print_notes(path: &Path, notes: &[String]) {
    let path = printable_path(path);
    notes.iter().for_each(|note| eprintln!("{path}: {}", printable(note)));
}
