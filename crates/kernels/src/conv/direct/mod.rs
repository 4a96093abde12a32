//! Direct convolution on blocks of channels, without copies: forward, and data gradient, which is a
//! forward convolution with flipped and transposed weights.
//!
//! Padding is read from memory: the input has a zero halo. A tile of output pixels × blocks of output channels
//! stays in registers (see `tile`). Contiguous input channels and taps form *runs*; the same tile code handles
//! inputs in blocks of channels, where a run is one tap over the channels of a block, and planar inputs with
//! few channels, where a run is one value. If the weights of a tile are too many for the cache, runs are split
//! into chunks, between which partial sums are kept in the output. The data gradient of a strided convolution
//! splits into phases (see `geometry`), each with its own taps.
//!
//! Source: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
//! architectures", SC 2018.

mod item;
mod part;

use std::marker::PhantomData;

use crate::{Format, Halo, Layout, Views};

use super::cost;
use super::geometry::{self, groups_fill_blocks, has_few_phases, has_few_taps};
use super::tile::{Pair, Single, Word};
use super::{ConvDesc, residual};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

use item::Item;
use part::Part;

/// The maximum number of channels of a planar input that is read without conversion to blocks.
pub(super) const FEW_CHANNELS: usize = 4;

/// Forward, for inputs in blocks of channels.
pub(super) struct Blocked;
/// Forward, for planar inputs with few channels.
pub(super) struct PlanarInput;
/// Data gradient.
pub(super) struct DataGradient;

/// The halo of x that the windows extend into.
pub(super) fn needed_halo(d: &ConvDesc) -> Halo {
    geometry::halo(&geometry::forward(d, 0), &geometry::forward(d, 1), d.input)
}

/// The halo of dy that the windows of the data gradient extend into.
pub(super) fn backward_halo(d: &ConvDesc) -> Halo {
    geometry::halo(&geometry::backward(d, 0), &geometry::backward(d, 1), d.output)
}

pub(super) fn forward_formats(d: &ConvDesc, x_block: usize, w: Layout, block: usize) -> Vec<Format> {
    let y = Layout::channels(block).f32();
    let mut formats = vec![Layout::Channels { block: x_block, halo: needed_halo(d) }.f32(), w.f32()];
    formats.extend(d.bias.then_some(Layout::Plain.f32()));
    formats.extend(d.residual.then_some(y));
    formats.push(y);
    formats
}

impl Implementation<ConvDesc> for Blocked {
    fn name(&self) -> &'static str {
        "conv_direct_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        (groups_fill_blocks(d, block) && has_few_taps(d, d.in_channels / d.groups, block))
            .then(|| forward_formats(d, block, Layout::KernelForward { block }, block))
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        cost::direct(d, cost::in_blocks(d, isa.block()))
    }

    fn replaces_residual(&self, d: &ConvDesc, isa: Isa) -> bool {
        let formats = self.formats(d, isa, Layout::Plain);
        formats.is_some_and(|formats| {
            Direct::<Single>::forward(d, isa, &Format::layouts(&formats)).replaces_residual()
        })
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Direct::<Single>::forward(d, isa, layouts))
    }
}

impl Implementation<ConvDesc> for PlanarInput {
    fn name(&self) -> &'static str {
        "conv_direct_planar_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let few = d.groups == 1 && d.in_channels <= FEW_CHANNELS && has_few_taps(d, d.in_channels, 1);
        few.then(|| forward_formats(d, 1, Layout::KernelPlanarInput { block }, block))
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        cost::direct(d, [d.in_channels, cost::in_blocks(d, isa.block())[1]])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Direct::<Single>::forward(d, isa, layouts))
    }
}

impl Implementation<ConvDesc> for DataGradient {
    fn name(&self) -> &'static str {
        "conv_data_gradient_direct_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let fits = groups_fill_blocks(d, block)
            && has_few_taps(d, d.out_channels / d.groups, block)
            && has_few_phases(d);
        fits.then(|| {
            let (dy, dx) = (Layout::Channels { block, halo: backward_halo(d) }, Layout::channels(block));
            let w = Layout::KernelBackward { block };
            Format::f32s([dy, w, dx].into_iter().chain(d.residual.then_some(dx)))
        })
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        cost::direct(d, cost::in_blocks(d, isa.block())) * cost::half_lines(d, isa)
    }

    fn replaces_residual(&self, d: &ConvDesc, isa: Isa) -> bool {
        let formats = self.formats(d, isa, Layout::Plain);
        formats.is_some_and(|formats| {
            Direct::<Single>::backward(d, isa, &Format::layouts(&formats)).replaces_residual()
        })
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Direct::<Single>::backward(d, isa, layouts))
    }
}

/// A direct convolution of words: `x`, `y` and the lengths count them.
pub(super) struct Direct<W> {
    isa: Isa,
    /// Output channels.
    channels: usize,
    activation: Activation,
    has_bias: bool,
    x: Maps,
    y: Maps,
    residual: Option<Maps>,
    parts: Vec<Part>,
    groups: usize,
    /// Blocks of output channels, and input maps, per group.
    group_blocks: usize,
    group_maps: usize,
    /// Words in the weights of a block of output channels, and of a group.
    w_block: usize,
    w_group: usize,
    w_len: usize,
    /// Whether y consists of `bf16`.
    narrow: bool,
    word: PhantomData<W>,
}

impl Direct<Single> {
    pub fn forward(d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Self {
        let [x, y] = maps(d, layouts);
        Direct::with_maps(d, isa, layouts, x, y, false)
    }

    /// The data gradient; here, `x` is dy and `y` is dx.
    fn backward(d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Self {
        let block = isa.block();
        let x = Maps::new([d.batch, d.out_channels, d.output[0], d.output[1]], layouts[0]);
        let (last, y_shape) = (layouts.len() - 1, [d.batch, d.in_channels, d.input[0], d.input[1]]);
        let y = Maps::new(y_shape, layouts[last]);
        let group_maps = x.blocks / d.groups;
        let square = d.kernel[0] * d.kernel[1] * block * block;
        let group_blocks = y.blocks / d.groups;
        Direct {
            isa,
            channels: d.in_channels,
            activation: Activation::None,
            has_bias: false,
            parts: Vec::new(),
            residual: d.residual.then(|| Maps::new(y_shape, layouts[2])),
            groups: d.groups,
            group_blocks,
            group_maps,
            w_block: x.blocks * square,
            w_group: group_maps * square,
            w_len: group_blocks * x.blocks * square,
            x,
            y,
            narrow: false,
            word: PhantomData,
        }
        .with_parts(d, geometry::backward(d, 0), geometry::backward(d, 1), |y, x| {
            (d.kernel[0] - 1 - y) * d.kernel[1] + d.kernel[1] - 1 - x
        })
    }
}

impl Direct<Pair> {
    /// The forward direction on pairs of channels; `narrow` says whether y consists of `bf16`.
    pub fn of_pairs(d: &ConvDesc, isa: Isa, layouts: &[Layout], narrow: bool) -> Self {
        let [x, y] = maps(d, layouts);
        Direct::with_maps(d, isa, layouts, x.pairs(), if narrow { y.pairs() } else { y }, narrow)
    }
}

/// The geometries of x and y in the forward direction.
fn maps(d: &ConvDesc, layouts: &[Layout]) -> [Maps; 2] {
    let [x, y] = [(d.in_channels, d.input), (d.out_channels, d.output)]
        .map(|(channels, [rows, columns])| [d.batch, channels, rows, columns]);
    [Maps::new(x, layouts[0]), Maps::new(y, layouts[layouts.len() - 1])]
}

impl<W: Word> Direct<W> {
    /// Whether y can take the place of the residual: y is `f32`, and no partial sums are kept there before the residual
    /// is read.
    fn replaces_residual(&self) -> bool {
        self.residual.is_some()
            && !self.narrow
            && self.parts.iter().flat_map(|part| &part.columns).all(|columns| columns.chunks.len() == 1)
    }

    fn with_maps(d: &ConvDesc, isa: Isa, layouts: &[Layout], x: Maps, y: Maps, narrow: bool) -> Self {
        let group_blocks = d.out_channels.div_ceil(isa.block()) / d.groups;
        let group_maps = (d.in_channels / d.groups).div_ceil(x.block * W::VALUES);
        let w_block = group_maps * d.kernel[0] * d.kernel[1] * x.block * isa.block();
        let y_shape = [d.batch, d.out_channels, d.output[0], d.output[1]];
        Direct {
            isa,
            channels: d.out_channels,
            activation: d.activation,
            has_bias: d.bias,
            y,
            residual: d.residual.then(|| Maps::new(y_shape, layouts[layouts.len() - 2])),
            parts: Vec::new(),
            groups: d.groups,
            group_blocks,
            group_maps,
            w_block,
            w_group: group_blocks * w_block,
            w_len: d.groups * group_blocks * w_block,
            x,
            narrow,
            word: PhantomData,
        }
        .with_parts(d, geometry::forward(d, 0), geometry::forward(d, 1), |y, x| y * d.kernel[1] + x)
    }
}

impl<W: Word> Kernel for Direct<W> {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, w) = (views.read::<f32>(0), views.read::<f32>(1));
        let bias = if self.has_bias { views.read::<f32>(2) } else { &[] };
        let y = views.write::<f32>(0);
        assert!(
            x.len() >= self.x.len()
                && w.len() >= self.w_len
                && y.len() >= self.y.len()
                && (!self.has_bias || bias.len() == self.channels),
            "operand lengths must match the layouts"
        );
        let y = Pointer(y.as_mut_ptr());
        let residual = residual(self.residual, views, 2 + usize::from(self.has_bias), &y, self.y);
        let is_replaced = residual.as_ref().is_some_and(|residual| residual.is_replaced);
        assert!(!is_replaced || self.replaces_residual(), "this convolution cannot replace its residual");
        let residual = residual.as_ref();
        // What replaces the residual without adding anything to it is there already.
        let stays = |part: &Part| is_replaced && part.reads_nothing();
        let items = |part: &Part| if stays(part) { 0 } else { self.groups * part.bands * part.splits };
        context.thread_pool.run(self.parts.iter().map(items).sum(), |item| {
            let (part, item) = geometry::part_of(&self.parts, items, item);
            let (group, item) = (item / (part.bands * part.splits), item % (part.bands * part.splits));
            let (band, split) = if part.by_splits {
                (item % part.bands, item / part.bands)
            } else {
                (item / part.splits, item % part.splits)
            };
            let lines = band * part.band..((band + 1) * part.band).min(part.lines);
            let blocks = part.split(split, self.group_blocks)..part.split(split + 1, self.group_blocks);
            W::dispatch(
                self.isa,
                Item { conv: self, part, x, w, bias, residual, y: &y, group, lines, blocks },
            );
        });
    }
}
