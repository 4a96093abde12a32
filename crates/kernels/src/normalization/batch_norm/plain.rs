//! What the directions share on plain values with spatial axes, such as signals and volumes.

use super::BatchNormDesc;
use crate::{Context, Format, Layout};

/// Returns the formats of `operands` operands, if the values have spatial axes and are plain.
pub(super) fn formats(desc: &BatchNormDesc, first: Layout, operands: usize) -> Option<Vec<Format>> {
    let [_, _, h, w] = desc.shape;
    (first == Layout::Plain && h * w > 1).then(|| vec![Layout::Plain.f32(); operands])
}

/// The number of elements per channel.
pub(super) fn count(desc: &BatchNormDesc) -> f64 {
    let [n, _, h, w] = desc.shape;
    (n * h * w) as f64
}

/// Calls `work` for every map with its channel, its offset, and its part of `to`.
pub(super) fn each_map(
    desc: &BatchNormDesc,
    context: &Context,
    to: &mut [f32],
    work: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    let [_, channels, h, w] = desc.shape;
    context.thread_pool.pieces(to, h * w, |map, piece| work(map % channels, map * h * w, piece));
}
