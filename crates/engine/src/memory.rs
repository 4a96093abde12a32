//! The static memory plan: an offset in one arena for every value, where values with disjoint lifetimes share
//! memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use striate_tensor::ALIGNMENT;

/// The memory a value needs: `bytes` from step `first` to step `last`, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its size.
    pub bytes: usize,
    /// The step that writes it.
    pub first: usize,
    /// The last step that reads it.
    pub last: usize,
}

/// Returns the offset of each need in the arena, and the arena's size.
///
/// The largest values are placed first, each at the lowest offset that is free for its whole lifetime
/// (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020). Without
/// `share`, values do not share memory.
pub fn place(needs: &[Need], share: bool) -> (Vec<usize>, usize) {
    if share && needs.len() > MAX_SEARCHED {
        return place_in_order(needs);
    }
    let mut order: Vec<usize> = (0..needs.len()).collect();
    if share {
        order.sort_by_key(|index| (Reverse(needs[*index].bytes), *index));
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
        // Kept sorted by offset for the next search.
        let rank = placed.partition_point(|other| offsets[*other] <= offset);
        placed.insert(rank, index);
    }
    (offsets, size)
}

/// More needs than this are placed in execution order, since each search visits all that are placed already.
const MAX_SEARCHED: usize = 1 << 13;

/// Places needs in execution order, each in the lowest free range that is large enough, and frees the range when
/// the need ends. This takes slightly more memory than the search, but its time is not quadratic in their number.
fn place_in_order(needs: &[Need]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|index| (needs[*index].first, Reverse(needs[*index].bytes), *index));
    let mut ends: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    // The lengths of the free ranges by offset; no two are adjacent.
    let mut free: BTreeMap<usize, usize> = BTreeMap::new();
    let mut offsets = vec![0; needs.len()];
    let mut size = 0;
    for index in order {
        while let Some(Reverse((last, other))) = ends.peek().copied() {
            if last >= needs[index].first {
                break;
            }
            ends.pop();
            free_range(&mut free, offsets[other], needs[other].bytes.next_multiple_of(ALIGNMENT));
        }
        let bytes = needs[index].bytes.next_multiple_of(ALIGNMENT);
        let fitting = free.iter().find(|(_, length)| **length >= bytes).map(|(offset, _)| *offset);
        let at_end = || free.last_key_value().filter(|(offset, length)| *offset + *length == size);
        let offset = fitting.or_else(|| at_end().map(|(offset, _)| *offset)).unwrap_or(size);
        if let Some(length) = free.remove(&offset).filter(|length| *length > bytes) {
            free.insert(offset + bytes, length - bytes);
        }
        offsets[index] = offset;
        size = size.max(offset + bytes);
        ends.push(Reverse((needs[index].last, index)));
    }
    (offsets, size)
}

/// Frees a range and merges it with adjacent free ranges.
fn free_range(free: &mut BTreeMap<usize, usize>, mut offset: usize, mut bytes: usize) {
    if bytes == 0 {
        return;
    }
    if let Some(length) = free.remove(&(offset + bytes)) {
        bytes += length;
    }
    if let Some((before, length)) = free.range(..offset).next_back().map(|(at, length)| (*at, *length))
        && before + length == offset
    {
        free.remove(&before);
        (offset, bytes) = (before, bytes + length);
    }
    free.insert(offset, bytes);
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
    fn placement_in_execution_order_reuses_memory() {
        let chain: Vec<Need> = (0..20_000).map(|step| need(640, step, step + 1)).collect();
        assert_eq!(place(&chain, true).1, 1280);
        let growing = [need(64, 0, 0), need(640, 1, 1)];
        assert_eq!(place_in_order(&growing).1, place(&growing, true).1);
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
        for (offsets, size) in [place(&needs, true), place_in_order(&needs)] {
            check_apart(&needs, &offsets, size);
        }
    }

    fn check_apart(needs: &[Need], offsets: &[usize], size: usize) {
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
