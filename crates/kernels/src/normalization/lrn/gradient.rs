//! The gradient of local response normalization on blocks of channels.

use super::LrnDesc;
use super::lines::{self, Buffer, LINE, MARGIN, PIXELS, Part, Place, Problem};
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Blocked;

impl Implementation<LrnDesc> for Blocked {
    fn name(&self) -> &'static str {
        "lrn_gradient_f32"
    }

    fn formats(&self, desc: &LrnDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        lines::formats(desc, isa, first, 3)
    }

    fn prepare(&self, desc: &LrnDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound {
            isa,
            problem: Problem::new(desc, layouts[0], layouts[2]),
            product_factor: (-2.0 * f64::from(desc.beta) * desc.share()) as f32,
            dy: Maps::new(desc.shape, layouts[1]),
        })
    }
}

struct Bound {
    isa: Isa,
    problem: Problem,
    /// Factor on the second term.
    product_factor: f32,
    dy: Maps,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy, out) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        let Problem { images, x: x_maps, out: out_maps, .. } = &self.problem;
        let fits = x.len() >= x_maps.len() && dy.len() >= self.dy.len() && out.len() >= out_maps.len();
        assert!(fits, "operand lengths must match the layouts");
        let out = Pointer(out.as_mut_ptr());
        let rows = x_maps.size[0];
        context.thread_pool.run(images * rows, |item| {
            let place = Place { image: item / rows, row: item % rows };
            dispatch(self.isa, Row { bound: self, x, dy, out: &out, place });
        });
    }
}

/// All channels of one row of one image.
struct Row<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    out: &'a Pointer<f32>,
    place: Place,
}

impl Body for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let problem = &self.bound.problem;
        // SAFETY: only this item writes this row of the result.
        unsafe { problem.clear_halo_of_row(self.out.get(), self.place) }
        let mut squares = [0.0f32; PIXELS * LINE];
        let mut products = [0.0f32; PIXELS * LINE];
        for part in problem.parts() {
            // SAFETY: the part's blocks and pixels lie within the operands, whose lengths `Bound::run` checked;
            // lines have room for its blocks and the margins.
            unsafe {
                problem.square(s, self.x, self.place, &part, &mut squares);
                self.multiply(s, &part, &squares, &mut products);
                self.write(s, &part, &squares, &products);
            }
        }
    }
}

impl Row<'_> {
    /// Computes dy·x·d^(-β-1) for the part's blocks and their neighbors.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, s: S, part: &Part, squares: &Buffer, products: &mut Buffer) {
        let p = &self.bound.problem;
        for index in MARGIN - 1..part.blocks + MARGIN + 1 {
            let block = p.block_at(part, index);
            for pixel in 0..part.pixels {
                let at = Part::line::<S>(pixel, index);
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let product = block.map_or(s.zero(), |block| {
                        let x = self.place.offset(&p.x, block, part.column + pixel);
                        let dy = self.place.offset(&self.bound.dy, block, part.column + pixel);
                        let product = s.mul(s.load(self.x.as_ptr().add(x)), s.load(self.dy.as_ptr().add(dy)));
                        let d = p.denominator(s, squares.as_ptr().add(at));
                        s.mul(product, s.div(p.power(s, d), d))
                    });
                    s.store(products.as_mut_ptr().add(at), product);
                }
            }
        }
    }

    /// dx = dy·d^-β + product_factor · x · Σ products
    #[inline(always)]
    unsafe fn write<S: Simd>(&self, s: S, part: &Part, squares: &Buffer, products: &Buffer) {
        let b = self.bound;
        let p = &b.problem;
        for index in 0..part.blocks {
            for pixel in 0..part.pixels {
                let at = Part::line::<S>(pixel, index + MARGIN);
                let (block, column) = (part.first + index, part.column + pixel);
                // SAFETY: guaranteed by the caller; only this item writes this row.
                unsafe {
                    let x = s.load(self.x.as_ptr().add(self.place.offset(&p.x, block, column)));
                    let dy = s.load(self.dy.as_ptr().add(self.place.offset(&b.dy, block, column)));
                    let sum = p.sum(s, products.as_ptr().add(at));
                    let power = p.power(s, p.denominator(s, squares.as_ptr().add(at)));
                    let dx = s.fma(s.mul(s.splat(b.product_factor), x), sum, s.mul(dy, power));
                    s.store(self.out.get().add(self.place.offset(&p.out, block, column)), dx);
                }
            }
        }
    }
}
