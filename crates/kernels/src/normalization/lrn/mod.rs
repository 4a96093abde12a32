//! Local response normalization across channels, and its gradient, on blocks of channels.
//!
//! For a few pixels at a time, the squares of some blocks of channels and of their neighbors are stored
//! contiguously, so that the sum over neighboring channels is a sum of shifted vectors. The power is
//! computed with square roots, so only multiples of a quarter are supported.

pub mod reference;

use crate::{Layout, Views};

use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::reference::Reference;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// y = x / (k + α/size · Σ x²)^β over `size` neighboring channels.
#[derive(Debug, Clone, PartialEq)]
pub struct LrnDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Number of channels in a sum; odd.
    pub size: usize,
    /// Factor on the mean of the squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// The constant added to the mean; positive.
    pub k: f32,
}

impl LrnDesc {
    /// The factor on the sum of squares.
    pub(crate) fn share(&self) -> f64 {
        f64::from(self.alpha) / self.size as f64
    }

    /// β in quarters, if it is a small multiple of one.
    fn quarters(&self) -> Option<usize> {
        (1..=8).find(|quarters| *quarters as f32 / 4.0 == self.beta)
    }
}

/// Reads x, writes y.
pub fn forward() -> &'static [&'static dyn Implementation<LrnDesc>] {
    &[
        &Blocked { name: "lrn_f32", gradient: false },
        &Reference::<LrnDesc> {
            name: "lrn_reference",
            operands: |_| 2,
            run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

/// Reads x and dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<LrnDesc>] {
    &[
        &Blocked { name: "lrn_gradient_f32", gradient: true },
        &Reference::<LrnDesc> {
            name: "lrn_gradient_reference",
            operands: |_| 3,
            run: |desc, views| {
                reference::gradient(desc, views.read::<f32>(0), views.read(1), views.write(0));
            },
        },
    ]
}

struct Blocked {
    name: &'static str,
    gradient: bool,
}

impl Implementation<LrnDesc> for Blocked {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, desc: &LrnDesc, isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        // The sum must not extend past the neighboring blocks.
        let fits = is_blocked(first, isa.block()) && desc.size / 2 <= isa.block();
        let fits = fits && desc.quarters().is_some();
        fits.then(|| vec![first; if self.gradient { 3 } else { 2 }])
    }

    fn prepare(&self, desc: &LrnDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = |layout: Layout| Maps::new(desc.shape, layout);
        Box::new(Bound {
            isa,
            images: desc.shape[0],
            half: desc.size / 2,
            share: desc.share() as f32,
            k: desc.k,
            quarters: desc.quarters().expect("checked by `accepts`"),
            product_factor: (-2.0 * f64::from(desc.beta) * desc.share()) as f32,
            gradient: self.gradient,
            x: maps(layouts[0]),
            dy: maps(layouts[layouts.len() - 2]),
            out: maps(layouts[layouts.len() - 1]),
        })
    }
}

struct Bound {
    isa: Isa,
    images: usize,
    /// Channels on either side that are included in a sum.
    half: usize,
    share: f32,
    k: f32,
    quarters: usize,
    /// Factor on the second term of the gradient.
    product_factor: f32,
    gradient: bool,
    x: Maps,
    dy: Maps,
    out: Maps,
}

/// Number of pixels, and of blocks of channels, processed at a time.
const PIXELS: usize = 16;
const BLOCKS: usize = 8;
/// Additional blocks of squares on either side; two, because the gradient sums over sums.
const MARGIN: usize = 2;
/// Floats in the line of squares of a pixel.
const LINE: usize = (BLOCKS + 2 * MARGIN) * 16;

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy) = (views.read::<f32>(0), views.read::<f32>(views.reads() - 1));
        let out = views.write::<f32>(0);
        let whole = |maps: &Maps| maps.count * maps.map_len();
        assert!(
            x.len() >= whole(&self.x) && dy.len() >= whole(&self.dy) && out.len() >= whole(&self.out),
            "operand lengths must match the layouts"
        );
        let out = Pointer(out.as_mut_ptr());
        let rows = self.x.size[0];
        context.thread_pool.run(self.images * rows, |item| {
            let (image, row) = (item / rows, item % rows);
            dispatch(self.isa, Row { bound: self, x, dy, out: &out, image, row });
        });
    }
}

/// All channels of one row of one image.
struct Row<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    out: &'a Pointer<f32>,
    image: usize,
    row: usize,
}

impl Body for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let b = self.bound;
        for block in 0..b.out.blocks {
            let map = (self.image * b.out.blocks + block) * b.out.map_len();
            // SAFETY: the map belongs to the result, and only this item writes this row's halo.
            unsafe { b.out.clear_halo_of_row(self.out.get().add(map), self.row) }
        }
        let mut squares = [0.0f32; PIXELS * LINE];
        let mut products = [0.0f32; PIXELS * LINE];
        let columns = b.x.size[1];
        for first in (0..b.x.blocks).step_by(BLOCKS) {
            let blocks = BLOCKS.min(b.x.blocks - first);
            for column in (0..columns).step_by(PIXELS) {
                let part = Part { first, blocks, column, pixels: PIXELS.min(columns - column) };
                // SAFETY: the part's blocks and pixels lie within the operands, whose lengths
                // `Bound::run` checked; lines have room for its blocks and the margins.
                unsafe {
                    self.square(s, &part, &mut squares);
                    if b.gradient {
                        self.multiply(s, &part, &squares, &mut products);
                        self.finish_gradient(s, &part, &squares, &products);
                    } else {
                        self.finish(s, &part, &squares);
                    }
                }
            }
        }
    }
}

/// Some blocks of channels of some pixels of a row.
struct Part {
    first: usize,
    blocks: usize,
    column: usize,
    pixels: usize,
}

impl Part {
    /// The offset in the lines of the vector of a pixel and block; `block` counts from `first − MARGIN`.
    #[inline(always)]
    fn line<S: Simd>(pixel: usize, block: usize) -> usize {
        pixel * LINE + block * S::LANES
    }
}

impl Row<'_> {
    /// The offset of the vector of block `block` at pixel `column` of this row.
    #[inline(always)]
    fn place(&self, maps: &Maps, block: usize, column: usize) -> usize {
        (self.image * maps.blocks + block) * maps.map_len() + maps.row(self.row) + column * maps.block
    }

    /// The block at position `index` of the lines, if any.
    #[inline(always)]
    fn block_at(&self, part: &Part, index: usize) -> Option<usize> {
        (part.first + index).checked_sub(MARGIN).filter(|block| *block < self.bound.x.blocks)
    }

    /// Computes the squares of the part's blocks and the margins.
    #[inline(always)]
    unsafe fn square<S: Simd>(&self, s: S, part: &Part, squares: &mut [f32; PIXELS * LINE]) {
        for index in 0..part.blocks + 2 * MARGIN {
            let block = self.block_at(part, index);
            for pixel in 0..part.pixels {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let square = block.map_or(s.zero(), |block| {
                        let x = self.place(&self.bound.x, block, part.column + pixel);
                        let x = s.load(self.x.as_ptr().add(x));
                        s.mul(x, x)
                    });
                    s.store(squares.as_mut_ptr().add(Part::line::<S>(pixel, index)), square);
                }
            }
        }
    }

    /// Computes dy·x·d^(-β-1) for the part's blocks and their neighbors.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(
        &self,
        s: S,
        part: &Part,
        squares: &[f32; PIXELS * LINE],
        products: &mut [f32; PIXELS * LINE],
    ) {
        for index in MARGIN - 1..part.blocks + MARGIN + 1 {
            let block = self.block_at(part, index);
            for pixel in 0..part.pixels {
                let at = Part::line::<S>(pixel, index);
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let product = block.map_or(s.zero(), |block| {
                        let x = self.place(&self.bound.x, block, part.column + pixel);
                        let dy = self.place(&self.bound.dy, block, part.column + pixel);
                        let product = s.mul(s.load(self.x.as_ptr().add(x)), s.load(self.dy.as_ptr().add(dy)));
                        let d = self.denominator(s, squares.as_ptr().add(at));
                        s.mul(product, s.div(self.power(s, d), d))
                    });
                    s.store(products.as_mut_ptr().add(at), product);
                }
            }
        }
    }

    /// y = x·d^-β
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, part: &Part, squares: &[f32; PIXELS * LINE]) {
        for index in 0..part.blocks {
            for pixel in 0..part.pixels {
                let at = Part::line::<S>(pixel, index + MARGIN);
                let (block, column) = (part.first + index, part.column + pixel);
                // SAFETY: guaranteed by the caller; only this item writes this row.
                unsafe {
                    let x = s.load(self.x.as_ptr().add(self.place(&self.bound.x, block, column)));
                    let power = self.power(s, self.denominator(s, squares.as_ptr().add(at)));
                    let y = self.place(&self.bound.out, block, column);
                    s.store(self.out.get().add(y), s.mul(x, power));
                }
            }
        }
    }

    /// dx = dy·d^-β + product_factor · x · Σ products
    #[inline(always)]
    unsafe fn finish_gradient<S: Simd>(
        &self,
        s: S,
        part: &Part,
        squares: &[f32; PIXELS * LINE],
        products: &[f32; PIXELS * LINE],
    ) {
        let b = self.bound;
        for index in 0..part.blocks {
            for pixel in 0..part.pixels {
                let at = Part::line::<S>(pixel, index + MARGIN);
                let (block, column) = (part.first + index, part.column + pixel);
                // SAFETY: guaranteed by the caller; only this item writes this row.
                unsafe {
                    let x = s.load(self.x.as_ptr().add(self.place(&b.x, block, column)));
                    let dy = s.load(self.dy.as_ptr().add(self.place(&b.dy, block, column)));
                    let sum = self.sum(s, products.as_ptr().add(at));
                    let power = self.power(s, self.denominator(s, squares.as_ptr().add(at)));
                    let dx = s.fma(s.mul(s.splat(b.product_factor), x), sum, s.mul(dy, power));
                    s.store(self.out.get().add(self.place(&b.out, block, column)), dx);
                }
            }
        }
    }

    /// The sum over the channels around each lane of the vector at `at`.
    #[inline(always)]
    unsafe fn sum<S: Simd>(&self, s: S, at: *const f32) -> S::F {
        // SAFETY: there is a neighboring block on either side, and `half` is at most the size of a block.
        unsafe {
            let mut sum = s.load(at);
            for distance in 1..=self.bound.half {
                sum = s.add(sum, s.add(s.load(at.sub(distance)), s.load(at.add(distance))));
            }
            sum
        }
    }

    /// d = k + share · Σ x²
    #[inline(always)]
    unsafe fn denominator<S: Simd>(&self, s: S, squares: *const f32) -> S::F {
        // SAFETY: guaranteed by the caller.
        let sum = unsafe { self.sum(s, squares) };
        s.fma(s.splat(self.bound.share), sum, s.splat(self.bound.k))
    }

    /// d^-β
    #[inline(always)]
    fn power<S: Simd>(&self, s: S, d: S::F) -> S::F {
        let root = s.div(s.splat(1.0), s.sqrt(d));
        let mut power = if self.bound.quarters % 2 == 1 { s.sqrt(root) } else { s.splat(1.0) };
        for _ in 0..self.bound.quarters / 2 {
            power = s.mul(power, root);
        }
        power
    }
}
