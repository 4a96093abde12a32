//! Zero channels before and after those of a value, and the reverse, which is the gradient.

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::reference::{Reference, floats};
use crate::{Context, Implementation, Kernel};

/// Shifts the channels. Reads x `[N, C, H, W]`, writes y `[N, channels, H, W]`.
#[derive(Debug, Clone, PartialEq)]
pub struct PadChannelsDesc {
    /// `[N, C, H, W]` of x.
    pub shape: [usize; 4],
    /// Channels of y.
    pub channels: usize,
    /// The channel of y that the first channel of x becomes; if negative, the number of leading channels of x
    /// that are dropped.
    pub before: isize,
}

impl PadChannelsDesc {
    /// The channel of x that becomes channel `channel` of y, if any.
    pub(crate) fn source(&self, channel: usize) -> Option<usize> {
        let source = channel as isize - self.before;
        (0..self.shape[1] as isize).contains(&source).then_some(source as usize)
    }
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<PadChannelsDesc>] {
    &[
        &Blocked,
        &Reference::<PadChannelsDesc> {
            name: "pad_channels_reference",
            operands: |_| floats(2),
            run: |desc, views| reference::pad_channels(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

struct Blocked;

impl Implementation<PadChannelsDesc> for Blocked {
    fn name(&self) -> &'static str {
        "pad_channels_f32"
    }

    fn formats(&self, _desc: &PadChannelsDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        is_blocked(first, isa.block()).then(|| vec![first.f32(); 2])
    }

    fn prepare(&self, desc: &PadChannelsDesc, _isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let [n, _, h, w] = desc.shape;
        let (x, y) = (Maps::new(desc.shape, layouts[0]), Maps::new([n, desc.channels, h, w], layouts[1]));
        Box::new(Bound { desc: desc.clone(), x, y })
    }
}

struct Bound {
    desc: PadChannelsDesc,
    x: Maps,
    y: Maps,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<f32>(0));
        self.y.each(context.thread_pool, y, |map, y| {
            y.fill(0.0);
            let image = &x[map / self.y.blocks * self.x.image_len..];
            let first = map % self.y.blocks * self.y.block;
            let mut lane = 0;
            while lane < self.y.channels(map) {
                lane += match self.desc.source(first + lane) {
                    Some(source) => self.copy(image, source, y, lane, self.y.channels(map) - lane),
                    None => 1,
                };
            }
        });
    }
}

impl Bound {
    /// Copies up to `count` channels of an image, starting at `source`, to the lanes of `map`, starting at
    /// `lane`, as far as both lie in one block; returns how many.
    fn copy(&self, image: &[f32], source: usize, map: &mut [f32], lane: usize, count: usize) -> usize {
        let (block, [rows, columns]) = (self.y.block, self.y.size);
        let from = source % block;
        let count = count.min(block - from).min(self.desc.shape[1] - source);
        let x = &image[source / block * self.x.map_len()..];
        for row in 0..rows {
            let x = &x[self.x.row(row)..][..columns * block];
            let y = &mut map[self.y.row(row)..][..columns * block];
            for (y, x) in y.chunks_exact_mut(block).zip(x.chunks_exact(block)) {
                y[lane..lane + count].copy_from_slice(&x[from..from + count]);
            }
        }
        count
    }
}

pub mod reference {
    //! Channel padding, by definition.

    use super::PadChannelsDesc;
    use crate::reference::Real;

    /// y\[c\] = x\[c − before\] where x has such a channel, else 0.
    pub fn pad_channels<T: Real>(desc: &PadChannelsDesc, x: &[T], y: &mut [T]) {
        let [n, c, h, w] = desc.shape;
        for image in 0..n {
            for channel in 0..desc.channels {
                let to = (image * desc.channels + channel) * h * w;
                let to = &mut y[to..][..h * w];
                match desc.source(channel) {
                    Some(source) => to.copy_from_slice(&x[(image * c + source) * h * w..][..h * w]),
                    None => to.fill(T::from_f64(0.0)),
                }
            }
        }
    }
}
