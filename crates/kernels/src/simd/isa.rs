//! Instruction sets: those this machine supports, and the one in use.

use std::fmt;

use striate_tensor::{Error, Result};

/// An instruction set that kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX-512 (F, BW, DQ, VL): vectors of 16 floats.
    Avx512,
    /// AVX2 with FMA: vectors of 8 floats.
    Avx2,
    /// Portable Rust: arrays of 8 floats, which the compiler may vectorize.
    Scalar,
}

impl Isa {
    /// All instruction sets, best first.
    pub const ALL: [Isa; 3] = [Isa::Avx512, Isa::Avx2, Isa::Scalar];

    /// The number of floats of a vector: 16, 8 or 8.
    pub const fn lanes(self) -> usize {
        match self {
            Isa::Avx512 => 16,
            Isa::Avx2 | Isa::Scalar => 8,
        }
    }

    /// The number of channels, or of images, per block of an activation. Kernels for blocks of f32 process one vector
    /// per pixel, so it is the number of lanes.
    pub const fn block(self) -> usize {
        self.lanes()
    }

    /// The number of vector registers that a kernel can use as accumulators, leaving the rest for operands.
    pub(crate) const fn accumulators(self) -> usize {
        match self {
            Isa::Avx512 => 28,
            Isa::Avx2 => 12,
            Isa::Scalar => 8,
        }
    }

    /// The name used in `STRIATE_ISA` and in output: `avx512`, `avx2`, `scalar`.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Scalar => "scalar",
        }
    }

    /// Whether this machine supports it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512dq")
                    && std::is_x86_feature_detected!("avx512vl")
                    && std::is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx512 | Isa::Avx2 => false,
            Isa::Scalar => true,
        }
    }

    /// Whether this machine has an instruction of this set that multiplies `bf16`.
    pub fn multiplies_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        let has_it = self == Isa::Avx512 && std::is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        let has_it = false;
        has_it && self.is_available()
    }

    /// The instruction sets that this machine supports, best first.
    pub fn available() -> Vec<Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// Returns the instruction set named `name`, or without a name the best that this machine supports.
    ///
    /// # Errors
    /// If the name is unknown or this machine does not support the instruction set.
    pub fn select(name: Option<&str>) -> Result<Isa> {
        let names = || Isa::available().iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", ");
        let Some(name) = name else { return Ok(Isa::available()[0]) };
        match Isa::ALL.into_iter().find(|isa| isa.name() == name) {
            Some(isa) if isa.is_available() => Ok(isa),
            Some(_) => Err(Error::input(format!(
                "STRIATE_ISA={name}: this machine does not support {name}; it supports {}",
                names()
            ))),
            None => Err(Error::input(format!(
                "STRIATE_ISA={name}: unknown instruction set; this machine supports {}",
                names()
            ))),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
