//! Networks that take images channels-last and turn them at once, as those from TensorFlow do, for images of ours.

use striate_tensor::Shape;

use crate::network::{INPUT, Network};
use crate::{Layer, Op};

impl Network {
    /// The network for images `[N, C, H, W]` if it takes `[N, H, W, C]` and all that reads them turns them first;
    /// else the network as it is.
    #[must_use]
    pub fn channels_first(mut self) -> Network {
        let [h, w, c] = *self.input else { return self };
        let reads = |layer: &&Layer| layer.inputs.iter().any(|input| input == INPUT);
        let turns = |layer: &Layer| match &layer.op {
            Op::Transpose(transpose) => transpose.permutation == [0, 3, 1, 2],
            // Of one channel the elements stay in their places.
            Op::Reshape(reshape) => c == 1 && reshape.shape == [0, 1, h as i64, w as i64],
            _ => false,
        };
        let turned: Vec<String> = self
            .layers
            .iter()
            .filter(reads)
            .filter(|layer| turns(layer))
            .map(|layer| layer.name.clone())
            .collect();
        let is_last = self.layers.last().is_some_and(|layer| turned.contains(&layer.name));
        if turned.is_empty() || is_last || turned.len() < self.layers.iter().filter(reads).count() {
            return self;
        }
        self.layers.retain(|layer| !turned.contains(&layer.name));
        for input in
            self.layers.iter_mut().flat_map(|layer| &mut layer.inputs).filter(|input| turned.contains(input))
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
        let turned = net.input().then(Transpose { permutation: vec![0, 3, 1, 2] });
        end(turned).finish().unwrap()
    }

    #[test]
    fn a_turn_at_the_beginning_goes() {
        let given = network(|x| (x.conv(3, 1) + x).relu());
        let first = given.clone().channels_first();
        assert_eq!((&*first.input, first.layers.len()), (&[3, 8, 6][..], given.layers.len() - 1));
        assert_eq!(first.graph(2).unwrap().outputs.len(), 1);
        assert_eq!(first.variables().unwrap(), given.variables().unwrap());
        assert_eq!(first.clone().channels_first(), first, "images of ours stay");
    }

    #[test]
    fn of_one_channel_a_reshape_turns_too() {
        let network = |input: [usize; 3], shape: [i64; 4]| {
            let reshape = Reshape { shape: shape.to_vec() };
            Builder::new("net", input).input().then(reshape).conv(3, 1).finish().unwrap()
        };
        let given = network([8, 6, 1], [0, 1, 8, 6]);
        let first = given.clone().channels_first();
        assert_eq!((&*first.input, first.layers.len()), (&[1, 8, 6][..], 1));
        assert_eq!(first.variables().unwrap(), given.variables().unwrap());
        // Of more channels the elements would change their places; of other extents they are another map.
        for given in [network([8, 6, 3], [0, 3, 8, 6]), network([8, 6, 1], [0, 1, 6, 8])] {
            assert_eq!(given.clone().channels_first(), given);
        }
    }

    #[test]
    fn what_is_read_unturned_too_stays() {
        let given = network(|x| x);
        assert_eq!(given.clone().channels_first(), given);
        let net = Builder::new("net", [8, 8, 8]);
        let x = net.input();
        let both = (x.then(Transpose { permutation: vec![0, 3, 1, 2] }) + x).finish().unwrap();
        assert_eq!(both.clone().channels_first(), both);
    }
}
