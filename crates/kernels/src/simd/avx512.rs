//! AVX-512.

use std::arch::x86_64::*;

use striate_tensor::bf16;

use super::avx2::sum_256;
use super::isa::Isa;
use super::{Body, Simd, lanewise};

/// AVX-512: 16 lanes; with its instructions for products of bf16 if `BF16`. Created only by [`run`] and [`run_bf16`].
#[derive(Debug, Clone, Copy)]
pub struct Avx512<const BF16: bool>(());

/// # Safety
/// The machine must support AVX-512 F, BW, DQ, VL and FMA.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
#[inline(never)]
pub unsafe fn run(body: impl Body) {
    body.run(Avx512::<false>(()));
}

/// # Safety
/// The machine must support AVX-512 F, BW, DQ, VL, BF16 and FMA.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
#[inline(never)]
pub unsafe fn run_bf16(body: impl Body) {
    body.run(Avx512::<true>(()));
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

impl<const BF16: bool> Simd for Avx512<BF16> {
    type F = __m512;
    const LANES: usize = 16;
    const ACCUMULATORS: usize = Isa::Avx512.accumulators();

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: the instruction is part of x86-64 and does not fault for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    fn outline(self, body: impl Body) {
        // SAFETY: the token exists only on machines with the instructions.
        unsafe { if BF16 { run_bf16(body) } else { run(body) } }
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
    fn halves(self, a: __m512) -> [__m512; 2] {
        // SAFETY: the token exists only on machines with the instructions.
        unsafe {
            let bits = _mm512_castps_si512(a);
            let high = _mm512_and_si512(bits, _mm512_set1_epi32(0xffff_0000_u32.cast_signed()));
            [_mm512_slli_epi32::<16>(bits), high].map(|bits| _mm512_castsi512_ps(bits))
        }
    }

    #[inline(always)]
    fn dot_pairs(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        if BF16 {
            // SAFETY: the token exists only on machines with the instructions; the types have the same size, and any
            // bits are valid.
            unsafe {
                let [a, b] = std::mem::transmute::<[__m512; 2], [__m512bh; 2]>([a, b]);
                _mm512_dpbf16_ps(c, a, b)
            }
        } else {
            let ([a_low, a_high], [b_low, b_high]) = (self.halves(a), self.halves(b));
            self.fma(a_high, b_high, self.fma(a_low, b_low, c))
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, value: __m512) {
        // SAFETY: guaranteed by the caller; the token exists only on machines with the instructions.
        unsafe {
            if BF16 {
                let rounded = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(value));
                return _mm256_storeu_si256(to.cast(), rounded);
            }
            let bits = _mm512_castps_si512(value);
            let high = _mm512_srli_epi32::<16>(bits);
            let odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
            let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let rounded = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, half));
            let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
            let quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
            let result = _mm512_mask_blend_epi32(is_nan, rounded, quiet);
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(result));
        }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut f32, value: __m512) {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm512_stream_ps(to, value) }
    }

    #[inline(always)]
    fn fence(self) {
        // SAFETY: the instruction is part of x86-64.
        unsafe { _mm_sfence() }
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
