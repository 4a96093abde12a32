//! The rows and columns of the input that each output depends on, in the same form for the forward direction
//! and for the data gradient.
//!
//! Along an axis, the outputs are divided into *phases* that use the same taps. The forward direction has one
//! phase; the data gradient of a convolution with stride s has s, each of which is a convolution with stride 1
//! and a subset of the taps, and writes every s-th position.

use crate::Halo;

use super::ConvDesc;

/// The outputs `first`, `first + step`, … along an axis; the n-th of them reads the inputs
/// `n · input_step + tap.offset`.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    pub first: usize,
    pub step: usize,
    pub count: usize,
    pub input_step: usize,
    pub taps: Vec<Tap>,
}

/// A tap along an axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    /// Its index in the kernel.
    pub index: usize,
    /// The input that output 0 of the phase reads through it; inputs outside lie in the halo.
    pub offset: isize,
}

/// The phases of y along an axis, reading x.
pub(super) fn forward(d: &ConvDesc, axis: usize) -> Vec<Phase> {
    let offset = |index: usize| (index * d.dilation[axis]) as isize - d.padding[axis] as isize;
    let taps = (0..d.kernel[axis]).map(|index| Tap { index, offset: offset(index) }).collect();
    vec![Phase { first: 0, step: 1, count: d.output[axis], input_step: d.stride[axis], taps }]
}

/// The phases of dx along an axis, reading dy.
pub(super) fn backward(d: &ConvDesc, axis: usize) -> Vec<Phase> {
    let (stride, size) = (d.stride[axis], d.input[axis]);
    let phase = |first: usize| {
        // Output o reads input i through tap t if i + padding = o · stride + t · dilation.
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

/// Returns the part that item number `item` belongs to, and the number of the item within the part; `items`
/// returns the number of items of a part.
pub(super) fn part_of<P>(parts: &[P], items: impl Fn(&P) -> usize, mut item: usize) -> (&P, usize) {
    for part in parts {
        let count = items(part);
        if item < count {
            return (part, item);
        }
        item -= count;
    }
    unreachable!("every item belongs to a part")
}

/// The halo that an input of `size` needs.
pub(super) fn halo(rows: &[Phase], columns: &[Phase], size: [usize; 2]) -> Halo {
    let reach = |phases: &[Phase], size: usize| {
        let offsets = || phases.iter().flat_map(|p| p.taps.iter().map(move |tap| (p, tap.offset)));
        let before = offsets().map(|(_, offset)| -offset).max().unwrap_or(0);
        let last = |(p, offset): (&Phase, isize)| ((p.count - 1) * p.input_step) as isize + offset;
        let after = offsets().map(last).max().unwrap_or(0) + 1 - size as isize;
        (before.max(0) as usize, after.max(0) as usize)
    };
    let ((top, bottom), (left, right)) = (reach(rows, size[0]), reach(columns, size[1]));
    Halo { top, left, bottom, right }
}

/// The maximum number of entries in a kernel's table of taps, and of steps to compute its phases. Larger
/// convolutions are left to the reference, which has no tables.
const MOST_ENTRIES: usize = 1 << 22;
/// The maximum number of pairs of a row phase and a column phase in a data gradient.
const MOST_PARTS: usize = 1 << 16;

/// Whether a table of all taps over `channels` channels stays small, if each tap has one entry per whole block
/// of channels and one per remaining channel.
pub(super) fn has_few_taps(d: &ConvDesc, channels: usize, block: usize) -> bool {
    let each = channels / block + channels % block;
    d.kernel[0].saturating_mul(d.kernel[1]).saturating_mul(each) <= MOST_ENTRIES
}

/// Whether the data gradient has few phases, which can be computed quickly.
pub(super) fn has_few_phases(d: &ConvDesc) -> bool {
    let phases = [0, 1].map(|axis| d.stride[axis].min(d.input[axis]));
    let most = [0, 1].map(|axis| phases[axis].max(d.kernel[axis]));
    let entries = [most[0].saturating_mul(most[1]), phases[0] * d.kernel[0], phases[1] * d.kernel[1]];
    phases[0] * phases[1] <= MOST_PARTS && entries.iter().all(|count| *count <= MOST_ENTRIES)
}

/// Whether no block of channels spans two groups.
pub(super) fn groups_fill_blocks(d: &ConvDesc, block: usize) -> bool {
    let whole = |channels: usize| (channels / d.groups).is_multiple_of(block);
    d.groups == 1 || (whole(d.in_channels) && whole(d.out_channels))
}
