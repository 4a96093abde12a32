//! What a network's graph counts beyond its statistics: depth, linear layers' share, connections inside the map.

use std::collections::{HashMap, HashSet};

use striate_graph::ops::Conv;
use striate_graph::{Graph, LayerStatistics, Node, Op, ValueId, statistics};
use striate_tensor::{Result, Shape};

/// A count in groups of three: 61706 becomes 61,706.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(|group| String::from_utf8_lossy(group).into_owned()).collect::<Vec<_>>().join(",")
}

/// A network in figures, for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Trainable numbers, auxiliary heads left out.
    pub params: u64,
    /// Multiply-adds of convolutions and linear layers, padded taps included.
    pub macs: u64,
    /// Multiply-adds of convolutions alone.
    pub conv_macs: u64,
    /// Multiply-adds of convolutions whose tap lies inside the map.
    pub conv_macs_inside: u64,
    /// Connections as LeCun counts them.
    pub connections: u64,
    /// Outputs of convolutions and linear layers.
    pub neurons: u64,
    /// Convolutions and linear layers on the longest path.
    pub depth: usize,
    /// Share of the parameters in linear layers, in [0, 1]; a convolution of a map of one place is one.
    pub linear_params: f64,
    /// Share of the multiply-adds in linear layers, in [0, 1].
    pub linear_macs: f64,
    /// Share of the parameters of each convolution, by name.
    pub conv_shares: Vec<(String, f64)>,
}

impl Counts {
    /// The figures of the network called `name`.
    ///
    /// # Errors
    /// If there is none, or it is faulty.
    pub fn of(name: &str) -> Result<Counts> {
        let graph = (crate::find(name)?.build)()?.graph(1)?;
        let figures = statistics(&graph);
        let share = |part: u64, all: u64| part as f64 / all as f64;
        let convolutions = figures.layers.iter().filter(|layer| layer.op == "conv");
        let flat = flat_convolutions(&graph);
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

/// Names of convolutions whose map has one place, as the last layer of slim's networks.
fn flat_convolutions(graph: &Graph) -> HashSet<&str> {
    let is_flat = |node: &&Node| match node.op {
        Op::Conv(_) => matches!(graph.shape(node.inputs[0])[..], [_, _, 1, 1]),
        _ => false,
    };
    graph.nodes.iter().filter(is_flat).map(|node| node.name.as_str()).collect()
}

/// Convolutions, linear layers and RBF units on the longest path.
fn depth(graph: &Graph) -> usize {
    let mut depths: HashMap<ValueId, usize> = HashMap::new();
    for node in &graph.nodes {
        let before = node.inputs.iter().filter_map(|id| depths.get(id)).max().copied().unwrap_or(0);
        let counts = matches!(node.op, Op::Conv(_) | Op::Linear(_) | Op::Rbf(_));
        depths.extend(node.outputs.iter().map(|output| (*output, before + usize::from(counts))));
    }
    graph.outputs.iter().filter_map(|id| depths.get(id)).max().copied().unwrap_or(0)
}

/// Multiply-adds of all convolutions, those with the padding's zeros left out.
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

/// Taps inside a map of `input` rows, over all `output` places of a window.
fn taps(input: usize, output: usize, kernel: usize, stride: usize, dilation: usize, before: usize) -> u64 {
    let inside = |place: usize| {
        let tap = |tap: &usize| (before..before + input).contains(&(place * stride + tap * dilation));
        (0..kernel).filter(tap).count() as u64
    };
    (0..output).map(inside).sum()
}
