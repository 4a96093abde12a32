//! `striate bench`: timings relative to the peak measured in the same run.

mod kernels;
mod memory;
mod networks;
mod peak;
mod problem;
mod region;

use std::time::Instant;

use anyhow::Result;
use striate_tensor::Error;

use crate::arguments::{Bench, BenchWhat};

/// Number of rounds per measurement; the median is reported.
const ROUNDS: usize = 5;

pub fn run(args: Bench) -> Result<()> {
    let of_network = matches!(args.what, BenchWhat::Infer | BenchWhat::Train);
    if !of_network && (args.adapt.classes.is_some() || args.adapt.input.is_some()) {
        return Err(Error::input(
            "--classes and --input apply only to bench infer and bench train; omit them",
        )
        .into());
    }
    let of_kernels = args.what == BenchWhat::Kernels;
    if !of_kernels && (args.algorithm.is_some() || args.direction.is_some()) {
        return Err(Error::input("--algorithm and --direction apply only to bench kernels; omit them").into());
    }
    match args.what {
        BenchWhat::Peak => peak::run(&args),
        BenchWhat::Kernels => kernels::run(&args),
        BenchWhat::Infer => networks::infer(&args),
        BenchWhat::Train => networks::train(&args),
    }
}

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

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
