//! What is done with a file under attack: it is read, and what was read must stand up to its own use.
//!
//! A reader may refuse, in one line. It may not panic, and it may not take memory out of proportion to the
//! file. What it accepts is written and read again, planned, and run where it is small.

use std::sync::OnceLock;

use striate_data::read_idx_bytes;
use striate_engine::{Cpu, Inference, Isa, Training};
use striate_formats::{
    ModelFile, pytorch_bytes, read_caffemodel_bytes, read_onnx_bytes, read_pytorch_bytes,
    read_safetensors_bytes, safetensors_bytes,
};
use striate_graph::{Network, Optimizer, TrainingSpec, statistics};
use striate_predict::Classifier;
use striate_tensor::{Error, Result};
use striate_testkit::allocation::{Counting, held};
use striate_train::Recipe;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that a reader may hold whatever the file, and for each byte of it.
const MEMORY: (usize, usize) = (1 << 20, 128);
/// Floats that an ONNX file may become here.
const MOST_FLOATS: usize = 1 << 16;
/// Networks above this many multiply-adds or bytes are planned, not run.
const SMALL: u64 = 1 << 20;

/// What `read` makes of `bytes`, within the memory that they may take.
fn within<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    let (made, held) = held(|| read(bytes));
    let most = MEMORY.0 + MEMORY.1 * bytes.len();
    assert!(held <= most, "{} bytes made the reader hold {held}", bytes.len());
    made
}

/// `bytes` as text, which every text format begins with.
fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::input("is no UTF-8 text"))
}

/// Reads safetensors.
pub(crate) fn safetensors(bytes: &[u8]) -> Result<()> {
    let (weights, metadata) = within(bytes, read_safetensors_bytes)?;
    let written = safetensors_bytes(&weights, metadata)?;
    let (weights, metadata) = read_safetensors_bytes(&written)?;
    assert!(safetensors_bytes(&weights, metadata)? == written, "written and read again it is another");
    Ok(())
}

/// Reads PyTorch's files of both forms.
pub(crate) fn pth(bytes: &[u8]) -> Result<()> {
    let weights = within(bytes, read_pytorch_bytes)?.weights;
    let written = pytorch_bytes(&weights)?;
    let again = read_pytorch_bytes(&written)?.weights;
    assert!(pytorch_bytes(&again)? == written, "written and read again it is another");
    Ok(())
}

/// Reads ONNX.
pub(crate) fn onnx(bytes: &[u8]) -> Result<()> {
    use_network(&read_onnx_bytes(bytes, "attacked", MOST_FLOATS)?.network)
}

/// Reads Caffe's weights.
pub(crate) fn caffemodel(bytes: &[u8]) -> Result<()> {
    within(bytes, read_caffemodel_bytes).map(|_| ())
}

/// Reads IDX, plain or packed.
pub(crate) fn idx(bytes: &[u8]) -> Result<()> {
    // Packed by gzip a byte may become a thousand.
    let (array, _) = held(|| read_idx_bytes(bytes));
    let array = array?;
    assert_eq!(array.bytes.len(), array.shape.numel());
    Ok(())
}

/// Reads a recipe.
pub(crate) fn recipe(bytes: &[u8]) -> Result<()> {
    let text = text(bytes)?;
    let (recipe, _) = held(|| Recipe::from_text(text));
    let recipe = recipe?;
    assert_eq!(Recipe::from_text(&recipe.to_text())?, recipe, "written and read again it is another");
    recipe.spec()?;
    for (step, steps) in [(0, 1), (5, 10), (u64::MAX - 1, u64::MAX)] {
        assert!(recipe.schedule.share(step, steps).is_finite(), "the rate is no number at {step} of {steps}");
    }
    Ok(())
}

/// Reads a network's text.
pub(crate) fn network(bytes: &[u8]) -> Result<()> {
    let network = Network::from_text(text(bytes)?)?;
    assert_eq!(Network::from_text(&network.to_text())?, network, "written and read again it is another");
    use_network(&network)
}

/// Reads a model file.
pub(crate) fn model(bytes: &[u8]) -> Result<()> {
    let model = ModelFile::from_bytes(bytes)?;
    use_network(&model.network)?;
    let is_small = is_small(&model.network)?;
    let classifier = Classifier::new(model, cpu().clone())?;
    if is_small {
        classifier.golden_difference()?;
    }
    Ok(())
}

fn cpu() -> &'static Cpu {
    static CPU: OnceLock<Cpu> = OnceLock::new();
    CPU.get_or_init(|| Cpu::with_isa(1, *Isa::available().last().expect("portable code runs everywhere")))
}

/// Whether two inputs of `network` are little work.
fn is_small(network: &Network) -> Result<bool> {
    let macs = statistics(&network.graph(1)?).cost.macs;
    let bytes = Inference::plan(network, &network.input_shape(2), cpu())?.peak_bytes();
    Ok(macs.max(bytes as u64) <= SMALL)
}

/// Counts and plans `network`, and runs it if it is small.
fn use_network(network: &Network) -> Result<()> {
    let shape = network.input_shape(2);
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    let spec = TrainingSpec::new(sgd);
    // Not every network can be trained.
    let training = Training::plan(network, &spec, &shape, cpu()).map(|plan| plan.peak_bytes() as u64);
    if !is_small(network)? {
        return Ok(());
    }
    let weights = Inference::initial_weights(network, 0)?;
    let inference = Inference::new(network.clone(), &weights, cpu().clone())?;
    let input = vec![0.5; shape.numel()];
    inference.run(&shape, &input)?;
    if training.is_ok_and(|bytes| bytes <= SMALL) {
        let mut training = Training::new(network.clone(), spec, &shape, 0, cpu().clone())?;
        training.step(&shape, &input, &[0, 0], 0.01, 0)?;
    }
    Ok(())
}
