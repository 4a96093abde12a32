//! `striate inspect --plan`: a compiled plan with the time of each step.

use anyhow::Result;
use striate_engine::{Inference, PlanReport, Training};
use striate_graph::{Network, TrainingSpec};
use striate_tensor::text::printable;
use striate_tensor::{Shape, zeroed};

use crate::arguments::Inspect;
use crate::clock::SystemClock;
use crate::device::Chosen;
use crate::json;
use crate::sample::{MOMENTUM, labels};

/// Runs that are measured, of inference and of a training step.
const RUNS: [usize; 2] = [20, 5];

pub(super) fn run(args: &Inspect, network: Network, batch: usize, chosen: &Chosen) -> Result<()> {
    let report = if args.train { training } else { inference };
    let (report, peak) = report(network, batch, chosen).map_err(|e| e.at(printable(&args.model)))?;
    if args.compute.json {
        return Ok(json::print(&json::plan(&report, batch, peak))?);
    }
    println!("{}", report.table(args.verbose, peak));
    Ok(())
}

/// A plan with measured times, and the machine's peak, if it is known.
type Measured = striate_tensor::Result<(PlanReport, Option<f64>)>;

/// Compiles the plan and measures its steps on gray images, after the machine's peak.
fn inference(network: Network, batch: usize, chosen: &Chosen) -> Measured {
    let shape = network.input_shape(batch);
    let weights = Inference::initial_weights(&network, 0)?;
    let inference = Inference::with_weights(network, weights, chosen.device())?;
    // Refuses excessive batch sizes before memory is allocated.
    inference.report(&shape)?;
    let input = gray(&shape, batch)?;
    let peak = chosen.peak();
    Ok((inference.profile(&shape, &input, RUNS[0], &SystemClock::new())?, peak))
}

/// Compiles the plan of a training step and measures its steps on gray images, after the machine's peak.
fn training(network: Network, batch: usize, chosen: &Chosen) -> Measured {
    let shape = network.input_shape(batch);
    // Refuses excessive batch sizes before memory is allocated.
    Training::plan(&network, &TrainingSpec::new(MOMENTUM), &shape, &*chosen.device())?;
    let (input, labels) = (gray(&shape, batch)?, labels(batch, network.classes()?));
    let mut training = Training::new(network, TrainingSpec::new(MOMENTUM), &shape, 0, chosen.device())?;
    let peak = chosen.peak();
    let runs = (RUNS[1], f64::INFINITY);
    Ok((training.profile(&shape, &input, &labels, runs, &SystemClock::new())?, peak))
}

/// A batch of gray images.
fn gray(shape: &Shape, batch: usize) -> striate_tensor::Result<Vec<f32>> {
    let smaller = if batch > 1 { "choose a smaller --batch" } else { "choose a smaller --input" };
    let mut input: Vec<f32> = zeroed(shape.checked_len()?)
        .map_err(|e| e.at(format!("the input of a batch of {batch}")).advising(smaller))?;
    input.fill(0.5);
    Ok(input)
}
