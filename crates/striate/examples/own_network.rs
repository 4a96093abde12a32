//! A custom network: branches joined by `concat`, a residual connection by `+`. Prints its size, its TOML text and the
//! engine's compiled plan.

use striate::engine::Inference;
use striate::{Builder, Cpu, Network, Result, Shape, concat};

fn small_inception() -> Result<Network> {
    let net = Builder::new("small-inception", [3, 32, 32]);
    let x = net.input();
    let x = x.conv(16, 3).pad(1).no_bias().batch_norm().relu().max_pool(2, 2);
    let branches = [
        x.conv(16, 1).relu(),
        x.conv(8, 1).relu().conv(16, 3).pad(1).relu(),
        x.max_pool(3, 1).pad(1).conv(16, 1).relu(),
    ];
    let x = concat(branches);
    let x = (x.conv(48, 3).pad(1) + x).relu();
    x.global_average_pool().flatten().linear(10).finish()
}

fn main() -> Result<()> {
    let network = small_inception()?;
    let figures = striate::graph::statistics(&network.graph(1)?);
    println!("{} parameters, {} multiply-adds\n", figures.params, figures.cost.macs);
    println!("{}", network.to_text());
    let weights = Inference::initial_weights(&network, 0)?;
    let inference = Inference::new(network, &weights, Cpu::new(0)?)?;
    println!("{}", inference.report(&Shape::from([1, 3, 32, 32]))?);
    Ok(())
}
