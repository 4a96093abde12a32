//! Weight gradient of a convolution on blocks of channels.
//!
//! A tile of I input values × O blocks of output channels stays in registers while the loop runs over the pixels of a
//! band of rows: each pixel's O vectors of dy are multiplied by I broadcast values of x. For inputs in blocks of
//! channels, the I values are channels under one tap; for planar inputs, neighboring taps of a row. An item of the grid
//! takes several maps of x and pairs of blocks of dy, whose bands are in the L2 cache while each map is multiplied by
//! each pair. If there are few items, the batch is split into slices with separate sums, which are then added in order;
//! the number of slices depends only on the descriptor.

use std::ops::Range;

use crate::{Format, Layout, Views};

use super::ConvDesc;
use super::cost;
use super::direct::needed_halo;
use super::geometry::{groups_fill_blocks, has_few_taps};
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// For inputs in blocks of channels.
pub(super) struct Blocked;
/// For planar inputs with few channels.
pub(super) struct PlanarInput;

/// The desired minimum number of items in the grid.
const ITEMS: usize = 16;
/// The maximum number of floats of dy in a band of rows, chosen so that they stay in the L1 cache.
const BAND: usize = 3072;
/// The same for AVX-512, chosen so that they stay in the L2 cache.
const WIDE_BAND: usize = 12288;
/// The maximum number of maps of x in an item, if the kernel has a single tap.
const MOST_MAPS: usize = 8;
/// The maximum number of pairs of blocks of dy in an item.
const MOST_PAIRS: usize = 4;
/// Input values in the largest tile.
const MOST_VALUES: usize = 8;

impl Implementation<ConvDesc> for Blocked {
    fn name(&self) -> &'static str {
        "conv_weight_gradient_direct_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let x = Layout::Channels { block, halo: needed_halo(d) };
        let formats = || Format::f32s([x, Layout::channels(block), Layout::KernelForward { block }]);
        (groups_fill_blocks(d, block) && has_few_taps(d, 1, 1)).then(formats)
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        cost::direct(d, cost::in_blocks(d, isa.block()))
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound::new(d, isa, layouts))
    }
}

impl Implementation<ConvDesc> for PlanarInput {
    fn name(&self) -> &'static str {
        "conv_weight_gradient_planar_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let x = Layout::Channels { block: 1, halo: needed_halo(d) };
        let formats = || Format::f32s([x, Layout::channels(block), Layout::KernelPlanarInput { block }]);
        (d.groups == 1 && d.in_channels <= super::direct::FEW_CHANNELS).then(formats)
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        cost::direct(d, [d.in_channels, cost::in_blocks(d, isa.block())[1]])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound::new(d, isa, layouts))
    }
}

/// Contiguous input values whose weights are contiguous too: channels under the taps of a row, or, for planar
/// inputs, the taps of a row.
struct Values {
    x: usize,
    w: usize,
    count: usize,
}

/// A weight gradient bound to its descriptor and layouts.
pub(super) struct Bound {
    d: ConvDesc,
    isa: Isa,
    x: Maps,
    dy: Maps,
    /// The values of an input map (a block of channels, or one planar channel).
    values: Vec<Values>,
    /// The values of the last map of a group, which may have fewer channels.
    last_values: Vec<Values>,
    x_step: usize,
    pixel: [usize; 2],
    /// Floats in dw for one block of outputs and one input map.
    w_map: usize,
    group_maps: usize,
    group_blocks: usize,
    /// Maps of x, and pairs of blocks of dy, in an item of the grid.
    maps: usize,
    pairs: usize,
    slices: usize,
    band: usize,
    dw_len: usize,
}

impl Bound {
    pub fn new(d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Bound {
        let block = isa.block();
        let x = Maps::new([d.batch, d.in_channels, d.input[0], d.input[1]], layouts[0]);
        let dy = Maps::new([d.batch, d.out_channels, d.output[0], d.output[1]], layouts[1]);
        let origin = (x.halo.top - d.padding[0]) * x.row_len() + (x.halo.left - d.padding[1]) * x.block;
        let [kh, kw] = d.kernel;
        let tap =
            |ky: usize, kx: usize| origin + ky * d.dilation[0] * x.row_len() + kx * d.dilation[1] * x.block;
        let values = |channels: usize| -> Vec<Values> {
            let row = |ky: usize| -> Vec<Values> {
                if x.block == 1 {
                    return vec![Values { x: tap(ky, 0), w: ky * kw * block, count: kw }];
                }
                let w = ky * kw * block * block;
                if d.dilation[1] == 1 && channels == block {
                    // Whole blocks under neighboring taps are contiguous too.
                    return vec![Values { x: tap(ky, 0), w, count: kw * block }];
                }
                let one = |kx| Values { x: tap(ky, kx), w: w + kx * block * block, count: channels };
                (0..kw).map(one).collect()
            };
            (0..kh).flat_map(row).collect()
        };
        let group_channels = d.in_channels / d.groups;
        let group_maps = group_channels.div_ceil(x.block);
        let group_blocks = d.out_channels.div_ceil(block) / d.groups;
        let w_map = kh * kw * x.block * block;
        let all_pairs = group_blocks.div_ceil(2);
        // With a single tap, one map makes little use of the part of dy that it loads into the cache.
        let most_maps = if kh * kw == 1 { MOST_MAPS } else { 1 };
        let products = (d.groups * all_pairs * group_maps * d.batch / ITEMS).max(1);
        let maps = most_maps.min(products).min(group_maps);
        let pairs = MOST_PAIRS.min(products / maps).min(all_pairs);
        let parts = d.groups * all_pairs.div_ceil(pairs) * group_maps.div_ceil(maps);
        let row = d.output[1] * 2 * block;
        Bound {
            values: values(x.block),
            last_values: values(group_channels - (group_maps - 1) * x.block),
            x_step: if x.block == 1 { d.dilation[1] } else { 1 },
            pixel: [d.stride[0] * x.row_len(), d.stride[1] * x.block],
            dw_len: d.groups * group_blocks * group_maps * w_map,
            w_map,
            group_maps,
            group_blocks,
            slices: ITEMS.div_ceil(parts).min(d.batch),
            maps,
            pairs,
            band: (if isa == Isa::Avx512 { WIDE_BAND } else { BAND } / row).clamp(1, d.output[0]),
            d: d.clone(),
            isa,
            x,
            dy,
        }
    }
}

impl Kernel for Bound {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        size_of::<f32>() * self.scratch_len()
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy, dw) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        let sums = if self.slices > 1 { views.write::<f32>(1) } else { &mut [] };
        self.compute(context, x, dy, dw, sums);
    }
}

impl Bound {
    /// The number of weights in their layout.
    pub fn dw_len(&self) -> usize {
        self.dw_len
    }

    /// The number of floats of scratch memory: the sums of the slices.
    pub fn scratch_len(&self) -> usize {
        if self.slices > 1 { self.slices * self.dw_len } else { 0 }
    }

    /// Computes dw with `sums` as scratch memory.
    pub fn compute(&self, context: &Context, x: &[f32], dy: &[f32], dw: &mut [f32], sums: &mut [f32]) {
        assert!(
            x.len() >= self.x.len() && dy.len() >= self.dy.len() && dw.len() == self.dw_len,
            "operand lengths must match the layouts"
        );
        if self.slices == 1 {
            return self.sum(context, x, dy, dw);
        }
        assert_eq!(sums.len(), self.scratch_len(), "the scratch memory must have the requested length");
        self.sum(context, x, dy, sums);
        let sums = &*sums;
        context.thread_pool.pieces(dw, 4096, |piece, dw| {
            let first = piece * 4096;
            dw.copy_from_slice(&sums[first..][..dw.len()]);
            for slice in 1..self.slices {
                let sums = &sums[slice * self.dw_len + first..][..dw.len()];
                dw.iter_mut().zip(sums).for_each(|(dw, sum)| *dw += sum);
            }
        });
    }
}

impl Bound {
    /// Fills `sums` with the weight gradient of each slice of the batch.
    fn sum(&self, context: &Context, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let sums = Pointer(sums.as_mut_ptr());
        let sets = self.group_blocks.div_ceil(2 * self.pairs);
        let parts = self.group_maps.div_ceil(self.maps);
        context.thread_pool.run(self.slices * self.d.groups * sets * parts, |item| {
            let (rest, part) = (item / parts, item % parts);
            let maps = part * self.maps..((part + 1) * self.maps).min(self.group_maps);
            let (rest, set) = (rest / sets, rest % sets);
            let (slice, group) = (rest / self.d.groups, rest % self.d.groups);
            let blocks = 2 * self.pairs * set..(2 * self.pairs * (set + 1)).min(self.group_blocks);
            // SAFETY: the slice lies within `sums`.
            let dw = unsafe { sums.get().add(slice * self.dw_len) };
            let images = self.d.batch * slice / self.slices..self.d.batch * (slice + 1) / self.slices;
            dispatch(self.isa, Item { bound: self, x, dy, dw, images, group, maps, blocks });
        });
    }
}

/// The weights between some input maps and some blocks of outputs of a group, summed over some images.
struct Item<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    /// The weights of all groups.
    dw: *mut f32,
    images: Range<usize>,
    group: usize,
    maps: Range<usize>,
    blocks: Range<usize>,
}

/// One or two blocks of outputs of a group.
#[derive(Clone, Copy)]
struct Blocks {
    first: usize,
    count: usize,
}

/// The pixels and values of a tile.
struct Tile {
    x: *const f32,
    dy: *const f32,
    dw: *mut f32,
    rows: usize,
    /// See [`Item::ahead`].
    ahead: [usize; 2],
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let b = self.bound;
        for block in self.blocks.clone() {
            // SAFETY: these weights belong to this item alone.
            unsafe { self.weights(block, self.maps.start).write_bytes(0, self.maps.len() * b.w_map) }
        }
        for image in self.images.clone() {
            for row in (0..b.d.output[0]).step_by(b.band) {
                for first in self.blocks.clone().step_by(2) {
                    let blocks = Blocks { first, count: 2.min(self.blocks.end - first) };
                    for map in self.maps.clone() {
                        self.band(s, image, row, blocks, map);
                    }
                }
            }
        }
    }
}

impl Item<'_> {
    /// The weights between a map of x and a block of outputs.
    ///
    /// # Safety
    /// Both must exist.
    #[inline(always)]
    unsafe fn weights(&self, block: usize, map: usize) -> *mut f32 {
        let b = self.bound;
        // SAFETY: guaranteed by the caller.
        unsafe { self.dw.add(((self.group * b.group_blocks + block) * b.group_maps + map) * b.w_map) }
    }

    /// The distances in x and dy to what a later tile reads first, which is prefetched; zero if there is nothing.
    #[inline(always)]
    fn ahead(&self, blocks: Blocks, map: usize) -> [usize; 2] {
        let b = self.bound;
        let is_last = blocks.first + blocks.count == self.blocks.end;
        let x = if blocks.first == self.blocks.start && map + 1 < self.maps.end { b.x.map_len() } else { 0 };
        let dy = if map == self.maps.start && !is_last { 2 * b.dy.map_len() } else { 0 };
        [x, dy]
    }

    /// Accumulates the contribution of a band of rows of an image, for one map of x.
    #[inline(always)]
    fn band<S: Simd>(&self, s: S, image: usize, row: usize, blocks: Blocks, map: usize) {
        let b = self.bound;
        let rows = b.band.min(b.d.output[0] - row);
        let most = (S::ACCUMULATORS / blocks.count).min(MOST_VALUES);
        let values = if map == b.group_maps - 1 { &b.last_values } else { &b.values };
        let x_map = image * b.x.image_len + (self.group * b.group_maps + map) * b.x.map_len();
        let first = self.group * b.group_blocks + blocks.first;
        let dy_map = image * b.dy.image_len + first * b.dy.map_len();
        for values in values {
            let parts = values.count.div_ceil(most);
            for part in 0..parts {
                let (from, to) = (values.count * part / parts, values.count * (part + 1) / parts);
                // SAFETY: rows, taps and channels lie within the maps, whose lengths `Bound::run`
                // checked.
                unsafe {
                    let tile = Tile {
                        x: self.x.as_ptr().add(x_map + row * b.pixel[0] + values.x + from * b.x_step),
                        dy: self.dy.as_ptr().add(dy_map + b.dy.row(row)),
                        dw: self.weights(blocks.first, map).add(values.w + from * S::LANES),
                        rows,
                        ahead: self.ahead(blocks, map).map(|ahead| if part == 0 { ahead } else { 0 }),
                    };
                    self.tile(s, to - from, blocks.count, &tile);
                }
            }
        }
    }
}

impl Item<'_> {
    /// # Safety
    /// The tile's rows, and `count` values of each pixel, must lie within the operands.
    #[inline(always)]
    unsafe fn tile<S: Simd>(&self, s: S, count: usize, blocks: usize, tile: &Tile) {
        macro_rules! counts {
            ($($count:literal)*) => {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    match (count, blocks) {
                        $(
                            ($count, 1) => self.sum::<S, $count, 1>(s, tile),
                            ($count, _) => self.sum::<S, $count, 2>(s, tile),
                        )*
                        _ => unreachable!("tiles have at most {MOST_VALUES} values"),
                    }
                }
            };
        }
        counts!(1 2 3 4 5 6 7 8);
    }

    /// # Safety
    /// As for [`Item::tile`].
    #[inline(always)]
    unsafe fn sum<S: Simd, const I: usize, const O: usize>(&self, s: S, tile: &Tile) {
        if I * O > S::ACCUMULATORS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let b = self.bound;
        let (columns, step, pixel) = (b.d.output[1], b.x_step, b.pixel[1]);
        let (dy_block, dw_block) = (b.dy.map_len(), b.group_maps * b.w_map);
        // SAFETY: guaranteed by the caller.
        unsafe {
            let mut acc: [[S::F; O]; I] = [[s.zero(); O]; I];
            for i in 0..I {
                for o in 0..O {
                    acc[i][o] = s.load(tile.dw.add(i * S::LANES + o * dw_block));
                }
            }
            for row in 0..tile.rows {
                let mut x = tile.x.add(row * b.pixel[0]);
                let mut dy = tile.dy.add(row * b.dy.row_len());
                for _ in 0..columns {
                    if S::LANES == 16 && tile.ahead[0] > 0 {
                        s.prefetch(x.wrapping_add(tile.ahead[0]));
                    }
                    if S::LANES == 16 && tile.ahead[1] > 0 {
                        for o in 0..O {
                            s.prefetch(dy.wrapping_add(tile.ahead[1] + o * dy_block));
                        }
                    }
                    let gradients: [S::F; O] = std::array::from_fn(|o| s.load(dy.add(o * dy_block)));
                    for i in 0..I {
                        let value = s.splat(*x.add(i * step));
                        for o in 0..O {
                            acc[i][o] = s.fma(value, gradients[o], acc[i][o]);
                        }
                    }
                    x = x.add(pixel);
                    dy = dy.add(S::LANES);
                }
            }
            for i in 0..I {
                for o in 0..O {
                    s.store(tile.dw.add(i * S::LANES + o * dw_block), acc[i][o]);
                }
            }
        }
    }
}
