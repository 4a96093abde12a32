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
