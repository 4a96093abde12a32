//! `striate bench`: timings relative to the peak measured in the same run.

mod kernels;
mod memory;
mod networks;
mod peak;
mod problem;
mod region;

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use striate_engine::{Cpu, Precision};
use striate_kernels::peak::Arithmetic;
use striate_tensor::Error;

use crate::arguments::{Bench, BenchWhat};
use crate::device::Choice;
use crate::effect::{self, Flag, Input};

/// Number of rounds per measurement; the median is reported.
const ROUNDS: usize = 5;

pub fn run(args: Bench) -> Result<()> {
    refuse_unused(&args)?;
    match args.what {
        BenchWhat::Peak => peak::run(&args),
        BenchWhat::Kernels => kernels::run(&args),
        BenchWhat::Infer => networks::infer(&args),
        BenchWhat::Train => networks::train(&args),
    }
}

/// Refuses flags that have no effect on this benchmark.
fn refuse_unused(args: &Bench) -> striate_tensor::Result<()> {
    use BenchWhat::{Infer, Kernels, Peak, Train};
    if args.what == Peak && !args.problems.is_empty() {
        return Err(Error::input("bench peak does not accept a network or problem; omit it"));
    }
    let all: [(&str, bool, &[BenchWhat]); 9] = [
        ("--device", args.compute.device != Choice::Cpu, &[Infer, Train]),
        ("--batch", args.batch.is_some(), &[Kernels, Infer, Train]),
        ("--seconds", args.seconds.is_some(), &[Kernels, Infer, Train]),
        ("--precision", args.compute.precision.is_some(), &[Kernels, Infer, Train]),
        ("--direction", args.direction.is_some(), &[Kernels]),
        ("--algorithm", args.algorithm.is_some(), &[Kernels]),
        ("--classes", args.adapt.classes.is_some(), &[Infer, Train]),
        ("--input", args.adapt.input.is_some(), &[Infer, Train]),
        ("--output", args.adapt.output.is_some(), &[Infer, Train]),
    ];
    let word = |what: &BenchWhat| what.to_possible_value().map(|value| format!("bench {}", value.get_name()));
    for (flag, is_given, with) in all {
        if is_given && !with.contains(&args.what) {
            let with: Vec<String> = with.iter().filter_map(word).collect();
            return Err(Error::input(format!("{flag} applies only to {}; omit it", with.join(", "))));
        }
    }
    let inputs: Vec<Input> = args.problems.iter().map(|name| Input::network(name)).collect();
    effect::refuse_unused(&[Flag::output("--output", args.adapt.output.is_some())], &inputs)
}

/// Default seconds per measurement.
const SECONDS: f64 = 1.0;

/// Calls `work` repeatedly for about `seconds` in all; returns the calls per second of each round.
fn rounds(seconds: f64, mut work: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    work()?;
    let mut rates = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut calls = 0u32;
        loop {
            work()?;
            calls += 1;
            let elapsed = start.elapsed().as_secs_f64();
            if elapsed >= seconds / ROUNDS as f64 {
                rates.push(f64::from(calls) / elapsed);
                break;
            }
        }
    }
    Ok(rates)
}

/// The measured peak of `cpu` in GFLOP/s for products in `precision`; that for `f32` if the machine has no instructions
/// for others.
pub(crate) fn peak_of(cpu: &Cpu, precision: Precision) -> f64 {
    let peak = |arithmetic: Arithmetic| peak::gigaops(cpu.isa(), arithmetic, cpu.thread_pool());
    let own = match precision {
        Precision::F32 | Precision::Tf32 => None,
        Precision::Bf16 => peak(Arithmetic::Bf16),
    };
    own.or_else(|| peak(Arithmetic::F32)).unwrap_or(f64::NAN)
}

impl Bench {
    pub(super) fn precision(&self) -> Precision {
        self.compute.precision.unwrap_or_default()
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
