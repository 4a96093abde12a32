//! Weight gradient of a depthwise convolution on blocks of channels.
//!
//! The accumulators of some taps stay in registers while the loop runs over the pixels of a map: each pixel's
//! vector of dy is multiplied by a vector of x for every tap. If there are few blocks of channels, the batch
//! is split into slices with separate sums, which are then added in order; the number of slices depends only
//! on the descriptor.

use crate::{Format, Layout, Views};

use super::ConvDesc;
use super::depthwise::{is_depthwise, weight_layout};
use super::direct::needed_halo;
use super::geometry::has_few_taps;
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Implementation, Kernel};

/// Weight gradient.
pub(super) struct WeightGradient;

/// The desired minimum number of items in the grid.
const ITEMS: usize = 16;
/// The maximum number of taps that are accumulated at a time.
const MOST_TAPS: usize = 9;

impl Implementation<ConvDesc> for WeightGradient {
    fn name(&self) -> &'static str {
        "conv_weight_gradient_depthwise_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let x = Layout::Channels { block, halo: needed_halo(d) };
        (is_depthwise(d) && has_few_taps(d, 1, 1))
            .then(|| Format::f32s([x, Layout::channels(block), weight_layout(isa)]))
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let [x, dy] = [d.input, d.output].map(|[h, w]| [d.batch, d.in_channels, h, w]);
        let (x, dy) = (Maps::new(x, layouts[0]), Maps::new(dy, layouts[1]));
        let (top, left) = (x.halo.top - d.padding[0], x.halo.left - d.padding[1]);
        let tap = |index: usize| {
            let (row, column) = (index / d.kernel[1] * d.dilation[0], index % d.kernel[1] * d.dilation[1]);
            (top + row) * x.row_len() + (left + column) * x.block
        };
        Box::new(Bound {
            isa,
            images: d.batch,
            taps: (0..d.kernel[0] * d.kernel[1]).map(tap).collect(),
            x_step: [d.stride[0] * x.row_len(), d.stride[1] * x.block],
            slices: ITEMS.div_ceil(x.blocks).min(d.batch),
            x,
            dy,
        })
    }
}

struct Bound {
    isa: Isa,
    images: usize,
    /// The offset of the first pixel's input for each tap.
    taps: Vec<usize>,
    /// Distances between the inputs of neighboring rows and pixels.
    x_step: [usize; 2],
    slices: usize,
    x: Maps,
    dy: Maps,
}

impl Bound {
    /// Floats in the weights of a block of channels.
    fn block_len(&self) -> usize {
        self.taps.len() * self.x.block
    }

    /// Floats in all weights.
    fn dw_len(&self) -> usize {
        self.x.blocks * self.block_len()
    }

    /// Fills `sums` with the weight gradient of each slice of the batch.
    fn sum(&self, context: &Context, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        context.thread_pool.pieces(sums, self.block_len(), |item, dw| {
            let (slice, block) = (item / self.x.blocks, item % self.x.blocks);
            let images = self.images * slice / self.slices..self.images * (slice + 1) / self.slices;
            dispatch(self.isa, Item { bound: self, x, dy, dw, images, block });
        });
    }
}

impl Kernel for Bound {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        size_of::<f32>() * (if self.slices > 1 { self.slices * self.dw_len() } else { 0 })
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy, dw) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        assert!(
            x.len() >= self.x.len() && dy.len() >= self.dy.len() && dw.len() == self.dw_len(),
            "operand lengths must match the layouts"
        );
        if self.slices == 1 {
            return self.sum(context, x, dy, dw);
        }
        let sums = views.write::<f32>(1);
        self.sum(context, x, dy, sums);
        let mut slices = sums.chunks_exact(dw.len());
        dw.copy_from_slice(slices.next().expect("at least one slice"));
        for slice in slices {
            dw.iter_mut().zip(slice).for_each(|(dw, sum)| *dw += sum);
        }
    }
}

/// The weights of one block of channels, summed over some images.
struct Item<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    dw: &'a mut [f32],
    images: std::ops::Range<usize>,
    block: usize,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.dw.fill(0.0);
        let b = self.bound;
        for image in self.images.clone() {
            let map = image * b.x.blocks + self.block;
            let (x, dy) = (&self.x[b.x.at(map)..], &self.dy[b.dy.at(map)..]);
            for (chunk, taps) in b.taps.chunks(MOST_TAPS).enumerate() {
                let dw = &mut self.dw[chunk * MOST_TAPS * S::LANES..][..taps.len() * S::LANES];
                // SAFETY: rows, taps and pixels lie within the maps, whose lengths `Bound::run` checked.
                unsafe {
                    match taps.len() {
                        1 => b.add::<S, 1>(s, taps, x, dy, dw),
                        2 => b.add::<S, 2>(s, taps, x, dy, dw),
                        3 => b.add::<S, 3>(s, taps, x, dy, dw),
                        4 => b.add::<S, 4>(s, taps, x, dy, dw),
                        5 => b.add::<S, 5>(s, taps, x, dy, dw),
                        6 => b.add::<S, 6>(s, taps, x, dy, dw),
                        7 => b.add::<S, 7>(s, taps, x, dy, dw),
                        8 => b.add::<S, 8>(s, taps, x, dy, dw),
                        _ => b.add::<S, MOST_TAPS>(s, taps, x, dy, dw),
                    }
                }
            }
        }
    }
}

impl Bound {
    /// Adds the contribution of one map to the gradient of `T` taps.
    ///
    /// # Safety
    /// `x` and `dy` must start with whole maps of this geometry; `dw` must have a vector for each tap.
    #[inline(always)]
    unsafe fn add<S: Simd, const T: usize>(
        &self,
        s: S,
        taps: &[usize],
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
    ) {
        let [rows, columns] = self.dy.size;
        // SAFETY: guaranteed by the caller.
        unsafe {
            let mut acc: [S::F; T] = std::array::from_fn(|t| s.load(dw.as_ptr().add(t * S::LANES)));
            for row in 0..rows {
                let from: [*const f32; T] =
                    std::array::from_fn(|t| x.as_ptr().add(taps[t] + row * self.x_step[0]));
                let dy = dy.as_ptr().add(self.dy.row(row));
                for column in 0..columns {
                    let gradient = s.load(dy.add(column * S::LANES));
                    for t in 0..T {
                        acc[t] = s.fma(gradient, s.load(from[t].add(column * self.x_step[1])), acc[t]);
                    }
                }
            }
            for t in 0..T {
                s.store(dw.as_mut_ptr().add(t * S::LANES), acc[t]);
            }
        }
    }
}
