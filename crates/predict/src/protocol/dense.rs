//! Networks for images of any size: fully connected layers become convolutions, whose map of scores is averaged.
//!
//! A linear layer that reads a flattened map of h × w places is a convolution with a kernel of h × w; its weights
//! `[O, C·h·w]` are those of the convolution, `[O, C, h, w]`, in the same order. Each later linear layer is one with a
//! kernel of 1 × 1. On a larger image, the layers see all windows of the network's own input size, at the stride of the
//! last map. Sermanet et al., "OverFeat", ICLR 2014, section 3.5; Simonyan and Zisserman, ICLR 2015, section 3.2.

use std::collections::{HashMap, HashSet};

use striate_formats::Weights;
use striate_graph::ops::{Conv, Flatten, GlobalAveragePool, Linear};
use striate_graph::{Graph, Layer, Network, Op};
use striate_tensor::{Error, Result, Shape};

use super::Whole;

/// A network for images of any size.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// The network; its scores are those of the original for images of its own input size.
    pub network: Network,
    /// How it classifies whole images.
    pub whole: Whole,
}

/// Returns `network` for images of any size, without auxiliary heads; changes the shapes of `weights` to fit it.
///
/// # Errors
/// If it does not take images, or a layer after the flattened map needs a fixed size.
pub fn dense(network: &Network, weights: &mut Weights) -> Result<Dense> {
    let [c, h, w] = network.image()?;
    let last = network.layers.last().map(|layer| layer.name.clone()).unwrap_or_default();
    let network = network.until(&last)?;
    let graph = network.graph(1)?;
    let own = network.variables()?;
    let larger = network.graph_for(&Shape::from([1, c, 2 * h, 2 * w]));
    let keeps_output = |larger: &Graph| larger.shape(larger.outputs[0]) == graph.shape(graph.outputs[0]);
    if larger.is_ok_and(|larger| keeps_output(&larger))
        && network.variables_for(&Shape::from([1, c, 2 * h, 2 * w]))? == own
    {
        return Ok(Dense { network, whole: Whole::Pooled });
    }
    let rewrite = Rewrite::new(&network, &graph);
    let layers = rewrite.run().map_err(|e| e.at(format!("network {}", network.name)))?;
    let network = Network { layers, ..network };
    for (name, shape) in network.variables()? {
        if let Some((own, _)) = weights.get_mut(&name).filter(|(own, _)| own.numel() == shape.numel()) {
            *own = shape;
        }
    }
    Ok(Dense { network, whole: Whole::Windows })
}

struct Rewrite<'a> {
    network: &'a Network,
    graph: &'a Graph,
    /// The layer after which scores are averaged: the last linear one, or else the last one that flattens a map.
    end: Option<&'a str>,
    /// Former rows that are maps now, with the places of each that one row had.
    maps: HashMap<&'a str, (usize, usize)>,
    /// Layers that are dropped or averaged, with what their readers read instead.
    instead: HashMap<&'a str, String>,
    layers: Vec<Layer>,
}

impl<'a> Rewrite<'a> {
    fn new(network: &'a Network, graph: &'a Graph) -> Rewrite<'a> {
        let mut rewrite = Rewrite {
            network,
            graph,
            end: None,
            maps: HashMap::new(),
            instead: HashMap::new(),
            layers: Vec::new(),
        };
        let mut rows: HashSet<&str> = HashSet::new();
        let mut is_linear = false;
        for layer in &network.layers {
            let reads_rows = layer.inputs.iter().any(|input| rows.contains(input.as_str()));
            let flattens = rewrite.flattened(layer).is_some();
            if reads_rows || flattens {
                rows.insert(&layer.name);
            }
            let is_last = reads_rows && matches!(layer.op, Op::Linear(_));
            if is_last || (flattens && !is_linear) {
                rewrite.end = Some(&layer.name);
                is_linear |= is_last;
            }
        }
        rewrite
    }

    fn shape(&self, name: &str) -> Option<&'a Shape> {
        Some(self.graph.shape(self.graph.find(name)?))
    }

    /// Height and width of the map that `layer` flattens to a row, if it does.
    fn flattened(&self, layer: &Layer) -> Option<(usize, usize)> {
        let [input] = &layer.inputs[..] else { return None };
        let (before, after) = (self.shape(input)?, self.shape(&layer.name)?);
        match (&layer.op, &before[..], &after[..]) {
            (Op::Flatten(_) | Op::Reshape(_), [1, c, h, w], [1, all]) if c * h * w == *all => Some((*h, *w)),
            _ => None,
        }
    }

    fn run(mut self) -> Result<Vec<Layer>> {
        let Some(end) = self.end else {
            return Err(Error::input(
                "cannot classify whole images: its layers need a fixed size, and none flattens a map; use --protocol \
                 center",
            ));
        };
        for layer in &self.network.layers {
            self.add(layer)?;
            if layer.name == end {
                self.average(layer)?;
            }
        }
        Ok(self.layers)
    }

    /// Adds a layer, changed to read maps if it read rows.
    fn add(&mut self, layer: &'a Layer) -> Result<()> {
        if let Some(places) = self.flattened(layer) {
            self.maps.insert(&layer.name, places);
            self.omit(layer);
            return Ok(());
        }
        let read: Vec<_> = layer.inputs.iter().map(|input| self.maps.get(input.as_str()).copied()).collect();
        let mut own = layer.clone();
        own.inputs.iter_mut().for_each(|input| {
            if let Some(other) = self.instead.get(input.as_str()) {
                input.clone_from(other);
            }
        });
        if let [Some(places), others @ ..] = &read[..]
            && others.iter().all(|other| *other == Some(*places))
        {
            match &layer.op {
                Op::Flatten(_) => {
                    self.maps.insert(&layer.name, *places);
                    self.omit(layer);
                    return Ok(());
                }
                Op::Linear(linear) => {
                    own.op = convolution(linear, *places).into();
                    self.maps.insert(&layer.name, (1, 1));
                }
                op if acts_on_elements(op) || (*places == (1, 1) && acts_on_channels(op)) => {
                    self.maps.insert(&layer.name, *places);
                }
                _ => return Err(fixed(layer)),
            }
        } else if read.iter().any(Option::is_some) {
            return Err(fixed(layer));
        }
        self.layers.push(own);
        Ok(())
    }

    /// Lets the readers of `layer` read what it reads.
    fn omit(&mut self, layer: &'a Layer) {
        let input = &layer.inputs[0];
        let source = self.instead.get(input.as_str()).unwrap_or(input).clone();
        self.instead.insert(&layer.name, source);
    }

    /// Averages the map of scores that `layer` computes over its places.
    fn average(&mut self, layer: &'a Layer) -> Result<()> {
        if self.maps.remove(layer.name.as_str()) != Some((1, 1)) {
            return Err(fixed(layer));
        }
        let scores = self.instead.get(layer.name.as_str()).unwrap_or(&layer.name).clone();
        let [mean, row] = ["mean of scores", "scores"].map(|what| format!("{} ({what})", layer.name));
        let added = |name: &str, op: Op, input: &str| Layer {
            name: name.to_owned(),
            op,
            inputs: vec![input.to_owned()],
            shares: None,
        };
        self.layers.push(added(&mean, GlobalAveragePool {}.into(), &scores));
        self.layers.push(added(&row, Flatten {}.into(), &mean));
        self.instead.insert(&layer.name, row);
        Ok(())
    }
}

/// The convolution that computes `linear` at every place of a map, over h × w places.
fn convolution(linear: &Linear, places: (usize, usize)) -> Conv {
    let Linear { out_features, bias, bias_init, .. } = *linear;
    Conv { bias, bias_init, ..Conv::new(out_features, places) }
}

/// Whether the operation computes each element from the elements at its place alone.
fn acts_on_elements(op: &Op) -> bool {
    use Op::{
        Add, Clip, Dropout, Elu, Gelu, HardSigmoid, HardSwish, LeakyRelu, MultiplyBy, Power, Relu, Relu6,
        ScaledTanh, Sigmoid, Step, Tanh, Unary,
    };
    matches!(
        op,
        Add(_)
            | Clip(_)
            | Dropout(_)
            | Elu(_)
            | Gelu(_)
            | HardSigmoid(_)
            | HardSwish(_)
            | Step(_)
            | LeakyRelu(_)
            | MultiplyBy(_)
            | Power(_)
            | Relu(_)
            | Relu6(_)
            | ScaledTanh(_)
            | Sigmoid(_)
            | Tanh(_)
            | Unary(_)
    )
}

/// Whether the operation treats the elements of a row as it treats the channels of a map.
fn acts_on_channels(op: &Op) -> bool {
    matches!(op, Op::BatchNorm(_) | Op::Scale(_))
}

fn fixed(layer: &Layer) -> Error {
    Error::input(format!(
        "cannot classify whole images: layer {} ({}) needs an input of a fixed size; use --protocol center",
        layer.name,
        layer.op.name()
    ))
}

#[cfg(test)]
mod tests {
    use striate_engine::{Cpu, Inference};
    use striate_graph::{Builder, Tensor};

    use super::*;

    fn network(end: impl for<'b> Fn(Tensor<'b>) -> Tensor<'b>) -> Network {
        let net = Builder::new("net", [3, 12, 12]);
        end(net.input().conv(6, 3).relu().max_pool(2, 2)).finish().unwrap()
    }

    fn input(h: usize, w: usize) -> (Shape, Vec<f32>) {
        let shape = Shape::from([2, 3, h, w]);
        let values = (0..shape.numel()).map(|i| (i * i % 97) as f32 / 50.0 - 1.0).collect();
        (shape, values)
    }

    fn run(network: &Network, weights: &Weights, (shape, values): &(Shape, Vec<f32>)) -> (Shape, Vec<f32>) {
        Inference::new(network.clone(), weights, Cpu::new(1).unwrap()).unwrap().run(shape, values).unwrap()
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn convolutions_give_the_scores_of_fully_connected_layers() {
        for network in [
            network(|x| x.flatten().linear(8).relu().dropout(0.5).linear(5)),
            network(|x| x.flatten().linear(8).batch_norm().relu().linear(5).softmax()),
            network(|x| x.flatten().linear(5).sigmoid()),
            network(|x| x.average_pool(5, 1).flatten().linear(5)),
            network(|x| x.flatten().relu().flatten().linear(4).flatten()),
            network(|x| x.conv(7, 5).flatten()),
        ] {
            let mut weights = Inference::initial_weights(&network, 3).unwrap();
            let expected = run(&network, &weights, &input(12, 12));
            let Dense { network: rewritten, whole } = dense(&network, &mut weights).unwrap();
            assert_eq!(whole, Whole::Windows);
            let (shape, scores) = run(&rewritten, &weights, &input(12, 12));
            assert!(shape == expected.0 && close(&scores, &expected.1), "{scores:?} {expected:?}");
        }
    }

    /// The mean over all windows at the stride of the last map.
    #[test]
    fn whole_image_is_classified_as_the_mean_of_its_windows() {
        let network = network(|x| x.flatten().linear(8).relu().linear(5));
        let mut weights = Inference::initial_weights(&network, 4).unwrap();
        let (shape, values) = input(16, 14);
        let mut mean = vec![0.0; 10];
        for (top, left) in [(0, 0), (0, 2), (2, 0), (2, 2), (4, 0), (4, 2)] {
            let pixel = |map: usize, y: usize, x: usize| values[(map * 16 + top + y) * 14 + left + x];
            let each = |map: usize| (0..144).map(move |i| pixel(map, i / 12, i % 12));
            let window: Vec<f32> = (0..6).flat_map(each).collect();
            let (_, scores) = run(&network, &weights, &(Shape::from([2, 3, 12, 12]), window));
            mean.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score / 6.0);
        }
        let whole = dense(&network, &mut weights).unwrap().network;
        assert!(close(&run(&whole, &weights, &(shape, values)).1, &mean));
    }

    #[test]
    fn network_with_mean_over_the_map_is_unchanged() {
        let network = network(|x| x.global_average_pool().flatten().linear(5));
        let mut weights = Inference::initial_weights(&network, 1).unwrap();
        let same = weights.clone();
        assert_eq!(dense(&network, &mut weights).unwrap(), Dense { network, whole: Whole::Pooled });
        assert_eq!(weights, same);
    }

    #[test]
    fn layers_of_fixed_size_are_refused() {
        for (network, layer) in [
            (network(|x| x.flatten().linear(10).softmax().linear(3)), "softmax"),
            (network(|x| x.flatten().rbf(2)), "flatten"),
            (network(|x| x.flatten().batch_norm().linear(3)), "batch_norm"),
        ] {
            let mut weights = Inference::initial_weights(&network, 1).unwrap();
            let error = dense(&network, &mut weights).unwrap_err().to_string();
            assert!(error.contains(&format!("({layer}) needs an input of a fixed size")), "{error}");
        }
    }
}
