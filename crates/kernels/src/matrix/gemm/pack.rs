//! Packing of operands into panels. A panel holds some lines (rows of A, columns of B), interleaved: first the
//! numbers of all its lines at inner index 0, then those at index 1, and so on.

use super::LINE;
use crate::simd::{Body, Simd};

/// A matrix as lines: rows of A, or columns of B.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    pub from: &'a [f32],
    /// Strides between lines and along them, in floats.
    pub strides: [usize; 2],
    /// Number of lines.
    pub count: usize,
    /// Lines per panel.
    pub width: usize,
}

impl Lines<'_> {
    pub fn panels(&self) -> usize {
        self.count.div_ceil(self.width)
    }
}

/// Fills `to` with panels, starting with line `first`: `depth` inner indices of each, starting at `start`. Beyond
/// the last line, panels are zero.
pub(super) struct Pack<'a> {
    pub lines: Lines<'a>,
    pub first: usize,
    pub start: usize,
    pub depth: usize,
    pub to: &'a mut [f32],
}

impl Body for Pack<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Pack { lines, first, start, depth, to } = self;
        let (width, [line, along]) = (lines.width, lines.strides);
        let panel_len = depth * width;
        let panels = to.len() / panel_len;
        let real = (panels * width).min(lines.count - first);
        let from = &lines.from[first * line + start * along..];
        assert!(
            from.len() > (real - 1) * line + (depth - 1) * along,
            "the lines must lie within the operand"
        );
        if real < panels * width {
            to[(panels - 1) * panel_len..].fill(0.0);
        }
        if line == 1 {
            for index in 0..depth {
                prefetch(s, from, (index + AHEAD) * along, real);
                let from = &from[index * along..][..real];
                for (panel, from) in from.chunks(width).enumerate() {
                    copy(s, from, &mut to[panel * panel_len + index * width..][..from.len()]);
                }
            }
            return;
        }
        for (panel, to) in to.chunks_exact_mut(panel_len).enumerate() {
            let from = &from[panel * width * line..];
            let real = width.min(real - panel * width);
            let whole = if along == 1 { depth / S::LANES * S::LANES } else { 0 };
            for index in (0..whole).step_by(S::LANES) {
                for at in (0..real).step_by(S::LANES) {
                    let count = S::LANES.min(real - at);
                    for line_at in at..at + count {
                        s.prefetch(from.as_ptr().wrapping_add(line_at * line + index + AHEAD * LINE));
                    }
                    // SAFETY: `count` lines of LANES numbers lie within the operand; from `index` on, the panel
                    // holds at least LANES indices of `width` lines.
                    unsafe {
                        let from = from.as_ptr().add(at * line + index);
                        s.transpose(from, line, count, to.as_mut_ptr().add(index * width + at), width);
                    }
                }
            }
            for (index, to) in to.chunks_exact_mut(width).enumerate().skip(whole) {
                for (at, to) in to[..real].iter_mut().enumerate() {
                    *to = from[at * line + index * along];
                }
            }
        }
    }
}

/// The prefetch distance, in inner indices, or in cache lines along a line.
const AHEAD: usize = 32;

/// Prefetches the `len` numbers that start at `at`.
#[inline(always)]
fn prefetch<S: Simd>(s: S, from: &[f32], at: usize, len: usize) {
    for line in (0..len).step_by(LINE) {
        s.prefetch(from.as_ptr().wrapping_add(at + line));
    }
}

/// Copies contiguous numbers.
#[inline(always)]
fn copy<S: Simd>(s: S, from: &[f32], to: &mut [f32]) {
    let whole = from.len() / S::LANES * S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: from `at` on, both slices hold at least LANES numbers.
        unsafe { s.store(to.as_mut_ptr().add(at), s.load(from.as_ptr().add(at))) }
    }
    to[whole..].copy_from_slice(&from[whole..]);
}
