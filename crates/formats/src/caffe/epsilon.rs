//! The ε of Caffe's batch norms, checked against the network's, since it is not stored with the weights.

use striate_graph::{Network, Op};
use striate_tensor::{Error, Result};

use super::message::EPSILON;
use super::names::batch_norm_name;
use crate::message::shown;

/// The ε of a batch norm in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Epsilon {
    pub(super) layer: String,
    pub(super) value: f32,
}

/// Returns a note about the first batch norm whose ε is not Caffe's default.
pub(super) fn note(epsilons: &[Epsilon]) -> Option<String> {
    let Epsilon { layer, value } = epsilons.iter().find(|epsilon| epsilon.value != EPSILON)?;
    let layer = shown(layer);
    Some(format!(
        "batch norm {layer} has ε = {value}, which is not stored with the weights; the network must use the same value"
    ))
}

/// Checks that the batch norms of `network` have the ε of those in the file.
///
/// # Errors
/// If one differs.
pub(super) fn check(network: &Network, epsilons: &[Epsilon]) -> Result<()> {
    for Epsilon { layer, value } in epsilons {
        let renamed = batch_norm_name(&network.name, layer);
        let own = network.layers.iter().find_map(|own| match &own.op {
            Op::BatchNorm(norm) if own.name == *layer || renamed.as_ref() == Some(&own.name) => {
                Some(norm.epsilon)
            }
            _ => None,
        });
        if let Some(own) = own.filter(|own| own != value) {
            return Err(Error::input(format!(
                "batch norm {} differs from that of {}: ε = {value} in the file, {own} in the network; use a .toml network with the file's value",
                shown(layer),
                network.name
            )));
        }
    }
    Ok(())
}
