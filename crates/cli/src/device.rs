//! The device that a person chooses.

use std::str::FromStr;
use std::sync::Arc;

use striate_engine::passes::Disabled;
use striate_engine::{Cpu, Device, Precision};
use striate_gpu::Gpu;
use striate_gpu::cuda::{self, Cuda};
use striate_graph::Network;
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
    /// A GPU if there is one that can be used and the work is worth its start, else the CPU.
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

/// Multiply-adds from which a GPU is worth its start: its libraries and kernels take seconds to load, compile and plan,
/// in which a CPU with few cores does about as many.
const WORTH_A_GPU: u64 = 500_000_000_000;

/// A bound on the work of a command, in multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Macs {
    /// As many.
    Count(u64),
    /// More than a CPU does in seconds, such as those of a whole data set.
    Many,
}

impl Macs {
    /// Those of `images` images in `network`.
    pub fn of(network: &Network, images: u64) -> Macs {
        let of_one =
            network.graph(1).map(|graph| graph.nodes.iter().map(|node| node.macs(&graph)).sum::<u64>());
        of_one.map_or(Macs::Many, |of_one| Macs::Count(of_one.saturating_mul(images)))
    }

    fn are_worth_a_gpu(self) -> bool {
        match self {
            Macs::Count(count) => count >= WORTH_A_GPU,
            Macs::Many => true,
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
    /// Opens the device of `compute` for work of `macs`.
    ///
    /// # Errors
    /// If it cannot be used on this machine, or does not multiply these numbers.
    pub fn open(compute: &Compute, macs: Macs) -> Result<Chosen> {
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
            Choice::Auto if precision != Precision::Tf32 && !macs.are_worth_a_gpu() => {
                eprintln!("device: cpu, for so little work (--device cuda chooses a GPU)");
                cpu()
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpu_is_worth_its_start_for_much_work() {
        let network = |name| (striate_models::find(name).unwrap().build)().unwrap();
        let is_worth = |name, images| Macs::of(&network(name), images).are_worth_a_gpu();
        assert!(!is_worth("lenet5", 10_000) && is_worth("lenet5", 10_000_000));
        assert!(!is_worth("resnet50", 1) && is_worth("resnet50", 1_000));
        assert!(Macs::Many.are_worth_a_gpu());
    }
}
