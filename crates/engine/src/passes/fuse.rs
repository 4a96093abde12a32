//! Fuses activations and residual additions into the convolution, linear layer or batch norm that produces their
//! operand, sums of gradients into the data gradient that produces an operand, and gradients of activations into the
//! gradient of a pool or batch norm, so that the result is written only once.

use std::collections::HashMap;

use striate_graph::ops::Activation;
use striate_graph::{Graph, Node, Op, ValueId};

use super::Pass;

pub(super) const PASS: Pass =
    Pass { name: "fuse", summary: "fuse activations and sums into the operation before them", run: fuse };

fn fuse(graph: &mut Graph) {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut fusion = Fusion::new(graph, nodes);
    for index in 0..fusion.nodes.len() {
        if let Some((producer, change)) = fusion.fusable(index) {
            fusion.apply(producer, index, change);
        }
        let node = fusion.nodes[index].as_ref().expect("only earlier nodes are merged");
        match (&node.op, &node.outputs[..]) {
            (Op::BatchNormTraining(_), [output, ..]) | (_, [output]) => {
                fusion.producers.entry(*output).or_insert(index);
            }
            _ => {}
        }
    }
    let nodes = fusion.nodes;
    graph.nodes = nodes.into_iter().flatten().collect();
}

struct Fusion<'g> {
    graph: &'g Graph,
    /// The nodes; `None` for those that were merged into later ones.
    nodes: Vec<Option<Node>>,
    /// How often each value is read by nodes or as an output.
    readers: Vec<usize>,
    /// How often each value is written.
    writers: Vec<usize>,
    /// The index of the node that produces each value, for nodes with one output and batch norms.
    producers: HashMap<ValueId, usize>,
}

enum Change {
    Activate(Activation),
    AddResidual(ValueId),
    /// The gradient of an activation with this output.
    ActivationGradient(Activation, ValueId),
    /// The gradient of a batch norm's activation: of this dy, with these biases.
    NormActivationGradient(Activation, ValueId, ValueId),
}

impl<'g> Fusion<'g> {
    fn new(graph: &'g Graph, nodes: Vec<Node>) -> Self {
        let mut readers = vec![0; graph.values.len()];
        let read = nodes.iter().flat_map(|node| &node.inputs).chain(&graph.outputs);
        read.for_each(|id| readers[id.0] += 1);
        let mut writers = vec![0; graph.values.len()];
        nodes.iter().flat_map(|node| &node.outputs).for_each(|id| writers[id.0] += 1);
        let nodes = nodes.into_iter().map(Some).collect();
        Fusion { graph, nodes, readers, writers, producers: HashMap::new() }
    }

    /// Returns the node that the one at `index` can be fused with, and how.
    fn fusable(&self, index: usize) -> Option<(usize, Change)> {
        let node = self.nodes[index].as_ref()?;
        if let Some(activation) = node.op.activation() {
            let producer = self.only_producer(node.inputs[0])?;
            let free = match self.op(producer)? {
                Op::Conv(conv) => conv.activation == Activation::None,
                Op::Linear(linear) => linear.activation == Activation::None,
                Op::BatchNormTraining(training) => {
                    self.is_movable(producer) && training.activation == Activation::None && clips(activation)
                }
                _ => false,
            };
            return free.then_some((producer, Change::Activate(activation)));
        }
        if let Op::ActivationGradient(gradient) = &node.op {
            let [result, dy] = node.inputs[..] else { return None };
            let producer = self.only_producer(dy)?;
            let free = match self.op(producer)? {
                Op::AveragePoolGradient(pool) => pool.activation == Activation::None,
                Op::MaxPoolGradient(pool) => {
                    pool.activation == Activation::None
                        && self.nodes[producer].as_ref().is_some_and(|pool| pool.inputs[0] == result)
                }
                _ => false,
            };
            return free.then_some((producer, Change::ActivationGradient(gradient.0, result)));
        }
        if let Op::BatchNormGradient(gradient) = &node.op {
            if gradient.activation != Activation::None {
                return None;
            }
            let producer = self.only_producer(node.inputs[1])?;
            let Op::ActivationGradient(activation) = self.op(producer)? else { return None };
            let [result, dy] = self.nodes[producer].as_ref()?.inputs[..] else { return None };
            let forward = self.nodes[*self.producers.get(&result)?].as_ref()?;
            let Op::BatchNormTraining(training) = &forward.op else { return None };
            let fits = !training.residual
                && training.activation == activation.0
                && forward.inputs[0] == node.inputs[0]
                && forward.outputs[1] == node.inputs[3];
            return fits
                .then(|| (producer, Change::NormActivationGradient(activation.0, dy, forward.inputs[2])));
        }
        let Op::Add(_) = node.op else { return None };
        let [a, b] = node.inputs[..] else { return None };
        if self.graph.shape(a) != self.graph.shape(b) {
            return None;
        }
        let pairs = [(a, b), (b, a)].into_iter().filter(|(sum, residual)| sum != residual);
        let fusable = |is_gradient: bool| {
            move |(sum, residual): (ValueId, ValueId)| {
                let producer = self.only_producer(sum)?;
                let takes = self.takes_residual(producer, is_gradient);
                takes.then_some((producer, Change::AddResidual(residual)))
            }
        };
        // Of two gradients, the second was computed just before.
        pairs.clone().find_map(fusable(false)).or_else(|| pairs.rev().find_map(fusable(true)))
    }

    /// Whether a residual can be added to the result of the node: of a data gradient or, otherwise, of a layer.
    fn takes_residual(&self, index: usize, is_gradient: bool) -> bool {
        match self.op(index) {
            Some(Op::Conv(conv)) => !is_gradient && !conv.residual && conv.activation == Activation::None,
            Some(Op::BatchNormTraining(training)) => {
                let free = !training.residual && training.activation == Activation::None;
                !is_gradient && free && self.is_movable(index)
            }
            Some(Op::ConvDataGradient(conv)) => is_gradient && !conv.0.residual && self.is_of_maps(index),
            _ => false,
        }
    }

    /// Whether the node computes maps or signals, not volumes.
    fn is_of_maps(&self, index: usize) -> bool {
        self.nodes[index].as_ref().is_some_and(|node| self.graph.shape(node.outputs[0]).len() < 5)
    }

    /// Whether the node is the only one that writes its outputs, so that it may run later. Layers with shared variables
    /// update the same running statistics one after another.
    fn is_movable(&self, index: usize) -> bool {
        self.nodes[index].as_ref().is_some_and(|node| node.outputs.iter().all(|id| self.writers[id.0] == 1))
    }

    fn op(&self, index: usize) -> Option<&Op> {
        self.nodes[index].as_ref().map(|node| &node.op)
    }

    /// Returns the node that produces `value`, if it is read only once.
    fn only_producer(&self, value: ValueId) -> Option<usize> {
        self.producers.get(&value).copied().filter(|_| self.readers[value.0] == 1)
    }

    /// Merges the node `producer` into the one at `index`, which keeps its position.
    fn apply(&mut self, producer: usize, index: usize, change: Change) {
        let merged = self.nodes[producer].take().expect("a producer is present until it is merged");
        let node = self.nodes[index].as_mut().expect("the node was just read");
        node.name = format!("{}+{}", merged.name, node.name);
        if let (Op::BatchNormGradient(gradient), Change::NormActivationGradient(activation, dy, beta)) =
            (&mut node.op, &change)
        {
            gradient.activation = *activation;
            node.inputs[1] = *dy;
            node.inputs.push(*beta);
            return;
        }
        node.outputs.extend(merged.outputs.into_iter().skip(1));
        node.inputs = merged.inputs;
        node.op = merged.op;
        match (&mut node.op, change) {
            (Op::Conv(conv), Change::Activate(activation)) => conv.activation = activation,
            (Op::Linear(linear), Change::Activate(activation)) => linear.activation = activation,
            (Op::Conv(conv), Change::AddResidual(residual)) => {
                conv.residual = true;
                node.inputs.push(residual);
            }
            (Op::ConvDataGradient(conv), Change::AddResidual(residual)) => {
                conv.0.residual = true;
                node.inputs.push(residual);
            }
            (Op::BatchNormTraining(training), Change::Activate(activation)) => {
                training.activation = activation;
            }
            (Op::BatchNormTraining(training), Change::AddResidual(residual)) => {
                training.residual = true;
                node.inputs.push(residual);
            }
            (Op::AveragePoolGradient(pool), Change::ActivationGradient(activation, result)) => {
                pool.activation = activation;
                node.inputs.push(result);
            }
            (Op::MaxPoolGradient(pool), Change::ActivationGradient(activation, _)) => {
                pool.activation = activation
            }
            _ => unreachable!("no other combination is fused"),
        }
    }
}

/// Whether `activation` only clips, so that it maps 0 to 0.
fn clips(activation: Activation) -> bool {
    matches!(activation, Activation::Relu | Activation::Relu6)
}

#[cfg(test)]
mod tests {
    use striate_graph::{Network, Optimizer, TrainingSpec, training_graph};

    use super::*;

    /// The fused training graph of convolution, batch norm and ReLU, twice; the second norm `shares` the variables of
    /// the first, or has its own.
    fn fused(shares: &str) -> Graph {
        let text = format!(
            r#"
            name = "net"
            input = [3, 6, 6]
            layers = [
                {{ op = "conv", out_channels = 4, kernel_size = 3, bias = false }},
                {{ name = "norm", op = "batch_norm" }},
                {{ op = "relu" }},
                {{ op = "conv", out_channels = 4, kernel_size = 3, bias = false }},
                {{ name = "again", op = "batch_norm"{shares} }},
                {{ op = "relu" }},
                {{ op = "flatten" }},
                {{ op = "linear", out_features = 2 }},
            ]"#
        );
        fused_training(&text)
    }

    /// The fused training graph of a network.
    fn fused_training(text: &str) -> Graph {
        let network = Network::from_text(text).unwrap();
        let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
        let whole = network.graph_with_heads(&network.input_shape(2)).unwrap();
        let mut graph = training_graph(&whole, &TrainingSpec::new(sgd)).unwrap();
        fuse(&mut graph);
        graph
    }

    /// The activations of batch norms and of their gradients, and the number of separate activations and gradients of
    /// activations.
    fn activations(graph: &Graph) -> ([Vec<Activation>; 2], [usize; 2]) {
        let (mut norms, mut separate) = ([Vec::new(), Vec::new()], [0, 0]);
        for node in &graph.nodes {
            match &node.op {
                Op::BatchNormTraining(norm) => norms[0].push(norm.activation),
                Op::BatchNormGradient(norm) => norms[1].push(norm.activation),
                Op::Relu(_) => separate[0] += 1,
                Op::ActivationGradient(_) => separate[1] += 1,
                _ => {}
            }
        }
        (norms, separate)
    }

    #[test]
    fn relu_and_its_gradient_are_fused_into_the_batch_norm() {
        let relu = vec![Activation::Relu; 2];
        assert_eq!(activations(&fused("")), ([relu.clone(), relu], [0, 0]));
    }

    #[test]
    fn gradient_of_an_activation_is_fused_into_that_of_the_pool_after_it() {
        let text = r#"
            name = "net"
            input = [3, 6, 6]
            layers = [
                { op = "conv", out_channels = 4, kernel_size = 3 },
                { name = "first", op = "relu" },
                { op = "max_pool", kernel_size = 2, stride = 2 },
                { op = "conv", out_channels = 4, kernel_size = 1 },
                { name = "second", op = "tanh" },
                { op = "average_pool", kernel_size = 2, stride = 2 },
                { op = "flatten" },
                { op = "linear", out_features = 2 },
            ]"#;
        let graph = fused_training(text);
        let pools = graph.nodes.iter().filter_map(|node| match &node.op {
            Op::MaxPoolGradient(pool) => Some(pool.activation),
            Op::AveragePoolGradient(pool) => Some(pool.activation),
            _ => None,
        });
        assert_eq!(pools.collect::<Vec<_>>(), [Activation::Tanh, Activation::Relu]);
        assert_eq!(activations(&graph).1, [0, 0]);
    }

    #[test]
    fn sum_of_gradients_is_fused_into_the_later_data_gradient() {
        let text = r#"
            name = "net"
            input = [3, 6, 6]
            layers = [
                { name = "x", op = "conv", out_channels = 4, kernel_size = 3 },
                { name = "a", op = "conv", out_channels = 4, kernel_size = 1 },
                { name = "b", op = "conv", inputs = ["x"], out_channels = 4, kernel_size = 1 },
                { op = "concat", inputs = ["a", "b"] },
                { op = "flatten" },
                { op = "linear", out_features = 2 },
            ]"#;
        let graph = fused_training(text);
        let residuals = graph.nodes.iter().filter_map(|node| match &node.op {
            Op::ConvDataGradient(conv) => Some((conv.0.residual, node.inputs.len())),
            _ => None,
        });
        assert_eq!(residuals.collect::<Vec<_>>(), [(false, 2), (true, 3)]);
        assert!(!graph.nodes.iter().any(|node| matches!(node.op, Op::Add(_))));
    }

    #[test]
    fn batch_norms_that_share_running_statistics_stay_in_order() {
        let graph = fused(r#", shares = "norm""#);
        let none = vec![Activation::None; 2];
        assert_eq!(activations(&graph), ([none.clone(), none], [2, 2]));
        let norms = graph.nodes.iter().filter(|node| matches!(node.op, Op::BatchNormTraining(_)));
        assert_eq!(norms.map(|node| node.name.as_str()).collect::<Vec<_>>(), ["norm", "again"]);
    }
}
