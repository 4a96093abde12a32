//! Runs a network from several threads at once, and prints the throughput for each number of callers and the time that
//! the first input of a new shape takes.
//!
//! ```text
//! cargo run --release --example callers -- resnet50
//! ```

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use striate::tensor::HugePages;
use striate::{Cpu, Inference, Shape};

// As in the program `striate`.
#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "resnet50".into());
    let network = (striate::models::find(&name)?.build)()?;
    let weights = Inference::initial_weights(&network, 0)?;
    let shape = network.input_shape(1);
    let inference = Inference::with_weights(network, weights, Cpu::new(0)?)?;
    let first_run = |shape: &Shape| {
        let (input, start) = (vec![0.5; shape.numel()], Instant::now());
        inference.run(shape, &input)?;
        let first = start.elapsed();
        let start = Instant::now();
        inference.run(shape, &input)?;
        let more = first.saturating_sub(start.elapsed()).as_secs_f64() * 1e3;
        println!("new shape {shape}: {more:.1} ms more than the next run");
        Ok::<(), striate::Error>(())
    };
    first_run(&shape)?;
    for batch in 2..5 {
        first_run(&inference.network().input_shape(batch))?;
    }
    let input = vec![0.5; shape.numel()];
    for callers in [1, 2, 1, 2, 3, 4] {
        let done = AtomicUsize::new(0);
        let (start, time) = (Instant::now(), Duration::from_secs(2));
        std::thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| {
                    while start.elapsed() < time {
                        inference.run(&shape, &input).expect("the input fits");
                        done.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        let rate = done.into_inner() as f64 / start.elapsed().as_secs_f64();
        println!("callers {callers}: {rate:.1} images/s");
    }
    Ok(())
}
