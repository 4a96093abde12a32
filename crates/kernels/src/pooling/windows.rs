//! Windows over maps in blocks of channels, and their maxima and sums.

use std::ops::Range;

use super::PoolDesc;
use crate::activation::Activation;
use crate::layout::maps::Maps;
use crate::simd::{Simd, activation_gradient};

/// The number of terms that are added in sequence: elements in a run, and runs in a group.
pub(super) const RUN: usize = 64;

/// The range that a window covers along one axis, and its divisor.
pub(super) struct Span {
    pub range: Range<usize>,
    pub divisor: usize,
}

/// The windows of a map.
pub(super) struct Windows {
    pub rows: Vec<Span>,
    pub columns: Vec<Span>,
}

/// A row of windows.
pub(super) struct Band<'a> {
    /// Its number.
    pub index: usize,
    /// The rows of x that its windows cover.
    pub rows: &'a Span,
    /// The rows of x that its windows cover and those before the next windows, without those of earlier bands.
    pub fresh: Range<usize>,
    /// The rows of x that no later window covers, without those of earlier bands.
    pub complete: Range<usize>,
}

impl Windows {
    pub fn new(desc: &PoolDesc) -> Windows {
        let spans = |axis: usize| {
            let span = |at| Span { range: desc.clipped_on(axis, at), divisor: desc.divisor_on(axis, at) };
            (0..desc.output[axis]).map(span).collect()
        };
        Windows { rows: spans(0), columns: spans(1) }
    }

    /// Returns the rows of windows in order, for a map of x of `height` rows. Each of these is fresh in one band, and
    /// complete in the same or a later one.
    pub fn bands(&self, height: usize) -> impl Iterator<Item = Band<'_>> {
        let (mut fresh, mut complete) = (0, 0);
        self.rows.iter().enumerate().map(move |(index, rows)| {
            let next = self.rows.get(index + 1).map_or(height, |next| next.range.start.min(height));
            let ends = [next.max(rows.range.end).max(fresh), next.max(complete)];
            let band = Band { index, rows, fresh: fresh..ends[0], complete: complete..ends[1] };
            [fresh, complete] = ends;
            band
        })
    }

    /// Whether the windows cover every element of a map of x of this size exactly once.
    pub fn tiles(&self, size: [usize; 2]) -> bool {
        [(&self.rows, size[0]), (&self.columns, size[1])].into_iter().all(|(spans, size)| {
            let ends = spans.iter().map(|span| span.range.end);
            let starts = spans.iter().map(|span| span.range.start).skip(1).chain([size]);
            spans[0].range.start == 0 && ends.eq(starts)
        })
    }
}

/// Evaluates an expression of a window's rows and columns with constants for common sizes, so that its loops unroll.
macro_rules! unrolled {
    ($rows:ident, $columns:ident, $body:expr) => {
        match ($rows, $columns) {
            (2, 2) => {
                let ($rows, $columns) = (2, 2);
                $body
            }
            (3, 3) => {
                let ($rows, $columns) = (3, 3);
                $body
            }
            _ => $body,
        }
    };
}
pub(super) use unrolled;

/// Computes, lane by lane, the maximum (`MAX`), which is NaN if an element is, or the sum of a window, in order.
///
/// # Safety
/// `window` must point to the first element of `rows` rows and `columns` columns within a map with the geometry
/// `maps`.
#[inline(always)]
pub(super) unsafe fn fold<S: Simd, const MAX: bool>(
    s: S,
    maps: &Maps,
    window: *const f32,
    rows: usize,
    columns: usize,
) -> S::F {
    let mut result = neutral::<S, MAX>(s);
    for row in 0..rows {
        for column in 0..columns {
            // SAFETY: guaranteed by the caller.
            let element = unsafe { s.load(window.add(row * maps.row_len() + column * S::LANES)) };
            result = combine::<S, MAX>(s, result, element);
        }
    }
    result
}

/// Computes, lane by lane, the sum of a large window, as groups of [`RUN`] runs of up to [`RUN`] elements, so
/// that no single sum has many terms and the rounding error stays small.
///
/// # Safety
/// As [`fold`].
#[inline(always)]
pub(super) unsafe fn long_sum<S: Simd>(
    s: S,
    maps: &Maps,
    window: *const f32,
    rows: usize,
    columns: usize,
) -> S::F {
    let [mut total, mut group] = [s.zero(); 2];
    let mut runs = 0;
    let rows_per_run = (RUN / columns).max(1);
    for row in (0..rows).step_by(rows_per_run) {
        for column in (0..columns).step_by(RUN) {
            let (r, c) = (rows_per_run.min(rows - row), RUN.min(columns - column));
            // SAFETY: the run is part of the window.
            let run = unsafe {
                let part = window.add(row * maps.row_len() + column * S::LANES);
                fold::<S, false>(s, maps, part, r, c)
            };
            group = s.add(group, run);
            runs += 1;
            if runs % RUN == 0 {
                total = s.add(total, group);
                group = s.zero();
            }
        }
    }
    s.add(total, group)
}

/// Clears these rows of the map `dx`, without the halo.
///
/// # Safety
/// `dx` must point to a whole map with the geometry `maps`, which has the rows.
#[inline(always)]
pub(super) unsafe fn clear_rows(maps: &Maps, dx: *mut f32, rows: Range<usize>) {
    for row in rows {
        // SAFETY: the row lies within the map.
        unsafe { dx.add(maps.row(row)).write_bytes(0, maps.size[1] * maps.block) }
    }
}

/// Multiplies these rows of the map `dx` by the derivative of the activation, whose output is the map `x`.
///
/// # Safety
/// The pointers must point to whole maps with the geometries that precede them, which have the rows.
#[inline(always)]
pub(super) unsafe fn apply_activation_gradient<S: Simd>(
    s: S,
    activation: Activation,
    (x_maps, x): (&Maps, *const f32),
    (dx_maps, dx): (&Maps, *mut f32),
    rows: Range<usize>,
) {
    for row in rows {
        for column in 0..dx_maps.size[1] {
            // SAFETY: the pixel lies within the maps.
            unsafe {
                let x = s.load(x.add(x_maps.row(row) + column * S::LANES));
                let dx = dx.add(dx_maps.row(row) + column * S::LANES);
                s.store(dx, activation_gradient(s, activation, x, s.load(dx)));
            }
        }
    }
}

/// The neutral element of a maximum (`MAX`) or of a sum.
#[inline(always)]
pub(super) fn neutral<S: Simd, const MAX: bool>(s: S) -> S::F {
    if MAX { s.splat(f32::NEG_INFINITY) } else { s.zero() }
}

/// The maximum (`MAX`) or the sum of two elements.
#[inline(always)]
pub(super) fn combine<S: Simd, const MAX: bool>(s: S, a: S::F, b: S::F) -> S::F {
    if MAX { s.max_or_nan(a, b) } else { s.add(a, b) }
}

/// The result of a window, given the maximum (`MAX`) or the sum of its elements.
#[inline(always)]
pub(super) fn finish<S: Simd, const MAX: bool>(s: S, folded: S::F, rows: &Span, columns: &Span) -> S::F {
    if MAX { folded } else { s.mul(folded, s.splat(1.0 / (rows.divisor * columns.divisor) as f32)) }
}
