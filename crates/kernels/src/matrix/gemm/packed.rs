//! The matrix product on packed panels.
//!
//! A is copied into panels of P rows, B into panels of two vectors of columns; a tile of C stays in
//! registers while two panels are multiplied. The inner dimension is split into cuts so that panels stay in
//! the caches. The operand with fewer panels is packed by all threads together and shared; of the other
//! operand, each item of the grid packs its own panels, cut by cut, right before it multiplies them, so that
//! they come from the core's own cache instead of that of another core.
//!
//! Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3),
//! 2008.

use std::ops::Range;

use crate::Views;

use super::pack::{Lines, Pack};
use super::tile::{Finish, LARGEST_TILE, Tile};
use super::{GemmDesc, LINE};
use crate::activation::{Activation, UNBOUNDED};
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Kernel};

/// Number of panels packed together, which lengthens contiguous reads if the lines are contiguous in memory.
const GROUP: usize = 4;
/// The maximum number of items of the grid, which bounds the scratch memory, because each item has its own panels.
const MOST_ITEMS: usize = 64;
/// The fewest bytes of C that are stored past the caches, because they would not stay there.
const STREAM_BYTES: usize = 32 << 20;

pub(super) struct Packed {
    desc: GemmDesc,
    isa: Isa,
    /// Rows and columns of a tile.
    tile: [usize; 2],
    /// The operand that is packed item by item: 0 for A, 1 for B.
    private: usize,
    /// The number of its panels that are packed together.
    panels: usize,
    /// The number of its panels per item, a multiple of `panels`.
    item_panels: usize,
    /// Inner indices per cut.
    depth: usize,
}

impl Packed {
    pub fn new(desc: &GemmDesc, isa: Isa) -> Packed {
        let tile = [isa.accumulators() / 2, 2 * isa.lanes()];
        let panels = [desc.m.div_ceil(tile[0]), desc.n.div_ceil(tile[1])];
        let private = usize::from(desc.n >= desc.m);
        let all = panels[private];
        let panels = if all <= 8 { 1 } else { 2 };
        let item_panels = all.div_ceil(MOST_ITEMS).next_multiple_of(panels);
        let deepest = if isa == Isa::Avx512 { 1024 } else { 384 };
        let depth = desc.k.div_ceil(desc.k.div_ceil(deepest).max(1)).next_multiple_of(LINE);
        Packed { desc: desc.clone(), isa, tile, private, panels, item_panels, depth }
    }

    /// The number of panels of A and of B.
    fn all_panels(&self) -> [usize; 2] {
        [self.desc.m.div_ceil(self.tile[0]), self.desc.n.div_ceil(self.tile[1])]
    }

    fn items(&self) -> usize {
        self.all_panels()[self.private].div_ceil(self.item_panels)
    }

    /// The number of floats in the shared panels, and in the private panels of an item.
    fn scratch(&self) -> [usize; 2] {
        let shared = 1 - self.private;
        [
            (self.all_panels()[shared] * self.tile[shared] * self.desc.k).next_multiple_of(LINE),
            self.panels * self.tile[self.private] * self.depth,
        ]
    }
}

impl Kernel for Packed {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        let [shared, private] = self.scratch();
        size_of::<f32>() * (shared + self.items() * private)
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let d = &self.desc;
        let (a, b) = (views.read::<f32>(d.first), views.read::<f32>(1 - d.first));
        let bias = if d.bias { views.read::<f32>(2) } else { &[] };
        let (c, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        assert_eq!(c.len(), d.m * d.n, "the size of C must match the descriptor");
        let lines = [
            Lines { from: a, strides: d.a, count: d.m, width: self.tile[0] },
            Lines { from: b, strides: [d.b[1], d.b[0]], count: d.n, width: self.tile[1] },
        ];
        let [_, own] = self.scratch();
        let (shared, private) = scratch.split_at_mut(self.scratch()[0]);
        self.pack_shared(context, lines[1 - self.private], shared);
        let streams = size_of_val(c) >= STREAM_BYTES
            && d.k <= self.depth
            && d.n.is_multiple_of(LINE)
            && c.as_ptr().align_offset(LINE * size_of::<f32>()) == 0;
        let (c, private) = (Pointer(c.as_mut_ptr()), Pointer(private.as_mut_ptr()));
        let last = self.all_panels()[self.private];
        context.thread_pool.run(self.items(), |item| {
            // SAFETY: the scratch holds `own` floats for every item.
            let to = unsafe { std::slice::from_raw_parts_mut(private.get().add(item * own), own) };
            let panels = item * self.item_panels..((item + 1) * self.item_panels).min(last);
            let lines = lines[self.private];
            dispatch(self.isa, Item { gemm: self, shared, lines, to, bias, c: &c, panels, streams });
        });
    }
}

impl Packed {
    /// Packs all panels of the shared operand. The panels of a cut are contiguous.
    fn pack_shared(&self, context: &Context, lines: Lines, to: &mut [f32]) {
        let (panels, cuts) = (lines.panels(), self.desc.k.div_ceil(self.depth));
        let groups = panels.div_ceil(GROUP);
        let to = Pointer(to.as_mut_ptr());
        context.thread_pool.run(groups * cuts, |item| {
            let (start, first) = (item / groups * self.depth, item % groups * GROUP);
            let [range, last] = [first, (first + GROUP).min(panels) - 1]
                .map(|panel| self.cut(panels, lines.width, start, panel));
            // SAFETY: cuts of different panels do not overlap and lie within `to`.
            let to =
                unsafe { std::slice::from_raw_parts_mut(to.get().add(range.start), last.end - range.start) };
            let depth = self.depth.min(self.desc.k - start);
            dispatch(self.isa, Pack { lines, first: first * lines.width, start, depth, to });
        });
    }

    /// The range of the cut of a shared panel that starts at inner index `start`.
    fn cut(&self, panels: usize, width: usize, start: usize, panel: usize) -> Range<usize> {
        let depth = self.depth.min(self.desc.k - start);
        let first = (start * panels + panel * depth) * width;
        first..first + depth * width
    }
}

/// The product of some panels of the private operand with all panels of the shared one.
struct Item<'a> {
    gemm: &'a Packed,
    shared: &'a [f32],
    /// The private operand, and memory for its panels.
    lines: Lines<'a>,
    to: &'a mut [f32],
    bias: &'a [f32],
    c: &'a Pointer<f32>,
    panels: Range<usize>,
    /// Whether C is stored past the caches.
    streams: bool,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::ACCUMULATORS / 2 {
            14 => self.tiles::<S, 14>(s),
            6 => self.tiles::<S, 6>(s),
            _ => self.tiles::<S, 4>(s),
        }
        s.fence();
    }
}

impl Item<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const P: usize>(mut self, s: S) {
        if P * 2 > S::ACCUMULATORS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let Range { start: first, end } = self.panels;
        for first in (first..end).step_by(self.gemm.panels) {
            let panels = first..(first + self.gemm.panels).min(end);
            for start in (0..self.gemm.desc.k).step_by(self.gemm.depth) {
                self.cut::<S, P>(s, panels.clone(), start);
            }
        }
    }

    /// Packs the cut of `panels` that starts at inner index `start`, and multiplies it with that of all
    /// shared panels.
    #[inline(always)]
    fn cut<S: Simd, const P: usize>(&mut self, s: S, panels: Range<usize>, start: usize) {
        let Item { gemm, shared, lines, bias, c, streams, .. } = *self;
        let depth = gemm.depth.min(gemm.desc.k - start);
        let to = &mut self.to[..panels.len() * depth * lines.width];
        s.outline(Pack { lines, first: panels.start * lines.width, start, depth, to });
        let shared_panels = gemm.all_panels()[1 - gemm.private];
        for shared_panel in 0..shared_panels {
            let range = gemm.cut(shared_panels, gemm.tile[1 - gemm.private], start, shared_panel);
            // The next panel follows immediately.
            let (of_shared, mut ahead) = (&shared[range.clone()], shared[range.end..].as_ptr());
            for (panel, of_private) in panels.clone().zip(to.chunks(depth * lines.width)) {
                let (mut at, mut pair) = ([panel, shared_panel], [of_private, of_shared]);
                if gemm.private == 1 {
                    (at, pair) = ([at[1], at[0]], [pair[1], pair[0]]);
                }
                let place = Place { at: [at[0] * P, at[1] * 2 * S::LANES], start, c, bias, ahead, streams };
                gemm.tile::<S, P>(s, pair, place);
                ahead = ahead.wrapping_add(depth * LINE);
            }
        }
    }
}

/// The row and column of a tile in C, the first inner index of its cut, and the address to prefetch.
struct Place<'a> {
    at: [usize; 2],
    start: usize,
    ahead: *const f32,
    c: &'a Pointer<f32>,
    bias: &'a [f32],
    streams: bool,
}

impl Packed {
    /// Adds the product of two cuts of panels to a tile of C.
    #[inline(always)]
    fn tile<S: Simd, const P: usize>(&self, s: S, [a, b]: [&[f32]; 2], place: Place) {
        let (d, Place { at, start, ahead, c, bias, streams }) = (&self.desc, place);
        let (add, end) = (start > 0, start + self.depth >= d.k);
        let (rows, columns) = (P.min(d.m - at[0]), (2 * S::LANES).min(d.n - at[1]));
        // SAFETY: C has m rows of n numbers, and no other item writes this tile.
        let c = unsafe { c.get().add(at[0] * d.n + at[1]) };
        let bias = if d.bias && end { &bias[at[1]..][..columns] } else { &[] };
        let activation = if end { d.activation } else { Activation::None };
        if let (true, Some(range)) = (rows == P && columns == 2 * S::LANES, activation.clip()) {
            s.outline(Tile::<P> { a, b, ahead, to: c, stride: d.n, add, bias, range, streams });
            return;
        }
        let mut sums = [0.0f32; LARGEST_TILE];
        let (to, stride) = (sums.as_mut_ptr(), 2 * S::LANES);
        s.outline(Tile::<P> {
            a,
            b,
            ahead,
            to,
            stride,
            add: false,
            bias: &[],
            range: UNBOUNDED,
            streams: false,
        });
        for (row, sums) in sums.chunks_exact(stride).enumerate().take(rows) {
            // SAFETY: as above.
            let c = unsafe { std::slice::from_raw_parts_mut(c.add(row * d.n), columns) };
            s.outline(Finish { sums, c, add, bias, activation });
        }
    }
}
