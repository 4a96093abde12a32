//! The example stored in a model file: an input with the network's output, by which readers verify themselves.

use std::sync::Arc;

use striate_engine::{Device, Inference};
use striate_formats::{Golden, ModelFile};
use striate_graph::{LayerStatistics, Network, statistics};
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Result};

/// Number of connections above which no example is computed. The work is counted, not timed, so that all machines
/// convert a file identically; VGG-19, the largest of the classic networks, has a third of this number.
const MOST_WORK: u64 = 1 << 36;
const BILLION: u64 = 1_000_000_000;

/// Adds an example, computed on `device`, to `model` unless it has one, or computing one is too much work, which is
/// added to `notes`.
///
/// # Errors
/// If the network's output for the example is not finite, so that no reader could check it.
pub fn add_example(model: &mut ModelFile, device: Arc<dyn Device>, notes: &mut Vec<String>) -> Result<()> {
    if model.golden.is_none() {
        let work = work(&model.network)?;
        if work > MOST_WORK {
            notes.push(format!(
                "an image takes about {} billion operations, and examples are limited to {} billion: the model has no \
                 example, so verify cannot compare its output",
                work.div_ceil(BILLION),
                MOST_WORK / BILLION,
            ));
            return Ok(());
        }
        let inference = Inference::new(model.network.clone(), &model.weights, device)?;
        model.golden = Some(example(&model.network, &inference)?);
    }
    let golden = model.golden.iter();
    match golden.flat_map(|golden| &golden.output.1).all(|output| output.is_finite()) {
        true => Ok(()),
        false => {
            Err(Error::input("the network's output for the example is NaN or infinite; check the weights"))
        }
    }
}

/// The approximate number of operations per image.
fn work(network: &Network) -> Result<u64> {
    // Products of two computed operands run on a kernel that is slower by about this factor.
    let factor = |layer: &LayerStatistics| if layer.op == "matmul" { 8 } else { 1 };
    let layers = statistics(&network.graph(1)?).layers;
    Ok(layers.iter().fold(0, |sum: u64, layer| {
        let elements = layer.output.numel() as u64;
        sum.saturating_add(layer.cost.connections.max(elements).saturating_mul(factor(layer)))
    }))
}

/// A noise image with the network's output.
fn example(network: &Network, inference: &Inference) -> Result<Golden> {
    let shape = network.input_shape(1);
    let mut random = Random::new(0, Stream::Other, 0);
    let input: Vec<f32> = (0..shape.checked_len()?).map(|_| random.below(512) as f32 / 256.0 - 1.0).collect();
    let output = inference.run(&shape, &input)?;
    Ok(Golden { input: (shape, input), output })
}

#[cfg(test)]
mod tests {
    use striate_engine::Cpu;
    use striate_tensor::Shape;

    use super::*;

    /// A convolution with 64 channels and windows of 7×7 on an image of `side` × `side`.
    fn convolution(side: usize) -> ModelFile {
        let text = format!(
            r#"
            name = "large"
            input = [64, {side}, {side}]
            layers = [
                {{ name = "c", op = "conv", out_channels = 64, kernel_size = 7, padding = 3, bias = false }},
            ]
            "#
        );
        let network = Network::from_text(&text).unwrap();
        let names = network.variables().unwrap();
        let zeros = |shape: &Shape| (shape.clone(), vec![0.0; shape.numel()]);
        let weights = names.iter().map(|(name, shape)| (name.clone(), zeros(shape))).collect();
        ModelFile::bare(network, weights).unwrap()
    }

    #[test]
    fn example_is_omitted_if_it_takes_too_long() {
        for (side, expected) in [(16, true), (1024, false)] {
            let (mut model, mut notes) = (convolution(side), vec![]);
            add_example(&mut model, Cpu::new(1).unwrap().into(), &mut notes).unwrap();
            assert_eq!(model.golden.is_some(), expected, "{side}");
            let note =
                "an image takes about 211 billion operations, and examples are limited to 68 billion: ";
            assert_eq!(notes.len(), usize::from(!expected), "{notes:?}");
            assert!(notes.iter().all(|line| line.starts_with(note)), "{notes:?}");
        }
        assert_eq!(work(&convolution(1024).network).unwrap(), (64 * 64 * 49) << 20);
    }
}
