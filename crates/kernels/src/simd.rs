//! Vectors of floats: one trait, implemented for each instruction set.
//!
//! An algorithm is written once, generic over [`Simd`], as a [`Body`]; [`dispatch`] instantiates it for
//! each instruction set and runs the requested one. A token such as [`Avx2`] can only be created on a machine
//! that supports the instructions, which is what makes its methods safe.

use crate::activation::{AMPLITUDE, Activation, SLOPE};
use crate::isa::Isa;

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

/// Splits e^x for x in [−87, 87] into (2ⁿ, e^r − 1) with e^x = 2ⁿ·e^r and |r| ≤ ln 2 / 2.
///
/// Uses the Taylor polynomial of degree 8, whose error is below one unit in the last place in this range.
#[inline(always)]
fn split_exp<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts, the first of which has few enough bits that its product with n is exact.
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.0 / 40320.0);
    for denominator in [5040.0, 720.0, 120.0, 24.0, 6.0, 2.0] {
        p = s.fma(p, r, s.splat(1.0 / denominator));
    }
    let p = s.fma(s.mul(p, r), r, r);
    (s.exp2_whole(n), p)
}

/// e^x, with x clamped to [−87, 87].
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.splat(87.0), s.max(s.splat(-87.0), x));
    let (power, p) = split_exp(s, x);
    s.fma(power, p, power)
}

/// e^x − 1 for x ≤ 0, accurate for small |x|.
#[inline(always)]
pub fn exp_minus_one<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.zero(), s.max(s.splat(-87.0), x));
    let (power, p) = split_exp(s, x);
    s.fma(power, p, s.sub(power, s.splat(1.0)))
}

/// tanh x = x · P(x²) / Q(x²) for |x| up to 9.01, beyond which it rounds to ±1; exact for small x.
///
/// The coefficients are a minimax fit of the relative error (2e-8 before rounding), found by Lawson's
/// iteratively reweighted least squares.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.splat(9.01), s.max(s.splat(-9.01), x));
    let square = s.mul(x, x);
    let polynomial = |coefficients: [f32; 5]| {
        let [first, rest @ ..] = coefficients.map(|c| s.splat(c));
        rest.into_iter().fold(first, |sum, c| s.fma(sum, square, c))
    };
    let p = polynomial([1.333_676_2e-8, 2.059_621_8e-5, 3.494_808e-3, 0.133_803_7, 1.0]);
    let q = polynomial([7.769_249_5e-7, 3.284_358e-4, 2.587_401_6e-2, 0.467_136_85, 1.0]);
    let y = s.div(s.mul(x, p), q);
    s.min(s.splat(1.0), s.max(s.splat(-1.0), y))
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.zero(), x))))
}

/// Applies an activation.
#[inline(always)]
pub fn activate<S: Simd>(s: S, activation: Activation, x: S::F) -> S::F {
    match activation {
        Activation::None => x,
        Activation::Relu => s.max(s.zero(), x),
        Activation::Relu6 => s.min(s.splat(6.0), s.max(s.zero(), x)),
        Activation::Tanh => tanh(s, x),
        Activation::Sigmoid => sigmoid(s, x),
        Activation::ScaledTanh => s.mul(s.splat(AMPLITUDE as f32), tanh(s, s.mul(s.splat(SLOPE as f32), x))),
    }
}

/// dx = dy · f'(x), given y = f(x).
#[inline(always)]
pub fn activation_gradient<S: Simd>(s: S, activation: Activation, y: S::F, dy: S::F) -> S::F {
    let one = s.splat(1.0);
    match activation {
        Activation::None => dy,
        Activation::Relu => s.select_greater(y, s.zero(), dy, s.zero()),
        Activation::Relu6 => {
            let below = s.select_greater(s.splat(6.0), y, dy, s.zero());
            s.select_greater(y, s.zero(), below, s.zero())
        }
        Activation::Tanh => s.mul(dy, s.sub(one, s.mul(y, y))),
        Activation::Sigmoid => s.mul(dy, s.mul(y, s.sub(one, y))),
        Activation::ScaledTanh => {
            // f'(x) = A·S·(1 − tanh²(S·x)) = A·S − S/A · y².
            let (at_zero, square) = ((AMPLITUDE * SLOPE) as f32, (SLOPE / AMPLITUDE) as f32);
            s.mul(dy, s.fma(s.mul(s.splat(-square), y), y, s.splat(at_zero)))
        }
    }
}

/// A computation that can run on any vector unit.
pub trait Body {
    /// Runs the computation. Implementations must be `#[inline(always)]`, so that they are compiled for the
    /// instruction set of `simd`.
    fn run<S: Simd>(self, simd: S);
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
        Isa::Avx512 => unsafe { x86::run_avx512(body) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { x86::run_avx2(body) },
        _ => body.run(Portable),
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// Arrays of eight floats, for machines without a supported vector unit.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

macro_rules! portable {
    ($($name:ident($($arg:ident),*) => $lane:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: [f32; 8]),*) -> [f32; 8] {
            std::array::from_fn(|i| {
                $(let $arg = $arg[i];)*
                $lane
            })
        }
    )*};
}

impl Simd for Portable {
    type F = [f32; 8];
    const LANES: usize = 8;
    const ACCUMULATORS: usize = crate::isa::Isa::Scalar.accumulators();

    #[inline(never)]
    fn outline(self, body: impl Body) {
        body.run(self);
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 8] {
        [value; 8]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 8] {
        // SAFETY: guaranteed by the caller.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: [f32; 8]) {
        // SAFETY: guaranteed by the caller.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(value) }
    }

    #[inline(always)]
    fn sum(self, a: [f32; 8]) -> f32 {
        let [a, b, c, d] = std::array::from_fn(|i| a[i] + a[i + 4]);
        (a + c) + (b + d)
    }

    portable! {
        add(a, b) => a + b;
        sub(a, b) => a - b;
        mul(a, b) => a * b;
        div(a, b) => a / b;
        min(a, b) => if a < b { a } else { b };
        max(a, b) => if a > b { a } else { b };
        max_or_nan(a, b) => if b > a || b.is_nan() { b } else { a };
        // Rounds twice: a fused operation in software would be far slower.
        fma(a, b, c) => a * b + c;
        sqrt(a) => a.sqrt();
        round(a) => a.round_ties_even();
        exp2_whole(a) => f32::from_bits((((a as i32) + 127) as u32) << 23);
        select_greater(a, b, yes, no) => if a > b { yes } else { no };
        select_equal_or_nan(a, b, yes, no) => if a == b || a.is_nan() { yes } else { no };
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Body, Simd};

    /// AVX-512: 16 lanes. Created only by `run_avx512`.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx512(());

    /// AVX2 and FMA: 8 lanes. Created only by `run_avx2`.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2(());

    /// # Safety
    /// The machine must support AVX-512 F, BW, DQ, VL and FMA.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    #[inline(never)]
    pub unsafe fn run_avx512(body: impl Body) {
        body.run(Avx512(()));
    }

    /// # Safety
    /// The machine must support AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    #[inline(never)]
    pub unsafe fn run_avx2(body: impl Body) {
        body.run(Avx2(()));
    }

    /// The sum of eight lanes: halves, then quarters, then pairs.
    ///
    /// # Safety
    /// The machine must support AVX.
    #[inline(always)]
    unsafe fn sum_256(a: __m256) -> f32 {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    /// Transposes an 8 × 8 matrix.
    ///
    /// # Safety
    /// The machine must support AVX.
    #[inline(always)]
    unsafe fn transpose_8(rows: [__m256; 8]) -> [__m256; 8] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            // Interleaves pairs of rows, then groups of four, then the two halves.
            let pairs: [__m256; 8] = std::array::from_fn(|i| {
                let (a, b) = (rows[i / 2 * 2], rows[i / 2 * 2 + 1]);
                if i % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
            });
            let fours: [__m256; 8] = std::array::from_fn(|i| {
                let (first, part) = (i / 4 * 4, i % 4);
                let a = _mm256_castps_pd(pairs[first + part / 2]);
                let b = _mm256_castps_pd(pairs[first + part / 2 + 2]);
                let four = if part % 2 == 0 { _mm256_unpacklo_pd(a, b) } else { _mm256_unpackhi_pd(a, b) };
                _mm256_castpd_ps(four)
            });
            std::array::from_fn(|i| {
                let (a, b) = (fours[i % 4], fours[i % 4 + 4]);
                if i < 4 {
                    _mm256_permute2f128_ps::<0x20>(a, b)
                } else {
                    _mm256_permute2f128_ps::<0x31>(a, b)
                }
            })
        }
    }

    /// Transposes a 16 × 16 matrix.
    ///
    /// # Safety
    /// The machine must support AVX-512 F.
    #[inline(always)]
    unsafe fn transpose_16(rows: [__m512; 16]) -> [__m512; 16] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            // Within the quarters of all vectors, interleaves pairs of rows, then groups of four.
            let pairs: [__m512; 16] = std::array::from_fn(|i| {
                let (a, b) = (rows[i / 2 * 2], rows[i / 2 * 2 + 1]);
                if i % 2 == 0 { _mm512_unpacklo_ps(a, b) } else { _mm512_unpackhi_ps(a, b) }
            });
            // fours[4g + p]: column p of every quarter, of rows 4g to 4g + 3.
            let fours: [__m512; 16] = std::array::from_fn(|i| {
                let (first, part) = (i / 4 * 4, i % 4);
                let a = _mm512_castps_pd(pairs[first + part / 2]);
                let b = _mm512_castps_pd(pairs[first + part / 2 + 2]);
                let four = if part % 2 == 0 { _mm512_unpacklo_pd(a, b) } else { _mm512_unpackhi_pd(a, b) };
                _mm512_castpd_ps(four)
            });
            // Quarters 0 and 2, or 1 and 3, of two groups of four rows.
            let even = |a, b| _mm512_shuffle_f32x4::<0x88>(a, b);
            let odd = |a, b| _mm512_shuffle_f32x4::<0xdd>(a, b);
            std::array::from_fn(|i| {
                let (quarter, part) = (i / 4, i % 4);
                let [a, b, c, d] = std::array::from_fn(|group| fours[4 * group + part]);
                let (low, high) =
                    if quarter % 2 == 0 { (even(a, b), even(c, d)) } else { (odd(a, b), odd(c, d)) };
                if quarter < 2 { even(low, high) } else { odd(low, high) }
            })
        }
    }

    macro_rules! lanewise {
        ($vector:ty: $($name:ident($($arg:ident),*) => $value:expr;)*) => {$(
            #[inline(always)]
            fn $name(self, $($arg: $vector),*) -> $vector {
                // SAFETY: the token exists only on machines with the instructions.
                unsafe { $value }
            }
        )*};
    }

    impl Simd for Avx512 {
        type F = __m512;
        const LANES: usize = 16;
        const ACCUMULATORS: usize = crate::isa::Isa::Avx512.accumulators();

        #[inline(always)]
        fn prefetch(self, at: *const f32) {
            // SAFETY: the instruction is part of x86-64 and does not fault for any address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }

        #[inline(always)]
        fn outline(self, body: impl Body) {
            // SAFETY: the token exists only on machines with the instructions.
            unsafe { run_avx512(body) }
        }

        #[inline(always)]
        fn splat(self, value: f32) -> __m512 {
            // SAFETY: the token exists only on machines with the instructions.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> __m512 {
            // SAFETY: guaranteed by the caller.
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32, value: __m512) {
            // SAFETY: guaranteed by the caller.
            unsafe { _mm512_storeu_ps(to, value) }
        }

        #[inline(always)]
        fn sum(self, a: __m512) -> f32 {
            // SAFETY: the token exists only on machines with the instructions.
            unsafe {
                let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(a)));
                sum_256(_mm256_add_ps(_mm512_castps512_ps256(a), high))
            }
        }

        #[inline(always)]
        unsafe fn transpose(self, from: *const f32, stride: usize, lines: usize, to: *mut f32, width: usize) {
            // SAFETY: guaranteed by the caller; the token exists only on machines with the instructions.
            unsafe {
                let mut rows = [_mm512_setzero_ps(); 16];
                for (line, row) in rows.iter_mut().enumerate().take(lines) {
                    *row = _mm512_loadu_ps(from.add(line * stride));
                }
                let mask = (u32::MAX >> (32 - lines)) as __mmask16;
                for (index, column) in transpose_16(rows).into_iter().enumerate() {
                    _mm512_mask_storeu_ps(to.add(index * width), mask, column);
                }
            }
        }

        lanewise! { __m512:
            add(a, b) => _mm512_add_ps(a, b);
            sub(a, b) => _mm512_sub_ps(a, b);
            mul(a, b) => _mm512_mul_ps(a, b);
            div(a, b) => _mm512_div_ps(a, b);
            min(a, b) => _mm512_min_ps(a, b);
            max(a, b) => _mm512_max_ps(a, b);
            // The instruction returns its second operand where either is NaN; the mask keeps b where b is NaN.
            max_or_nan(a, b) => _mm512_mask_max_ps(b, _mm512_cmp_ps_mask::<_CMP_ORD_Q>(b, b), b, a);
            fma(a, b, c) => _mm512_fmadd_ps(a, b, c);
            sqrt(a) => _mm512_sqrt_ps(a);
            round(a) => _mm512_roundscale_ps::<8>(a);
            exp2_whole(a) => _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
                _mm512_cvtps_epi32(a),
                _mm512_set1_epi32(127),
            )));
            select_greater(a, b, yes, no) =>
                _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes);
            select_equal_or_nan(a, b, yes, no) => {
                let equal = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b);
                _mm512_mask_blend_ps(equal | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), no, yes)
            };
        }
    }

    impl Simd for Avx2 {
        type F = __m256;
        const LANES: usize = 8;
        const ACCUMULATORS: usize = crate::isa::Isa::Avx2.accumulators();

        #[inline(always)]
        fn prefetch(self, at: *const f32) {
            // SAFETY: the instruction is part of x86-64 and does not fault for any address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }

        #[inline(always)]
        fn outline(self, body: impl Body) {
            // SAFETY: the token exists only on machines with the instructions.
            unsafe { run_avx2(body) }
        }

        #[inline(always)]
        fn splat(self, value: f32) -> __m256 {
            // SAFETY: the token exists only on machines with the instructions.
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> __m256 {
            // SAFETY: guaranteed by the caller.
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32, value: __m256) {
            // SAFETY: guaranteed by the caller.
            unsafe { _mm256_storeu_ps(to, value) }
        }

        #[inline(always)]
        fn sum(self, a: __m256) -> f32 {
            // SAFETY: the token exists only on machines with the instructions.
            unsafe { sum_256(a) }
        }

        #[inline(always)]
        unsafe fn transpose(self, from: *const f32, stride: usize, lines: usize, to: *mut f32, width: usize) {
            // SAFETY: guaranteed by the caller; the token exists only on machines with the instructions.
            unsafe {
                let mut rows = [_mm256_setzero_ps(); 8];
                for (line, row) in rows.iter_mut().enumerate().take(lines) {
                    *row = _mm256_loadu_ps(from.add(line * stride));
                }
                for (index, column) in transpose_8(rows).into_iter().enumerate() {
                    let to = to.add(index * width);
                    match lines {
                        8 => _mm256_storeu_ps(to, column),
                        6 => {
                            _mm_storeu_ps(to, _mm256_castps256_ps128(column));
                            let rest = _mm_castps_pd(_mm256_extractf128_ps::<1>(column));
                            _mm_storel_pd(to.add(4).cast(), rest);
                        }
                        _ => {
                            let mut numbers = [0.0f32; 8];
                            _mm256_storeu_ps(numbers.as_mut_ptr(), column);
                            to.copy_from_nonoverlapping(numbers.as_ptr(), lines);
                        }
                    }
                }
            }
        }

        lanewise! { __m256:
            add(a, b) => _mm256_add_ps(a, b);
            sub(a, b) => _mm256_sub_ps(a, b);
            mul(a, b) => _mm256_mul_ps(a, b);
            div(a, b) => _mm256_div_ps(a, b);
            min(a, b) => _mm256_min_ps(a, b);
            max(a, b) => _mm256_max_ps(a, b);
            // The instruction returns its second operand where either is NaN; the blend restores b where b is NaN.
            max_or_nan(a, b) => _mm256_blendv_ps(_mm256_max_ps(b, a), b, _mm256_cmp_ps::<_CMP_UNORD_Q>(b, b));
            fma(a, b, c) => _mm256_fmadd_ps(a, b, c);
            sqrt(a) => _mm256_sqrt_ps(a);
            round(a) => _mm256_round_ps::<8>(a);
            exp2_whole(a) => _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
                _mm256_cvtps_epi32(a),
                _mm256_set1_epi32(127),
            )));
            select_greater(a, b, yes, no) =>
                _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b));
            select_equal_or_nan(a, b, yes, no) => {
                let equal = _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b);
                _mm256_blendv_ps(no, yes, _mm256_or_ps(equal, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a)))
            };
        }
    }
}
