//! Files of weights on the command line, and what is said about them.

use std::path::Path;

use striate_engine::Inference;
use striate_formats::{Loaded, ModelFile, Weights, fit, fit_constants, read_model, read_weights};
use striate_graph::Network;
use striate_predict::Resolved;
use striate_tensor::Result;
use striate_tensor::text::{printable, printable_path};

/// The weights in the file at `path`, which are to be those of `network`. What was chosen in it is among the
/// notes, to be said once the weights are known to fit.
pub fn load(network: &Network, path: &Path) -> Result<Loaded> {
    let mut loaded = read_weights(path)?;
    loaded
        .choose_for(network)
        .and_then(|()| fit_constants(network, &mut loaded))
        .map_err(|e| e.at(path.display()))?;
    Ok(loaded)
}

/// The weights in the file at `path` as those of `network` without its auxiliary heads; a last layer for another
/// number of classes is a new one, under `seed`.
pub fn load_for(network: &Network, path: &Path, seed: u64) -> Result<Weights> {
    let Loaded { weights, notes, .. } = load(network, path)?;
    fit_for(network, weights, notes, path, seed)
}

/// `weights` of the file at `path` as [`load_for`] gives them; what was done is said after `notes`.
pub fn fit_for(
    network: &Network,
    weights: Weights,
    mut notes: Vec<String>,
    path: &Path,
    seed: u64,
) -> Result<Weights> {
    let fitted = fit(network, weights).map_err(|e| e.at(path.display()))?;
    let mut weights = fitted.weights;
    notes.extend(fitted.notes);
    let heads = network.auxiliary_variables()?;
    let ignored = heads.iter().filter(|(name, _)| weights.remove(name).is_some()).count();
    if ignored > 0 {
        notes.push(format!(
            "{ignored} tensors of the auxiliary heads are left aside, which only training needs"
        ));
    }
    say_all(path, &notes);
    if let Some(head) = fitted.replaced {
        let mut first = Inference::initial_weights(network, seed)?;
        first.retain(|name, _| head.variables.contains(name));
        weights.extend(first);
    }
    Ok(weights)
}

/// The model in the file at `path`, which brings its network, for images; what was left aside is said.
pub fn model(path: &Path) -> Result<ModelFile> {
    let (mut model, notes) = read_model(path)?;
    say_all(path, &notes);
    model.network = model.network.channels_first();
    Ok(model)
}

/// The network that `name` stands for; what was left aside in reading it is said.
pub fn resolve(name: &str) -> Result<Resolved> {
    let resolved = striate_predict::resolve(name)?;
    say_all(Path::new(name), &resolved.notes);
    Ok(resolved)
}

/// Tells a person all that was done with a file.
pub fn say_all(path: &Path, notes: &[String]) {
    notes.iter().for_each(|note| say(path, note));
}

/// Tells a person what was done with a file.
fn say(path: &Path, note: &str) {
    eprintln!("{}: {}", printable_path(path), printable(note));
}
