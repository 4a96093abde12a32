//! Parameter counts, costs and receptive fields of a network, layer by layer.

use crate::graph::{Graph, Role, ValueId};
use crate::ops::Cost;
use crate::receptive::receptive_fields;
use striate_tensor::Shape;

/// The figures of one layer, for the batch of its graph.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerStatistics {
    /// The layer's name.
    pub name: String,
    /// Its operation.
    pub op: &'static str,
    /// Shape of its output.
    pub output: Shape,
    /// Number of trainable parameters.
    pub params: u64,
    /// MACs, connections and neurons.
    pub cost: Cost,
    /// Depth, height and width of the receptive field in the input, including padding.
    pub receptive_field: [u64; 3],
}

/// The figures of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The layers, in order.
    pub layers: Vec<LayerStatistics>,
    /// Number of trainable parameters.
    pub params: u64,
    /// Sums over all layers.
    pub cost: Cost,
}

/// Computes the figures of `graph`, which must not be compiled yet.
pub fn statistics(graph: &Graph) -> Statistics {
    let fields = receptive_fields(graph);
    let mut total = Statistics { layers: Vec::new(), params: 0, cost: Cost::default() };
    // The number of parameters that each computed weight is derived from.
    let mut derived_from = vec![0u64; graph.values.len()];
    // A parameter that several layers share is counted in the first of them.
    let mut counted = vec![false; graph.values.len()];
    for node in &graph.nodes {
        let parameter = |id: &&ValueId| graph.value(**id).role() == Some(Role::Parameter);
        let fresh = |id: &&ValueId| !std::mem::replace(&mut counted[id.0], true);
        let own = node.inputs.iter().filter(parameter).filter(fresh);
        let own: u64 = own.map(|id| graph.shape(*id).numel() as u64).sum();
        let params = own + node.inputs.iter().map(|id| derived_from[id.0]).sum::<u64>();
        let Some(op) = node.op.layer() else {
            node.outputs.iter().for_each(|output| derived_from[output.0] = params);
            continue;
        };
        let data: Vec<ValueId> =
            node.inputs.iter().copied().filter(|id| graph.value(*id).role().is_none()).collect();
        let shapes: Vec<&Shape> = data.iter().map(|id| graph.shape(*id)).collect();
        let output = graph.shape(node.outputs[0]);
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
            receptive_field: fields[node.outputs[0].0].extent,
        });
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, Init, Kind, initial_values};

    /// 16 units that read the first map and 16 that read both, counted by hand; LeNet-5's own table is tested
    /// with its network.
    #[test]
    fn connection_table_counts_only_its_connections() {
        let table: Vec<&[usize]> = (0..32).map(|unit| if unit < 16 { &[0][..] } else { &[0, 1] }).collect();
        let net = Builder::new("table", [2, 8, 8]);
        let network = net.input().conv(32, 5).connections(&table).named("c").finish().unwrap();
        assert_eq!(crate::Network::from_text(&network.to_text()).unwrap(), network);
        let graph = network.graph(1).unwrap();
        let figures = statistics(&graph);
        let weights = (16 + 16 * 2) * 25;
        assert_eq!(figures.params, weights + 32);
        assert_eq!(figures.cost.connections, 4 * 4 * (weights + 32));

        // Each kernel is initialized with the fan-in of its own unit.
        let weight = graph.value(graph.find("c.weight").unwrap());
        assert_eq!(weight.shape, Shape::from([48, 1, 5, 5]));
        let Kind::Variable { fan, .. } = &weight.kind else { panic!("a weight is a variable") };
        let values = initial_values(Init::Uniform, "c.weight", &weight.shape, fan, 0);
        for (kernels, inputs) in [(0..16, 25.0f32), (16..48, 50.0)] {
            let kernels = &values[kernels.start * 25..kernels.end * 25];
            let (largest, bound) =
                (kernels.iter().fold(0.0f32, |most, x| most.max(x.abs())), 1.0 / inputs.sqrt());
            assert!((0.95 * bound..=bound).contains(&largest), "{largest}, bound {bound}");
        }
    }
}
