//! Convolution in batch-innermost layout: forward, and data gradient.
//!
//! Networks with few channels, LeNet-5 above all, leave most lanes of a block of channels empty. In
//! batch-innermost layout all lanes are used regardless of the number of channels, weights keep their plain
//! order, and no halo is needed: the sum of a pixel only includes the taps inside the map. A tile of R
//! output channels × one or two vectors of images stays in registers; for every input channel and tap it
//! loads the vectors of images and multiplies them by R broadcast weights. A fully connected layer is the
//! special case of one pixel.
//!
//! Source: the layout is that of cuda-convnet (Krizhevsky, 2011), which AlexNet was trained with.

use std::ops::Range;

use crate::{Format, Layout, Views};

use super::geometry::{self, Phase, has_few_phases};
use super::{ConvDesc, cost};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// Forward.
pub(super) struct Forward;
/// Data gradient.
pub(super) struct DataGradient;

/// The maximum product of input and output channels; with more channels, blocks of channels are well filled
/// anyway.
const FEW_PRODUCTS: usize = 256;

/// Whether the batch fills the lanes and the channels do not: more than a fifth of the lanes of the input or
/// output channels would be idle.
pub(super) fn suits(d: &ConvDesc, isa: Isa) -> bool {
    let block = isa.block();
    let wasteful = |channels: usize| {
        let lanes = channels.next_multiple_of(block);
        (lanes - channels) * 5 > lanes
    };
    let thin = d.in_channels > super::direct::FEW_CHANNELS && wasteful(d.in_channels);
    fits(d.batch, isa)
        && d.groups == 1
        && !d.residual
        && d.in_channels * d.out_channels <= FEW_PRODUCTS
        && (thin || wasteful(d.out_channels))
}

/// Whether a batch fills the lanes.
pub(crate) fn fits(batch: usize, isa: Isa) -> bool {
    batch > 0 && batch.is_multiple_of(isa.block())
}

impl Implementation<ConvDesc> for Forward {
    fn name(&self) -> &'static str {
        "conv_images_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        suits(d, isa).then(|| formats(isa, d.bias))
    }

    fn cost(&self, d: &ConvDesc, _isa: Isa) -> f64 {
        cost::direct(d, [d.in_channels, d.out_channels])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        forward(d, isa)
    }
}

impl Implementation<ConvDesc> for DataGradient {
    fn name(&self) -> &'static str {
        "conv_data_gradient_images_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        (suits(d, isa) && has_few_phases(d)).then(|| formats(isa, false))
    }

    fn cost(&self, d: &ConvDesc, _isa: Isa) -> f64 {
        cost::direct(d, [d.in_channels, d.out_channels])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        data_gradient(d, isa)
    }
}

/// The formats of x, the weights, the optional bias, and y.
pub(crate) fn formats(isa: Isa, bias: bool) -> Vec<Format> {
    let (images, plain) = (Layout::Images { block: isa.block() }.f32(), Layout::Plain.f32());
    if bias { vec![images, plain, plain, images] } else { vec![images, plain, images] }
}

/// Creates the kernel that reads x, w and the optional bias, and writes y.
pub(crate) fn forward(d: &ConvDesc, isa: Isa) -> Box<dyn Kernel> {
    let taps = d.kernel[0] * d.kernel[1];
    Box::new(Gather {
        isa,
        activation: d.activation,
        has_bias: d.bias,
        images: d.batch,
        x: Side { channels: d.in_channels, size: d.input, weight: taps },
        y: Side { channels: d.out_channels, size: d.output, weight: d.in_channels * taps },
        kernel_width: d.kernel[1],
        weights: d.out_channels * d.in_channels * taps,
        parts: parts(geometry::forward(d, 0), geometry::forward(d, 1)),
    })
}

/// Creates the kernel that reads dy and w, and writes dx.
pub(crate) fn data_gradient(d: &ConvDesc, isa: Isa) -> Box<dyn Kernel> {
    let taps = d.kernel[0] * d.kernel[1];
    Box::new(Gather {
        isa,
        activation: Activation::None,
        has_bias: false,
        images: d.batch,
        x: Side { channels: d.out_channels, size: d.output, weight: d.in_channels * taps },
        y: Side { channels: d.in_channels, size: d.input, weight: taps },
        kernel_width: d.kernel[1],
        weights: d.out_channels * d.in_channels * taps,
        parts: parts(geometry::backward(d, 0), geometry::backward(d, 1)),
    })
}

fn parts(rows: Vec<Phase>, columns: Vec<Phase>) -> Vec<[Axis; 2]> {
    let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| [row, column]));
    pairs.map(|pair| pair.map(Axis::new)).collect()
}

/// The value that is read, or the value that is written.
struct Side {
    channels: usize,
    size: [usize; 2],
    /// Distance between the weights of consecutive channels.
    weight: usize,
}

impl Side {
    /// Floats in a map of vectors.
    fn map(&self, lanes: usize) -> usize {
        self.size[0] * self.size[1] * lanes
    }
}

/// A phase whose taps are described by the first one and the distance between consecutive ones, which is uniform
/// within a phase.
struct Axis {
    phase: Phase,
    /// The input that output 0 reads through the first tap, and the distance from tap to tap.
    offset: isize,
    offset_step: isize,
    /// The index of the first tap in the kernel, and the distance from tap to tap.
    index: isize,
    index_step: isize,
}

impl Axis {
    fn new(phase: &Phase) -> Axis {
        let tap = |n: usize| phase.taps.get(n).map_or((0, 0), |tap| (tap.offset, tap.index as isize));
        let (first, second) = (tap(0), tap(1));
        Axis {
            offset: first.0,
            offset_step: second.0 - first.0,
            index: first.1,
            index_step: second.1 - first.1,
            phase: phase.clone(),
        }
    }

    /// The taps of output number `at` that lie in the input, and the first such input.
    #[inline(always)]
    fn seen(&self, at: usize, size: usize) -> (Range<usize>, usize) {
        let base = (at * self.phase.input_step) as isize + self.offset;
        let step = self.offset_step.max(1);
        let taps = self.phase.taps.len() as isize;
        let start = if base < 0 { (step - 1 - base) / step } else { 0 };
        let end = ((size as isize - base + step - 1) / step).clamp(0, taps);
        let start = start.min(end);
        (start as usize..end as usize, (base + start * self.offset_step).max(0) as usize)
    }
}

/// y[r] = activation(bias[r] + Σ over channels q of x and taps of w[r, q, tap] · x[q])
struct Gather {
    isa: Isa,
    activation: Activation,
    has_bias: bool,
    images: usize,
    x: Side,
    y: Side,
    kernel_width: usize,
    weights: usize,
    parts: Vec<[Axis; 2]>,
}

/// The desired minimum number of items in the grid, if there are enough pixels and channels.
const ITEMS: usize = 16;
/// Channels in the largest tile.
const MOST_CHANNELS: usize = 8;

/// How a part is divided: pairs of vectors of images, bands of rows, bands of tiles of channels.
struct Grid {
    pairs: usize,
    rows: usize,
    tiles: usize,
}

impl Gather {
    /// The number of tiles that cover all channels.
    fn tiles(&self) -> usize {
        self.y.channels.div_ceil((self.isa.accumulators() / 2).min(MOST_CHANNELS))
    }

    fn grid(&self, part: &[Axis; 2]) -> Grid {
        let pairs = (self.images / self.isa.block()).div_ceil(2);
        let rows = ITEMS.div_ceil(pairs).min(part[0].phase.count);
        let tiles = ITEMS.div_ceil(pairs * rows).min(self.tiles());
        Grid { pairs, rows, tiles }
    }
}

impl Kernel for Gather {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, w) = (views.read::<f32>(0), views.read::<f32>(1));
        let bias = if self.has_bias { views.read::<f32>(2) } else { &[] };
        let y = views.write::<f32>(0);
        let len = |side: &Side| side.map(self.images) * side.channels;
        assert!(
            x.len() == len(&self.x)
                && y.len() == len(&self.y)
                && w.len() == self.weights
                && (!self.has_bias || bias.len() == self.y.channels),
            "operand lengths must match the layouts"
        );
        let y = Pointer(y.as_mut_ptr());
        let items = |part: &[Axis; 2]| {
            let grid = self.grid(part);
            grid.pairs * grid.rows * grid.tiles
        };
        context.thread_pool.run(self.parts.iter().map(items).sum(), |item| {
            let (part, item) = geometry::part_of(&self.parts, items, item);
            let grid = self.grid(part);
            let cut = |at: usize, of: usize, all: usize| all * at / of..all * (at + 1) / of;
            let (rest, tiles) = (item / grid.tiles, cut(item % grid.tiles, grid.tiles, self.tiles()));
            let rows = cut(rest % grid.rows, grid.rows, part[0].phase.count);
            let first = rest / grid.rows * 2;
            let blocks = 2.min(self.images / self.isa.block() - first);
            dispatch(self.isa, Item { gather: self, part, x, w, bias, y: &y, first, blocks, rows, tiles });
        });
    }
}

/// Some rows of some channels of one or two vectors of images.
struct Item<'a> {
    gather: &'a Gather,
    part: &'a [Axis; 2],
    x: &'a [f32],
    w: &'a [f32],
    bias: &'a [f32],
    y: &'a Pointer<f32>,
    first: usize,
    blocks: usize,
    rows: Range<usize>,
    tiles: Range<usize>,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let g = self.gather;
        let ([rows, columns], lanes) = (self.part, S::LANES);
        let (x_map, y_map) = (g.x.map(lanes), g.y.map(lanes));
        let (x_block, y_block) = (x_map * g.x.channels, y_map * g.y.channels);
        let signed = |value: usize| value as isize;
        let mut tile = Tile {
            x: std::ptr::null(),
            w: std::ptr::null(),
            y: std::ptr::null_mut(),
            bias: std::ptr::null(),
            activation: g.activation,
            loops: [Loop::default(); 3],
            w_channel: g.y.weight,
            x_block,
            y_map,
            y_block,
        };
        let over = [
            Loop { count: g.x.channels, x: signed(x_map), w: signed(g.x.weight) },
            Loop {
                count: 0,
                x: rows.offset_step * signed(g.x.size[1] * lanes),
                w: rows.index_step * signed(g.kernel_width),
            },
            Loop { count: 0, x: columns.offset_step * signed(lanes), w: columns.index_step },
        ];
        let x = self.x[self.first * x_block..].as_ptr();
        let count = g.tiles();
        for row in self.rows.clone() {
            let (row_taps, row_input) = rows.seen(row, g.x.size[0]);
            let y_row = (rows.phase.first + row * rows.phase.step) * g.y.size[1];
            for column in 0..columns.phase.count {
                let (taps, input) = columns.seen(column, g.x.size[1]);
                let w = (rows.index + signed(row_taps.start) * rows.index_step) * signed(g.kernel_width)
                    + columns.index
                    + signed(taps.start) * columns.index_step;
                tile.loops = over;
                tile.loops[1].count = row_taps.len();
                tile.loops[2].count = taps.len();
                if row_taps.len() * taps.len() == 1 {
                    // The only loop left, over the channels, should be the innermost.
                    tile.loops.swap(0, 2);
                }
                let pixel = y_row + columns.phase.first + column * columns.phase.step;
                for part in self.tiles.clone() {
                    let first = g.y.channels * part / count;
                    let channels = g.y.channels * (part + 1) / count - first;
                    // SAFETY: the taps lie within the map and the channels within the operands, whose
                    // lengths `Gather::run` checked; no other item writes these pixels of these channels.
                    unsafe {
                        tile.x = x.add((row_input * g.x.size[1] + input) * lanes);
                        tile.w = self.w.as_ptr().offset(signed(first * g.y.weight) + w);
                        let y = self.y.get().add(self.first * y_block + first * y_map);
                        tile.y = y.add(pixel * lanes);
                        if g.has_bias {
                            tile.bias = self.bias.as_ptr().add(first);
                        }
                        tile.run(s, channels, self.blocks);
                    }
                }
            }
        }
    }
}

/// A loop over input channels or taps: the number of iterations, and the distances in x and w between them.
#[derive(Clone, Copy, Default)]
struct Loop {
    count: usize,
    x: isize,
    w: isize,
}

/// One pixel of some channels of one or two vectors of images.
struct Tile {
    /// The first input, weight and output.
    x: *const f32,
    w: *const f32,
    y: *mut f32,
    /// The first bias; null if there is none.
    bias: *const f32,
    activation: Activation,
    /// The loops of the sum, outermost first.
    loops: [Loop; 3],
    /// Distance between the weights of consecutive output channels.
    w_channel: usize,
    /// Distance in x between consecutive vectors of images.
    x_block: usize,
    /// Distances in y between consecutive output channels, and between vectors of images.
    y_map: usize,
    y_block: usize,
}

impl Tile {
    /// # Safety
    /// Every address that the loops, `channels` channels and `blocks` vectors of images reach must belong to
    /// valid operands, and nothing else may access these elements of y.
    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, channels: usize, blocks: usize) {
        macro_rules! tiles {
            ($($count:literal)*) => {
                match (channels, blocks) {
                    $(
                        ($count, 1) => s.outline(RegisterTile::<$count, 1>(self)),
                        ($count, _) => s.outline(RegisterTile::<$count, 2>(self)),
                    )*
                    _ => unreachable!("tiles have at most {MOST_CHANNELS} channels"),
                }
            };
        }
        tiles!(1 2 3 4 5 6 7 8);
    }
}

/// A tile of R channels × B vectors. Created only by [`Tile::run`], whose caller guarantees the pointers.
struct RegisterTile<'a, const R: usize, const B: usize>(&'a Tile);

impl<const R: usize, const B: usize> Body for RegisterTile<'_, R, B> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if R * 2 > S::ACCUMULATORS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let t = self.0;
        let [outer, middle, inner] = t.loops;
        let mut acc = [[s.zero(); B]; R];
        // SAFETY: the caller of `Tile::run` guarantees that all these addresses are valid.
        unsafe {
            let (mut x_map, mut w_map) = (t.x, t.w);
            for _ in 0..outer.count {
                let (mut x_row, mut w_row) = (x_map, w_map);
                for _ in 0..middle.count {
                    let (mut x, mut w) = (x_row, w_row);
                    for _ in 0..inner.count {
                        let values: [S::F; B] = std::array::from_fn(|b| s.load(x.add(b * t.x_block)));
                        for r in 0..R {
                            let weight = s.splat(*w.add(r * t.w_channel));
                            for b in 0..B {
                                acc[r][b] = s.fma(weight, values[b], acc[r][b]);
                            }
                        }
                        x = x.wrapping_offset(inner.x);
                        w = w.wrapping_offset(inner.w);
                    }
                    x_row = x_row.wrapping_offset(middle.x);
                    w_row = w_row.wrapping_offset(middle.w);
                }
                x_map = x_map.wrapping_offset(outer.x);
                w_map = w_map.wrapping_offset(outer.w);
            }
            if !t.bias.is_null() {
                for r in 0..R {
                    let bias = s.splat(*t.bias.add(r));
                    for b in 0..B {
                        acc[r][b] = s.add(acc[r][b], bias);
                    }
                }
            }
            for r in 0..R {
                for b in 0..B {
                    s.store(t.y.add(r * t.y_map + b * t.y_block), activate(s, t.activation, acc[r][b]));
                }
            }
        }
    }
}
