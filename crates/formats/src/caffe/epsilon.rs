//! What Caffe's batch norms add to the variance, held against the network's: no weight tells of it.

use striate_graph::{Network, Op};
use striate_tensor::{Error, Result};

use super::message::EPSILON;
use super::names::batch_norm_name;
use crate::message::shown;

/// A batch norm of a file, and what it adds to the variance.
#[derive(Debug, Clone, PartialEq)]
pub struct Epsilon {
    pub(super) layer: String,
    pub(super) value: f32,
}

/// What a person is told of batch norms that do not add what Caffe does of itself.
pub(super) fn note(epsilons: &[Epsilon]) -> Option<String> {
    let Epsilon { layer, value } = epsilons.iter().find(|epsilon| epsilon.value != EPSILON)?;
    let layer = shown(layer);
    Some(format!(
        "batch norm {layer} has ε = {value}, which is not among the weights; a network needs the same"
    ))
}

/// Checks that the batch norms of `network` add what those of the file do.
///
/// # Errors
/// If one does not.
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
                "{} of the file is not that of {}: ε = {value} instead of {own}; give a .toml text of such a network",
                shown(layer),
                network.name
            )));
        }
    }
    Ok(())
}
