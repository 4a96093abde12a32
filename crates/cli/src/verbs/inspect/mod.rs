//! `striate inspect`

mod plan;
mod table;
mod tensors;

use anyhow::Result;
use serde_json::{Value, json};
use striate_engine::passes::Disabled;
use striate_engine::{Device, Inference, Training};
use striate_formats::{Loaded, ReadOptions};
use striate_graph::{LayerStatistics, Network, Statistics, TrainingSpec, statistics};
use striate_tensor::Error;
use striate_tensor::text::printable;

use crate::arguments::Inspect;
use crate::device::{Chosen, Macs};
use crate::effect::{self, Flag, Input, refuse_given};
use crate::sample::MOMENTUM;
use crate::{json, weights};

/// The figures of a network.
struct Report {
    network: Network,
    figures: Statistics,
    /// Trainable parameters of the auxiliary heads, which `figures` excludes.
    params_aux: u64,
    batch: usize,
    /// Peak memory of inference.
    inference_bytes: usize,
    /// Peak memory of training with momentum, or the reason why the network cannot be trained.
    training_bytes: striate_tensor::Result<usize>,
}

pub fn run(args: Inspect) -> Result<()> {
    refuse_unused(&args)?;
    let options = ReadOptions { key: args.key.clone(), ..args.adapt.options() };
    let mut network = match tensors::read(&args.model, &options)? {
        Some(Loaded { model: Some(model), .. }) => model.network,
        Some(loaded) => {
            refuse_about_networks(&args)?;
            return tensors::print(&args.model, &loaded, args.compute.json);
        }
        None => weights::resolve(&args.model, &options)?.network,
    };
    args.adapt.apply(&mut network)?;
    let batch = args.batch.unwrap_or(1);
    if batch == 0 {
        return Err(Error::input("--batch 0: must be at least 1").into());
    }
    let disabled = Disabled::new(args.without.iter().map(String::as_str))?;
    let chosen = Chosen::open(&args.compute, Macs::Many)?.without(disabled);
    if args.text {
        network.graph(1)?;
        let text = network.to_text();
        if args.compute.json {
            return Ok(json::print(&json!({ "name": network.name, "text": text }))?);
        }
        print!("{text}");
        return Ok(());
    }
    if args.plan {
        return plan::run(&args, network, batch, &chosen);
    }
    let report = Report::new(network, batch, &*chosen.device())?;
    if args.compute.json {
        return Ok(json::print(&report.json())?);
    }
    table::print(&report, striate_models::find(&args.model).ok(), args.layers);
    Ok(())
}

/// Refuses flags for kinds of files that are not inspected.
fn refuse_unused(args: &Inspect) -> striate_tensor::Result<()> {
    let flags = [Flag::output("--output", args.adapt.output.is_some()), Flag::key(args.key.is_some())];
    effect::refuse_unused(&flags, &[Input::network(&args.model)])
}

/// Refuses flags for networks if the file contains only weights.
fn refuse_about_networks(args: &Inspect) -> striate_tensor::Result<()> {
    let flags = [
        ("--classes", args.adapt.classes.is_some()),
        ("--input", args.adapt.input.is_some()),
        ("--batch", args.batch.is_some()),
        ("--layers", args.layers),
        ("--text", args.text),
        ("--plan", args.plan),
        ("--train", args.train),
        ("--verbose", args.verbose),
    ];
    let name = printable(&args.model);
    refuse_given(&flags, &format!("applies to networks, but {name} contains only weights"))
}

impl Report {
    fn new(network: Network, batch: usize, device: &dyn Device) -> Result<Report> {
        let figures = statistics(&network.graph(1)?);
        let shape = network.input_shape(batch);
        let inference_bytes = Inference::plan(&network, &shape, device)?.peak_bytes;
        let training = Training::plan(&network, &TrainingSpec::new(MOMENTUM), &shape, device);
        let whole = network.graph_with_heads(&network.input_shape(1));
        let params_aux = whole.map_or(0, |graph| statistics(&graph).params - figures.params);
        let training_bytes = training.map(|plan| plan.peak_bytes);
        Ok(Report { network, figures, params_aux, batch, inference_bytes, training_bytes })
    }

    fn json(&self) -> Value {
        let figures = &self.figures;
        json!({
            "name": self.network.name,
            "input": *self.network.input,
            "params": figures.params,
            "params_aux": self.params_aux,
            "macs": figures.cost.macs,
            "connections": figures.cost.connections,
            "neurons": figures.cost.neurons,
            "layers": figures.layers.iter().map(|layer| self.layer_json(layer)).collect::<Vec<_>>(),
            "memory": {
                "batch": self.batch,
                "inference_bytes": self.inference_bytes,
                "training_bytes": self.training_bytes.as_ref().ok(),
            },
        })
    }

    fn layer_json(&self, layer: &LayerStatistics) -> Value {
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        json!({
            "name": layer.name,
            "op": layer.op,
            "output": json::without_batch(&layer.output),
            "params": layer.params,
            "params_share": share(layer.params, self.figures.params),
            "macs": layer.cost.macs,
            "macs_share": share(layer.cost.macs, self.figures.cost.macs),
            "connections": layer.cost.connections,
            "neurons": layer.cost.neurons,
            "receptive_field": layer.receptive_field.iter().max(),
        })
    }
}
