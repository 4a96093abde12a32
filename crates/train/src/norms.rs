//! Euclidean norms of the weights and gradients of each layer.

use std::collections::BTreeMap;

use striate_engine::Training;
use striate_graph::Role;
use striate_tensor::Result;

/// The norm over all variables of `role` of each layer. Gradients are those of the last step, which stay on the device
/// until the next one; both are copied from there, once an epoch.
pub(crate) fn norms(training: &Training, role: Role) -> Result<BTreeMap<String, f64>> {
    let mut squares: BTreeMap<String, f64> = BTreeMap::new();
    for (name, (_, values)) in training.variables(&[role])? {
        let name = name.strip_prefix("gradient.").unwrap_or(&name);
        let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
        let sum: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        *squares.entry(layer.to_owned()).or_default() += sum;
    }
    Ok(squares.into_iter().map(|(layer, sum)| (layer, sum.sqrt())).collect())
}
