//! Facts about operations that compilers need: stated here once, for all devices.

use striate_tensor::Shape;

use crate::ops::{LayerOp, Linear};
use crate::{Graph, Node, Op, ValueId};

impl Op {
    /// Whether the operation updates variables, element by element and whatever their shape.
    pub fn is_update(&self) -> bool {
        matches!(
            self,
            Op::Sgd(_) | Op::Adam(_) | Op::RmsProp(_) | Op::Lars(_) | Op::Average(_) | Op::ClipNorm(_)
        )
    }

    /// Whether the output consists of the elements of the input in the same order, so that nothing needs to be computed
    /// or moved.
    pub fn is_view(&self) -> bool {
        matches!(self, Op::Flatten(_) | Op::Reshape(_) | Op::Constant(_))
    }

    /// Whether the operation moves a window over its operands: convolutions, locally connected layers, pools and
    /// their gradients.
    pub fn has_window(&self) -> bool {
        matches!(
            self,
            Op::Conv(_)
                | Op::ConvDataGradient(_)
                | Op::ConvWeightGradient(_)
                | Op::LocallyConnected(_)
                | Op::LocallyConnectedDataGradient(_)
                | Op::LocallyConnectedWeightGradient(_)
                | Op::MaxPool(_)
                | Op::MaxPoolGradient(_)
                | Op::AveragePool(_)
                | Op::AveragePoolGradient(_)
                | Op::GlobalAveragePool(_)
        )
    }
}

impl Node {
    /// The number of multiply-adds of convolutions, linear layers and matrix products, and of their gradients, each of
    /// which has as many as the forward direction. Includes padded taps and the missing connections of a table.
    pub fn macs(&self, graph: &Graph) -> u64 {
        let shape = |id: &ValueId| graph.shape(*id);
        let inputs: Vec<&Shape> = self.inputs.iter().map(shape).collect();
        let output = shape(&self.outputs[0]);
        let of = |op: &dyn LayerOp, inputs: &[&Shape], output: &Shape| match op.cost(inputs, output).macs {
            0 => 0,
            _ => output.numel() as u64 * op.terms(inputs) as u64,
        };
        let linear = Linear::new(0);
        match &self.op {
            Op::ConvDataGradient(op) => of(&op.0, &[output], inputs[0]),
            Op::ConvWeightGradient(op) => of(&op.0, &inputs[..1], inputs[1]),
            Op::LocallyConnectedDataGradient(op) => of(&op.0, &[output], inputs[0]),
            Op::LocallyConnectedWeightGradient(op) => of(&op.0, &inputs[..1], inputs[1]),
            Op::LinearDataGradient(_) => of(&linear, &[output], inputs[0]),
            Op::LinearWeightGradient(_) => of(&linear, &inputs[..1], inputs[1]),
            op => op.layer().map_or(0, |op| of(op, &inputs, output)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::{Conv, ConvDataGradient, ConvWeightGradient, MatMul};
    use crate::{Graph, Op, PerAxis, Segment};
    use striate_tensor::Shape;

    fn macs(op: impl Into<Op>, inputs: &[&[usize]], output: &[usize]) -> u64 {
        let mut graph = Graph::default();
        let inputs = inputs.iter().map(|shape| graph.add_computed("x", Shape::new(*shape))).collect();
        let output = graph.add_computed("y", Shape::new(output));
        graph.add_node("op", op, inputs, vec![output], Segment::Accumulate);
        graph.nodes[0].macs(&graph)
    }

    #[test]
    fn directions_of_a_convolution_have_the_same_macs() {
        let conv = Conv { groups: 2, stride: PerAxis::from((2, 2)), ..Conv::new(6, 3) };
        let (x, w, y): (&[usize], &[usize], &[usize]) = (&[2, 4, 9, 9], &[6, 2, 3, 3], &[2, 6, 4, 4]);
        let expected = 2 * 6 * 4 * 4 * (2 * 3 * 3);
        assert_eq!(macs(conv.clone(), &[x, w], y), expected);
        assert_eq!(macs(ConvDataGradient(conv.clone()), &[y, w], x), expected);
        assert_eq!(macs(ConvWeightGradient(conv), &[x, y], w), expected);
    }

    #[test]
    fn products_with_transposed_operands_count_the_inner_extent() {
        for (a, transpose_a) in [([5, 3, 7], false), ([5, 7, 3], true)] {
            let op = MatMul { transpose_a, transpose_b: false };
            assert_eq!(macs(op, &[&a, &[5, 7, 2]], &[5, 3, 2]), 5 * 3 * 2 * 7);
        }
    }

    #[test]
    fn operations_without_products_have_no_macs() {
        assert_eq!(macs(crate::ops::Relu {}, &[&[2, 3]], &[2, 3]), 0);
    }
}
