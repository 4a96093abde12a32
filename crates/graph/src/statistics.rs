//! Sizes and costs of a network, layer by layer.

use crate::graph::{Graph, Role, ValueId};
use crate::ops::Cost;
use striate_tensor::Shape;

/// One layer in figures, for the batch of its graph.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerStatistics {
    /// The layer's name.
    pub name: String,
    /// Its operation.
    pub op: &'static str,
    /// Shape of its output.
    pub output: Shape,
    /// Trainable numbers.
    pub params: u64,
    /// Multiply-adds, connections and neurons.
    pub cost: Cost,
    /// Rows and columns of the input image that one output sees, beyond the border included.
    pub receptive_field: [u64; 2],
}

/// A network in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Its layers, in order.
    pub layers: Vec<LayerStatistics>,
    /// Trainable numbers.
    pub params: u64,
    /// Sums over all layers.
    pub cost: Cost,
}

/// Extent and step of the patch of the image that one element of a value sees.
#[derive(Clone, Copy)]
struct Field {
    extent: [u64; 2],
    step: [u64; 2],
}

/// Sizes and costs of `graph`, a network before compilation.
pub fn statistics(graph: &Graph) -> Statistics {
    let start = Field { extent: [1, 1], step: [1, 1] };
    let mut fields = vec![start; graph.values.len()];
    let mut total = Statistics { layers: Vec::new(), params: 0, cost: Cost::default() };
    for node in &graph.nodes {
        let Some(op) = node.op.layer() else { continue };
        let data: Vec<ValueId> =
            node.inputs.iter().copied().filter(|id| graph.value(*id).role().is_none()).collect();
        let parameter = |id: &&ValueId| graph.value(**id).role() == Some(Role::Parameter);
        let params = node.inputs.iter().filter(parameter).map(|id| graph.shape(*id).numel() as u64).sum();
        let shapes: Vec<&Shape> = data.iter().map(|id| graph.shape(*id)).collect();
        let output = graph.shape(node.outputs[0]);
        let mut field = data.iter().map(|id| fields[id.0]).fold(start, widest);
        if let Some(window) = op.window(shapes[0]) {
            let axes = [window.kernel.array(), window.stride.array(), window.dilation.array()];
            for axis in 0..2 {
                let [kernel, stride, dilation] = axes.map(|pair| pair[axis] as u64);
                field.extent[axis] += kernel.saturating_sub(1) * dilation * field.step[axis];
                field.step[axis] = field.step[axis].saturating_mul(stride);
            }
        }
        fields[node.outputs[0].0] = field;
        let cost = op.cost(&shapes, output);
        total.params += params;
        total.cost.macs += cost.macs;
        total.cost.connections += cost.connections;
        total.cost.neurons += cost.neurons;
        total.layers.push(LayerStatistics {
            name: node.name.clone(),
            op: node.op.name(),
            output: output.clone(),
            params,
            cost,
            receptive_field: field.extent,
        });
    }
    total
}

fn widest(a: Field, b: Field) -> Field {
    Field {
        extent: [a.extent[0].max(b.extent[0]), a.extent[1].max(b.extent[1])],
        step: [a.step[0].max(b.step[0]), a.step[1].max(b.step[1])],
    }
}
