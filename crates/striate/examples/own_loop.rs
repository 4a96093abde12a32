//! A custom training loop: load batches, run steps of the engine, measure errors; without a run folder.

use std::sync::Arc;

use striate::data::{Augmentation, Loader, Order, Prepared, Sampling};
use striate::graph::Role;
use striate::{Cpu, Inference, Optimizer, Result, Shape, Spec, Training, TrainingSpec};

fn main() -> Result<()> {
    let digits = striate::data::load(&Spec::Digits, &striate::data::LoadOptions::default())?;
    let form = digits.preprocessing.as_ref();
    let test = Prepared::new(digits.evaluation().1.clone(), form)?;
    let train = Arc::new(Prepared::new(digits.train, form)?);
    let network = (striate::models::find("lenet5")?.build)()?;

    let sampling = Sampling {
        batch: 32,
        min_last: 0,
        order: Order::Shuffled(0),
        augmentation: Augmentation::None,
        seed: 0,
    };
    let [c, h, w] = train.shape();
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4 };
    let shape = Shape::from([sampling.batch, c, h, w]);
    let cpu = Cpu::new(0)?;
    let mut training = Training::new(network.clone(), TrainingSpec::new(sgd), &shape, 0, cpu.clone())?;

    let batches = train.len().div_ceil(sampling.batch) as u64;
    let mut loader = Loader::new(train, sampling, 0, 0);
    for epoch in 0..5 {
        let mut loss = 0.0;
        for batch in 0..batches {
            let data = loader.next_batch()?;
            let shape = Shape::from([data.labels.len(), c, h, w]);
            let rate = 0.02 * 0.7f32.powi(epoch as i32);
            loss += training.step(&shape, &data.images, &data.labels, rate, epoch * batches + batch)?;
            loader.recycle(data);
        }
        let weights = training.variables(&[Role::Parameter, Role::Buffer])?;
        let inference = Inference::new(network.clone(), &weights, cpu.clone())?;
        let tally = striate::train::evaluate(&inference, striate::graph::Loss::default(), &test, |_| {})?;
        println!(
            "epoch {epoch}: loss {:.3}, error {:.1} %",
            loss / batches as f32,
            tally.top1_error() * 100.0
        );
    }
    Ok(())
}
