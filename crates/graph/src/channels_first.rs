//! Conversion of networks that take channels-last images and transpose them first, or after scaling them, as those from
//! TensorFlow do, to channels-first input.

use std::collections::HashSet;

use striate_tensor::Shape;

use crate::network::{INPUT, Network};
use crate::ops::Transpose;
use crate::{Layer, Op};

/// Name of the layer that transposes channels-first images for operations on channels-last ones.
const CHANNELS_LAST: &str = "input/channels_last";

impl Network {
    /// Converts a network whose input is `[N, H, W, C]` to `[N, C, H, W]`, if it transposes the input, possibly after
    /// elementwise operations, and uses it in no other way; otherwise returns the network unchanged.
    #[must_use]
    pub fn channels_first(mut self) -> Network {
        let [h, w, c] = *self.input else { return self };
        let reads = |layer: &&Layer| layer.inputs.iter().any(|input| input == INPUT);
        let transposes = |layer: &Layer| transposes(layer, [h, w, c]);
        let transposed: Vec<String> = self
            .layers
            .iter()
            .filter(reads)
            .filter(|layer| transposes(layer))
            .map(|layer| layer.name.clone())
            .collect();
        let is_last = self.layers.last().is_some_and(|layer| transposed.contains(&layer.name));
        if transposed.is_empty() || is_last || transposed.len() < self.layers.iter().filter(reads).count() {
            return self.with_transposed_input([h, w, c]);
        }
        self.layers.retain(|layer| !transposed.contains(&layer.name));
        for input in self
            .layers
            .iter_mut()
            .flat_map(|layer| &mut layer.inputs)
            .filter(|input| transposed.contains(input))
        {
            *input = INPUT.to_owned();
        }
        self.input = Shape::from([c, h, w]);
        self
    }

    /// Puts a transposition before a network whose input `[H, W, C]` passes through elementwise operations to layers
    /// that transpose it; returns any other network unchanged.
    fn with_transposed_input(mut self, [h, w, c]: [usize; 3]) -> Network {
        let mut constants = HashSet::new();
        let mut channels_last = HashSet::from([INPUT]);
        let mut is_transposed = false;
        for layer in &self.layers {
            let reads = |names: &HashSet<&str>| layer.inputs.iter().any(|input| names.contains(&**input));
            if !reads(&channels_last) {
                constants.extend(matches!(layer.op, Op::Constant(_)).then_some(&*layer.name));
            } else if transposes(layer, [h, w, c]) {
                is_transposed = true;
            } else if is_elementwise(&layer.op)
                && layer
                    .inputs
                    .iter()
                    .all(|input| [&channels_last, &constants].iter().any(|names| names.contains(&**input)))
            {
                channels_last.insert(&layer.name);
            } else {
                return self;
            }
        }
        let is_output = self
            .layers
            .last()
            .is_some_and(|layer| transposes(layer, [h, w, c]) || channels_last.contains(&*layer.name));
        let is_taken = self.layers.iter().any(|layer| layer.name == CHANNELS_LAST);
        if !is_transposed || is_output || is_taken {
            return self;
        }
        let inputs = self.layers.iter_mut().flat_map(|layer| &mut layer.inputs);
        inputs.filter(|input| *input == INPUT).for_each(|input| *input = CHANNELS_LAST.to_owned());
        let op = Op::from(Transpose { permutation: vec![0, 2, 3, 1] });
        self.layers
            .insert(0, Layer { name: CHANNELS_LAST.into(), op, inputs: vec![INPUT.into()], shares: None });
        self.input = Shape::from([c, h, w]);
        self
    }
}

/// Whether `layer` converts `[N, H, W, C]` to `[N, C, H, W]`.
fn transposes(layer: &Layer, [h, w, c]: [usize; 3]) -> bool {
    match &layer.op {
        Op::Transpose(transpose) => transpose.permutation == [0, 3, 1, 2],
        // With one channel, the order of the elements does not change.
        Op::Reshape(reshape) => c == 1 && reshape.shape == [0, 1, h as i64, w as i64],
        _ => false,
    }
}

/// Whether `op` computes each element from those at the same position.
fn is_elementwise(op: &Op) -> bool {
    let is_arithmetic = matches!(
        op,
        Op::MultiplyBy(_)
            | Op::Clip(_)
            | Op::Add(_)
            | Op::Sub(_)
            | Op::Mul(_)
            | Op::Div(_)
            | Op::Max(_)
            | Op::Min(_)
    );
    is_arithmetic || op.activation().is_some() || op.function().is_some()
}

#[cfg(test)]
mod tests {
    use crate::ops::{Reshape, Transpose};
    use crate::{Builder, Network, Tensor};

    fn network(end: impl for<'b> Fn(Tensor<'b>) -> Tensor<'b>) -> Network {
        let net = Builder::new("net", [8, 6, 3]);
        let transposed = net.input().then(Transpose { permutation: vec![0, 3, 1, 2] });
        end(transposed).finish().unwrap()
    }

    #[test]
    fn leading_transposition_is_removed() {
        let given = network(|x| (x.conv(3, 1) + x).relu());
        let first = given.clone().channels_first();
        assert_eq!((&*first.input, first.layers.len()), (&[3, 8, 6][..], given.layers.len() - 1));
        assert_eq!(first.graph(2).unwrap().outputs.len(), 1);
        assert_eq!(first.variables().unwrap(), given.variables().unwrap());
        assert_eq!(first.clone().channels_first(), first, "channels-first networks are unchanged");
    }

    #[test]
    fn reshape_of_one_channel_counts_as_transposition() {
        let network = |input: [usize; 3], shape: [i64; 4]| {
            let reshape = Reshape { shape: shape.to_vec() };
            Builder::new("net", input).input().then(reshape).conv(3, 1).finish().unwrap()
        };
        let given = network([8, 6, 1], [0, 1, 8, 6]);
        let first = given.clone().channels_first();
        assert_eq!((&*first.input, first.layers.len()), (&[1, 8, 6][..], 1));
        assert_eq!(first.variables().unwrap(), given.variables().unwrap());
        // With more channels a reshape is not a transposition; with other extents it yields another map.
        for given in [network([8, 6, 3], [0, 3, 8, 6]), network([8, 6, 1], [0, 1, 6, 8])] {
            assert_eq!(given.clone().channels_first(), given);
        }
    }

    #[test]
    fn input_is_transposed_for_elementwise_operations_on_channels_last_images() {
        let given = Network::from_text(
            "name = 'n'\ninput = [8, 6, 3]\nlayers = [\
             { name = 'mean', op = 'constant', shape = [3], inputs = [] },\
             { name = 'centered', op = 'sub', inputs = ['input', 'mean'] },\
             { op = 'transpose', permutation = [0, 3, 1, 2] },\
             { op = 'conv', out_channels = 2, kernel_size = 3 }]",
        )
        .unwrap();
        let first = given.clone().channels_first();
        assert_eq!((&*first.input, first.layers.len()), (&[3, 8, 6][..], 5));
        assert_eq!(first.layers[2].inputs, ["input/channels_last", "mean"]);
        let (before, after) = (given.graph(2).unwrap(), first.graph(2).unwrap());
        let [before, after] = [before, after]
            .map(|graph| graph.outputs.iter().map(|id| graph.shape(*id).clone()).collect::<Vec<_>>());
        assert_eq!(before, after);
        assert_eq!(first.variables().unwrap(), given.variables().unwrap());
        assert_eq!(first.clone().channels_first(), first, "channels-first networks are unchanged");
    }

    #[test]
    fn network_that_also_reads_channels_last_is_unchanged() {
        let given = network(|x| x);
        assert_eq!(given.clone().channels_first(), given);
        let net = Builder::new("net", [8, 8, 8]);
        let x = net.input();
        let both = (x.then(Transpose { permutation: vec![0, 3, 1, 2] }) + x).finish().unwrap();
        assert_eq!(both.clone().channels_first(), both);
    }
}
