//! Files of weights on the command line, and what is said about them.

use std::path::Path;

use striate_engine::Inference;
use striate_formats::{Loaded, Weights, fit, read_weights};
use striate_graph::Network;
use striate_predict::Resolved;
use striate_tensor::Result;

/// The weights in the file at `path`; what was chosen in it is said.
pub fn load(path: &Path) -> Result<Loaded> {
    let loaded = read_weights(path)?;
    loaded.notes.iter().for_each(|note| say(path, note));
    Ok(loaded)
}

/// The weights in the file at `path` as those of `network`; a last layer for another number of classes
/// is a new one, under `seed`.
pub fn load_for(network: &Network, path: &Path, seed: u64) -> Result<Weights> {
    let fitted = fit(network, load(path)?.weights).map_err(|e| e.at(path.display()))?;
    fitted.notes.iter().for_each(|note| say(path, note));
    let mut weights = fitted.weights;
    if !fitted.replaced.is_empty() {
        let mut first = Inference::initial_weights(network, seed)?;
        first.retain(|name, _| fitted.replaced.contains(name));
        weights.extend(first);
    }
    Ok(weights)
}

/// The network that `name` stands for; what was left aside in reading it is said.
pub fn resolve(name: &str) -> Result<Resolved> {
    let resolved = striate_predict::resolve(name)?;
    resolved.notes.iter().for_each(|note| say(Path::new(name), note));
    Ok(resolved)
}

/// Tells a person what was done with a file.
pub fn say(path: &Path, note: &str) {
    eprintln!("{}: {note}", path.display());
}
