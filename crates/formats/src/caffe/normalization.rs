//! Local response normalization with constants that differ between file and network: the weights around it are
//! rescaled so that the network computes what the file's network does.
//!
//! The operation is y = x / (k + α/n·Σx²)^β. With k′ and α′ instead of k and α, replacing x by s·x, where
//! s² = α·k′ / (k·α′), multiplies the sum in parentheses by k′/k, so that y becomes s·(k/k′)^β·y. These factors are
//! absorbed by the weights of the layers before and after; ReLU and pools in between commute with a positive factor.
//! AlexNet is such a network: the paper has k = 2 and α = 1e-4 without the division by n = 5, Caffe's model has k = 1
//! and α = 1e-4 with it.

use striate_graph::ops::Lrn;
use striate_graph::{Layer, Network, Op};
use striate_tensor::{Error, Result};

use super::epsilon;
use crate::message::shown;
use crate::{Loaded, Weights};

/// A local response normalization in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    layer: String,
    /// `None` if it sums within a channel rather than over channels.
    constants: Option<Lrn>,
    after_pool: bool,
}

impl Normalization {
    pub(super) fn new(layer: &str, constants: Option<Lrn>, after_pool: bool) -> Normalization {
        Normalization { layer: layer.to_owned(), constants, after_pool }
    }
}

/// Reconciles the constants in a Caffe file with those of `network`. The ε of batch norms must agree; where local
/// response normalizations differ in k and α, the weights of `loaded` are rescaled so that the network computes what
/// the file's network does. Changes are added to the notes.
///
/// # Errors
/// If that is not possible: a batch norm differs in ε; or a normalization differs in its channels or β, is on the
/// other side of a pool, or is not in a linear chain of layers.
pub fn fit_constants(network: &Network, loaded: &mut Loaded) -> Result<()> {
    epsilon::check(network, &loaded.epsilons)?;
    for normalization in &loaded.normalizations {
        let name = &normalization.layer;
        let own = network.layers.iter().find_map(|layer| match &layer.op {
            Op::Lrn(lrn) if layer.name == *name => Some((layer, lrn)),
            _ => None,
        });
        let Some((layer, own)) = own else {
            let name = shown(name);
            loaded
                .notes
                .push(format!("ignoring its normalization {name}, which {} does not have", network.name));
            continue;
        };
        let theirs = normalization.checked(network, layer, own)?;
        if theirs == own {
            continue;
        }
        let Some([before, after]) = replace_constants(network, layer, &mut loaded.weights, theirs, own)
        else {
            let what = "has different constants than the file and is not in a linear chain of layers";
            return Err(Error::input(format!("{name} of {} {what}", network.name)));
        };
        loaded.notes.push(format!(
            "{name} has k = {} and α = {} here, k = {} and α = {} in the file: {before} and {after} were rescaled to compensate",
            own.k, own.alpha, theirs.k, theirs.alpha
        ));
    }
    Ok(())
}

/// Rescales the weights around the normalization `layer` so that with the constants `new` the network computes what it
/// did with `old`. Returns the names of the rescaled layers, or `None` if it is not in a linear chain of layers.
pub(super) fn replace_constants<'a>(
    network: &'a Network,
    layer: &'a Layer,
    weights: &mut Weights,
    old: &Lrn,
    new: &Lrn,
) -> Option<[&'a str; 2]> {
    let (before, after) = neighbors(network, layer)?;
    let factor = (f64::from(old.alpha) * f64::from(new.k) / f64::from(old.k) / f64::from(new.alpha)).sqrt();
    let output = factor * (f64::from(old.k) / f64::from(new.k)).powf(f64::from(new.beta));
    scale(weights, &format!("{}.weight", before.name), factor);
    scale(weights, &format!("{}.bias", before.name), factor);
    scale(weights, &format!("{}.weight", after.name), 1.0 / output);
    Some([&before.name, &after.name])
}

impl Normalization {
    /// Returns the file's constants if those of `layer` in `network` can replace them.
    fn checked(&self, network: &Network, layer: &Layer, own: &Lrn) -> Result<&Lrn> {
        let refused = |what: String| {
            Err(Error::input(format!(
                "normalization {} differs from that of {}: {what}",
                self.layer, network.name
            )))
        };
        let input = layer.inputs.first().and_then(|input| find(network, input));
        if input
            .is_some_and(|input| matches!(input.op, Op::MaxPool(_) | Op::AveragePool(_)) != self.after_pool)
        {
            let side = if self.after_pool { "follows" } else { "precedes" };
            return refused(format!("in the file it {side} the pool; use a .toml network with that order"));
        }
        let Some(theirs) = &self.constants else {
            return refused("in the file it sums within a channel".into());
        };
        if (theirs.size, theirs.beta) != (own.size, own.beta) {
            return refused(format!(
                "size {} and β = {} in the file, {} and {} in the network",
                theirs.size, theirs.beta, own.size, own.beta
            ));
        }
        match [theirs.alpha, theirs.k, own.alpha].iter().all(|number| *number > 0.0 && number.is_finite()) {
            true => Ok(theirs),
            false => refused(format!("invalid constants α = {} and k = {}", theirs.alpha, theirs.k)),
        }
    }
}

/// Returns the nearest layers with weights before and after `layer`, if everything in between commutes with a positive
/// factor.
fn neighbors<'a>(network: &'a Network, layer: &'a Layer) -> Option<(&'a Layer, &'a Layer)> {
    let before = |layer: &'a Layer| match &layer.inputs[..] {
        [input] => find(network, input).filter(|input| reader(network, input).is_some()),
        _ => None,
    };
    Some((weighted(layer, before)?, weighted(layer, |layer| reader(network, layer))?))
}

/// Returns the first layer with weights reached from `layer` through `next`.
fn weighted<'a>(layer: &'a Layer, next: impl Fn(&'a Layer) -> Option<&'a Layer>) -> Option<&'a Layer> {
    let mut layer = next(layer)?;
    loop {
        match &layer.op {
            Op::Conv(_) | Op::Linear(_) => return Some(layer),
            Op::Relu(_) | Op::MaxPool(_) | Op::AveragePool(_) | Op::Dropout(_) | Op::Flatten(_) => {
                layer = next(layer)?;
            }
            _ => return None,
        }
    }
}

/// Returns the layer that reads `layer`, if it is the only one.
fn reader<'a>(network: &'a Network, layer: &Layer) -> Option<&'a Layer> {
    let mut readers = network.layers.iter().filter(|other| other.inputs.contains(&layer.name));
    readers.next().filter(|_| readers.next().is_none())
}

fn find<'a>(network: &'a Network, name: &str) -> Option<&'a Layer> {
    network.layers.iter().find(|layer| layer.name == name)
}

fn scale(weights: &mut Weights, name: &str, factor: f64) {
    if let Some((_, values)) = weights.get_mut(name) {
        values.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
    }
}
