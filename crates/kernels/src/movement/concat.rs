//! Concatenation of values along the channels, and splitting.

use crate::{Layout, Views};

use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::reference::Reference;
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// The parts, with `channels` channels each, of a concatenated value of `shape`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConcatDesc {
    /// `[N, C, H, W]` of the concatenated value.
    pub shape: [usize; 4],
    /// Channels of each part.
    pub channels: Vec<usize>,
}

/// Reads the parts, writes the concatenated value.
pub fn forward() -> &'static [&'static dyn Implementation<ConcatDesc>] {
    &[
        &Blocked { name: "concat_f32", joins: true },
        &Reference::<ConcatDesc> {
            name: "concat_reference",
            operands: |desc| desc.channels.len() + 1,
            run: |desc, views| {
                let mut first = 0;
                let whole = views.write::<f32>(0);
                let [n, c, h, w] = desc.shape;
                for (index, count) in desc.channels.iter().enumerate() {
                    let part = views.read::<f32>(index);
                    for image in 0..n {
                        let to = (image * c + first) * h * w;
                        whole[to..to + count * h * w]
                            .copy_from_slice(&part[image * count * h * w..][..count * h * w]);
                    }
                    first += count;
                }
            },
        },
    ]
}

/// Reads the concatenated value, writes the parts.
pub fn gradient() -> &'static [&'static dyn Implementation<ConcatDesc>] {
    &[
        &Blocked { name: "concat_gradient_f32", joins: false },
        &Reference::<ConcatDesc> {
            name: "concat_gradient_reference",
            operands: |desc| desc.channels.len() + 1,
            run: |desc, views| {
                let mut first = 0;
                for (index, count) in desc.channels.iter().enumerate() {
                    let whole = views.read::<f32>(0);
                    reference::part(desc.shape, first, *count, whole, views.write(index));
                    first += count;
                }
            },
        },
    ]
}

struct Blocked {
    name: &'static str,
    joins: bool,
}

impl Implementation<ConcatDesc> for Blocked {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, desc: &ConcatDesc, isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        let fits = is_blocked(first, isa.block());
        fits.then(|| vec![first; desc.channels.len() + 1])
    }

    fn prepare(&self, desc: &ConcatDesc, _isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let parts = desc.channels.len();
        let (whole, parts) = match self.joins {
            true => (layouts[parts], &layouts[..parts]),
            false => (layouts[0], &layouts[1..]),
        };
        let [n, _, h, w] = desc.shape;
        let part = |(layout, c): (&Layout, &usize)| Maps::new([n, *c, h, w], *layout);
        Box::new(Bound {
            images: n,
            joins: self.joins,
            whole: Maps::new(desc.shape, whole),
            parts: parts.iter().zip(&desc.channels).map(part).collect(),
            channels: desc.channels.clone(),
        })
    }
}

struct Bound {
    images: usize,
    joins: bool,
    whole: Maps,
    parts: Vec<Maps>,
    channels: Vec<usize>,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let mut first = 0;
        let mut whole = if self.joins { Some(views.write::<f32>(0)) } else { None };
        for (index, part) in self.parts.iter().enumerate() {
            let count = self.channels[index];
            if let Some(whole) = whole.as_deref_mut() {
                let from = views.read::<f32>(index);
                self.copy(
                    context,
                    Side { maps: part, first: 0 },
                    from,
                    Side { maps: &self.whole, first },
                    whole,
                    count,
                );
            } else {
                let (from, to) = (views.read::<f32>(0), views.write::<f32>(index));
                self.copy(
                    context,
                    Side { maps: &self.whole, first },
                    from,
                    Side { maps: part, first: 0 },
                    to,
                    count,
                );
            }
            first += count;
        }
    }
}

/// Channels of a value, counted from `first`.
#[derive(Clone, Copy)]
struct Side<'a> {
    maps: &'a Maps,
    first: usize,
}

impl Bound {
    /// Copies `count` channels. Maps of the destination whose first channel is among them are cleared first.
    fn copy(
        &self,
        context: &Context,
        from: Side,
        source: &[f32],
        to: Side,
        destination: &mut [f32],
        count: usize,
    ) {
        let out = Pointer(destination.as_mut_ptr());
        let block = to.maps.block;
        let image_len = to.maps.blocks * to.maps.map_len();
        context.thread_pool.run(self.images, |image| {
            // SAFETY: images do not overlap and lie within `destination`; each is taken once.
            let to_image =
                unsafe { std::slice::from_raw_parts_mut(out.get().add(image * image_len), image_len) };
            let from_image = &source[image * from.maps.blocks * from.maps.map_len()..];
            let mut done = 0;
            while done < count {
                let (a, b) = (from.first + done, to.first + done);
                let run = (block - a % block).min(block - b % block).min(count - done);
                let map = &mut to_image[b / block * to.maps.map_len()..][..to.maps.map_len()];
                if b.is_multiple_of(block) {
                    map.fill(0.0);
                }
                let source = &from_image[a / block * from.maps.map_len()..][..from.maps.map_len()];
                let [rows, columns] = to.maps.size;
                for row in 0..rows {
                    let source = &source[from.maps.row(row)..][..columns * block];
                    let map = &mut map[to.maps.row(row)..][..columns * block];
                    if run == block {
                        map.copy_from_slice(source);
                        continue;
                    }
                    for (map, source) in map.chunks_exact_mut(block).zip(source.chunks_exact(block)) {
                        map[b % block..][..run].copy_from_slice(&source[a % block..][..run]);
                    }
                }
                done += run;
            }
        });
    }
}

pub mod reference {
    //! Concatenation of channels, and splitting, by definition.

    /// Concatenates parts with the given numbers of channels into y `[N, C, H, W]`.
    pub fn forward<T: Copy>(shape: [usize; 4], channels: &[usize], parts: &[&[T]], y: &mut [T]) {
        let [n, c, h, w] = shape;
        let mut first = 0;
        for (part, count) in parts.iter().zip(channels) {
            let length = count * h * w;
            for image in 0..n {
                let to = (image * c + first) * h * w;
                y[to..to + length].copy_from_slice(&part[image * length..][..length]);
            }
            first += count;
        }
    }

    /// Copies channels `first..first + count` of y into a part.
    pub fn part<T: Copy>(shape: [usize; 4], first: usize, count: usize, y: &[T], part: &mut [T]) {
        let [n, c, h, w] = shape;
        let length = count * h * w;
        for image in 0..n {
            let from = (image * c + first) * h * w;
            part[image * length..][..length].copy_from_slice(&y[from..from + length]);
        }
    }
}
