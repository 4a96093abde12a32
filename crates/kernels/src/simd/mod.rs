//! Vectors of floats: one trait, implemented for each instruction set.
//!
//! An algorithm is written once, generic over [`Simd`], as a [`Body`]; [`dispatch`] instantiates it for
//! each instruction set and runs the requested one. A token such as `Avx2` can only be created on a machine
//! that supports the instructions, which is what makes its methods safe.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod isa;
mod math;
pub mod peak;
mod portable;

use striate_tensor::bf16;

use isa::Isa;
pub use math::{activate, activation_gradient, exp, exp_minus_one, sigmoid};
pub use portable::Portable;

/// A vector unit. All methods operate lane by lane unless stated otherwise.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector.
    type F: Copy;
    /// Number of floats in a vector.
    const LANES: usize;
    /// The number of vector registers that a kernel can use as accumulators, leaving the rest for operands.
    const ACCUMULATORS: usize;

    /// Broadcasts a number to all lanes.
    fn splat(self, value: f32) -> Self::F;
    /// Loads a vector.
    ///
    /// # Safety
    /// `from` must be valid for reads of [`Simd::LANES`] floats.
    unsafe fn load(self, from: *const f32) -> Self::F;
    /// Stores a vector.
    ///
    /// # Safety
    /// `to` must be valid for writes of [`Simd::LANES`] floats.
    unsafe fn store(self, to: *mut f32, value: Self::F);
    /// Stores a vector past the caches, for data that do not fit them. [`Simd::fence`] must follow before other threads
    /// may read it.
    ///
    /// # Safety
    /// As for [`Simd::store`], and `to` must be aligned to the size of the vector.
    #[inline(always)]
    unsafe fn stream(self, to: *mut f32, value: Self::F) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.store(to, value) }
    }
    /// Completes all previous [`Simd::stream`]s of this thread.
    #[inline(always)]
    fn fence(self) {}
    /// a + b
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// a − b
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// a · b
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a / b
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// The minimum; b if either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The maximum; b if either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The maximum, where NaN is larger than any number; a if both are equal.
    fn max_or_nan(self, a: Self::F, b: Self::F) -> Self::F;
    /// a · b + c, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Square root.
    fn sqrt(self, a: Self::F) -> Self::F;
    /// The nearest integer.
    fn round(self, a: Self::F) -> Self::F;
    /// 2 to the power of an integer between −126 and 127.
    fn exp2_whole(self, a: Self::F) -> Self::F;
    /// `yes` where a > b, `no` elsewhere.
    fn select_greater(self, a: Self::F, b: Self::F, yes: Self::F, no: Self::F) -> Self::F;
    /// `yes` where a = b or a is NaN, `no` elsewhere.
    fn select_equal_or_nan(self, a: Self::F, b: Self::F, yes: Self::F, no: Self::F) -> Self::F;

    /// Whether [`Simd::add_products`] is faster than the same loop in a kernel, for three vectors: with 12 accumulators
    /// and 4 operands in 16 registers, compilers keep one of the accumulators in memory.
    const HAS_PRODUCTS: bool = false;

    /// Adds the products of P × N numbers and O × N vectors: sums[p][o] += Σ over n < N of x[p][n · step] · w[o][n],
    /// as [`Simd::fma`] does for one n after the other. N is 1, 4, or, with a step of 1, 8.
    ///
    /// # Safety
    /// These numbers and vectors must be valid for reads.
    #[inline(always)]
    unsafe fn add_products<const P: usize, const O: usize, const N: usize>(
        self,
        x: [*const f32; P],
        step: usize,
        w: [*const f32; O],
        sums: &mut [[Self::F; O]; P],
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe { add_products_one_by_one::<_, P, O, N>(self, x, step, w, sums) }
    }

    /// [`Simd::add_products`] for any N, here `count`.
    ///
    /// # Safety
    /// As for [`Simd::add_products`].
    #[inline(always)]
    unsafe fn add_all_products<const P: usize, const O: usize>(
        self,
        mut x: [*const f32; P],
        step: usize,
        mut w: [*const f32; O],
        count: usize,
        sums: &mut [[Self::F; O]; P],
    ) {
        // After the last products, the pointers may lie past the operands.
        for _ in 0..count / 4 {
            // SAFETY: guaranteed by the caller.
            unsafe { self.add_products::<P, O, 4>(x, step, w, sums) }
            x = x.map(|x| x.wrapping_add(4 * step));
            w = w.map(|w| w.wrapping_add(4 * Self::LANES));
        }
        for _ in 0..count % 4 {
            // SAFETY: guaranteed by the caller.
            unsafe { self.add_products::<P, O, 1>(x, step, w, sums) }
            x = x.map(|x| x.wrapping_add(step));
            w = w.map(|w| w.wrapping_add(Self::LANES));
        }
    }

    /// The lower and the upper halves of the lanes, which are bf16, as floats.
    fn halves(self, a: Self::F) -> [Self::F; 2];

    /// c + the sum of the products of both halves of a and b, which are bf16.
    #[inline(always)]
    fn dot_pairs(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let ([a_low, a_high], [b_low, b_high]) = (self.halves(a), self.halves(b));
        self.fma(a_high, b_high, self.fma(a_low, b_low, c))
    }

    /// Stores a vector as bf16, rounded to nearest even. An instruction for it may take subnormal numbers for zero.
    ///
    /// # Safety
    /// `to` must be valid for writes of [`Simd::LANES`] numbers.
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, value: Self::F) {
        let mut lanes = [0.0f32; 16];
        // SAFETY: vectors have at most 16 lanes; the destination is guaranteed by the caller.
        unsafe {
            self.store(lanes.as_mut_ptr(), value);
            for (lane, value) in lanes.iter().enumerate().take(Self::LANES) {
                to.add(lane).write_unaligned(bf16::from_f32(*value));
            }
        }
    }

    /// The sum of all lanes, added in a fixed order.
    fn sum(self, a: Self::F) -> f32;

    /// Transposes the first [`Simd::LANES`] numbers of `lines` lines, which start `stride` apart: number
    /// `index` of line `line` is copied to `to[index * width + line]`.
    ///
    /// # Safety
    /// The source must be valid for reads and the destination for writes; `lines` must be at most
    /// [`Simd::LANES`] and `width`.
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, stride: usize, lines: usize, to: *mut f32, width: usize) {
        for index in 0..Self::LANES {
            for line in 0..lines {
                // SAFETY: guaranteed by the caller.
                unsafe { *to.add(index * width + line) = *from.add(line * stride + index) }
            }
        }
    }

    /// Prefetches the cache line at `at`, which may be any address, into the L2 cache.
    #[inline(always)]
    fn prefetch(self, _at: *const f32) {}

    /// Runs `body` as a separate function, so that registers are allocated for it alone.
    fn outline(self, body: impl Body);

    /// Zero in all lanes.
    #[inline(always)]
    fn zero(self) -> Self::F {
        self.splat(0.0)
    }

    /// 1 in the first `count` lanes, 0 in the others.
    #[inline(always)]
    fn first_lanes(self, count: usize) -> Self::F {
        let mut lanes = [0.0f32; 16];
        lanes.iter_mut().take(count).for_each(|lane| *lane = 1.0);
        // SAFETY: vectors have at most 16 lanes.
        unsafe { self.load(lanes.as_ptr()) }
    }
}

/// [`Simd::add_products`] for any P, O and N, in terms of other methods.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn add_products_one_by_one<S: Simd, const P: usize, const O: usize, const N: usize>(
    s: S,
    x: [*const f32; P],
    step: usize,
    w: [*const f32; O],
    sums: &mut [[S::F; O]; P],
) {
    for n in 0..N {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let w: [S::F; O] = std::array::from_fn(|o| s.load(w[o].add(n * S::LANES)));
            for p in 0..P {
                let value = s.splat(*x[p].add(n * step));
                for o in 0..O {
                    sums[p][o] = s.fma(value, w[o], sums[p][o]);
                }
            }
        }
    }
}

/// Words of 32 bits in a line of the cache.
pub(crate) const CACHE_LINE: usize = 16;

/// The fewest bytes of a result that are stored past the caches, because they would not stay there.
const STREAM_BYTES: usize = 16 << 20;

/// Whether a result in vectors of `lanes` floats is to be stored with [`Simd::stream`]: it is large, and aligned.
pub(crate) fn streams(result: &[f32], lanes: usize) -> bool {
    let vector = lanes * size_of::<f32>();
    size_of_val(result) >= STREAM_BYTES && result.as_ptr().addr().is_multiple_of(vector)
}

/// A computation that can run on any vector unit.
pub trait Body {
    /// Runs the computation. Implementations must be `#[inline(always)]`, so that they are compiled for the
    /// instruction set of `simd`.
    fn run<S: Simd>(self, simd: S);
}

/// Like [`dispatch`], with the instructions for products of bf16 where the machine has them.
///
/// # Panics
/// If this machine does not support `isa`.
pub fn dispatch_bf16(isa: Isa, body: impl Body) {
    match isa {
        // SAFETY: the machine supports the instructions, as just checked.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 if isa.multiplies_bf16() => unsafe {
            avx512::run_bf16(body);
        },
        isa => dispatch(isa, body),
    }
}

/// Runs `body` on `isa`.
///
/// # Panics
/// If this machine does not support `isa`.
pub fn dispatch(isa: Isa, body: impl Body) {
    assert!(isa.is_available(), "this machine does not support {isa}");
    match isa {
        // SAFETY: the machine supports the instructions, as checked above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::run(body) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::run(body) },
        _ => body.run(Portable),
    }
}

/// Implements methods whose lanes are independent by intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! lanewise {
    ($vector:ty: $($name:ident($($arg:ident),*) => $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $vector),*) -> $vector {
            // SAFETY: the token exists only on machines with the instructions.
            unsafe { $value }
        }
    )*};
}
#[cfg(target_arch = "x86_64")]
use lanewise;

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of a number and the products of pairs, and that sum as `bf16`.
    struct Products<'a> {
        a: &'a [bf16; 32],
        b: &'a [bf16; 32],
        sums: &'a mut [f32; 16],
        rounded: &'a mut [bf16; 16],
    }

    impl Body for Products<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            // SAFETY: the arrays have room for the lanes of every instruction set.
            unsafe {
                let [a, b] = [self.a, self.b].map(|pairs| s.load(pairs.as_ptr().cast()));
                let sums = s.dot_pairs(a, b, s.splat(0.25));
                s.store(self.sums.as_mut_ptr(), sums);
                s.store_bf16(self.rounded.as_mut_ptr(), sums);
            }
        }
    }

    #[test]
    fn pairs_are_multiplied_with_and_without_an_instruction_for_it() {
        let [a, b] =
            [3, 5].map(|step| std::array::from_fn(|i| bf16::from_f32((i as f32 * step as f32 * 0.37).sin())));
        for isa in Isa::available() {
            for with_instruction in [false, true] {
                let (mut sums, mut rounded) = ([0.0; 16], [bf16::ZERO; 16]);
                let products = Products { a: &a, b: &b, sums: &mut sums, rounded: &mut rounded };
                if with_instruction {
                    dispatch_bf16(isa, products)
                } else {
                    dispatch(isa, products)
                }
                for lane in 0..isa.lanes() {
                    let product = |i: usize| a[i].to_f32() * b[i].to_f32();
                    let expected = 0.25 + product(2 * lane) + product(2 * lane + 1);
                    assert!((sums[lane] - expected).abs() < 1e-6, "{isa}: {} {expected}", sums[lane]);
                    assert_eq!(rounded[lane], bf16::from_f32(sums[lane]), "{isa}");
                }
            }
        }
    }

    /// Stores numbers as `bf16`.
    struct Round<'a>(&'a [f32; 16], &'a mut [bf16; 16]);

    impl Body for Round<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            // SAFETY: the arrays have room for the lanes of every instruction set.
            unsafe { s.store_bf16(self.1.as_mut_ptr(), s.load(self.0.as_ptr())) }
        }
    }

    #[test]
    fn numbers_are_rounded_to_nearest_even() {
        let (inf, nan) = (f32::INFINITY, f32::from_bits(0x7f80_0001));
        let ties = [0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0xbf80_7fff].map(f32::from_bits);
        let numbers = [ties[0], ties[1], ties[2], ties[3], inf, -inf, nan, f32::MAX];
        let numbers: [f32; 16] = std::array::from_fn(|i| numbers[i % 8]);
        for isa in Isa::available() {
            for with_instruction in [false, true] {
                let mut rounded = [bf16::ZERO; 16];
                let round = Round(&numbers, &mut rounded);
                if with_instruction {
                    dispatch_bf16(isa, round)
                } else {
                    dispatch(isa, round)
                }
                for (number, rounded) in numbers.iter().zip(&rounded).take(isa.lanes()) {
                    let expected = bf16::from_f32(*number);
                    let both_nan = expected.is_nan() && rounded.is_nan();
                    assert!(*rounded == expected || both_nan, "{isa}: {number} becomes {rounded}");
                }
            }
        }
    }

    /// A tile of P × O sums of N products.
    struct Tile<'a, const P: usize, const O: usize, const N: usize> {
        x: &'a [f32],
        step: usize,
        w: &'a [f32],
        sums: &'a mut [[[f32; 16]; O]; P],
    }

    impl<const P: usize, const O: usize, const N: usize> Body for Tile<'_, P, O, N> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            // SAFETY: x and w have room for every step and for the lanes of every instruction set.
            unsafe {
                let x = std::array::from_fn(|p| self.x[p * 100..].as_ptr());
                let w = std::array::from_fn(|o| self.w[o * 200..].as_ptr());
                let mut sums = self.sums.map(|row| row.map(|sum| s.load(sum.as_ptr())));
                match N {
                    1 | 4 | 8 => s.add_products::<P, O, N>(x, self.step, w, &mut sums),
                    _ => s.add_all_products::<P, O>(x, self.step, w, N, &mut sums),
                }
                for p in 0..P {
                    for o in 0..O {
                        s.store(self.sums[p][o].as_mut_ptr(), sums[p][o]);
                    }
                }
            }
        }
    }

    fn check_products<const P: usize, const O: usize, const N: usize>(step: usize) {
        let number = |i: usize| (i as f32 * 0.37).sin();
        let (x, w): (Vec<f32>, Vec<f32>) = ((0..500).map(number).collect(), (7..1007).map(number).collect());
        let before: [[[f32; 16]; O]; P] =
            std::array::from_fn(|p| std::array::from_fn(|o| [number(p * 3 + o); 16]));
        for isa in Isa::available() {
            let mut sums = before;
            dispatch(isa, Tile::<P, O, N> { x: &x, step, w: &w, sums: &mut sums });
            for p in 0..P {
                for o in 0..O {
                    for lane in 0..isa.lanes() {
                        let mut expected = before[p][o][lane];
                        for n in 0..N {
                            let weight = w[o * 200 + n * isa.lanes() + lane];
                            let value = x[p * 100 + n * step];
                            expected = match isa {
                                Isa::Scalar => value * weight + expected,
                                _ => value.mul_add(weight, expected),
                            };
                        }
                        let sum = sums[p][o][lane];
                        assert_eq!(sum.to_bits(), expected.to_bits(), "{isa}, {P} × {O} × {N}, step {step}");
                    }
                }
            }
        }
    }

    #[test]
    fn products_are_added_one_after_the_other() {
        check_products::<4, 3, 8>(1);
        check_products::<3, 3, 8>(1);
        for step in [1, 5, 8, 16] {
            check_products::<4, 3, 4>(step);
            check_products::<2, 3, 4>(step);
        }
        check_products::<4, 3, 1>(1);
        check_products::<4, 2, 1>(1);
        check_products::<4, 3, 3>(5);
        check_products::<4, 3, 7>(5);
        check_products::<2, 3, 6>(8);
    }
}
