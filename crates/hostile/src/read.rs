//! What is done with a file under attack: it is read, and what was read must stand up to its own use.
//!
//! A reader may refuse, in one line. It may not panic, and it may not take memory out of proportion to the
//! file. What it accepts is written and read again, planned, and run where it is small.

use std::sync::OnceLock;

use striate_data::read_idx_bytes;
use striate_engine::{Cpu, Inference, Isa, Training};
use striate_formats::{
    Imported, ModelFile, Weights, onnx_model_bytes, pytorch_bytes, read_caffemodel_bytes, read_onnx_bytes,
    read_pytorch_bytes, read_safetensors_bytes, safetensors_bytes,
};
use striate_graph::{Network, Optimizer, TrainingSpec, statistics};
use striate_predict::Classifier;
use striate_tensor::{Error, Result, Shape};
use striate_testkit::allocation::{Counting, held};
use striate_train::Recipe;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that a reader may hold whatever the file.
const MEMORY: usize = 1 << 20;
/// Bytes that it may hold for each byte of a file that is mostly tensors.
const PER_BYTE: usize = 128;
/// The same of a file that is mostly text or a graph: three bytes there begin a table, two a node.
const PER_BYTE_OF_TEXT: usize = 384;
/// Floats that an ONNX file may become here, and bytes that may be held for each.
const MOST_FLOATS: usize = 1 << 16;
const PER_FLOAT: usize = 64;
/// What IDX data packed by gzip may become: so many bytes for each byte, and so many however small the file.
const UNPACKED_PER_BYTE: usize = 100;
const UNPACKED: usize = 64 << 20;
/// Networks above this many multiply-adds or bytes are planned, not run.
const SMALL: u64 = 1 << 20;

/// What `read` makes of a file of `length` bytes, holding no more than [`MEMORY`], `per_byte` for each byte and
/// `more`.
fn within<T>(length: usize, per_byte: usize, more: usize, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let (made, held) = held(read);
    let most = MEMORY + per_byte * length + more;
    assert!(held <= most, "{length} bytes made the reader hold {held}, more than {most}");
    made
}

/// `bytes` as text, which every text format begins with.
fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::input("is not UTF-8 text"))
}

/// Reads safetensors.
pub(crate) fn safetensors(bytes: &[u8]) -> Result<()> {
    let (weights, metadata) = within(bytes.len(), PER_BYTE, 0, || read_safetensors_bytes(bytes))?;
    let written = safetensors_bytes(&weights, metadata)?;
    let (weights, metadata) = read_safetensors_bytes(&written)?;
    assert!(safetensors_bytes(&weights, metadata)? == written, "written and read again it is another");
    Ok(())
}

/// Reads PyTorch's files of both forms.
pub(crate) fn pth(bytes: &[u8]) -> Result<()> {
    let weights = within(bytes.len(), PER_BYTE, 0, || read_pytorch_bytes(bytes))?.weights;
    let written = pytorch_bytes(&weights)?;
    let again = read_pytorch_bytes(&written)?.weights;
    assert!(pytorch_bytes(&again)? == written, "written and read again it is another");
    Ok(())
}

/// Reads ONNX.
pub(crate) fn onnx(bytes: &[u8]) -> Result<()> {
    let read = || read_onnx_bytes(bytes, "attacked", MOST_FLOATS);
    let imported = within(bytes.len(), PER_BYTE_OF_TEXT, PER_FLOAT * MOST_FLOATS, read)?;
    let model = imported.into_model()?;
    use_network(&model.network, Some(&model.weights))?;
    // Not every layer that ONNX's become has an operation of ONNX.
    let Ok(written) = onnx_model_bytes(&model) else { return Ok(()) };
    let again = read_onnx_bytes(&written, "attacked", written.len()).and_then(Imported::into_model);
    let again = again.unwrap_or_else(|e| panic!("what is exported is refused: {e}"));
    assert_eq!(again.classes, model.classes);
    assert_eq!((again.preprocessing, again.predict), (model.preprocessing, model.predict));
    if is_small(&model.network)? {
        let [a, b] = [(&model.network, &model.weights), (&again.network, &again.weights)];
        assert_eq!(output_bits(a.0, a.1)?, output_bits(b.0, b.1)?, "exported and read again it is another");
    }
    Ok(())
}

/// Shape and bits of what a small network makes of two inputs.
fn output_bits(network: &Network, weights: &Weights) -> Result<(Shape, Vec<u32>)> {
    let shape = network.input_shape(2);
    let input: Vec<f32> = (0..shape.numel()).map(|place| place as f32 % 7.0 - 2.5).collect();
    let (shape, output) = Inference::new(network.clone(), weights, cpu().clone())?.run(&shape, &input)?;
    Ok((shape, output.into_iter().map(f32::to_bits).collect()))
}

/// Reads Caffe's weights.
pub(crate) fn caffemodel(bytes: &[u8]) -> Result<()> {
    within(bytes.len(), PER_BYTE, 0, || read_caffemodel_bytes(bytes)).map(|_| ())
}

/// Reads IDX, plain or packed.
pub(crate) fn idx(bytes: &[u8]) -> Result<()> {
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    let unpacked = if is_packed { UNPACKED.max(UNPACKED_PER_BYTE * bytes.len()) } else { 0 };
    // A list that grows stands in memory twice while it moves, and the new place has room to spare.
    let array = within(bytes.len(), PER_BYTE, 3 * unpacked, || read_idx_bytes(bytes))?;
    assert_eq!(array.bytes.len(), array.shape.numel());
    Ok(())
}

/// Reads a recipe.
pub(crate) fn recipe(bytes: &[u8]) -> Result<()> {
    let text = text(bytes)?;
    let recipe = within(bytes.len(), PER_BYTE_OF_TEXT, 0, || Recipe::from_text(text))?;
    assert_eq!(Recipe::from_text(&recipe.to_text())?, recipe, "written and read again it is another");
    recipe.spec()?;
    for (step, steps) in [(0, 1), (5, 10), (u64::MAX - 1, u64::MAX)] {
        assert!(recipe.schedule.share(step, steps).is_finite(), "the rate is no number at {step} of {steps}");
    }
    Ok(())
}

/// Reads a network's text.
pub(crate) fn network(bytes: &[u8]) -> Result<()> {
    let text = text(bytes)?;
    let network = within(bytes.len(), PER_BYTE_OF_TEXT, 0, || Network::from_text(text))?;
    assert_eq!(Network::from_text(&network.to_text())?, network, "written and read again it is another");
    use_network(&network, None)
}

/// Reads a model file.
pub(crate) fn model(bytes: &[u8]) -> Result<()> {
    let model = within(bytes.len(), PER_BYTE_OF_TEXT, 0, || ModelFile::from_bytes(bytes))?;
    use_network(&model.network, Some(&model.weights))?;
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

/// Counts and plans `network`, and runs it if it is small: with `weights`, or such as training begins with.
fn use_network(network: &Network, weights: Option<&Weights>) -> Result<()> {
    let shape = network.input_shape(2);
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    let spec = TrainingSpec::new(sgd);
    // Not every network can be trained.
    let training = Training::plan(network, &spec, &shape, cpu()).map(|plan| plan.peak_bytes() as u64);
    if !is_small(network)? {
        return Ok(());
    }
    let initial = Inference::initial_weights(network, 0)?;
    let weights = weights.unwrap_or(&initial);
    let inference = Inference::new(network.clone(), weights, cpu().clone())?;
    let input = vec![0.5; shape.numel()];
    inference.run(&shape, &input)?;
    if training.is_ok_and(|bytes| bytes <= SMALL) {
        let mut training = Training::new(network.clone(), spec, &shape, 0, cpu().clone())?;
        training.step(&shape, &input, &[0, 0], 0.01, 0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    /// What a file of ten bytes may be read with.
    const MOST: usize = MEMORY + 10 * PER_BYTE + 5;

    fn hold(bytes: usize) -> Result<usize> {
        within(10, PER_BYTE, 5, || Ok(black_box(vec![0u8; bytes]).len()))
    }

    #[test]
    fn what_is_in_proportion_may_be_held() {
        assert_eq!(hold(MOST).unwrap(), MOST);
    }

    #[test]
    #[should_panic(expected = "10 bytes made the reader hold")]
    fn what_is_out_of_proportion_is_found() {
        drop(hold(MOST + 1));
    }

    /// What was held only for a while counts, even if the file is refused.
    #[test]
    #[should_panic(expected = "10 bytes made the reader hold")]
    fn what_is_given_back_counts() {
        drop(within(10, PER_BYTE, 5, || {
            drop(black_box(vec![0u8; MOST + 1]));
            Err::<(), _>(Error::input("refused"))
        }));
    }
}
