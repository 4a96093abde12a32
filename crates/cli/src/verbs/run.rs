//! `striate run`

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use striate_engine::Inference;
use striate_graph::Network;
use striate_tensor::text::printable_path;
use striate_tensor::{DType, Error, Shape, npy};

use crate::arguments::Run;
use crate::device::{Chosen, Macs};
use crate::effect::{self, Flag, Input, note_unused_seed};
use crate::outputs::{Output, check, write_file};
use crate::{json, weights};

pub fn run(args: Run) -> Result<()> {
    let files = args.weights.iter().map(PathBuf::as_path).chain([Path::new(&args.model), &args.input]);
    check([Output::array("--output", &args.output)], &files.collect::<Vec<_>>())?;
    refuse_unused(&args)?;
    // The shape of the array also fixes what an ONNX graph leaves open, so that its errors come first.
    let array = npy::read(&args.input)?;
    let options = args.options(array.shape.iter().skip(1).copied().collect());
    let resolved = weights::resolve(&args.model, &options)?;
    let macs = Macs::of(&resolved.network, array.shape.first().map_or(0, |count| *count as u64));
    let device = Chosen::open(&args.compute, macs)?.device();
    let input = match array.dtype {
        DType::U8 if resolved.facts.integers.is_some() => {
            array.bytes.iter().copied().map(f32::from).collect()
        }
        _ => array
            .to_f32()
            .map_err(|e| e.at(printable_path(&args.input)).advising("convert the array to float32"))?,
    };
    if input.is_empty() {
        return Err(Error::input(format!("{}: is empty; add inputs", printable_path(&args.input))).into());
    }
    let mut network = resolved.network;
    let misfit = |network: &Network| {
        let (file, wanted) = (printable_path(&args.input), network.input_form());
        Error::input(format!("{file}: has shape {}; {} takes {wanted}", array.shape, network.name))
    };
    if array.shape.len() != network.input.len() + 1 {
        return Err(misfit(&network).into());
    }
    // A network without trained weights adapts to other channels, and its linear layers to other sizes.
    let fits = network.variables_for(&array.shape).ok() == network.variables().ok();
    if !fits && resolved.model.is_some() {
        return Err(misfit(&network).into());
    }
    let mut own = network.clone();
    if !fits {
        network.set_input(&array.shape[1..]);
    }
    if let Some(classes) = args.classes {
        network.set_classes(classes)?;
        own.set_classes(classes)?;
    }
    let whole = network.clone();
    if let Some(layer) = &args.layer {
        network = network.until(layer)?;
    }
    // An input that does not fit is refused before anything is printed or computed.
    let place = || format!("{}, shape {}", printable_path(&args.input), array.shape);
    network.graph_for(&array.shape).map_err(|e| if fits { e } else { e.at(place()) })?;
    let seed = args.compute.seed.unwrap_or(0);
    // A layer before the last has the same outputs for any number of classes.
    let is_adapted = args.classes.is_some() || args.layer.is_some();
    let weights = match (&args.weights, resolved.model) {
        // The array is at fault if the weights fit the network as it was.
        (Some(path), _) if !fits && weights::are_for(&own, path, &options) => return Err(misfit(&own).into()),
        (Some(path), _) => weights::load_for(&whole, path, is_adapted, args.compute.seed, &options)?,
        (None, Some(model)) if args.classes.is_some() => {
            weights::fit_for(&whole, model.weights, Path::new(&args.model), args.compute.seed)?
        }
        (None, Some(model)) => {
            note_unused_seed(args.compute.seed);
            model.weights
        }
        (None, None) => {
            eprintln!("no --weights: initial weights from seed {seed}");
            Inference::initial_weights(&network, seed)?
        }
    };
    if !fits {
        eprintln!("{}: {} is adapted to it; by itself, it takes {}", place(), own.name, own.input_form());
    }
    let inference = Inference::with_weights(network, weights, device)?;
    let start = Instant::now();
    let (shape, output) = inference.run(&array.shape, &input)?;
    let seconds = start.elapsed().as_secs_f64();
    write_file(&args.output, &npy::bytes(&shape, &output))?;
    let lost = output.iter().filter(|x| !x.is_finite()).count();
    if lost > 0 {
        let (file, all) = (printable_path(&args.output), output.len());
        let are = if lost == 1 { "is" } else { "are" };
        eprintln!("{file}: {lost} of {all} values {are} NaN or infinite; check the input");
    }
    if args.compute.json {
        let shape: &Shape = &shape;
        return Ok(json::print(
            &json!({ "output_shape": json::without_batch(shape), "n": shape[0], "seconds": seconds }),
        )?);
    }
    println!("{} written, shape {shape}, in {:.2} ms", printable_path(&args.output), seconds * 1e3);
    Ok(())
}

/// Refuses flags for kinds of files that are not read.
fn refuse_unused(args: &Run) -> striate_tensor::Result<()> {
    let flags = [Flag::output("--onnx-output", args.onnx_output.is_some())];
    let weights = args.weights.iter().map(|path| Input::file(path, true));
    let inputs: Vec<Input> = weights.chain([Input::network(&args.model)]).collect();
    effect::refuse_unused(&[&flags[..], &args.checkpoint.flags()].concat(), &inputs)
}
