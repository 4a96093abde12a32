//! Peak performance of the machine: chains of multiply-adds in registers, for each instruction set and
//! number format.

use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};

/// The number format of multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32-bit floats.
    F32,
    /// Pairs of bf16, accumulated in f32.
    Bf16,
    /// Groups of four bytes, accumulated in i32.
    Int8,
}

/// Number of independent chains, enough to hide the latency of a multiply-add on every machine.
const CHAINS: usize = 12;

/// Runs chains of `rounds` multiply-adds and returns the number of operations (two per multiply-add);
/// `None` if the instruction set or this machine has no such instruction.
pub fn multiply_adds(isa: Isa, arithmetic: Arithmetic, rounds: u64) -> Option<u64> {
    match arithmetic {
        Arithmetic::F32 => {
            dispatch(isa, Chains { rounds });
            Some(rounds * (CHAINS * isa.lanes() * 2) as u64)
        }
        #[cfg(target_arch = "x86_64")]
        Arithmetic::Bf16 if isa.multiplies_bf16() => {
            // SAFETY: the machine supports the instructions, as checked above.
            unsafe { x86::bf16(rounds) };
            Some(rounds * (CHAINS * 32 * 2) as u64)
        }
        #[cfg(target_arch = "x86_64")]
        Arithmetic::Int8 if isa == Isa::Avx512 && std::is_x86_feature_detected!("avx512vnni") => {
            // SAFETY: the machine supports the instructions, as checked above.
            unsafe { x86::int8(rounds) };
            Some(rounds * (CHAINS * 64 * 2) as u64)
        }
        _ => None,
    }
}

struct Chains {
    rounds: u64,
}

impl Body for Chains {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (a, b) = (s.splat(std::hint::black_box(0.999_9)), s.splat(std::hint::black_box(1e-4)));
        let mut accumulators = [s.splat(1.0); CHAINS];
        for _ in 0..self.rounds {
            for accumulator in &mut accumulators {
                *accumulator = s.fma(*accumulator, a, b);
            }
        }
        let total = accumulators.into_iter().fold(s.zero(), |total, accumulator| s.add(total, accumulator));
        let mut out = [0.0f32; 16];
        // SAFETY: vectors have at most 16 lanes.
        unsafe { s.store(out.as_mut_ptr(), total) }
        std::hint::black_box(out);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::CHAINS;

    /// # Safety
    /// The machine must support AVX-512 F and BF16.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn bf16(rounds: u64) {
        let bits = _mm512_set1_epi16(std::hint::black_box(0x3f80));
        // SAFETY: both types have 512 bits and are valid for every bit pattern.
        let a: __m512bh = unsafe { std::mem::transmute(bits) };
        let mut accumulators = [_mm512_set1_ps(1.0); CHAINS];
        for _ in 0..rounds {
            for accumulator in &mut accumulators {
                *accumulator = _mm512_dpbf16_ps(*accumulator, a, a);
            }
        }
        std::hint::black_box(accumulators);
    }

    /// # Safety
    /// The machine must support AVX-512 F and VNNI.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub unsafe fn int8(rounds: u64) {
        let a = _mm512_set1_epi8(std::hint::black_box(1));
        let mut accumulators = [_mm512_set1_epi32(1); CHAINS];
        for _ in 0..rounds {
            for accumulator in &mut accumulators {
                *accumulator = _mm512_dpbusd_epi32(*accumulator, a, a);
            }
        }
        std::hint::black_box(accumulators);
    }
}
