//! Sums over all but the channels: the gradient of a bias.

use striate_tensor::{Layout, Views};

use crate::isa::Isa;
use crate::maps::{Maps, is_blocked};
use crate::reference::{self, Reference};
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Implementation, Kernel};

/// The sum over N, H and W. Reads x, writes `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSumDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<ChannelSumDesc>] {
    &[
        &Images,
        &Blocked,
        &Rows,
        &Reference::<ChannelSumDesc> {
            name: "channel_sum_reference",
            operands: |_| 2,
            run: |desc, views| {
                reference::reduce::channel_sum(desc.shape, views.read::<f32>(0), views.write(0))
            },
        },
    ]
}

/// Maps in blocks of channels: each map by itself, then over the images in order.
struct Blocked;

impl Implementation<ChannelSumDesc> for Blocked {
    fn name(&self) -> &'static str {
        "channel_sum_f32"
    }

    fn accepts(&self, _desc: &ChannelSumDesc, isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        is_blocked(first, isa.block()).then(|| vec![first, Layout::Plain])
    }

    fn prepare(&self, desc: &ChannelSumDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(BoundMaps { shape: desc.shape, isa, maps: Maps::new(desc.shape, layouts[0]) })
    }
}

struct BoundMaps {
    shape: [usize; 4],
    isa: Isa,
    maps: Maps,
}

impl Kernel for BoundMaps {
    fn scratch_len(&self) -> usize {
        self.maps.count * self.maps.block
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y, sums) = (views.read::<f32>(0), views.write::<f32>(0), views.write::<f32>(1));
        let (block, image) = (self.maps.block, self.maps.blocks * self.maps.block);
        context.pool.pieces(sums, block, |map, sum| {
            let x = &x[map * self.maps.map_len()..][..self.maps.map_len()];
            dispatch(self.isa, MapSum { maps: &self.maps, x, sum });
        });
        y.fill(0.0);
        for sums in sums.chunks_exact(image).take(self.shape[0]) {
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y += sum);
        }
    }
}

struct MapSum<'a> {
    maps: &'a Maps,
    x: &'a [f32],
    sum: &'a mut [f32],
}

impl Body for MapSum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [rows, columns] = self.maps.size;
        let mut sum = s.zero();
        for row in 0..rows {
            let x = self.x[self.maps.row(row)..][..columns * S::LANES].as_ptr();
            for i in 0..columns {
                // SAFETY: a row has `columns` vectors.
                sum = unsafe { s.add(sum, s.load(x.add(i * S::LANES))) };
            }
        }
        // SAFETY: there is one vector for the sum of a map.
        unsafe { s.store(self.sum.as_mut_ptr(), sum) }
    }
}

/// Maps of vectors of images: each channel over all of them, then over the lanes.
struct Images;

impl Implementation<ChannelSumDesc> for Images {
    fn name(&self) -> &'static str {
        "channel_sum_images_f32"
    }

    fn accepts(&self, _desc: &ChannelSumDesc, isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        (first == Layout::Images { block: isa.block() }).then(|| vec![first, Layout::Plain])
    }

    fn prepare(&self, desc: &ChannelSumDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(BoundImages { shape: desc.shape, isa })
    }
}

struct BoundImages {
    shape: [usize; 4],
    isa: Isa,
}

/// Channels of an item of the grid, by the vectors that each has.
fn channels_together(vectors: usize) -> usize {
    (512 / vectors).max(1)
}

impl Kernel for BoundImages {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<f32>(0));
        let [n, channels, h, w] = self.shape;
        assert_eq!((x.len(), y.len()), (n * channels * h * w, channels), "as long as the layouts say");
        let together = channels_together(n / self.isa.block() * h * w);
        context.pool.pieces(y, together, |piece, sums| {
            for (index, sum) in sums.iter_mut().enumerate() {
                let channel = piece * together + index;
                dispatch(self.isa, ChannelSum { x, channel, channels, map: h * w, sum });
            }
        });
    }
}

struct ChannelSum<'a> {
    x: &'a [f32],
    channel: usize,
    channels: usize,
    /// Pixels of a map.
    map: usize,
    sum: &'a mut f32,
}

impl Body for ChannelSum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let map = self.map * S::LANES;
        let mut sums = [s.zero(); 4];
        for image in self.x.chunks_exact(map * self.channels) {
            let x = &image[self.channel * map..][..map];
            for (index, x) in x.chunks_exact(S::LANES).enumerate() {
                // SAFETY: a chunk has a vector's floats.
                sums[index % 4] = unsafe { s.add(sums[index % 4], s.load(x.as_ptr())) };
            }
        }
        *self.sum = s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])));
    }
}

/// Plain rows `[N, C]`, added up in order.
struct Rows;

impl Implementation<ChannelSumDesc> for Rows {
    fn name(&self) -> &'static str {
        "row_sum_f32"
    }

    fn accepts(&self, desc: &ChannelSumDesc, _isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        let [_, _, h, w] = desc.shape;
        (first == Layout::Plain && h * w == 1).then(|| vec![Layout::Plain; 2])
    }

    fn prepare(&self, _desc: &ChannelSumDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(BoundRows)
    }
}

struct BoundRows;

impl Kernel for BoundRows {
    fn run(&self, _context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<f32>(0));
        y.fill(0.0);
        for row in x.chunks_exact(y.len()) {
            y.iter_mut().zip(row).for_each(|(y, x)| *y += x);
        }
    }
}
