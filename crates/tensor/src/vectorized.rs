//! Compiles a piece of work for the vector instructions of the processor.

/// Work that [`vectorized`] can compile for different instruction sets.
pub trait Vectorize {
    /// What the work yields.
    type Output;

    /// Does the work. Implementations must be `#[inline(always)]`, and so must be what they call in loops.
    fn run(self) -> Self::Output;
}

/// Does `work`, compiled for AVX2 where the processor has it. Results are the same, because fused multiplication and
/// addition is not enabled.
pub fn vectorized<W: Vectorize>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { with_avx2(work) };
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<W: Vectorize>(work: W) -> W::Output {
    work.run()
}
