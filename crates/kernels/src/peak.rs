//! What the machine can do at most: chains of multiply-adds in registers, for each instruction set and
//! number format.

use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};

/// A number format of the machine's multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// bf16 pairs summed in f32.
    Bf16,
    /// Bytes in fours, summed in i32.
    Int8,
}

/// Independent chains, enough to hide the latency of a multiply-add on every machine.
const CHAINS: usize = 12;

/// Runs chains of `rounds` multiply-adds and returns how many operations (two a multiply-add) that
/// were; `None` if the instruction set has no such instruction here.
pub fn multiply_adds(isa: Isa, format: Format, rounds: u64) -> Option<u64> {
    match format {
        Format::F32 => {
            dispatch(isa, Chains { rounds });
            Some(rounds * (CHAINS * lanes(isa) * 2) as u64)
        }
        #[cfg(target_arch = "x86_64")]
        Format::Bf16 if isa == Isa::Avx512 && std::is_x86_feature_detected!("avx512bf16") => {
            // SAFETY: the machine has the instructions; that was just checked.
            unsafe { x86::bf16(rounds) };
            Some(rounds * (CHAINS * 32 * 2) as u64)
        }
        #[cfg(target_arch = "x86_64")]
        Format::Int8 if isa == Isa::Avx512 && std::is_x86_feature_detected!("avx512vnni") => {
            // SAFETY: the machine has the instructions; that was just checked.
            unsafe { x86::int8(rounds) };
            Some(rounds * (CHAINS * 64 * 2) as u64)
        }
        _ => None,
    }
}

fn lanes(isa: Isa) -> usize {
    isa.block()
}

struct Chains {
    rounds: u64,
}

impl Body for Chains {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (a, b) = (s.splat(std::hint::black_box(0.999_9)), s.splat(std::hint::black_box(1e-4)));
        let mut sums = [s.splat(1.0); CHAINS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = s.fma(*sum, a, b);
            }
        }
        let total = sums.into_iter().fold(s.zero(), |total, sum| s.add(total, sum));
        let mut out = [0.0f32; 16];
        // SAFETY: no vector has more than 16 lanes.
        unsafe { s.store(out.as_mut_ptr(), total) }
        std::hint::black_box(out);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::CHAINS;

    /// # Safety
    /// The machine has AVX-512 F and BF16.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn bf16(rounds: u64) {
        let bits = _mm512_set1_epi16(std::hint::black_box(0x3f80));
        // SAFETY: both are 512 bits in which every pattern is valid.
        let a: __m512bh = unsafe { std::mem::transmute(bits) };
        let mut sums = [_mm512_set1_ps(1.0); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, a, a);
            }
        }
        std::hint::black_box(sums);
    }

    /// # Safety
    /// The machine has AVX-512 F and VNNI.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub unsafe fn int8(rounds: u64) {
        let a = _mm512_set1_epi8(std::hint::black_box(1));
        let mut sums = [_mm512_set1_epi32(1); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, a);
            }
        }
        std::hint::black_box(sums);
    }
}
