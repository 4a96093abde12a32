//! The share of dead ReLUs: units that are zero on every image.
//!
//! The network is extended by the mean over the map of each ReLU, and all means are joined to one output. Because a
//! ReLU is never negative, a mean is zero only if the unit is zero everywhere. A unit is a channel of a map.

use std::sync::Arc;

use striate_data::Prepared;
use striate_engine::{Device, Inference, Variables};
use striate_graph::ops::{Concat, Flatten, GlobalAveragePool};
use striate_graph::{Layer, Network, Op};
use striate_tensor::{Result, zeroed};

/// Number of training images on which units are observed.
const IMAGES: usize = 32;
/// Number of images at once.
const BATCH: usize = 8;
/// Largest number of ReLUs whose means are joined.
const MOST: usize = 2048;

/// The share of units of each ReLU of `network` with these weights that are zero on the first training images, by
/// layer. Empty if the network has no ReLUs.
pub(super) fn dead_relus(
    network: &Network,
    weights: &Variables,
    images: &Prepared,
    device: Arc<dyn Device>,
) -> Result<Vec<(String, f64)>> {
    let (extended, units) = extended(network)?;
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let width: usize = units.iter().map(|(_, count)| count).sum();
    let mut is_active = vec![false; width];
    let inference = Inference::with_weights(extended, weights.clone(), device)?;
    let size: usize = images.shape().iter().product();
    let count = IMAGES.min(images.len());
    for first in (0..count).step_by(BATCH) {
        let batch = BATCH.min(count - first);
        let mut values = zeroed(batch * size)?;
        images.write_all(first, &mut values)?;
        let (_, means) = inference.run(&network.batch_shape(batch, images.shape()), &values)?;
        for row in means.chunks_exact(width) {
            is_active.iter_mut().zip(row).for_each(|(active, mean)| *active |= *mean != 0.0);
        }
    }
    let mut rest = &is_active[..];
    let share = |(layer, count): (String, usize)| {
        let (own, others) = rest.split_at(count);
        rest = others;
        (layer, own.iter().filter(|active| !**active).count() as f64 / count as f64)
    };
    Ok(units.into_iter().map(share).collect())
}

/// `network` with the means of all ReLUs as its output, and the number of units of each.
fn extended(network: &Network) -> Result<(Network, Vec<(String, usize)>)> {
    let last = network.layers.last().map(|layer| layer.name.clone()).unwrap_or_default();
    let mut network = network.until(&last)?;
    let graph = network.graph(1)?;
    let is_relu = |layer: &&Layer| matches!(layer.op, Op::Relu(_) | Op::Relu6(_));
    let relus: Vec<String> = network.layers.iter().filter(is_relu).map(|layer| layer.name.clone()).collect();
    let (mut units, mut means) = (Vec::new(), Vec::new());
    for relu in relus.into_iter().take(MOST) {
        let Some(value) = graph.find(&relu) else { continue };
        let shape = graph.shape(value);
        units.push((relu.clone(), shape[1]));
        if shape.len() == 2 {
            means.push(relu);
            continue;
        }
        let [mean, row] = ["mean", "means"].map(|what| format!("{relu} ({what} of units)"));
        network.layers.push(layer(&mean, GlobalAveragePool {}, vec![relu]));
        network.layers.push(layer(&row, Flatten {}, vec![mean]));
        means.push(row);
    }
    if !means.is_empty() {
        network.layers.push(layer("(means of all units)", Concat {}, means));
    }
    Ok((network, units))
}

fn layer(name: &str, op: impl Into<Op>, inputs: Vec<String>) -> Layer {
    Layer { name: name.to_owned(), op: op.into(), inputs, shares: None }
}

#[cfg(test)]
mod tests {
    use striate_data::{Pixels, Split};
    use striate_engine::Cpu;
    use striate_graph::Builder;
    use striate_vision::Preprocessing;

    use super::*;

    #[test]
    fn units_that_are_zero_on_every_image_are_dead() {
        let net = Builder::new("net", [1, 6, 6]);
        let x = net.input().conv(4, 3).relu().named("first").flatten();
        let network = x.linear(5).relu().named("second").linear(3).finish().unwrap();
        let mut weights = Inference::initial_weights(&network, 2).unwrap();
        let name = |end: &str| weights.keys().filter(|name| name.ends_with(end)).cloned().collect::<Vec<_>>();
        let (all_weights, biases) = (name(".weight"), name(".bias"));
        // Images are positive, so that a unit with weights of −1 is zero; three of four maps, and one of five units.
        let mut fill = |name: &String, dead: usize, zero: usize| {
            let (shape, values) = weights.get_mut(name).unwrap();
            let size = values.len() / shape[0];
            values.iter_mut().enumerate().for_each(|(i, value)| {
                *value = if i / size < dead { -1.0 } else { 1.0 };
                *value *= if zero > 0 { 0.0 } else { 1.0 };
            });
        };
        fill(&all_weights[0], 3, 0);
        fill(&all_weights[1], 1, 0);
        biases.iter().for_each(|bias| fill(bias, 0, 1));
        let pixels = Pixels::Bytes((0..36 * 20).map(|i| (i % 200) as u8 + 1).collect());
        let split = Split { shape: [1, 6, 6], pixels, labels: vec![0; 20], files: None };
        let form =
            Preprocessing { channels: 1, steps: vec![], mean: vec![0.0], std: vec![1.0], features: None };
        let images = Prepared::new(split, Some(&form)).unwrap();
        let found = dead_relus(&network, &weights, &images, Cpu::new(1).unwrap().into()).unwrap();
        assert_eq!(found, [("first".to_owned(), 0.75), ("second".to_owned(), 0.2)]);
    }

    #[test]
    fn network_without_relus_has_no_shares() {
        let net = Builder::new("net", [1, 2, 2]);
        let network = net.input().flatten().linear(3).finish().unwrap();
        assert!(extended(&network).unwrap().1.is_empty());
    }
}
