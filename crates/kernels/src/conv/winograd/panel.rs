//! The matrix multiplication of some transformed tiles, whose products stay in registers.

use crate::simd::{Body, Simd};

/// Input channels between the weights that are multiplied and those that are prefetched.
const AHEAD: usize = 48;

/// Some rows of a matrix multiplication.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub v: *const f32,
    pub w: *const f32,
    pub m: *mut f32,
    /// Floats between blocks of channels in v and m.
    pub stride: usize,
    /// Blocks of input channels.
    pub blocks: usize,
}

impl Panel {
    /// Multiplies `rows` tiles for `outputs` blocks of output channels.
    #[inline(always)]
    pub fn run<S: Simd>(self, s: S, rows: usize, outputs: usize) {
        macro_rules! rows {
            ($($count:literal)*) => {
                match (rows, outputs) {
                    $(
                        ($count, 1) => s.outline(Rows::<$count, 1>(self)),
                        ($count, _) => s.outline(Rows::<$count, 2>(self)),
                    )*
                    _ => unreachable!("panels have at most 14 rows"),
                }
            };
        }
        rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// `R` rows for `O` blocks of output channels.
struct Rows<const R: usize, const O: usize>(Panel);

impl<const R: usize, const O: usize> Body for Rows<R, O> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if R * O > S::ACCUMULATORS {
            unreachable!("panels are chosen to fit the registers");
        }
        let Panel { v, mut w, m, stride, blocks } = self.0;
        let mut acc = [[s.zero(); O]; R];
        for block in 0..blocks {
            // SAFETY: created by `Work::multiply`, which guarantees the addresses.
            unsafe {
                let v = v.add(block * stride);
                for i in 0..S::LANES {
                    let weights: [S::F; O] = std::array::from_fn(|o| s.load(w.add(o * S::LANES)));
                    w = w.add(O * S::LANES);
                    for o in 0..O {
                        s.prefetch(w.wrapping_add((AHEAD * O + o) * S::LANES));
                    }
                    for r in 0..R {
                        let value = s.splat(*v.add(r * S::LANES + i));
                        for o in 0..O {
                            acc[r][o] = s.fma(value, weights[o], acc[r][o]);
                        }
                    }
                }
            }
        }
        for r in 0..R {
            for o in 0..O {
                // SAFETY: as above.
                unsafe { s.store(m.add(o * stride + r * S::LANES), acc[r][o]) };
            }
        }
    }
}
