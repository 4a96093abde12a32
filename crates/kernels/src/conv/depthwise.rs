//! Depthwise convolution on blocks of channels, with a separate kernel for each channel: forward, and data
//! gradient.
//!
//! Nothing is summed over channels, so each lane remains one channel throughout: a tile of neighboring pixels
//! of one block stays in registers while the loop runs over the taps, multiplying a vector of weights by a
//! vector of the input for every pixel. The data gradient of a strided convolution splits into phases (see
//! `geometry`).
//!
//! Source: the operation is that of Sifre, "Rigid-motion scattering for image classification", 2014, and
//! Howard et al., "MobileNets", 2017.

use std::ops::Range;

use crate::{Format, Layout, Views};

use super::ConvDesc;
use super::direct::forward_formats;
use super::geometry::{self, Phase, has_few_phases, has_few_taps};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// Forward.
pub(super) struct Forward;
/// Data gradient.
pub(super) struct DataGradient;

/// Whether each channel is a group with one output channel.
pub(super) fn is_depthwise(d: &ConvDesc) -> bool {
    d.groups > 1 && d.groups == d.in_channels && d.groups == d.out_channels
}

/// `[C/b][KH][KW][b]`
pub(super) fn weight_layout(isa: Isa) -> Layout {
    Layout::KernelPlanarInput { block: isa.block() }
}

impl Implementation<ConvDesc> for Forward {
    fn name(&self) -> &'static str {
        "conv_depthwise_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        (is_depthwise(d) && has_few_taps(d, 1, 1))
            .then(|| forward_formats(d, isa.block(), weight_layout(isa), isa.block()))
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let [x, y] = [d.input, d.output].map(|[h, w]| [d.batch, d.in_channels, h, w]);
        let last = layouts.len() - 1;
        let kernel = Depthwise {
            isa,
            images: d.batch,
            channels: d.in_channels,
            activation: d.activation,
            has_bias: d.bias,
            x: Maps::new(x, layouts[0]),
            y: Maps::new(y, layouts[last]),
            residual: d.residual.then(|| Maps::new(y, layouts[last - 1])),
            w_block: d.kernel[0] * d.kernel[1] * isa.block(),
            parts: Vec::new(),
        };
        Box::new(kernel.with_parts(d, geometry::forward(d, 0), geometry::forward(d, 1)))
    }
}

impl Implementation<ConvDesc> for DataGradient {
    fn name(&self) -> &'static str {
        "conv_data_gradient_depthwise_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        (is_depthwise(d) && has_few_taps(d, 1, 1) && has_few_phases(d)).then(|| {
            let halo = geometry::halo(&geometry::backward(d, 0), &geometry::backward(d, 1), d.output);
            let (dy, dx) = (Layout::Channels { block, halo }, Layout::channels(block));
            Format::f32s([dy, weight_layout(isa), dx].into_iter().chain(d.residual.then_some(dx)))
        })
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let [dx, dy] = [d.input, d.output].map(|[h, w]| [d.batch, d.in_channels, h, w]);
        let kernel = Depthwise {
            isa,
            images: d.batch,
            channels: d.in_channels,
            activation: Activation::None,
            has_bias: false,
            x: Maps::new(dy, layouts[0]),
            y: Maps::new(dx, layouts[layouts.len() - 1]),
            residual: d.residual.then(|| Maps::new(dx, layouts[2])),
            w_block: d.kernel[0] * d.kernel[1] * isa.block(),
            parts: Vec::new(),
        };
        Box::new(kernel.with_parts(d, geometry::backward(d, 0), geometry::backward(d, 1)))
    }
}

/// The offsets of a tap's input and weights.
struct Tap {
    x: usize,
    w: usize,
}

/// Outputs that read their input through the same taps.
struct Part {
    rows: Phase,
    columns: Phase,
    taps: Vec<Tap>,
    /// Rows in an item of the grid.
    band: usize,
    /// Items per map.
    bands: usize,
}

struct Depthwise {
    isa: Isa,
    images: usize,
    channels: usize,
    activation: Activation,
    has_bias: bool,
    x: Maps,
    y: Maps,
    residual: Option<Maps>,
    /// Floats in the weights of a block of channels.
    w_block: usize,
    parts: Vec<Part>,
}

/// The number of floating-point operations that makes an item worth distributing.
const ITEM_WORK: usize = 200_000;
/// Pixels in the widest tile.
const WIDEST: usize = 8;

impl Depthwise {
    fn with_parts(mut self, d: &ConvDesc, rows: Vec<Phase>, columns: Vec<Phase>) -> Depthwise {
        for rows in &rows {
            for columns in &columns {
                self.parts.push(self.part(d, rows, columns));
            }
        }
        self
    }

    fn part(&self, d: &ConvDesc, rows: &Phase, columns: &Phase) -> Part {
        let x = &self.x;
        let at = |first: usize, offset: isize, step: usize| (first as isize + offset) as usize * step;
        let mut taps = Vec::with_capacity(rows.taps.len() * columns.taps.len());
        for row in &rows.taps {
            for column in &columns.taps {
                taps.push(Tap {
                    x: at(x.halo.top, row.offset, x.row_len()) + at(x.halo.left, column.offset, x.block),
                    w: (row.index * d.kernel[1] + column.index) * x.block,
                });
            }
        }
        let row_work = 2 * columns.count * (taps.len() + 1) * x.block;
        let band = (ITEM_WORK / row_work).clamp(1, rows.count);
        Part { rows: rows.clone(), columns: columns.clone(), taps, band, bands: rows.count.div_ceil(band) }
    }
}

impl Kernel for Depthwise {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, w) = (views.read::<f32>(0), views.read::<f32>(1));
        let bias = if self.has_bias { views.read::<f32>(2) } else { &[] };
        let residual = self.residual.map(|maps| (maps, views.read::<f32>(views.reads() - 1)));
        let y = views.write::<f32>(0);
        assert!(
            x.len() >= self.x.len()
                && w.len() >= self.x.blocks * self.w_block
                && y.len() >= self.y.len()
                && residual.is_none_or(|(maps, values)| values.len() >= maps.len())
                && (!self.has_bias || bias.len() == self.channels),
            "operand lengths must match the layouts"
        );
        let y = Pointer(y.as_mut_ptr());
        let maps = self.images * self.y.blocks;
        let items = |part: &Part| maps * part.bands;
        context.thread_pool.run(self.parts.iter().map(items).sum(), |item| {
            let (part, item) = geometry::part_of(&self.parts, items, item);
            let (map, band) = (item / part.bands, item % part.bands);
            let rows = band * part.band..((band + 1) * part.band).min(part.rows.count);
            dispatch(self.isa, Item { conv: self, part, x, w, bias, residual, y: &y, map, rows });
        });
    }
}

/// Some rows of one map of a block of channels.
struct Item<'a> {
    conv: &'a Depthwise,
    part: &'a Part,
    x: &'a [f32],
    w: &'a [f32],
    bias: &'a [f32],
    residual: Option<(Maps, &'a [f32])>,
    y: &'a Pointer<f32>,
    map: usize,
    rows: Range<usize>,
}

/// The parameters shared by the tiles of an item.
struct Job<'a> {
    taps: &'a [Tap],
    w: *const f32,
    bias: [f32; 16],
    /// Distances between neighboring pixels.
    x_step: usize,
    y_step: usize,
    activation: Activation,
    /// Channels in the block, not counting padding.
    channels: usize,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (c, part) = (self.conv, self.part);
        let block = self.map % c.y.blocks;
        let channels = c.y.channels(self.map);
        let mut bias = [0.0; 16];
        if c.has_bias {
            bias[..channels].copy_from_slice(&self.bias[block * S::LANES..][..channels]);
        }
        let job = Job {
            taps: &part.taps,
            w: self.w[block * c.w_block..].as_ptr(),
            bias,
            x_step: part.columns.input_step * S::LANES,
            y_step: part.columns.step * S::LANES,
            activation: c.activation,
            channels,
        };
        let (x_map, y_map) = (c.x.at(self.map), c.y.at(self.map));
        for row in self.rows.clone() {
            let y_row = part.rows.first + row * part.rows.step;
            let first = part.columns.first * S::LANES;
            // SAFETY: rows, taps and pixels lie within the maps, whose lengths `Depthwise::run` checked;
            // only this item writes these pixels, and only the item of the phase with the first column writes
            // this row's halo.
            unsafe {
                if part.columns.first == 0 {
                    c.y.clear_halo_of_row(self.y.get().add(y_map), y_row);
                }
                let x = x_map + row * part.rows.input_step * c.x.row_len();
                let residual = self.residual.map_or(std::ptr::null(), |(maps, values)| {
                    values.as_ptr().add(maps.at(self.map) + maps.row(y_row) + first)
                });
                let y = self.y.get().add(y_map + c.y.row(y_row) + first);
                job.row(s, part.columns.count, self.x.as_ptr().add(x), residual, y);
            }
        }
    }
}

impl Job<'_> {
    /// Computes `count` pixels of a row.
    ///
    /// # Safety
    /// The taps of all pixels, and the pixels themselves, must be valid; `residual` must be as well, or be null.
    #[inline(always)]
    unsafe fn row<S: Simd>(&self, s: S, count: usize, x: *const f32, residual: *const f32, y: *mut f32) {
        let mut pixel = 0;
        while pixel < count {
            let width = WIDEST.min(count - pixel);
            let (x_at, y_at) = (pixel * self.x_step, pixel * self.y_step);
            // SAFETY: guaranteed by the caller.
            unsafe {
                let x = x.add(x_at);
                let residual = if residual.is_null() { residual } else { residual.add(y_at) };
                let y = y.add(y_at);
                match width {
                    1 => self.tile::<S, 1>(s, x, residual, y),
                    2 => self.tile::<S, 2>(s, x, residual, y),
                    3 => self.tile::<S, 3>(s, x, residual, y),
                    4 => self.tile::<S, 4>(s, x, residual, y),
                    5 => self.tile::<S, 5>(s, x, residual, y),
                    6 => self.tile::<S, 6>(s, x, residual, y),
                    7 => self.tile::<S, 7>(s, x, residual, y),
                    _ => self.tile::<S, WIDEST>(s, x, residual, y),
                }
            }
            pixel += width;
        }
    }

    /// # Safety
    /// As for [`Job::row`], with `P` pixels.
    #[inline(always)]
    unsafe fn tile<S: Simd, const P: usize>(&self, s: S, x: *const f32, residual: *const f32, y: *mut f32) {
        // SAFETY: guaranteed by the caller; `bias` has 16 elements.
        unsafe {
            let mut acc = [s.load(self.bias.as_ptr()); P];
            for tap in self.taps {
                let (weights, x) = (s.load(self.w.add(tap.w)), x.add(tap.x));
                for p in 0..P {
                    acc[p] = s.fma(weights, s.load(x.add(p * self.x_step)), acc[p]);
                }
            }
            if !residual.is_null() {
                for p in 0..P {
                    acc[p] = s.add(acc[p], s.load(residual.add(p * self.y_step)));
                }
            }
            if self.activation == Activation::Sigmoid {
                // The sigmoid is the only activation that does not map zero to zero, so padding lanes are masked.
                let real = s.first_lanes(self.channels);
                for p in 0..P {
                    acc[p] = s.mul(real, activate(s, self.activation, acc[p]));
                }
            } else {
                for p in 0..P {
                    acc[p] = activate(s, self.activation, acc[p]);
                }
            }
            for p in 0..P {
                s.store(y.add(p * self.y_step), acc[p]);
            }
        }
    }
}
