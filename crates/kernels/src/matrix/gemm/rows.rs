//! Products with few rows: dot products that read B once, without packing.

use crate::Views;

use super::GemmDesc;
use crate::isa::Isa;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::threads::Pointer;
use crate::{Context, Kernel};

/// The product of a few contiguous rows of A with contiguous columns of B.
pub(super) struct Rows {
    pub desc: GemmDesc,
    pub isa: Isa,
}

/// Columns in one item of the grid.
const COLUMNS: usize = 16;

impl Kernel for Rows {
    fn run(&self, context: &Context, views: &mut Views) {
        let d = &self.desc;
        let (a, b) = (views.read::<f32>(d.first), views.read::<f32>(1 - d.first));
        let bias = if d.bias { views.read::<f32>(2) } else { &[] };
        let c = views.write::<f32>(0);
        assert_eq!(c.len(), d.m * d.n, "the size of C must match the descriptor");
        let c = Pointer(c.as_mut_ptr());
        context.thread_pool.run(d.n.div_ceil(COLUMNS), |item| {
            let columns = item * COLUMNS..((item + 1) * COLUMNS).min(d.n);
            dispatch(self.isa, Dots { desc: d, a, b, bias, c: &c, columns });
        });
    }
}

struct Dots<'a> {
    desc: &'a GemmDesc,
    a: &'a [f32],
    b: &'a [f32],
    bias: &'a [f32],
    c: &'a Pointer<f32>,
    columns: std::ops::Range<usize>,
}

impl Body for Dots<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.desc;
        for column in self.columns.clone() {
            let b = &self.b[column * d.b[1]..][..d.k];
            for row in 0..d.m {
                let mut sum = dot(s, &self.a[row * d.a[0]..][..d.k], b);
                if d.bias {
                    sum += self.bias[column];
                }
                let mut lanes = [0.0f32; 16];
                // SAFETY: vectors have at most 16 lanes; column and row lie within C, and no other item writes
                // this column.
                unsafe {
                    s.store(lanes.as_mut_ptr(), activate(s, d.activation, s.splat(sum)));
                    *self.c.get().add(row * d.n + column) = lanes[0];
                }
            }
        }
    }
}

/// The dot product, with four vectors of partial sums that are added in a fixed order.
#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let step = 4 * S::LANES;
    let whole = a.len() / step * step;
    let mut sums = [s.zero(); 4];
    for i in (0..whole).step_by(step) {
        for (j, sum) in sums.iter_mut().enumerate() {
            let at = i + j * S::LANES;
            // SAFETY: `at + LANES` is at most `whole`.
            *sum = unsafe { s.fma(s.load(a.as_ptr().add(at)), s.load(b.as_ptr().add(at)), *sum) };
        }
    }
    let total = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
    let mut lanes = [0.0f32; 16];
    // SAFETY: vectors have at most 16 lanes.
    unsafe { s.store(lanes.as_mut_ptr(), total) }
    let vector: f32 = lanes[..S::LANES].iter().sum();
    vector + a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum::<f32>()
}
