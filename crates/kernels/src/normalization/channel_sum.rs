//! Sums over all axes but the channels, of a value or of the product of two: the gradients of a bias and of a
//! per-channel coefficient.

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::normalization::plain_channels::sum;
use crate::reference::{Reference, floats};
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Implementation, Kernel};

/// The sum over N, H and W. Reads x, and for a product the second factor; writes `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSumDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Whether to sum the product of two values.
    pub product: bool,
}

impl ChannelSumDesc {
    /// The formats of the operands: the values in `first`, the sums plain.
    fn formats(&self, first: Layout) -> Vec<Format> {
        let mut formats = vec![first.f32(); 1 + usize::from(self.product)];
        formats.push(Layout::Plain.f32());
        formats
    }
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<ChannelSumDesc>] {
    &[
        &Images,
        &Blocked,
        &Rows,
        &Plain,
        &Reference::<ChannelSumDesc> {
            name: "channel_sum_reference",
            operands: |desc| floats(2 + usize::from(desc.product)),
            run: |desc, views| {
                let other = desc.product.then(|| views.read::<f32>(1));
                reference::channel_sum(desc.shape, views.read(0), other, views.write(0));
            },
        },
    ]
}

/// Maps in blocks of channels: sums each map, then over the images in order.
struct Blocked;

impl Implementation<ChannelSumDesc> for Blocked {
    fn name(&self) -> &'static str {
        "channel_sum_f32"
    }

    fn formats(&self, desc: &ChannelSumDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        is_blocked(first, isa.block()).then(|| desc.formats(first))
    }

    fn prepare(&self, desc: &ChannelSumDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |layout: Layout| Maps::new(desc.shape, layout);
        let other = desc.product.then(|| maps(layouts[1]));
        Box::new(BoundMaps { shape: desc.shape, isa, maps: maps(layouts[0]), other })
    }
}

struct BoundMaps {
    shape: [usize; 4],
    isa: Isa,
    maps: Maps,
    /// The maps of the second factor.
    other: Option<Maps>,
}

impl Kernel for BoundMaps {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        size_of::<f32>() * (self.maps.count * self.maps.block)
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y, sums) = (views.read::<f32>(0), views.write::<f32>(0), views.write::<f32>(1));
        let other = self.other.as_ref().map(|maps| (maps, views.read::<f32>(1)));
        let (block, image) = (self.maps.block, self.maps.blocks * self.maps.block);
        context.thread_pool.pieces(sums, block, |map, sum| {
            let x = self.maps.map(x, map);
            let other = other.map(|(maps, x)| (maps, maps.map(x, map)));
            dispatch(self.isa, MapSum { maps: &self.maps, x, other, sum });
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
    other: Option<(&'a Maps, &'a [f32])>,
    sum: &'a mut [f32],
}

impl Body for MapSum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [rows, columns] = self.maps.size;
        let mut sum = s.zero();
        for row in 0..rows {
            let x = self.x[self.maps.row(row)..][..columns * S::LANES].as_ptr();
            let other = self.other.map(|(maps, other)| other[maps.row(row)..][..columns * S::LANES].as_ptr());
            // Each row is summed separately first, because the rounding error grows with the number of terms
            // that are added to one sum in sequence.
            let mut row_sum = s.zero();
            for i in 0..columns {
                // SAFETY: a row has `columns` vectors.
                unsafe {
                    let x = s.load(x.add(i * S::LANES));
                    row_sum = match other {
                        Some(other) => s.fma(x, s.load(other.add(i * S::LANES)), row_sum),
                        None => s.add(row_sum, x),
                    };
                }
            }
            sum = s.add(sum, row_sum);
        }
        // SAFETY: the sum of a map has one vector.
        unsafe { s.store(self.sum.as_mut_ptr(), sum) }
    }
}

/// Batch-innermost maps: sums each channel over all maps, then over the lanes.
struct Images;

impl Implementation<ChannelSumDesc> for Images {
    fn name(&self) -> &'static str {
        "channel_sum_images_f32"
    }

    fn formats(&self, desc: &ChannelSumDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        (first == Layout::Images { block: isa.block() }).then(|| desc.formats(first))
    }

    fn prepare(&self, desc: &ChannelSumDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(BoundImages { desc: desc.clone(), isa })
    }
}

struct BoundImages {
    desc: ChannelSumDesc,
    isa: Isa,
}

/// The number of channels in an item of the grid, given the number of vectors of each.
fn channels_together(vectors: usize) -> usize {
    (512 / vectors).max(1)
}

impl Kernel for BoundImages {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<f32>(0));
        let other = self.desc.product.then(|| views.read::<f32>(1));
        let [n, channels, h, w] = self.desc.shape;
        assert_eq!(
            (x.len(), y.len()),
            (n * channels * h * w, channels),
            "operand lengths must match the layouts"
        );
        assert!(other.is_none_or(|other| other.len() == x.len()), "the factors must have the same shape");
        let together = channels_together(n / self.isa.block() * h * w);
        context.thread_pool.pieces(y, together, |piece, sums| {
            for (index, sum) in sums.iter_mut().enumerate() {
                let channel = piece * together + index;
                dispatch(self.isa, ChannelSum { x, other, channel, channels, map: h * w, sum });
            }
        });
    }
}

struct ChannelSum<'a> {
    x: &'a [f32],
    other: Option<&'a [f32]>,
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
        for image in (0..self.x.len()).step_by(map * self.channels) {
            let first = image + self.channel * map;
            let x = &self.x[first..][..map];
            let other = self.other.map(|other| other[first..][..map].as_ptr());
            for (index, x) in x.chunks_exact(S::LANES).enumerate() {
                // SAFETY: a chunk has the length of a vector, and the other value has as many floats there.
                unsafe {
                    let (x, sum) = (s.load(x.as_ptr()), sums[index % 4]);
                    sums[index % 4] = match other {
                        Some(other) => s.fma(x, s.load(other.add(index * S::LANES)), sum),
                        None => s.add(sum, x),
                    };
                }
            }
        }
        *self.sum = s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])));
    }
}

/// Plain rows `[N, C]`, added in order.
struct Rows;

impl Implementation<ChannelSumDesc> for Rows {
    fn name(&self) -> &'static str {
        "row_sum_f32"
    }

    fn formats(&self, desc: &ChannelSumDesc, _isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let [_, _, h, w] = desc.shape;
        (first == Layout::Plain && h * w == 1).then(|| desc.formats(first))
    }

    fn prepare(&self, desc: &ChannelSumDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(BoundRows { product: desc.product })
    }
}

struct BoundRows {
    product: bool,
}

impl Kernel for BoundRows {
    fn run(&self, _context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<f32>(0));
        y.fill(0.0);
        for (index, row) in x.chunks_exact(y.len()).enumerate() {
            if self.product {
                let other = &views.read::<f32>(1)[index * y.len()..];
                y.iter_mut().zip(row.iter().zip(other)).for_each(|(y, (x, other))| *y += x * other);
            } else {
                y.iter_mut().zip(row).for_each(|(y, x)| *y += x);
            }
        }
    }
}

/// Plain values with spatial axes, such as signals and volumes.
struct Plain;

impl Implementation<ChannelSumDesc> for Plain {
    fn name(&self) -> &'static str {
        "channel_sum_plain_f32"
    }

    fn formats(&self, desc: &ChannelSumDesc, _isa: Isa, first: Layout) -> Option<Vec<Format>> {
        (first == Layout::Plain).then(|| desc.formats(first))
    }

    fn prepare(&self, desc: &ChannelSumDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(BoundPlain { desc: desc.clone() })
    }
}

struct BoundPlain {
    desc: ChannelSumDesc,
}

impl Kernel for BoundPlain {
    fn run(&self, context: &Context, views: &mut Views) {
        let (shape, x) = (self.desc.shape, views.read::<f32>(0));
        let other = self.desc.product.then(|| views.read::<f32>(1));
        context.thread_pool.pieces(views.write(0), 1, |c, to| {
            to[0] = match other {
                Some(other) => sum(shape, c, [x, other], |x, other| x * other),
                None => sum(shape, c, [x, x], |x, _| x),
            } as f32;
        });
    }
}

pub mod reference {
    //! Sums over channels, by definition.

    use crate::reference::Real;

    /// The sum over N, H and W of x `[N, C, H, W]`, or of its product with `other`.
    pub fn channel_sum<T: Real>(shape: [usize; 4], x: &[T], other: Option<&[T]>, y: &mut [T]) {
        let [_, c, h, w] = shape;
        y.fill(T::from_f64(0.0));
        for (index, x) in x.iter().enumerate() {
            y[index / (h * w) % c] += other.map_or(*x, |other| *x * other[index]);
        }
    }
}
