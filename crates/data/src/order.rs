//! The order of samples: a permutation determined by seed and epoch, so that a run can resume anywhere in any epoch.

use striate_tensor::random::{Random, Stream};

/// The order of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The order in which they are stored.
    AsStored,
    /// A random permutation per epoch, determined by this seed.
    Shuffled(u64),
}

impl Order {
    /// Replaces the contents of `indices` with the order of `count` samples in `epoch`.
    pub(crate) fn write(self, count: usize, epoch: u64, indices: &mut Vec<usize>) {
        indices.clear();
        indices.extend(0..count);
        if let Order::Shuffled(seed) = self {
            Random::new(seed, Stream::Order, epoch).shuffle(indices);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_and_seed_has_its_own_permutation() {
        let order = |order: Order, epoch| {
            let mut indices = vec![7; 3];
            order.write(100, epoch, &mut indices);
            indices
        };
        let all = [(1, 0), (1, 1), (2, 0)].map(|(seed, epoch)| order(Order::Shuffled(seed), epoch));
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
        for mut indices in all {
            indices.sort_unstable();
            assert_eq!(indices, order(Order::AsStored, 3));
        }
        assert_eq!(order(Order::Shuffled(1), 5), order(Order::Shuffled(1), 5));
    }
}
