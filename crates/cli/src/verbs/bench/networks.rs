//! `striate bench infer` and `striate bench train`: whole networks on random images.

use anyhow::Result;
use serde_json::json;
use striate_engine::{Inference, Training};
use striate_graph::{Network, TrainingSpec, statistics};
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Shape, zeroed};

use super::{SECONDS, median, rounds};
use crate::arguments::Bench;
use crate::device::{Chosen, Macs};
use crate::json;
use crate::sample;
use crate::weights;

pub fn infer(args: &Bench) -> Result<()> {
    let (network, chosen, shape, input) = set_up(args, 1)?;
    let weights = Inference::initial_weights(&network, args.compute.seed.unwrap_or(0))?;
    let inference = Inference::with_weights(network.clone(), weights, chosen.device())?;
    let mut output = inference.run(&shape, &input)?.1;
    let peak = chosen.peak();
    let rates =
        rounds(args.seconds.unwrap_or(SECONDS), || Ok(inference.run_into(&shape, &input, &mut output)?))?;
    report(args, &network, &chosen, shape[0], &rates, 1.0, peak)
}

/// Measures steps of gradient descent with momentum, without data loading.
pub fn train(args: &Bench) -> Result<()> {
    let (network, chosen, shape, input) = set_up(args, 16)?;
    let classes = network.classes()?;
    let labels = sample::labels(shape[0], classes);
    let seed = args.compute.seed.unwrap_or(0);
    let mut training =
        Training::new(network.clone(), TrainingSpec::new(sample::MOMENTUM), &shape, seed, chosen.device())?;
    let mut step = 0;
    let peak = chosen.peak();
    let rates = rounds(args.seconds.unwrap_or(SECONDS), || {
        training.step(&shape, &input, &labels, 1e-3, step)?;
        step += 1;
        Ok(())
    })?;
    // Weight gradients and data gradients each cost as much as the forward direction.
    report(args, &network, &chosen, shape[0], &rates, 3.0, peak)
}

fn set_up(args: &Bench, batch: usize) -> Result<(Network, Chosen, Shape, Vec<f32>)> {
    let [name] = &args.problems[..] else {
        return Err(Error::input("bench infer and bench train need exactly one network").into());
    };
    let mut network = weights::resolve(name, &args.adapt.options())?.network;
    args.adapt.apply(&mut network)?;
    let shape = network.input_shape(args.batch.unwrap_or(batch));
    network.graph_for(&shape)?;
    let mut random = Random::new(0, Stream::Other, 1);
    let mut input: Vec<f32> = zeroed(shape.checked_len()?).map_err(|e| e.at("the images"))?;
    input.fill_with(|| random.between(-1.0, 1.0));
    let chosen = Chosen::open(&args.compute, Macs::Many)?;
    Ok((network, chosen, shape, input))
}

fn report(
    args: &Bench,
    network: &Network,
    chosen: &Chosen,
    batch: usize,
    rates: &[f64],
    directions: f64,
    peak_before: Option<f64>,
) -> Result<()> {
    let images: Vec<f64> = rates.iter().map(|rate| rate * batch as f64).collect();
    let macs = statistics(&network.graph(1)?).cost.macs as f64;
    let gflops = median(&images) * macs * 2.0 * directions / 1e9;
    // Other processes may have disturbed one of the two measurements.
    let peak = peak_before.zip(chosen.peak()).map(|(before, after)| before.max(after));
    let percent = peak.map(|peak| gflops * 100.0 / peak);
    if args.compute.json {
        return Ok(json::print(&json!({
            "network": network.name,
            "device": chosen.device().name(),
            "batch": batch,
            "images_per_second": median(&images),
            "gflops": gflops,
            "percent_of_peak": percent,
            "algorithm": "plan",
            "precision": args.precision().to_string(),
            "rounds": images,
        }))?);
    }
    let share = peak.zip(percent).map(|(peak, percent)| format!(", {percent:.1} % of {peak:.0} GFLOP/s"));
    println!(
        "{} at batch size {batch}: {:.0} images/s, {gflops:.1} GFLOP/s{} ({}, {})",
        network.name,
        median(&images),
        share.unwrap_or_default(),
        chosen.description(),
        args.precision()
    );
    Ok(())
}
