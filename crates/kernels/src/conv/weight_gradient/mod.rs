//! Weight gradient of a convolution on blocks of channels.
//!
//! A tile of input values × blocks of output channels stays in registers while the loop runs over the pixels of a
//! band: each pixel's vectors of dy are multiplied by broadcast values of x. For inputs in blocks of channels, the
//! values are channels under neighboring taps; for planar inputs, neighboring taps of one or more rows. An item of the
//! grid takes several maps of x and blocks of dy: while the tiles of some blocks of dy, which are in the L1 cache, are
//! computed, the maps of x come from the L2 cache. If there are few items, the batch is split into slices with separate
//! sums, which are then added in order; the number of slices does not depend on that of threads. Strided 1×1
//! convolutions with many outputs first copy the pixels that they see.

mod copies;
mod division;
mod item;
mod tile;

use crate::{Format, Layout, Views};

use super::ConvDesc;
use super::cost;
use super::direct::needed_halo;
use super::geometry::{groups_fill_blocks, has_few_taps};
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{CACHE_LINE, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};
use copies::Copies;
use division::{Division, Values, split};
use item::{Band, Extent, Item};
use tile::{Distances, Pixels};

/// For inputs in blocks of channels.
pub(super) struct Blocked;
/// For planar inputs with few channels.
pub(super) struct PlanarInput;

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
        cost::direct(d, cost::in_blocks(d, isa.block())) * cost::half_lines(d, isa)
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
        let few = d.groups == 1 && d.in_channels <= super::direct::FEW_CHANNELS && has_few_taps(d, 1, 1);
        few.then(formats)
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        cost::direct(d, [d.in_channels, cost::in_blocks(d, isa.block())[1]])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound::new(d, isa, layouts))
    }
}

/// A weight gradient bound to its descriptor and layouts.
pub(super) struct Bound {
    /// The copies that are read instead of x, if there are any.
    copies: Option<Copies>,
    /// The convolution of x or of the copies.
    d: ConvDesc,
    isa: Isa,
    /// The maps of x or of the copies.
    x: Maps,
    dy: Maps,
    /// The values that a pixel sees in a map (a block of channels, or one planar channel).
    values: Vec<Values>,
    /// Those in the last map of a group, which may have fewer channels.
    last_values: Vec<Values>,
    /// The offset in a map of x of the last row that the first pixel sees.
    last_row: usize,
    /// Distances in x between rows and columns of pixels.
    pixel: [usize; 2],
    /// Whether the rows of a map follow one another without gaps, in x and dy.
    is_line: bool,
    /// Floats in dw for one block of outputs and one input map.
    w_map: usize,
    group_maps: usize,
    group_blocks: usize,
    division: Division,
    dw_len: usize,
}

impl Bound {
    pub fn new(d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Bound {
        let block = isa.block();
        let x = Maps::new([d.batch, d.in_channels, d.input[0], d.input[1]], layouts[0]);
        let (copies, d) = match Copies::new(d, &x) {
            Some((copies, dense)) => (Some(copies), dense),
            None => (None, d.clone()),
        };
        let x = copies.as_ref().map_or(x, Copies::maps);
        let dy = Maps::new([d.batch, d.out_channels, d.output[0], d.output[1]], layouts[1]);
        let group_channels = d.in_channels / d.groups;
        let group_maps = group_channels.div_ceil(x.block);
        let group_blocks = d.out_channels.div_ceil(block) / d.groups;
        let w_map = d.kernel[0] * d.kernel[1] * x.block * block;
        let pixel = [d.stride[0] * x.row_len(), d.stride[1] * x.block];
        let is_line = pixel[0] == d.output[1] * pixel[1] && dy.row_len() == d.output[1] * block;
        Bound {
            values: Values::of_map(&d, &x, block, x.block),
            last_values: Values::of_map(&d, &x, block, group_channels - (group_maps - 1) * x.block),
            last_row: division::last_row(&d, &x),
            pixel,
            is_line,
            w_map,
            group_maps,
            group_blocks,
            division: Division::new(&d, isa, x.block, [group_maps, group_blocks], w_map),
            dw_len: d.groups * group_blocks * group_maps * w_map,
            d,
            copies,
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
        let scratch = if self.scratch_len() > 0 { views.write::<f32>(1) } else { &mut [] };
        self.compute(context, x, dy, dw, scratch);
    }
}

impl Bound {
    /// The number of weights in their layout.
    pub fn dw_len(&self) -> usize {
        self.dw_len
    }

    /// The number of floats of scratch memory: the copies of x and the sums of the slices.
    pub fn scratch_len(&self) -> usize {
        let sums = if self.division.slices > 1 { self.division.slices * self.dw_len } else { 0 };
        self.copies_len() + sums
    }

    fn copies_len(&self) -> usize {
        self.copies.as_ref().map_or(0, |copies| copies.maps().len().next_multiple_of(CACHE_LINE))
    }

    /// Computes dw.
    pub fn compute(&self, context: &Context, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut [f32]) {
        assert!(
            dy.len() >= self.dy.len() && dw.len() == self.dw_len,
            "operand lengths must match the layouts"
        );
        assert_eq!(scratch.len(), self.scratch_len(), "the scratch memory must have the requested length");
        let (copied, sums) = scratch.split_at_mut(self.copies_len());
        let x = match &self.copies {
            Some(copies) => {
                copies.copy(self.isa, context.thread_pool, x, copied);
                &*copied
            }
            None => {
                assert!(x.len() >= self.x.len(), "operand lengths must match the layouts");
                x
            }
        };
        if self.division.slices == 1 {
            return self.sum(context, x, dy, dw);
        }
        self.sum(context, x, dy, sums);
        let sums = &*sums;
        context.thread_pool.pieces(dw, 4096, |piece, dw| {
            let first = piece * 4096;
            dw.copy_from_slice(&sums[first..][..dw.len()]);
            for slice in 1..self.division.slices {
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
        let items = self.division.slices * self.d.groups * self.block_sets() * self.map_sets();
        context.thread_pool.run(items, |item| {
            let next = (item + 1 < items).then(|| self.extent(item + 1));
            let extent = self.extent(item);
            dispatch(self.isa, Item { bound: self, x, dy, sums: sums.get(), extent, next });
        });
    }

    /// The number of sets of blocks of dy in a group.
    fn block_sets(&self) -> usize {
        self.group_blocks.div_ceil(self.division.blocks)
    }

    /// The number of sets of maps of x in a group.
    fn map_sets(&self) -> usize {
        self.group_maps.div_ceil(self.division.maps)
    }

    /// What an item computes.
    fn extent(&self, item: usize) -> Extent {
        let Division { maps, blocks, slices, .. } = self.division;
        let (rest, map_set) = (item / self.map_sets(), item % self.map_sets());
        let (rest, block_set) = (rest / self.block_sets(), rest % self.block_sets());
        let (slice, group) = (rest / self.d.groups, rest % self.d.groups);
        Extent {
            slice,
            group,
            images: self.d.batch * slice / slices..self.d.batch * (slice + 1) / slices,
            maps: map_set * maps..((map_set + 1) * maps).min(self.group_maps),
            blocks: block_set * blocks..((block_set + 1) * blocks).min(self.group_blocks),
        }
    }

    /// The bands of the pixels of an item.
    fn bands(&self, extent: &Extent) -> impl Iterator<Item = Band> {
        let (rows, most) = (self.d.output[0], self.division.rows);
        split(extent.images.clone(), self.division.images).flat_map(move |images| {
            split(0..rows, most).map(move |rows| Band { images: images.clone(), rows })
        })
    }

    /// The pixels of a band.
    #[inline(always)]
    fn pixels(&self, band: &Band) -> Pixels {
        let (rows, columns) = (band.rows.len(), self.d.output[1]);
        let [row, column] = self.pixel;
        Pixels {
            images: band.images.len(),
            rows: if self.is_line { 1 } else { rows },
            columns: if self.is_line { rows * columns } else { columns },
            x: Distances { image: self.x.image_len, row, column },
            dy: Distances { image: self.dy.image_len, row: self.dy.row_len(), column: self.dy.block },
        }
    }

    /// The values that a pixel sees in a map of a group.
    #[inline(always)]
    fn values(&self, map: usize) -> &[Values] {
        if map == self.group_maps - 1 { &self.last_values } else { &self.values }
    }

    /// The offset of a map of x of a group, at the first pixel of a band.
    #[inline(always)]
    fn x_map(&self, group: usize, map: usize, band: &Band) -> usize {
        let map = (group * self.group_maps + map) * self.x.map_len();
        band.images.start * self.x.image_len + map + band.rows.start * self.pixel[0]
    }

    /// The offset of a block of dy of a group, at the first pixel of a band.
    #[inline(always)]
    fn dy_map(&self, group: usize, block: usize, band: &Band) -> usize {
        let map = (group * self.group_blocks + block) * self.dy.map_len();
        band.images.start * self.dy.image_len + map + self.dy.row(band.rows.start)
    }
}
