//! The device that a person chooses.

use std::str::FromStr;
use std::sync::Arc;

use striate_engine::passes::Disabled;
use striate_engine::{Cpu, Device, Precision};
use striate_gpu::Gpu;
use striate_gpu::cuda::{self, Cuda};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

use crate::arguments::Compute;
use crate::verbs::peak_of;

/// The value of `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Cpu,
    /// A GPU by its number.
    Cuda(usize),
    /// A GPU if there is one that can be used, else the CPU.
    Auto,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Choice, String> {
        let number =
            text.strip_prefix("cuda:").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        match (text, number.map(str::parse)) {
            ("cpu", _) => Ok(Choice::Cpu),
            ("auto", _) => Ok(Choice::Auto),
            ("cuda", _) => Ok(Choice::Cuda(0)),
            (_, Some(Ok(number))) => Ok(Choice::Cuda(number)),
            _ => Err("use cpu, cuda, cuda:N or auto".into()),
        }
    }
}

/// Refuses the numbers that no CPU multiplies.
pub fn refuse_tf32(precision: Precision) -> Result<()> {
    match precision {
        Precision::Tf32 => {
            Err(Error::input("--precision tf32: only GPUs multiply these numbers; use f32, or --device cuda"))
        }
        _ => Ok(()),
    }
}

/// Refuses other numbers than `f32` for outputs that are compared with those of other devices.
pub fn require_f32(compute: &Compute) -> Result<()> {
    match compute.precision.unwrap_or_default() {
        Precision::F32 => Ok(()),
        other => Err(Error::input(format!("--precision {other}: an example is computed in f32; omit it"))),
    }
}

/// A device, opened.
#[derive(Clone)]
pub enum Chosen {
    Cpu(Cpu),
    Gpu(Gpu),
}

impl Chosen {
    /// Opens the device of `compute`.
    ///
    /// # Errors
    /// If it cannot be used on this machine, or does not multiply these numbers.
    pub fn open(compute: &Compute) -> Result<Chosen> {
        let precision = compute.precision.unwrap_or_default();
        let cpu = || {
            refuse_tf32(precision)?;
            Ok(Chosen::Cpu(Cpu::new(compute.threads)?.with_precision(precision)))
        };
        let gpu = |number| {
            if compute.threads != 0 {
                return Err(Error::input("--threads applies to --device cpu; omit it"));
            }
            let gpu = Gpu::new(Arc::new(Cuda::open(number)?));
            Ok(Chosen::Gpu(gpu.with_precision(precision)))
        };
        match compute.device {
            Choice::Cpu => cpu(),
            Choice::Cuda(number) => gpu(number),
            Choice::Auto => match cuda::gpus().and_then(|_| gpu(0)) {
                Ok(chosen) => {
                    eprintln!("device: {}", chosen.device().name());
                    Ok(chosen)
                }
                Err(error) => {
                    let reason = error.to_string();
                    let reason = reason.split(';').next().unwrap_or_default();
                    eprintln!("device: cpu, because no GPU can be used: {reason} (see striate devices)");
                    cpu()
                }
            },
        }
    }

    /// Disables passes.
    #[must_use]
    pub fn without(self, disabled: Disabled) -> Chosen {
        match self {
            Chosen::Cpu(cpu) => Chosen::Cpu(cpu.without(disabled)),
            Chosen::Gpu(gpu) => Chosen::Gpu(gpu.without(disabled)),
        }
    }

    /// The device for the engine.
    pub fn device(&self) -> Arc<dyn Device> {
        match self {
            Chosen::Cpu(cpu) => cpu.clone().into(),
            Chosen::Gpu(gpu) => gpu.clone().into(),
        }
    }

    /// What the device is, such as `2 threads, avx2`.
    pub fn description(&self) -> String {
        match self {
            Chosen::Cpu(cpu) => format!("{}, {}", counted(cpu.thread_pool().threads(), "thread"), cpu.isa()),
            Chosen::Gpu(gpu) => gpu.name(),
        }
    }

    /// The measured peak in GFLOP/s for the numbers that it multiplies; only a CPU's is measured.
    pub fn peak(&self) -> Option<f64> {
        match self {
            Chosen::Cpu(cpu) => Some(peak_of(cpu, cpu.precision())),
            Chosen::Gpu(_) => None,
        }
    }
}
