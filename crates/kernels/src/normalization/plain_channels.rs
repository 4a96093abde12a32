//! Sums over each channel of plain values `[N, C, …]`, map by map: in lanes of f32 within a short run, and in f64
//! across runs, so that long sums stay accurate.

use std::ops::Range;

/// Number of partial sums.
const LANES: usize = 16;
/// Number of elements that are accumulated in f32.
const RUN: usize = 256 * LANES;

/// Σ term(x, other) over channel `c` of two values of `shape` `[N, C, H, W]`.
pub(crate) fn sum(
    shape: [usize; 4],
    c: usize,
    [x, other]: [&[f32]; 2],
    term: impl Fn(f32, f32) -> f32,
) -> f64 {
    let [n, channels, h, w] = shape;
    let map = |image: usize| -> Range<usize> {
        let first = (image * channels + c) * h * w;
        first..first + h * w
    };
    let mut total = 0.0;
    for map in (0..n).map(map) {
        for (x, other) in x[map.clone()].chunks(RUN).zip(other[map].chunks(RUN)) {
            total += f64::from(short_sum(x, other, &term));
        }
    }
    total
}

/// Σ x over part of a map.
pub(crate) fn long_sum(x: &[f32]) -> f64 {
    sum([1, 1, 1, x.len()], 0, [x, x], |x, _| x)
}

fn short_sum(x: &[f32], other: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (other, other_rest) = other.as_chunks::<LANES>();
    for (x, other) in x.iter().zip(other) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane], other[lane]);
        }
    }
    let rest = x_rest.iter().zip(other_rest).map(|(x, other)| term(*x, *other));
    sums.into_iter().chain(rest).sum()
}
