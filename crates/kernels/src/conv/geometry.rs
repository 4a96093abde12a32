//! Which rows and columns of its input an output sees: the same form for the forward direction and for
//! the data gradient.
//!
//! Along one axis the outputs fall into *phases* of equal taps. The forward direction has one phase; the
//! data gradient of a convolution of stride s has s, each of which is a convolution of stride 1 with a
//! part of the taps, and writes every s-th place.

use striate_tensor::Halo;

use super::ConvDesc;

/// Outputs `first`, `first + step`, … along one axis; the n-th one sees the inputs
/// `n · input_step + tap.offset`.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    pub first: usize,
    pub step: usize,
    pub count: usize,
    pub input_step: usize,
    pub taps: Vec<Tap>,
}

/// One weight along one axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    /// Its index in the kernel.
    pub index: usize,
    /// The input that output 0 of the phase sees through it; the halo holds those outside.
    pub offset: isize,
}

/// The phases of y along an axis as it sees x.
pub(super) fn forward(d: &ConvDesc, axis: usize) -> Vec<Phase> {
    let offset = |index: usize| (index * d.dilation[axis]) as isize - d.padding[axis] as isize;
    let taps = (0..d.kernel[axis]).map(|index| Tap { index, offset: offset(index) }).collect();
    vec![Phase { first: 0, step: 1, count: d.output[axis], input_step: d.stride[axis], taps }]
}

/// The phases of dx along an axis as it sees dy.
pub(super) fn backward(d: &ConvDesc, axis: usize) -> Vec<Phase> {
    let (stride, size) = (d.stride[axis], d.input[axis]);
    let phase = |first: usize| {
        // Output o sees input i through the tap of index t where i + padding = o · stride + t · dilation.
        let place = first + d.padding[axis];
        let taps = (0..d.kernel[axis]).rev().filter_map(|index| {
            let distance = place as isize - (index * d.dilation[axis]) as isize;
            let offset = distance.div_euclid(stride as isize);
            (distance.rem_euclid(stride as isize) == 0).then_some(Tap { index, offset })
        });
        let count = (size - first).div_ceil(stride);
        Phase { first, step: stride, count, input_step: 1, taps: taps.collect() }
    };
    (0..stride.min(size)).map(phase).collect()
}

/// The part that item number `item` belongs to, with its number within the part; `items` says how many a
/// part has.
pub(super) fn part_of<P>(parts: &[P], items: impl Fn(&P) -> usize, mut item: usize) -> (&P, usize) {
    for part in parts {
        let count = items(part);
        if item < count {
            return (part, item);
        }
        item -= count;
    }
    unreachable!("items belong to parts")
}

/// The zero border that an input of `size` needs.
pub(super) fn halo(rows: &[Phase], columns: &[Phase], size: [usize; 2]) -> Halo {
    let reach = |phases: &[Phase], size: usize| {
        let offsets = || phases.iter().flat_map(|p| p.taps.iter().map(move |tap| (p, tap.offset)));
        let before = offsets().map(|(_, offset)| -offset).max().unwrap_or(0);
        let last = |(p, offset): (&Phase, isize)| ((p.count - 1) * p.input_step) as isize + offset;
        let behind = offsets().map(last).max().unwrap_or(0) + 1 - size as isize;
        (before.max(0) as usize, behind.max(0) as usize)
    };
    let ((top, bottom), (left, right)) = (reach(rows, size[0]), reach(columns, size[1]));
    Halo { top, left, bottom, right }
}

/// Entries of a kernel's table of taps at most, and of the work of laying out its phases. What has more
/// is left to the reference, which has no tables.
const MOST_ENTRIES: usize = 1 << 22;
/// Parts at most into which the phases of both axes cut a data gradient.
const MOST_PARTS: usize = 1 << 16;

/// Whether a table of all taps over `channels` channels stays small, in which those of a whole block of
/// channels are one entry.
pub(super) fn has_few_taps(d: &ConvDesc, channels: usize, block: usize) -> bool {
    let each = channels / block + channels % block;
    d.kernel[0].saturating_mul(d.kernel[1]).saturating_mul(each) <= MOST_ENTRIES
}

/// Whether the phases of the data gradient are few, and quickly found.
pub(super) fn has_few_phases(d: &ConvDesc) -> bool {
    let phases = [0, 1].map(|axis| d.stride[axis].min(d.input[axis]));
    let most = [0, 1].map(|axis| phases[axis].max(d.kernel[axis]));
    let entries = [most[0].saturating_mul(most[1]), phases[0] * d.kernel[0], phases[1] * d.kernel[1]];
    phases[0] * phases[1] <= MOST_PARTS && entries.iter().all(|count| *count <= MOST_ENTRIES)
}

/// Whether blocks of channels never straddle two groups.
pub(super) fn groups_fill_blocks(d: &ConvDesc, block: usize) -> bool {
    let whole = |channels: usize| (channels / d.groups).is_multiple_of(block);
    d.groups == 1 || (whole(d.in_channels) && whole(d.out_channels))
}
