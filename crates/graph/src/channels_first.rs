//! Conversion of networks that take channels-last images and transpose them first, as those from TensorFlow do,
//! to channels-first input.

use striate_tensor::Shape;

use crate::network::{INPUT, Network};
use crate::{Layer, Op};

impl Network {
    /// Converts a network whose input is `[N, H, W, C]` to `[N, C, H, W]`, if every layer that reads the input
    /// only transposes it; otherwise returns the network unchanged.
    #[must_use]
    pub fn channels_first(mut self) -> Network {
        let [h, w, c] = *self.input else { return self };
        let reads = |layer: &&Layer| layer.inputs.iter().any(|input| input == INPUT);
        let transposes = |layer: &Layer| match &layer.op {
            Op::Transpose(transpose) => transpose.permutation == [0, 3, 1, 2],
            // With one channel, the order of the elements does not change.
            Op::Reshape(reshape) => c == 1 && reshape.shape == [0, 1, h as i64, w as i64],
            _ => false,
        };
        let transposed: Vec<String> = self
            .layers
            .iter()
            .filter(reads)
            .filter(|layer| transposes(layer))
            .map(|layer| layer.name.clone())
            .collect();
        let is_last = self.layers.last().is_some_and(|layer| transposed.contains(&layer.name));
        if transposed.is_empty() || is_last || transposed.len() < self.layers.iter().filter(reads).count() {
            return self;
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
    fn network_that_also_reads_channels_last_is_unchanged() {
        let given = network(|x| x);
        assert_eq!(given.clone().channels_first(), given);
        let net = Builder::new("net", [8, 8, 8]);
        let x = net.input();
        let both = (x.then(Transpose { permutation: vec![0, 3, 1, 2] }) + x).finish().unwrap();
        assert_eq!(both.clone().channels_first(), both);
    }
}
