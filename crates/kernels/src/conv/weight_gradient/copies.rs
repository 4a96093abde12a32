//! Copies of the pixels that a strided 1×1 convolution sees, so that they follow one another: in x, they fill only
//! parts of the lines or sets of the caches, and every tile reads them again.

use super::division::first_tap;
use crate::conv::ConvDesc;
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::{Pointer, ThreadPool};
use crate::{Halo, Layout};

/// The fewest output channels of a group for which copies save more time than they take.
const FEWEST_OUTPUTS: usize = 128;

/// The copies of the pixels of x that a convolution sees.
pub(super) struct Copies {
    x: Maps,
    maps: Maps,
    /// The offset in a map of x of the first pixel.
    first: usize,
    /// Distances in x between rows and columns of pixels.
    pixel: [usize; 2],
}

impl Copies {
    /// The copies for `d`, if they are worthwhile, and the convolution of the copies, which has the same weights.
    pub fn new(d: &ConvDesc, x: &Maps) -> Option<(Copies, ConvDesc)> {
        let has_many_outputs = d.out_channels / d.groups >= FEWEST_OUTPUTS;
        // If only rows are strided, the pixels of a row follow one another already.
        if d.kernel != [1; 2] || d.stride[1] == 1 || x.block == 1 || !has_many_outputs {
            return None;
        }
        let dense = ConvDesc { input: d.output, stride: [1; 2], padding: [0; 2], ..d.clone() };
        let layout = Layout::Channels { block: x.block, halo: Halo::NONE };
        let maps = Maps::new([d.batch, d.in_channels, d.output[0], d.output[1]], layout);
        let pixel = [d.stride[0] * x.row_len(), d.stride[1] * x.block];
        Some((Copies { x: *x, maps, first: first_tap(d, x), pixel }, dense))
    }

    /// The maps of the copies.
    pub fn maps(&self) -> Maps {
        self.maps
    }

    /// Copies the pixels of x.
    pub fn copy(&self, isa: Isa, thread_pool: &ThreadPool, x: &[f32], copies: &mut [f32]) {
        assert_eq!(self.maps.block, isa.block(), "a pixel must be a vector");
        assert!(x.len() >= self.x.len(), "operand lengths must match the layouts");
        assert!(copies.len() >= self.maps.len(), "the scratch memory must have the requested length");
        let to = Pointer(copies.as_mut_ptr());
        thread_pool.run(self.maps.count, |map| {
            let from = x[self.x.at(map) + self.first..].as_ptr();
            // SAFETY: maps do not overlap and lie within the copies; each is written once.
            let to = unsafe { to.get().add(self.maps.at(map)) };
            dispatch(isa, Map { copies: self, from, to });
        });
    }
}

/// The copy of a map, from its first pixel on.
struct Map<'a> {
    copies: &'a Copies,
    from: *const f32,
    to: *mut f32,
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Copies { maps, pixel, .. } = self.copies;
        let [rows, columns] = maps.size;
        for row in 0..rows {
            for column in 0..columns {
                // SAFETY: `Copies::copy` checked the lengths and that a pixel is a vector; the halo covers what the
                // convolution sees, so that all pixels lie within their maps.
                unsafe {
                    let vector = s.load(self.from.add(row * pixel[0] + column * pixel[1]));
                    s.store(self.to.add((row * columns + column) * S::LANES), vector);
                }
            }
        }
    }
}
