//! Concatenation of values along the channels, and splitting.

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::reference::{Reference, floats};
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
        &Join,
        &Reference::<ConcatDesc> {
            name: "concat_reference",
            operands: |desc| floats(desc.channels.len() + 1),
            run: |desc, views| {
                let whole = views.write::<f32>(0);
                for (index, (first, count)) in reference::ranges(&desc.channels).enumerate() {
                    reference::join(desc.shape, first, count, views.read(index), whole);
                }
            },
        },
    ]
}

/// Reads the concatenated value, writes the parts.
pub fn gradient() -> &'static [&'static dyn Implementation<ConcatDesc>] {
    &[
        &Split,
        &Reference::<ConcatDesc> {
            name: "concat_gradient_reference",
            operands: |desc| floats(desc.channels.len() + 1),
            run: |desc, views| {
                for (index, (first, count)) in reference::ranges(&desc.channels).enumerate() {
                    reference::split(desc.shape, first, count, views.read::<f32>(0), views.write(index));
                }
            },
        },
    ]
}

struct Join;

impl Implementation<ConcatDesc> for Join {
    fn name(&self) -> &'static str {
        "concat_f32"
    }

    fn formats(&self, desc: &ConcatDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        formats(desc, isa, first)
    }

    fn prepare(&self, desc: &ConcatDesc, _isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let (whole, parts) = layouts.split_last().expect("the result is an operand");
        Box::new(BoundJoin(Parts::new(desc, *whole, parts)))
    }
}

struct Split;

impl Implementation<ConcatDesc> for Split {
    fn name(&self) -> &'static str {
        "concat_gradient_f32"
    }

    fn formats(&self, desc: &ConcatDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        formats(desc, isa, first)
    }

    fn prepare(&self, desc: &ConcatDesc, _isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let (whole, parts) = layouts.split_first().expect("the value is an operand");
        Box::new(BoundSplit(Parts::new(desc, *whole, parts)))
    }
}

fn formats(desc: &ConcatDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
    is_blocked(first, isa.block()).then(|| vec![first.f32(); desc.channels.len() + 1])
}

struct BoundJoin(Parts);

impl Kernel for BoundJoin {
    fn run(&self, context: &Context, views: &mut Views) {
        let whole = views.write::<f32>(0);
        self.0.each(|index, part, side, count| {
            copy(context, part, views.read(index), side, whole, count);
        });
    }
}

struct BoundSplit(Parts);

impl Kernel for BoundSplit {
    fn run(&self, context: &Context, views: &mut Views) {
        self.0.each(|index, part, side, count| {
            copy(context, side, views.read(0), part, views.write(index), count);
        });
    }
}

/// The geometries of a value and of its parts.
struct Parts {
    whole: Maps,
    parts: Vec<Maps>,
    channels: Vec<usize>,
}

impl Parts {
    fn new(desc: &ConcatDesc, whole: Layout, parts: &[Layout]) -> Parts {
        let [n, _, h, w] = desc.shape;
        let part = |(layout, c): (&Layout, &usize)| Maps::new([n, *c, h, w], *layout);
        Parts {
            whole: Maps::new(desc.shape, whole),
            parts: parts.iter().zip(&desc.channels).map(part).collect(),
            channels: desc.channels.clone(),
        }
    }

    /// Calls `visit` for each part with its number, all its channels, the same channels of the whole, and their count.
    fn each(&self, mut visit: impl FnMut(usize, Side, Side, usize)) {
        let mut first = 0;
        for (index, (part, count)) in self.parts.iter().zip(&self.channels).enumerate() {
            visit(index, Side { maps: part, first: 0 }, Side { maps: &self.whole, first }, *count);
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

/// Copies `count` channels. Maps of the destination whose first channel is among them are cleared first.
fn copy(context: &Context, from: Side, source: &[f32], to: Side, destination: &mut [f32], count: usize) {
    assert!(destination.len() >= to.maps.len(), "operand lengths must match the layouts");
    let out = Pointer(destination.as_mut_ptr());
    let block = to.maps.block;
    let images = to.maps.count / to.maps.blocks;
    let image_len = to.maps.blocks * to.maps.map_len();
    context.thread_pool.run(images, |image| {
        // SAFETY: images do not overlap and lie within `destination`; each is taken once.
        let to_image =
            unsafe { std::slice::from_raw_parts_mut(out.get().add(image * to.maps.image_len), image_len) };
        let from_image = &source[image * from.maps.image_len..];
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

pub mod reference {
    //! Concatenation of channels, and splitting, by definition.

    /// The first channel and the number of channels of each part.
    pub fn ranges(channels: &[usize]) -> impl Iterator<Item = (usize, usize)> {
        channels.iter().scan(0, |first, count| {
            *first += count;
            Some((*first - count, *count))
        })
    }

    /// Concatenates parts with the given numbers of channels into y `[N, C, H, W]`.
    pub fn forward<T: Copy>(shape: [usize; 4], channels: &[usize], parts: &[&[T]], y: &mut [T]) {
        for ((first, count), part) in ranges(channels).zip(parts) {
            join(shape, first, count, part, y);
        }
    }

    /// Copies a part to channels `first..first + count` of y `[N, C, H, W]`.
    pub fn join<T: Copy>(shape: [usize; 4], first: usize, count: usize, part: &[T], y: &mut [T]) {
        let [n, c, h, w] = shape;
        let length = count * h * w;
        for image in 0..n {
            let to = (image * c + first) * h * w;
            y[to..to + length].copy_from_slice(&part[image * length..][..length]);
        }
    }

    /// Copies channels `first..first + count` of y to a part.
    pub fn split<T: Copy>(shape: [usize; 4], first: usize, count: usize, y: &[T], part: &mut [T]) {
        let [n, c, h, w] = shape;
        let length = count * h * w;
        for image in 0..n {
            let from = (image * c + first) * h * w;
            part[image * length..][..length].copy_from_slice(&y[from..from + length]);
        }
    }
}
