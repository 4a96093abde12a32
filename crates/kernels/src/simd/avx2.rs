//! AVX2 with FMA.

use std::arch::asm;
use std::arch::x86_64::*;

use super::isa::Isa;
use super::{Body, Simd, add_products_one_by_one, lanewise};

/// AVX2 and FMA: 8 lanes. Created only by [`run`].
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

/// # Safety
/// The machine must support AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
pub unsafe fn run(body: impl Body) {
    body.run(Avx2(()));
}

/// The sum of eight lanes: halves, then quarters, then pairs.
///
/// # Safety
/// The machine must support AVX.
#[inline(always)]
pub(super) unsafe fn sum_256(a: __m256) -> f32 {
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
            if i < 4 { _mm256_permute2f128_ps::<0x20>(a, b) } else { _mm256_permute2f128_ps::<0x31>(a, b) }
        })
    }
}

/// Adds the products of 4 × N numbers, N being 1, 4 or 8, and 3 × N vectors, with 12 sums and 4 operands in all 16
/// registers. Compilers keep one of the sums in memory instead, which halves the speed.
///
/// # Safety
/// As for [`Simd::add_products`]; the machine must support AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn add_products_4x3<const N: usize>(
    x: [*const f32; 4],
    step: usize,
    w: [*const f32; 3],
    sums: &mut [[__m256; 3]; 4],
) {
    macro_rules! row {
        ($x:literal, $a:literal, $b:literal, $c:literal, $at:literal) => {
            concat!(
                "vbroadcastss {v}, dword ptr [{",
                $x,
                "}",
                $at,
                "]\n",
                "vfmadd231ps {",
                $a,
                "}, {v}, {w0}\n",
                "vfmadd231ps {",
                $b,
                "}, {v}, {w1}\n",
                "vfmadd231ps {",
                $c,
                "}, {v}, {w2}\n",
            )
        };
    }
    // Adds the products of the numbers at a distance from x, and vector number `$n` of each w.
    macro_rules! column {
        ($n:literal, $at:literal) => {
            concat!(
                "vmovups {w0}, ymmword ptr [{a} + 32*",
                $n,
                "]\n",
                "vmovups {w1}, ymmword ptr [{b} + 32*",
                $n,
                "]\n",
                "vmovups {w2}, ymmword ptr [{c} + 32*",
                $n,
                "]\n",
                row!("x0", "s00", "s01", "s02", $at),
                row!("x1", "s10", "s11", "s12", $at),
                row!("x2", "s20", "s21", "s22", $at),
                row!("x3", "s30", "s31", "s32", $at),
            )
        };
    }
    macro_rules! columns {
        ($([$n:literal $at:literal])* $($step:ident = $value:expr),*) => {
            asm!(
                $(column!($n, $at),)*
                $($step = in(reg) $value,)*
                x0 = in(reg) x[0], x1 = in(reg) x[1], x2 = in(reg) x[2], x3 = in(reg) x[3],
                a = in(reg) w[0], b = in(reg) w[1], c = in(reg) w[2],
                s00 = inout(ymm_reg) sums[0][0], s01 = inout(ymm_reg) sums[0][1], s02 = inout(ymm_reg) sums[0][2],
                s10 = inout(ymm_reg) sums[1][0], s11 = inout(ymm_reg) sums[1][1], s12 = inout(ymm_reg) sums[1][2],
                s20 = inout(ymm_reg) sums[2][0], s21 = inout(ymm_reg) sums[2][1], s22 = inout(ymm_reg) sums[2][2],
                s30 = inout(ymm_reg) sums[3][0], s31 = inout(ymm_reg) sums[3][1], s32 = inout(ymm_reg) sums[3][2],
                w0 = out(ymm_reg) _, w1 = out(ymm_reg) _, w2 = out(ymm_reg) _, v = out(ymm_reg) _,
                options(pure, readonly, nostack, preserves_flags),
            )
        };
    }
    // SAFETY: the caller guarantees that the addresses are valid; the text only reads them.
    unsafe {
        match N {
            8 if step == 1 => {
                columns!([0 ""] [1 " + 4"] [2 " + 8"] [3 " + 12"] [4 " + 16"] [5 " + 20"] [6 " + 24"] [7 " + 28"])
            }
            4 => {
                columns!([0 ""] [1 " + {step}"] [2 " + 2*{step}"] [3 " + {three}"] step = step * 4, three = step * 12)
            }
            1 => columns!([0 ""]),
            _ => unreachable!("{N} products with a step of {step} have no loop"),
        }
    }
}

impl Simd for Avx2 {
    type F = __m256;
    const LANES: usize = 8;
    const ACCUMULATORS: usize = Isa::Avx2.accumulators();
    const HAS_PRODUCTS: bool = true;

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: the instruction is part of x86-64 and does not fault for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    fn outline(self, body: impl Body) {
        // SAFETY: the token exists only on machines with the instructions.
        unsafe { run(body) }
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
    unsafe fn add_products<const P: usize, const O: usize, const N: usize>(
        self,
        x: [*const f32; P],
        step: usize,
        w: [*const f32; O],
        sums: &mut [[__m256; O]; P],
    ) {
        // SAFETY: guaranteed by the caller; the token exists only on machines with the instructions.
        unsafe {
            if P == 4 && O == 3 {
                let (x, w) = ([x[0], x[1], x[2], x[3]], [w[0], w[1], w[2]]);
                // Both types are the same.
                let sums = &mut *std::ptr::from_mut(sums).cast::<[[__m256; 3]; 4]>();
                add_products_4x3::<N>(x, step, w, sums);
            } else {
                add_products_one_by_one::<_, P, O, N>(self, x, step, w, sums);
            }
        }
    }

    #[inline(always)]
    fn halves(self, a: __m256) -> [__m256; 2] {
        // SAFETY: the token exists only on machines with the instructions.
        unsafe {
            let bits = _mm256_castps_si256(a);
            let high = _mm256_and_si256(bits, _mm256_set1_epi32(0xffff_0000_u32.cast_signed()));
            [_mm256_slli_epi32::<16>(bits), high].map(|bits| _mm256_castsi256_ps(bits))
        }
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
