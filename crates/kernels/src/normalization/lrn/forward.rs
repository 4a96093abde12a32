//! Local response normalization on blocks of channels.

use super::LrnDesc;
use super::lines::{self, Buffer, LINE, MARGIN, PIXELS, Part, Place, Problem};
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Blocked;

impl Implementation<LrnDesc> for Blocked {
    fn name(&self) -> &'static str {
        "lrn_f32"
    }

    fn formats(&self, desc: &LrnDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        lines::formats(desc, isa, first, 2)
    }

    fn prepare(&self, desc: &LrnDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { isa, problem: Problem::new(desc, layouts[0], layouts[1]) })
    }
}

struct Bound {
    isa: Isa,
    problem: Problem,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, out) = (views.read::<f32>(0), views.write::<f32>(0));
        let Problem { images, x: x_maps, out: out_maps, .. } = &self.problem;
        let fits = x.len() >= x_maps.len() && out.len() >= out_maps.len();
        assert!(fits, "operand lengths must match the layouts");
        let out = Pointer(out.as_mut_ptr());
        let rows = x_maps.size[0];
        context.thread_pool.run(images * rows, |item| {
            let place = Place { image: item / rows, row: item % rows };
            dispatch(self.isa, Row { bound: self, x, out: &out, place });
        });
    }
}

/// All channels of one row of one image.
struct Row<'a> {
    bound: &'a Bound,
    x: &'a [f32],
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
        for part in problem.parts() {
            // SAFETY: the part's blocks and pixels lie within the operands, whose lengths `Bound::run` checked;
            // lines have room for its blocks and the margins.
            unsafe {
                problem.square(s, self.x, self.place, &part, &mut squares);
                self.write(s, &part, &squares);
            }
        }
    }
}

impl Row<'_> {
    /// y = x·d^-β
    #[inline(always)]
    unsafe fn write<S: Simd>(&self, s: S, part: &Part, squares: &Buffer) {
        let p = &self.bound.problem;
        for index in 0..part.blocks {
            for pixel in 0..part.pixels {
                let at = Part::line::<S>(pixel, index + MARGIN);
                let (block, column) = (part.first + index, part.column + pixel);
                // SAFETY: guaranteed by the caller; only this item writes this row.
                unsafe {
                    let x = s.load(self.x.as_ptr().add(self.place.offset(&p.x, block, column)));
                    let power = p.power(s, p.denominator(s, squares.as_ptr().add(at)));
                    let y = self.place.offset(&p.out, block, column);
                    s.store(self.out.get().add(y), s.mul(x, power));
                }
            }
        }
    }
}
