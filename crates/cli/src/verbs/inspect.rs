//! `striate inspect`

use anyhow::Result;
use serde_json::json;
use striate_engine::passes::Disabled;
use striate_engine::{Cpu, Inference, Training};
use striate_graph::{Network, Optimizer, TrainingSpec, statistics};
use striate_predict::resolve;
use striate_tensor::{Error, Shape};

use crate::arguments::Inspect;
use crate::clock::SystemClock;
use crate::json;
use crate::output::{grouped, sides, table};

pub fn run(args: Inspect) -> Result<()> {
    let mut network = resolve(&args.model)?.network;
    if let Some(input) = &args.input {
        network.input = parse_input(input, &network)?;
    }
    if let Some(classes) = args.classes {
        network.set_classes(classes)?;
    }
    if args.batch == 0 {
        return Err(Error::input("--batch is at least 1").into());
    }
    let disabled = Disabled::new(args.without.iter().map(String::as_str))?;
    let cpu = Cpu::new(args.compute.threads)?.without(disabled);
    if args.text {
        print!("{}", network.to_text());
        return Ok(());
    }
    if args.plan {
        return plan(network, args.batch, cpu);
    }
    let figures = statistics(&network.graph(1)?);
    let memory = memory(&network, args.batch, &cpu)?;
    if args.compute.json {
        let layers: Vec<_> = figures
            .layers
            .iter()
            .map(|layer| {
                json!({
                    "name": layer.name,
                    "op": layer.op,
                    "output": json::without_batch(&layer.output),
                    "params": layer.params,
                    "macs": layer.cost.macs,
                    "connections": layer.cost.connections,
                    "receptive_field": layer.receptive_field[0],
                })
            })
            .collect();
        return Ok(json::print(&json!({
            "name": network.name,
            "input": *network.input,
            "params": figures.params,
            "macs": figures.cost.macs,
            "connections": figures.cost.connections,
            "neurons": figures.cost.neurons,
            "layers": layers,
            "memory": { "inference_bytes": memory.0, "training_bytes": memory.1, "batch": args.batch },
        }))?);
    }
    let share = |part: u64, all: u64| match part {
        0 => String::new(),
        _ => format!("{:.1} %", part as f64 * 100.0 / all as f64),
    };
    let count = |number: u64| if number == 0 { String::new() } else { grouped(number) };
    let head = ["layer", "op", "output", "params", "", "MACs", "", "connections", "sees"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for layer in &figures.layers {
        let [h, w] = layer.receptive_field;
        rows.push(vec![
            layer.name.clone(),
            layer.op.into(),
            sides(&layer.output[1..]),
            count(layer.params),
            share(layer.params, figures.params),
            count(layer.cost.macs),
            share(layer.cost.macs, figures.cost.macs),
            count(layer.cost.connections),
            if h == w { h.to_string() } else { format!("{h}×{w}") },
        ]);
    }
    println!("{}, input {}", network.name, sides(&network.input));
    print!("{}", table(&rows));
    println!("params       {:>15}", grouped(figures.params));
    println!(
        "MACs         {:>15}   multiply-adds of convolutions and linear layers, padded taps included",
        grouped(figures.cost.macs)
    );
    println!(
        "connections  {:>15}   as LeCun counts: inputs of every unit, its bias included, pooling too",
        grouped(figures.cost.connections)
    );
    println!(
        "neurons      {:>15}   outputs of convolutions and linear layers",
        grouped(figures.cost.neurons)
    );
    let megabytes = |bytes: usize| format!("{:.2} MB", bytes as f64 / 1e6);
    println!(
        "memory at batch {}: inference {}, training {} (peaks, weights and momenta included)",
        args.batch,
        megabytes(memory.0),
        memory.1.map_or("–".into(), megabytes)
    );
    Ok(())
}

/// Peaks of inference and of training with momentum (none if it cannot be trained).
fn memory(network: &Network, batch: usize, cpu: &Cpu) -> Result<(usize, Option<usize>)> {
    let shape = network.input_shape(batch);
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    let training = Training::plan(network, &TrainingSpec::new(sgd), &shape, cpu).ok();
    Ok((Inference::plan(network, &shape, cpu)?.peak_bytes(), training.map(|plan| plan.peak_bytes())))
}

/// The plan, with times measured on a grey input.
fn plan(network: Network, batch: usize, cpu: Cpu) -> Result<()> {
    let shape = network.input_shape(batch);
    let weights = Inference::initial_weights(&network, 0)?;
    let inference = Inference::new(network, &weights, cpu)?;
    // Refuses absurd batches before memory is taken.
    inference.report(&shape)?;
    let mut input: Vec<f32> = Vec::new();
    let len = shape.checked_len()?;
    input
        .try_reserve_exact(len)
        .map_err(|_| Error::failed(format!("there is no memory for a batch of {batch}")))?;
    input.resize(len, 0.5);
    let clock = SystemClock::new();
    inference.profile(&shape, &input, 3, &clock)?;
    println!("{}", inference.profile(&shape, &input, 20, &clock)?);
    Ok(())
}

/// `C,H,W`, or the extents of whatever else `network` takes.
fn parse_input(text: &str, network: &Network) -> Result<Shape> {
    let extents: Option<Vec<usize>> = text.split(',').map(|word| word.trim().parse().ok()).collect();
    let fits = |extents: &Vec<usize>| {
        extents.len() == network.input.len() && extents.iter().all(|extent| (1..=1 << 16).contains(extent))
    };
    extents.filter(fits).map(Shape::new).ok_or_else(|| {
        let form = match network.input.len() {
            3 => "channels, height and width, such as 3,224,224".to_owned(),
            rank => format!("{rank} extents with commas between"),
        };
        Error::input(format!("--input {text}: write {form}")).into()
    })
}
