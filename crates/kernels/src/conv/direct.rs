//! Direct convolution on blocks of channels, without copies: forward, and the data gradient, which is a
//! forward convolution with the weights turned round.
//!
//! A tile of P neighbouring output pixels × O blocks of output channels stays in registers. For every
//! input channel and tap it loads O vectors of weights and multiplies them by P broadcast input values.
//! Padding is memory: the input has a halo of zeros. Input channels and taps that lie side by side form
//! *runs*; the same tile serves inputs in blocks of channels (a run is one tap over the channels of a
//! block) and planar inputs of few channels (a run is a row of taps). Where the weights of a tile are
//! more than the first cache holds, runs are cut into chunks, and the sums wait in the output.
//!
//! Source: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
//! architectures", SC 2018.

use striate_tensor::{Halo, Layout, Views};

use super::ConvDesc;
use crate::activation::Activation;
use crate::isa::Isa;
use crate::maps::Maps;
use crate::pool::Pointer;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::{Context, Implementation, Kernel};

/// Planar inputs of at most so many channels are read as they are.
pub(super) const FEW_CHANNELS: usize = 4;
/// Items of the grid that there are to be at least, so that several threads share the work evenly.
const ITEMS: usize = 16;

/// Forward on inputs in blocks of channels.
pub(super) struct Blocked;
/// Forward on planar inputs of few channels.
pub(super) struct PlanarInput;
/// Gradient of the data, stride 1.
pub(super) struct DataGradient;

/// The zero border of x that the windows reach into.
pub(super) fn needed_halo(d: &ConvDesc) -> Halo {
    let behind = |axis: usize| {
        let reach = (d.output[axis] - 1) * d.stride[axis] + (d.kernel[axis] - 1) * d.dilation[axis] + 1;
        reach.saturating_sub(d.input[axis] + d.padding[axis])
    };
    Halo { top: d.padding[0], left: d.padding[1], bottom: behind(0), right: behind(1) }
}

/// Whether blocks of channels never straddle two groups.
pub(super) fn groups_fill_blocks(d: &ConvDesc, block: usize) -> bool {
    let whole = |channels: usize| (channels / d.groups).is_multiple_of(block);
    d.groups == 1 || (whole(d.in_channels) && whole(d.out_channels))
}

fn forward_layouts(d: &ConvDesc, x: Layout, w: Layout, y: Layout) -> Vec<Layout> {
    let mut layouts = vec![x, w];
    layouts.extend(d.bias.then_some(Layout::Plain));
    layouts.extend(d.residual.then_some(y));
    layouts.push(y);
    layouts
}

impl Implementation<ConvDesc> for Blocked {
    fn name(&self) -> &'static str {
        "conv_direct_f32"
    }

    fn accepts(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        let block = isa.block();
        let x = Layout::Channels { block, halo: needed_halo(d) };
        let layouts = || forward_layouts(d, x, Layout::KernelForward { block }, Layout::channels(block));
        groups_fill_blocks(d, block).then(layouts)
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Direct::new(d.clone(), isa, layouts))
    }
}

impl Implementation<ConvDesc> for PlanarInput {
    fn name(&self) -> &'static str {
        "conv_direct_planar_f32"
    }

    fn accepts(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        let block = isa.block();
        let x = Layout::Channels { block: 1, halo: needed_halo(d) };
        let w = Layout::KernelPlanarInput { block };
        let few = d.groups == 1 && d.in_channels <= FEW_CHANNELS;
        few.then(|| forward_layouts(d, x, w, Layout::channels(block)))
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Direct::new(d.clone(), isa, layouts))
    }
}

/// The convolution that takes dy to dx, if there is one.
fn turned_round(d: &ConvDesc) -> Option<ConvDesc> {
    let padding = |axis: usize| ((d.kernel[axis] - 1) * d.dilation[axis]).checked_sub(d.padding[axis]);
    (d.stride == [1, 1] && d.groups == 1).then_some(())?;
    Some(ConvDesc {
        in_channels: d.out_channels,
        out_channels: d.in_channels,
        input: d.output,
        output: d.input,
        padding: [padding(0)?, padding(1)?],
        bias: false,
        residual: false,
        activation: Activation::None,
        ..d.clone()
    })
}

impl Implementation<ConvDesc> for DataGradient {
    fn name(&self) -> &'static str {
        "conv_data_gradient_direct_f32"
    }

    fn accepts(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        let block = isa.block();
        let dy = Layout::Channels { block, halo: needed_halo(&turned_round(d)?) };
        Some(vec![dy, Layout::KernelBackward { block }, Layout::channels(block)])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Direct::new(turned_round(d).expect("was accepted"), isa, layouts))
    }
}

/// Neighbouring multiply-adds: `len` input values `x_step` apart, with weights side by side.
struct Run {
    x: usize,
    w: usize,
    len: usize,
}

struct Direct {
    d: ConvDesc,
    isa: Isa,
    x: Maps,
    y: Maps,
    residual: Option<Maps>,
    runs: Vec<Run>,
    /// Runs whose weights fit the first cache together.
    chunk: usize,
    x_step: usize,
    /// Floats between the inputs of neighbouring outputs, on both axes.
    pixel: [usize; 2],
    /// Floats of the weights of a block of output channels.
    w_block: usize,
    /// Blocks of output channels, and of input maps, of a group.
    group_blocks: usize,
    group_maps: usize,
    /// Rows of an item.
    band: usize,
    /// Pixels of a tile with one and two blocks of output channels.
    widths: [usize; 2],
}

impl Direct {
    fn new(d: ConvDesc, isa: Isa, layouts: &[Layout]) -> Direct {
        let block = isa.block();
        let x = Maps::new([d.batch, d.in_channels, d.input[0], d.input[1]], layouts[0]);
        let y_shape = [d.batch, d.out_channels, d.output[0], d.output[1]];
        let last = layouts.len() - 1;
        let y = Maps::new(y_shape, layouts[last]);
        let residual = d.residual.then(|| Maps::new(y_shape, layouts[last - 1]));
        // The halo may be wider than the padding.
        let origin = (x.halo.top - d.padding[0]) * x.row_len() + (x.halo.left - d.padding[1]) * x.block;
        let tap =
            |ky: usize, kx: usize| origin + ky * d.dilation[0] * x.row_len() + kx * d.dilation[1] * x.block;
        let [kh, kw] = d.kernel;
        let group_channels = d.in_channels / d.groups;
        let group_maps = group_channels.div_ceil(x.block);
        let mut runs = Vec::new();
        for map in 0..group_maps {
            for ky in 0..kh {
                if x.block == 1 {
                    let w = (map * kh + ky) * kw * block;
                    runs.push(Run { x: map * x.map_len() + tap(ky, 0), w, len: kw });
                    continue;
                }
                for kx in 0..kw {
                    let w = ((map * kh + ky) * kw + kx) * block * block;
                    let len = block.min(group_channels - map * block);
                    runs.push(Run { x: map * x.map_len() + tap(ky, kx), w, len });
                }
            }
        }
        let x_step = if x.block == 1 { d.dilation[1] } else { 1 };
        let run_bytes = runs.iter().map(|run| run.len).max().unwrap_or(1) * block * 4 * 2;
        let cache = if isa == Isa::Avx512 { 512 << 10 } else { 20 << 10 };
        let group_blocks = d.out_channels.div_ceil(block) / d.groups;
        let pairs = d.batch * d.groups * group_blocks.div_ceil(2);
        let bands = ITEMS.div_ceil(pairs).min(d.output[0]);
        Direct {
            chunk: (cache / run_bytes).max(1),
            x_step,
            pixel: [d.stride[0] * x.row_len(), d.stride[1] * x.block],
            w_block: group_maps * kh * kw * x.block * block,
            group_blocks,
            group_maps,
            band: d.output[0].div_ceil(bands),
            widths: [isa.sums().min(WIDEST), isa.sums() / 2],
            runs,
            d,
            isa,
            x,
            y,
            residual,
        }
    }
}

impl Kernel for Direct {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, w) = (views.read::<f32>(0), views.read::<f32>(1));
        let bias = if self.d.bias { views.read::<f32>(2) } else { &[] };
        let residual = if self.d.residual { views.read::<f32>(views.reads() - 1) } else { &[] };
        let y = views.write::<f32>(0);
        assert!(
            x.len() >= self.x.count * self.x.map_len()
                && w.len() >= self.d.out_channels.div_ceil(self.y.block) * self.w_block
                && y.len() >= self.y.count * self.y.map_len()
                && self.residual.is_none_or(|maps| residual.len() >= maps.count * maps.map_len()),
            "operands are as long as their layouts say"
        );
        let y = Pointer(y.as_mut_ptr());
        let pairs = self.group_blocks.div_ceil(2);
        let bands = self.d.output[0].div_ceil(self.band);
        context.pool.run(self.d.batch * self.d.groups * pairs * bands, |item| {
            let (rest, band) = (item / bands, item % bands);
            let (rest, pair) = (rest / pairs, rest % pairs);
            let (image, group) = (rest / self.d.groups, rest % self.d.groups);
            let first = group * self.group_blocks + pair * 2;
            let blocks = 2.min(self.group_blocks - pair * 2);
            let item = Item { conv: self, x, w, bias, residual, y: &y, image, group, first, blocks, band };
            dispatch(self.isa, item);
        });
    }
}

/// A band of rows of one or two blocks of output channels of an image.
struct Item<'a> {
    conv: &'a Direct,
    x: &'a [f32],
    w: &'a [f32],
    bias: &'a [f32],
    residual: &'a [f32],
    y: &'a Pointer<f32>,
    image: usize,
    group: usize,
    /// The first block of output channels, and how many.
    first: usize,
    blocks: usize,
    band: usize,
}

/// Pixels of the widest tile.
const WIDEST: usize = 14;

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let c = self.conv;
        let rows = self.band * c.band..((self.band + 1) * c.band).min(c.d.output[0]);
        for block in self.first..self.first + self.blocks {
            let map = (self.image * c.y.blocks + block) * c.y.map_len();
            // SAFETY: the rows of this item belong to it alone and lie within y.
            unsafe { clear_borders(&c.y, self.y.get().add(map), rows.clone()) }
        }
        let columns = c.d.output[1];
        let tiles = columns.div_ceil(c.widths[self.blocks - 1]);
        for start in (0..c.runs.len()).step_by(c.chunk) {
            let end = (start + c.chunk).min(c.runs.len());
            let runs = &c.runs[start..end];
            for row in rows.clone() {
                for tile in 0..tiles {
                    let (from, to) = (columns * tile / tiles, columns * (tile + 1) / tiles);
                    let place = Tile { runs, begin: start == 0, end: end == c.runs.len(), row, column: from };
                    // SAFETY: the tile lies within the output, its windows within the input with its
                    // halo; lengths were checked by `Direct::run`.
                    unsafe { self.tile(s, to - from, &place) }
                }
            }
        }
    }
}

/// Where a tile begins, and which part of its sum is computed.
struct Tile<'a> {
    runs: &'a [Run],
    begin: bool,
    end: bool,
    row: usize,
    column: usize,
}

impl Item<'_> {
    /// # Safety
    /// `place` and the `width` pixels from it on lie within the output.
    #[inline(always)]
    unsafe fn tile<S: Simd>(&self, s: S, width: usize, place: &Tile) {
        macro_rules! widths {
            ($($width:literal)*) => {
                // SAFETY: as the caller promises.
                unsafe {
                    match (width, self.blocks) {
                        $(
                            ($width, 1) => self.sum::<S, $width, 1>(s, place),
                            ($width, _) => self.sum::<S, $width, 2>(s, place),
                        )*
                        _ => unreachable!("no tile is wider than {WIDEST}"),
                    }
                }
            };
        }
        widths!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    /// # Safety
    /// As for [`Item::tile`].
    #[inline(always)]
    unsafe fn sum<S: Simd, const P: usize, const O: usize>(&self, s: S, place: &Tile) {
        if P * O > S::SUMS {
            unreachable!("tiles are chosen to fit the registers");
        }
        let c = self.conv;
        let y_at = |p: usize, o: usize| {
            let map = (self.image * c.y.blocks + self.first + o) * c.y.map_len();
            map + c.y.row(place.row) + (place.column + p) * S::LANES
        };
        // SAFETY: all places lie within x, w and y, as the caller promises.
        unsafe {
            let y = self.y.get();
            let mut sums = [[s.zero(); O]; P];
            if !place.begin {
                for p in 0..P {
                    for o in 0..O {
                        sums[p][o] = s.load(y.add(y_at(p, o)));
                    }
                }
            }
            let map = self.image * c.x.blocks + self.group * c.group_maps;
            let start = map * c.x.map_len() + place.row * c.pixel[0] + place.column * c.pixel[1];
            let x = self.x.as_ptr().add(start);
            let w = self.w.as_ptr().add(self.first * c.w_block);
            let (step, pixel, w_block) = (c.x_step, c.pixel[1], c.w_block);
            for run in place.runs {
                let (mut x, mut w) = (x.add(run.x), w.add(run.w));
                for _ in 0..run.len {
                    let weights: [S::F; O] = std::array::from_fn(|o| s.load(w.add(o * w_block)));
                    for p in 0..P {
                        let value = s.splat(*x.add(p * pixel));
                        for o in 0..O {
                            sums[p][o] = s.fma(value, weights[o], sums[p][o]);
                        }
                    }
                    x = x.add(step);
                    w = w.add(S::LANES);
                }
            }
            for o in 0..O {
                let finish = self.finisher(s, place, o);
                for p in 0..P {
                    let sum = if place.end {
                        finish.apply(s, sums[p][o], place.row, place.column + p)
                    } else {
                        sums[p][o]
                    };
                    s.store(y.add(y_at(p, o)), sum);
                }
            }
        }
    }

    #[inline(always)]
    fn finisher<S: Simd>(&self, s: S, place: &Tile, o: usize) -> Finisher<'_, S> {
        let c = self.conv;
        let block = self.first + o;
        let channels = S::LANES.min(c.d.out_channels - block * S::LANES);
        let bias = match (place.end, self.bias.get(block * S::LANES..)) {
            (true, Some(bias)) if !bias.is_empty() => load_partial(s, &bias[..channels]),
            _ => s.zero(),
        };
        // Of the activations only the sigmoid makes something of the zero lanes.
        let mask =
            (channels < S::LANES && c.d.activation == Activation::Sigmoid).then(|| s.first_lanes(channels));
        let residual = c.residual.as_ref().map(|maps| {
            let start = (self.image * maps.blocks + block) * maps.map_len();
            (maps, &self.residual[start..start + maps.map_len()])
        });
        Finisher { bias, residual, mask, activation: c.d.activation }
    }
}

/// What happens to a sum before it is stored.
struct Finisher<'a, S: Simd> {
    bias: S::F,
    residual: Option<(&'a Maps, &'a [f32])>,
    mask: Option<S::F>,
    activation: Activation,
}

impl<S: Simd> Finisher<'_, S> {
    #[inline(always)]
    fn apply(&self, s: S, sum: S::F, row: usize, column: usize) -> S::F {
        let mut sum = s.add(sum, self.bias);
        if let Some((maps, residual)) = self.residual {
            let at = &residual[maps.row(row) + column * S::LANES..][..S::LANES];
            // SAFETY: the slice has a vector's length.
            sum = s.add(sum, unsafe { s.load(at.as_ptr()) });
        }
        let result = activate(s, self.activation, sum);
        self.mask.map_or(result, |mask| s.mul(result, mask))
    }
}

/// A vector of the few numbers of `values`, then zeros.
#[inline(always)]
pub(super) fn load_partial<S: Simd>(s: S, values: &[f32]) -> S::F {
    let mut lanes = [0.0f32; 16];
    lanes[..values.len()].copy_from_slice(values);
    // SAFETY: no vector has more than 16 lanes.
    unsafe { s.load(lanes.as_ptr()) }
}

/// Makes the halo around `rows` of a map zero: left and right of them, above the first and below the
/// last row of the map.
///
/// # Safety
/// `map` is a whole map of that geometry, and nobody else writes around these rows.
unsafe fn clear_borders(maps: &Maps, map: *mut f32, rows: std::ops::Range<usize>) {
    let Halo { top, left, right, bottom } = maps.halo;
    let line = maps.row_len();
    // SAFETY: the ranges are those of the halo within the map.
    unsafe {
        if rows.start == 0 {
            map.write_bytes(0, top * line);
        }
        if rows.end == maps.size[0] {
            map.add((top + rows.end) * line).write_bytes(0, bottom * line);
        }
        for row in rows {
            let start = map.add((top + row) * line);
            start.write_bytes(0, left * maps.block);
            start.add(line - right * maps.block).write_bytes(0, right * maps.block);
        }
    }
}
