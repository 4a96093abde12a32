//! Figures counted in a network's graph beyond its statistics: depth, shares of linear layers, taps inside the map.

use std::collections::{HashMap, HashSet};

use striate_graph::ops::Conv;
use striate_graph::{Graph, LayerStatistics, Node, Op, ValueId, statistics};
use striate_tensor::{Result, Shape};

/// The figures of a network, for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Trainable parameters, without auxiliary heads.
    pub params: u64,
    /// Multiply-adds of convolutions and linear layers, padded taps included.
    pub macs: u64,
    /// Multiply-adds of convolutions alone.
    pub conv_macs: u64,
    /// Multiply-adds of convolutions, without padded taps.
    pub conv_macs_inside: u64,
    /// Connections as counted by LeCun et al.
    pub connections: u64,
    /// Outputs of convolutions and linear layers.
    pub neurons: u64,
    /// Convolutions and linear layers on the longest path.
    pub depth: usize,
    /// Share of the parameters in linear layers, in [0, 1]. A convolution of a 1×1 map counts as a linear layer.
    pub linear_params: f64,
    /// Share of the multiply-adds in linear layers, in [0, 1].
    pub linear_macs: f64,
    /// Share of the parameters of each convolution, by name.
    pub conv_shares: Vec<(String, f64)>,
}

impl Counts {
    /// Returns the figures of the network called `name`.
    ///
    /// # Errors
    /// If the network is unknown or invalid.
    pub fn of(name: &str) -> Result<Counts> {
        let graph = (crate::find(name)?.build)()?.graph(1)?;
        let figures = statistics(&graph);
        let share = |part: u64, all: u64| part as f64 / all as f64;
        let convolutions = figures.layers.iter().filter(|layer| layer.op == "conv");
        let flat = pointwise_maps(&graph);
        let is_linear = |layer: &&LayerStatistics| layer.op == "linear" || flat.contains(layer.name.as_str());
        let linear = |what: fn(&LayerStatistics) -> u64| -> u64 {
            figures.layers.iter().filter(is_linear).map(what).sum()
        };
        Ok(Counts {
            params: figures.params,
            macs: figures.cost.macs,
            conv_macs: convolutions.clone().map(|layer| layer.cost.macs).sum(),
            conv_macs_inside: macs_inside(&graph),
            connections: figures.cost.connections,
            neurons: figures.cost.neurons,
            depth: depth(&graph),
            linear_params: share(linear(|layer| layer.params), figures.params),
            linear_macs: share(linear(|layer| layer.cost.macs), figures.cost.macs),
            conv_shares: convolutions
                .map(|layer| (layer.name.clone(), share(layer.params, figures.params)))
                .collect(),
        })
    }
}

/// Returns the names of convolutions of 1×1 maps, such as the last layer of slim's networks.
fn pointwise_maps(graph: &Graph) -> HashSet<&str> {
    let is_flat = |node: &&Node| match node.op {
        Op::Conv(_) => matches!(graph.shape(node.inputs[0])[..], [_, _, 1, 1]),
        _ => false,
    };
    graph.nodes.iter().filter(is_flat).map(|node| node.name.as_str()).collect()
}

/// Returns the number of convolutions, linear layers and RBF units on the longest path.
fn depth(graph: &Graph) -> usize {
    let mut depths: HashMap<ValueId, usize> = HashMap::new();
    for node in &graph.nodes {
        let before = node.inputs.iter().filter_map(|id| depths.get(id)).max().copied().unwrap_or(0);
        let counts = matches!(node.op, Op::Conv(_) | Op::Linear(_) | Op::Rbf(_));
        depths.extend(node.outputs.iter().map(|output| (*output, before + usize::from(counts))));
    }
    graph.outputs.iter().filter_map(|id| depths.get(id)).max().copied().unwrap_or(0)
}

/// Returns the multiply-adds of all convolutions, without those on padding.
fn macs_inside(graph: &Graph) -> u64 {
    let convolutions = graph.nodes.iter().filter_map(|node| match &node.op {
        Op::Conv(conv) => Some((conv, graph.shape(node.inputs[0]), graph.shape(node.outputs[0]))),
        _ => None,
    });
    convolutions.map(|(conv, input, output)| conv_macs_inside(conv, input, output)).sum()
}

fn conv_macs_inside(conv: &Conv, input: &Shape, output: &Shape) -> u64 {
    let ([n, c, h, w], [_, o, oh, ow]) = (input.nchw(), output.nchw());
    let kernels = match conv.connections.is_empty() {
        true => o * c / conv.groups,
        false => conv.connections.iter().map(Vec::len).sum(),
    };
    let rows = taps(h, oh, conv.kernel_size.h, conv.stride.h, conv.dilation.h, conv.padding.top);
    let columns = taps(w, ow, conv.kernel_size.w, conv.stride.w, conv.dilation.w, conv.padding.left);
    (n * kernels) as u64 * rows * columns
}

/// Returns the number of taps that fall inside a map of `input` rows, over all `output` positions of a window.
fn taps(input: usize, output: usize, kernel: usize, stride: usize, dilation: usize, before: usize) -> u64 {
    let inside = |position: usize| {
        let tap = |tap: &usize| (before..before + input).contains(&(position * stride + tap * dilation));
        (0..kernel).filter(tap).count() as u64
    };
    (0..output).map(inside).sum()
}
