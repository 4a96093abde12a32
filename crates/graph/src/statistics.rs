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
    // Parameters behind weights that are computed from them.
    let mut behind = vec![0u64; graph.values.len()];
    for node in &graph.nodes {
        let parameter = |id: &&ValueId| graph.value(**id).role() == Some(Role::Parameter);
        let own: u64 = node.inputs.iter().filter(parameter).map(|id| graph.shape(*id).numel() as u64).sum();
        let params = own + node.inputs.iter().map(|id| behind[id.0]).sum::<u64>();
        let Some(op) = node.op.layer() else {
            node.outputs.iter().for_each(|output| behind[output.0] = params);
            continue;
        };
        let data: Vec<ValueId> =
            node.inputs.iter().copied().filter(|id| graph.value(*id).role().is_none()).collect();
        let shapes: Vec<&Shape> = data.iter().map(|id| graph.shape(*id)).collect();
        let output = graph.shape(node.outputs[0]);
        let mut field = data.iter().map(|id| fields[id.0]).fold(start, widest);
        if let Some(window) = shapes.first().and_then(|input| op.window(input)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, Init, Kind, initial_values};

    /// Table I of LeCun et al., 1998.
    const C3: [&[usize]; 16] = [
        &[0, 1, 2],
        &[1, 2, 3],
        &[2, 3, 4],
        &[3, 4, 5],
        &[0, 4, 5],
        &[0, 1, 5],
        &[0, 1, 2, 3],
        &[1, 2, 3, 4],
        &[2, 3, 4, 5],
        &[0, 3, 4, 5],
        &[0, 1, 4, 5],
        &[0, 1, 2, 5],
        &[0, 1, 3, 4],
        &[1, 2, 4, 5],
        &[0, 2, 3, 5],
        &[0, 1, 2, 3, 4, 5],
    ];

    /// The figures that section II.B of the paper gives for each layer.
    #[test]
    fn a_table_of_connections_counts_what_it_connects() {
        let net = Builder::new("lenet5", [1, 32, 32]);
        let x = net.input();
        let x = x.conv(6, 5).named("c1").average_pool(2, 2).scale().named("s2").scaled_tanh();
        let x = x.conv(16, 5).connections(&C3).named("c3").average_pool(2, 2).scale().named("s4");
        let x = x.scaled_tanh().conv(120, 5).named("c5").scaled_tanh().flatten();
        let network = x.linear(84).named("f6").scaled_tanh().rbf(10).finish().unwrap();
        assert_eq!(crate::Network::from_text(&network.to_text()).unwrap(), network);
        let graph = network.graph(1).unwrap();
        let figures = statistics(&graph);
        let params = |name: &str| figures.layers.iter().find(|layer| layer.name == name).unwrap().params;
        assert_eq!(["c1", "s2", "c3", "s4", "c5", "f6"].map(params), [156, 12, 1_516, 32, 48_120, 10_164]);
        assert_eq!((figures.params, figures.cost.connections), (60_000, 340_908));

        // Each kernel is drawn for the inputs of its own unit.
        let weight = graph.value(graph.find("c3.weight").unwrap());
        assert_eq!(weight.shape, Shape::from([60, 1, 5, 5]));
        let Kind::Variable { fan, .. } = &weight.kind else { panic!("a weight is a variable") };
        let values = initial_values(Init::Uniform, "c3.weight", &weight.shape, fan, 0);
        let largest = |kernels: std::ops::Range<usize>| {
            values[kernels.start * 25..kernels.end * 25].iter().fold(0.0f32, |most, x| most.max(x.abs()))
        };
        for (kernels, inputs) in [(0..18, 75.0f32), (18..54, 100.0), (54..60, 150.0)] {
            let bound = 1.0 / inputs.sqrt();
            assert!((0.95 * bound..=bound).contains(&largest(kernels)));
        }
    }
}
