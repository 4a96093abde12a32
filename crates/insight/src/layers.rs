//! The layers of a network that have maps, and which of them Grad-CAM explains by default.

use std::collections::{BTreeSet, HashSet};

use striate_graph::{Graph, Node, Op, Role, ValueId};
use striate_tensor::{Error, Result, Shape, nearest};

/// A layer whose output is maps `[N, C, H, W]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapLayer {
    /// The name of the layer.
    pub name: String,
    /// Channels, height and width of its output.
    pub maps: [usize; 3],
}

/// Returns the layers of `graph` with maps, in order.
pub fn map_layers(graph: &Graph) -> Vec<MapLayer> {
    let layers = graph.nodes.iter().filter(|node| node.op.layer().is_some());
    layers
        .filter_map(|node| Some(MapLayer { name: node.name.clone(), maps: maps(graph, node.outputs[0])? }))
        .collect()
}

/// Returns the layer with maps that is called `name`.
///
/// # Errors
/// If there is none; the message suggests the nearest name.
pub fn map_layer(graph: &Graph, name: &str) -> Result<MapLayer> {
    let refuse = |why: String| Error::input(format!("network {}: {why}", graph.name));
    let layers = map_layers(graph);
    if let Some(layer) = layers.iter().find(|layer| layer.name == name) {
        return Ok(layer.clone());
    }
    if let Some(node) = graph.nodes.iter().find(|node| node.name == name && node.op.layer().is_some()) {
        let shape = graph.shape(node.outputs[0]);
        return Err(refuse(format!("layer {name} has no maps: its output is {shape}, not [N, C, H, W]")));
    }
    let names = || layers.iter().map(|layer| layer.name.as_str());
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("its layers with maps are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(refuse(format!("no layer {name}; {hint}")))
}

/// Returns the layer that Grad-CAM explains by default: the last convolution with maps larger than 1×1, or rather what
/// follows it at the same size: its normalization, addition, concatenation and activation. In a network of residual
/// units or of branches, these are the maps in which all of the last unit meets.
///
/// # Errors
/// If the network has no such convolution.
pub fn last_maps(graph: &Graph) -> Result<MapLayer> {
    let Some(last) = convolutions(graph).next_back() else {
        return Err(Error::input(format!(
            "network {}: no convolution with maps larger than 1×1; name a layer with maps",
            graph.name
        )));
    };
    Ok(end_of(graph, last))
}

/// Returns layers that represent what the network computes from an image: the maps of the first and the middle
/// convolution, after their normalization and activation, and those of [`last_maps`]; fewer if the network has fewer.
pub fn representative_layers(graph: &Graph) -> Vec<MapLayer> {
    let mut ends: Vec<MapLayer> = convolutions(graph).map(|node| activated(graph, node)).collect();
    ends.pop();
    ends.extend(last_maps(graph));
    let mut seen = HashSet::new();
    ends.retain(|layer| seen.insert(layer.name.clone()));
    let wanted: BTreeSet<usize> = match ends.len() {
        0 => BTreeSet::new(),
        count => BTreeSet::from([0, count / 2, count - 1]),
    };
    wanted.into_iter().map(|index| ends[index].clone()).collect()
}

/// The convolutions with maps larger than 1×1, in order.
fn convolutions(graph: &Graph) -> impl DoubleEndedIterator<Item = &Node> {
    let is_wide = |node: &&Node| maps(graph, node.outputs[0]).is_some_and(|[_, h, w]| h * w > 1);
    graph.nodes.iter().filter(|node| matches!(node.op, Op::Conv(_) | Op::LocallyConnected(_))).filter(is_wide)
}

/// What follows the convolution `node` at the same size.
fn end_of(graph: &Graph, node: &Node) -> MapLayer {
    followed(graph, node, |_| true)
}

/// The normalization and activation of the convolution `node`, before its maps meet others.
fn activated(graph: &Graph, node: &Node) -> MapLayer {
    let is_variable = |id: &ValueId| graph.value(*id).role().is_some();
    followed(graph, node, |next| next.inputs.iter().filter(|id| !is_variable(id)).count() == 1)
}

/// The last node that continues the maps of `node`, of those that `may_follow`.
fn followed(graph: &Graph, node: &Node, may_follow: impl Fn(&Node) -> bool) -> MapLayer {
    let mut end = node;
    let follows = |next: &Node, id: ValueId| continues(graph, id, next) && may_follow(next);
    while let Some(next) = graph.nodes.iter().find(|node| follows(node, end.outputs[0])) {
        end = next;
    }
    MapLayer { name: end.name.clone(), maps: maps(graph, end.outputs[0]).expect("it has maps") }
}

/// Whether `node` is computed from the maps `id` position by position, which keeps their size.
fn continues(graph: &Graph, id: ValueId, node: &Node) -> bool {
    let size = |id: ValueId| maps(graph, id).map(|[_, h, w]| [h, w]);
    let mixes =
        node.op.has_window() || matches!(node.op, Op::Softmax(_) | Op::LogSoftmax(_) | Op::Transpose(_));
    node.inputs.contains(&id) && node.op.layer().is_some() && !mixes && size(node.outputs[0]) == size(id)
}

/// Channels, height and width of the value `id`, if it is maps of an image.
fn maps(graph: &Graph, id: ValueId) -> Option<[usize; 3]> {
    let value = graph.value(id);
    let shape: &Shape = &value.shape;
    match **shape {
        [_, c, h, w] if value.role() != Some(Role::Parameter) => Some([c, h, w]),
        _ => None,
    }
}
