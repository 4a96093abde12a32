//! Caffe's constants of local response normalization, where a network has others: the weights around it are
//! scaled so that the network computes what the file's does.
//!
//! y = x / (k + α/n·Σx²)^β. With k′ and α′ instead, s·x for x, where s² = α·k′ / (k·α′), makes the sum in the
//! brackets k′/k times the old one, so y becomes s·(k/k′)^β·y. What a layer before puts out, and what one
//! behind takes in, is scaled by its weights; ReLU and pools in between pass a positive factor on. AlexNet
//! is such a network: the paper has k = 2 and α = 1e-4 without the division by n = 5, Caffe's model k = 1
//! and α = 1e-4 with it.

use striate_graph::ops::Lrn;
use striate_graph::{Layer, Network, Op};
use striate_tensor::{Error, Result};

use super::epsilon;
use crate::message::shown;
use crate::{Loaded, Weights};

/// A local response normalization of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    layer: String,
    /// `None` if it sums within a channel, not over channels.
    constants: Option<Lrn>,
    after_pool: bool,
}

impl Normalization {
    pub(super) fn new(layer: &str, constants: Option<Lrn>, after_pool: bool) -> Normalization {
        Normalization { layer: layer.to_owned(), constants, after_pool }
    }
}

/// Brings what Caffe's files say beside weights to `network`: batch norms must have the file's ε, and where local
/// response normalizations have another k and α, the weights of `loaded` are scaled so that the network computes
/// what the file's does; adds to the notes what was done.
///
/// # Errors
/// If that cannot be: a batch norm of the file has another ε than the network's; or a normalization is over other
/// channels, with another β, on the other side of a pool, or not in a row of layers.
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
            loaded.notes.push(format!("its normalization {name} is left out, which {} lacks", network.name));
            continue;
        };
        let theirs = normalization.checked(network, layer, own)?;
        if theirs == own {
            continue;
        }
        let Some([before, behind]) = exchange(network, layer, &mut loaded.weights, theirs, own) else {
            let what = "has other constants than the file's, and is not in a row of layers";
            return Err(Error::input(format!("{name} of {} {what}", network.name)));
        };
        loaded.notes.push(format!(
            "{name} has k = {} and α = {} here, k = {} and α = {} in the file: {before} and {behind} are scaled to make up for it",
            own.k, own.alpha, theirs.k, theirs.alpha
        ));
    }
    Ok(())
}

/// Scales the weights around the normalization `layer` so that with the constants `new` the network computes
/// what it did with `old`; the names of the layers that were scaled, or `None` if it is not in a row of layers.
pub(super) fn exchange<'a>(
    network: &'a Network,
    layer: &'a Layer,
    weights: &mut Weights,
    old: &Lrn,
    new: &Lrn,
) -> Option<[&'a str; 2]> {
    let (before, behind) = neighbors(network, layer)?;
    let factor = (f64::from(old.alpha) * f64::from(new.k) / f64::from(old.k) / f64::from(new.alpha)).sqrt();
    let output = factor * (f64::from(old.k) / f64::from(new.k)).powf(f64::from(new.beta));
    scale(weights, &format!("{}.weight", before.name), factor);
    scale(weights, &format!("{}.bias", before.name), factor);
    scale(weights, &format!("{}.weight", behind.name), 1.0 / output);
    Some([&before.name, &behind.name])
}

impl Normalization {
    /// The file's constants, if those of `network`'s `layer` can stand for them.
    fn checked(&self, network: &Network, layer: &Layer, own: &Lrn) -> Result<&Lrn> {
        let refused = |what: String| {
            Err(Error::input(format!("{} of the file is not that of {}: {what}", self.layer, network.name)))
        };
        let input = layer.inputs.first().and_then(|input| find(network, input));
        if input
            .is_some_and(|input| matches!(input.op, Op::MaxPool(_) | Op::AveragePool(_)) != self.after_pool)
        {
            let side = if self.after_pool { "behind" } else { "in front of" };
            return refused(format!("it stands {side} the pool; give a .toml text of such a network"));
        }
        let Some(theirs) = &self.constants else {
            return refused("it sums within a channel".into());
        };
        if (theirs.size, theirs.beta) != (own.size, own.beta) {
            return refused(format!(
                "size {} and β = {} instead of {} and {}",
                theirs.size, theirs.beta, own.size, own.beta
            ));
        }
        match [theirs.alpha, theirs.k, own.alpha].iter().all(|number| *number > 0.0 && number.is_finite()) {
            true => Ok(theirs),
            false => refused(format!("α = {} and k = {}", theirs.alpha, theirs.k)),
        }
    }
}

/// The layers with weights next before and behind `layer`, if everything between hands on a positive factor.
fn neighbors<'a>(network: &'a Network, layer: &'a Layer) -> Option<(&'a Layer, &'a Layer)> {
    let before = |layer: &'a Layer| match &layer.inputs[..] {
        [input] => find(network, input).filter(|input| reader(network, input).is_some()),
        _ => None,
    };
    Some((weighted(layer, before)?, weighted(layer, |layer| reader(network, layer))?))
}

/// The first layer with weights on the way that `next` goes from `layer`.
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

/// The layer that alone reads `layer`.
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
