//! Near duplicates: images whose difference hashes differ in few bits, found in less than quadratic time.
//!
//! If hashes differ in at most `d` of 64 bits, which are split into `d + 1` bands, at least one band is equal. Only
//! images with an equal band are compared. A band takes its bits from all rows, so that equal borders do not fill it.

use striate_vision::DifferenceHash;

/// The correlation of gray pixels from which images with near hashes look alike.
const LEAST_CORRELATION: f64 = 0.98;
/// The number of comparisons of hashes after which the search stops: some seconds.
pub(super) const MOST_COMPARISONS: u64 = 1 << 30;

/// The time of comparing pixels, in comparisons of hashes.
const CORRELATION_COST: u64 = 30;

/// Groups of near duplicates.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Near {
    /// Each group as sorted indices, with the largest distance between two members that were found to be near.
    pub groups: Vec<(Vec<usize>, u32)>,
    /// Whether everything was compared.
    pub is_complete: bool,
}

/// Finds groups of images whose hashes are linked by distances of at most `distance` bits.
pub(super) fn near(hashes: &[DifferenceHash], distance: u32, most_comparisons: u64) -> Near {
    let distinct: Vec<usize> = (0..hashes.len()).filter(|index| hashes[*index].is_distinct()).collect();
    let mut links = Links::new(hashes.len());
    let mut left = most_comparisons;
    let masks = masks(distance);
    for (band, mask) in masks.iter().enumerate() {
        let mut order: Vec<(u64, usize)> =
            distinct.iter().map(|index| (hashes[*index].bits & mask, *index)).collect();
        order.sort_unstable();
        for bucket in order.chunk_by(|a, b| a.0 == b.0) {
            for (at, (_, a)) in bucket.iter().enumerate() {
                let others = &bucket[at + 1..];
                let Some(rest) = left.checked_sub(others.len() as u64) else {
                    return Near { groups: links.groups(), is_complete: false };
                };
                left = rest;
                for (_, b) in others {
                    let (one, other) = (&hashes[*a], &hashes[*b]);
                    let apart = one.distance(other);
                    if apart > distance {
                        continue;
                    }
                    // Pairs with an equal earlier band were compared there.
                    let is_new = masks[..band].iter().all(|mask| (one.bits ^ other.bits) & mask != 0);
                    left = left.saturating_sub(if is_new { CORRELATION_COST } else { 0 });
                    if is_new && one.correlation(other) >= LEAST_CORRELATION {
                        links.join(*a, *b, apart);
                    }
                }
            }
        }
    }
    Near { groups: links.groups(), is_complete: true }
}

/// Returns the bits of each of `distance + 1` bands.
fn masks(distance: u32) -> Vec<u64> {
    let count = (distance as usize + 1).min(64);
    (0..count).map(|band| (band..64).step_by(count).fold(0, |mask, bit| mask | 1 << bit)).collect()
}

/// Images joined into groups: a disjoint-set forest.
struct Links {
    parents: Vec<usize>,
    /// The largest distance that was joined, of the root of each group.
    distances: Vec<u32>,
}

impl Links {
    fn new(count: usize) -> Links {
        Links { parents: (0..count).collect(), distances: vec![0; count] }
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize, distance: u32) {
        let (a, b) = (self.root(a), self.root(b));
        let (first, second) = (a.min(b), a.max(b));
        self.distances[first] = self.distances[a].max(self.distances[b]).max(distance);
        self.parents[second] = first;
    }

    fn groups(mut self) -> Vec<(Vec<usize>, u32)> {
        let mut members: Vec<Vec<usize>> = vec![vec![]; self.parents.len()];
        for index in 0..self.parents.len() {
            members[self.root(index)].push(index);
        }
        let several = members.into_iter().filter(|group| group.len() > 1);
        several.map(|group| (self.distances[group[0]], group)).map(|(most, group)| (group, most)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels that fall and rise in turn; the bits of the hash are set freely.
    fn hash(bits: u64) -> DifferenceHash {
        DifferenceHash { bits, pixels: std::array::from_fn(|at| (at % 2 * 90 + at) as u8) }
    }

    fn random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn every_pair_within_the_distance_is_found() {
        let mut state = 88_172_645_463_325_252;
        for distance in [0, 1, 4, 10] {
            let mut hashes: Vec<DifferenceHash> = (0..300).map(|_| hash(random(&mut state))).collect();
            for index in 0..40 {
                // Flips between none and one bit too many.
                let flips = (0..index % (distance as usize + 2)).map(|k| 1u64 << ((index * 7 + k * 13) % 64));
                let bits = flips.fold(hashes[index].bits, |bits, flip| bits ^ flip);
                hashes.push(hash(bits));
            }
            let found = near(&hashes, distance, u64::MAX);
            let mut links = Links::new(hashes.len());
            for a in 0..hashes.len() {
                for b in a + 1..hashes.len() {
                    let apart = hashes[a].distance(&hashes[b]);
                    if apart <= distance {
                        links.join(a, b, apart);
                    }
                }
            }
            assert_eq!(found, Near { groups: links.groups(), is_complete: true }, "{distance}");
            assert!(found.groups.len() >= 20);
        }
    }

    #[test]
    fn different_pixels_with_the_same_hash_are_not_near() {
        let mut other = hash(5);
        other.pixels.reverse();
        other.pixels[..36].fill(200);
        assert!(near(&[hash(5), other], 4, 99).groups.is_empty());
        let plain = DifferenceHash { bits: 0, pixels: [9; 72] };
        assert!(near(&[plain, plain], 4, 99).groups.is_empty());
    }

    #[test]
    fn search_stops_after_the_given_comparisons() {
        let found = near(&[hash(1); 100], 4, 2_000);
        assert!(!found.is_complete);
        assert!(near(&[hash(1); 100], 0, 31 * 5_000).is_complete);
    }

    #[test]
    fn bands_cover_all_bits_once() {
        for distance in [0, 4, 10, 63, 64] {
            let masks = masks(distance);
            assert_eq!(masks.iter().fold(0, |all, mask| all | mask), u64::MAX);
            assert_eq!(masks.iter().map(|mask| mask.count_ones()).sum::<u32>(), 64);
        }
    }
}
