//! The static memory plan: an offset in one arena for every value, where values with disjoint lifetimes share
//! memory.

use striate_tensor::ALIGNMENT;

/// The memory a value needs: `bytes` from step `first` to step `last`, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    pub bytes: usize,
    pub first: usize,
    pub last: usize,
}

/// Returns the offset of each need in the arena, and the arena's size.
///
/// The largest values are placed first, each at the lowest offset that is free for its whole lifetime
/// (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020). Without
/// `share`, values do not share memory.
pub(super) fn place(needs: &[Need], share: bool) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    if share {
        order.sort_by_key(|index| (std::cmp::Reverse(needs[*index].bytes), *index));
    }
    let mut offsets = vec![0; needs.len()];
    let mut placed: Vec<usize> = Vec::with_capacity(needs.len());
    let mut size = 0;
    for index in order {
        let need = &needs[index];
        let bytes = need.bytes.next_multiple_of(ALIGNMENT);
        let offset = if share { lowest_free(needs, &offsets, &placed, need) } else { size };
        offsets[index] = offset;
        size = size.max(offset + bytes);
        placed.push(index);
        // Kept sorted by offset for the next search.
        placed.sort_by_key(|other| offsets[*other]);
    }
    (offsets, size)
}

fn lowest_free(needs: &[Need], offsets: &[usize], placed: &[usize], need: &Need) -> usize {
    let bytes = need.bytes.next_multiple_of(ALIGNMENT);
    let mut offset = 0;
    for other in placed {
        let (start, other) = (offsets[*other], &needs[*other]);
        let alive_together = other.first <= need.last && need.first <= other.last;
        if alive_together && start < offset + bytes {
            offset = offset.max(start + other.bytes.next_multiple_of(ALIGNMENT));
        }
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(bytes: usize, first: usize, last: usize) -> Need {
        Need { bytes, first, last }
    }

    #[test]
    fn values_with_disjoint_lifetimes_share_memory() {
        let chain = [need(640, 0, 1), need(640, 1, 2), need(640, 2, 3), need(640, 3, 4)];
        assert_eq!(place(&chain, true).1, 1280);
        assert_eq!(place(&chain, false).1, 2560);
    }

    #[test]
    fn values_with_overlapping_lifetimes_do_not_overlap() {
        let mut random = striate_tensor::random::Random::new(3, striate_tensor::random::Stream::Other, 0);
        let needs: Vec<Need> = (0..200)
            .map(|_| {
                let first = random.below(50);
                need(1 + random.below(5000), first, first + random.below(10))
            })
            .collect();
        let (offsets, size) = place(&needs, true);
        for (i, a) in needs.iter().enumerate() {
            assert!(offsets[i].is_multiple_of(ALIGNMENT) && offsets[i] + a.bytes <= size);
            for (j, b) in needs.iter().enumerate().skip(i + 1) {
                let together = a.first <= b.last && b.first <= a.last;
                let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                assert!(!together || apart, "{a:?} at {} and {b:?} at {}", offsets[i], offsets[j]);
            }
        }
    }
}
