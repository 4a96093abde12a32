//! The targets: each reads a file and then uses the result.
//!
//! A reader may refuse a file with a one-line error. It must not panic, nor allocate memory out of proportion to the
//! size of the file. Accepted content is written and read back, planned, and run if it is small.

use std::sync::OnceLock;

use striate_data::read_idx_bytes;
use striate_engine::{Cpu, Inference, Isa, Training};
use striate_formats::{
    Imported, ModelFile, ReadOptions, Weights, fit, onnx_model_bytes, pytorch_bytes, read_caffemodel_bytes,
    read_onnx_bytes, read_pytorch_bytes, read_pytorch_bytes_with, read_safetensors_bytes, safetensors_bytes,
};
use striate_graph::{Builder, Network, Optimizer, TrainingSpec, statistics};
use striate_predict::Classifier;
use striate_tensor::encoding::TextEncoding;
use striate_tensor::{Error, Result, Shape, npy};
use striate_testkit::allocation::{Counting, held};
use striate_text::Statistics;
use striate_train::Recipe;
use striate_vision::{decode, decode_limited, dimensions, encode_png};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that a reader may allocate for any file.
const MEMORY: usize = 1 << 20;
/// Additional bytes per byte of a file that consists mostly of tensors.
const PER_BYTE: usize = 128;
/// Additional bytes per byte of a text or graph, where three bytes may start a table, and two a node.
const PER_BYTE_OF_TEXT: usize = 384;
/// Largest number of floats in an ONNX file here, and bytes that may be allocated for each.
const MAX_FLOATS: usize = 1 << 16;
const PER_FLOAT: usize = 64;
/// Size to which gzip-packed IDX data may unpack: bytes per byte, and bytes for any file.
const UNPACKED_PER_BYTE: usize = 100;
const UNPACKED: usize = 64 << 20;
/// Pixels that an image may have here.
const MAX_PIXELS: u64 = 1 << 16;
/// Bytes that the decoder of a sound may allocate: a minute at the highest sample rate, twice while it grows.
const SOUND: usize = 256 << 20;
/// Bytes that the decoder of an image may allocate.
const IMAGE: usize = 32 << 20;
/// Networks with more multiply-adds or bytes are planned but not run.
const SMALL: u64 = 1 << 20;

/// Returns the result of `read` for a file of `length` bytes, checking that it allocates at most [`MEMORY`], `per_byte`
/// for each byte, and `more`.
fn within<T>(length: usize, per_byte: usize, more: usize, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let (result, held) = held(read);
    let limit = MEMORY + per_byte * length + more;
    assert!(held <= limit, "the reader allocated {held} bytes for a file of {length}, more than {limit}");
    result
}

/// Returns `bytes` as text.
fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::input("is not UTF-8 text"))
}

/// Reads safetensors.
pub(crate) fn safetensors(bytes: &[u8]) -> Result<()> {
    let (weights, metadata) = within(bytes.len(), PER_BYTE, 0, || read_safetensors_bytes(bytes))?;
    let written = safetensors_bytes(&weights, metadata)?;
    let (weights, metadata) = read_safetensors_bytes(&written)?;
    assert!(safetensors_bytes(&weights, metadata)? == written, "changed by writing and reading");
    Ok(())
}

/// Reads PyTorch's files in both formats.
pub(crate) fn pth(bytes: &[u8]) -> Result<()> {
    let weights = within(bytes.len(), PER_BYTE, 0, || read_pytorch_bytes(bytes))?.weights;
    let written = pytorch_bytes(&weights)?;
    let again = read_pytorch_bytes(&written)?.weights;
    assert!(pytorch_bytes(&again)? == written, "changed by writing and reading");
    // Any names are mapped to a network's, or refused.
    if let Err(error) = fit(small_network(), again) {
        assert!(error.is_input(), "{error}");
    }
    for key in [".", "a", "model", "model.a"] {
        let options = ReadOptions { key: Some(key.into()), ..ReadOptions::default() };
        drop(within(bytes.len(), PER_BYTE, 0, || read_pytorch_bytes_with(bytes, &options)));
    }
    Ok(())
}

/// Returns a network of one layer called `a`.
fn small_network() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| {
        Builder::new("n", [1]).input().linear(2).named("a").finish().expect("the network is valid")
    })
}

/// Reads ONNX.
pub(crate) fn onnx(bytes: &[u8]) -> Result<()> {
    let read = || read_onnx_bytes(bytes, "hostile", MAX_FLOATS);
    let imported = within(bytes.len(), PER_BYTE_OF_TEXT, PER_FLOAT * MAX_FLOATS, read)?;
    let model = imported.into_model()?;
    use_network(&model.network, Some(&model.weights))?;
    // Not every layer created by the import can be exported.
    let Ok(written) = onnx_model_bytes(&model) else { return Ok(()) };
    let again = read_onnx_bytes(&written, "hostile", written.len()).and_then(Imported::into_model);
    let again = again.unwrap_or_else(|e| panic!("the exported file is refused: {e}"));
    assert_eq!(again.classes, model.classes);
    assert_eq!((again.preprocessing, again.predict), (model.preprocessing, model.predict));
    if is_small(&model.network)? {
        let [a, b] = [(&model.network, &model.weights), (&again.network, &again.weights)];
        assert_eq!(output_bits(a.0, a.1)?, output_bits(b.0, b.1)?, "changed by exporting and importing");
    }
    Ok(())
}

/// Returns shape and bits of the output of a small network for two inputs.
fn output_bits(network: &Network, weights: &Weights) -> Result<(Shape, Vec<u32>)> {
    let shape = network.input_shape(2);
    let input: Vec<f32> = (0..shape.numel()).map(|index| index as f32 % 7.0 - 2.5).collect();
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
    // A growing vector is briefly in memory twice, and its new allocation has spare capacity.
    let array = within(bytes.len(), PER_BYTE, 3 * unpacked, || read_idx_bytes(bytes))?;
    assert_eq!(array.bytes.len(), array.shape.numel());
    Ok(())
}

/// Reads a `.npy` file.
pub(crate) fn npy(bytes: &[u8]) -> Result<()> {
    let array = within(bytes.len(), PER_BYTE, 0, || npy::read_bytes(bytes))?;
    assert_eq!(array.bytes.len(), array.shape.numel() * array.dtype.size());
    Ok(())
}

/// Reads an image of any kind.
pub(crate) fn image(bytes: &[u8]) -> Result<()> {
    let image = within(bytes.len(), PER_BYTE, IMAGE, || decode_limited(bytes, MAX_PIXELS))?;
    assert_eq!(image.pixels().len(), image.width() * image.height() * image.channels());
    assert!((image.width() * image.height()) as u64 <= MAX_PIXELS, "more pixels than allowed");
    assert_eq!(dimensions(bytes)?, [image.height(), image.width()]);
    assert!(decode(&encode_png(&image)?)? == image, "the image changes when it is written and read back");
    Ok(())
}

/// Reads texts with labels, and encodes them with their own alphabet.
pub(crate) fn texts(bytes: &[u8]) -> Result<()> {
    let read = || {
        let mut statistics = Statistics::default();
        for line in striate_text::lines(bytes) {
            let (text, label) = striate_text::labeled(striate_text::decode(&bytes[line.range])?)?;
            assert!(!label.is_empty() && !label.contains(['\t', '\n']), "a label of {label:?}");
            statistics.add(text);
        }
        Ok(statistics)
    };
    let statistics = within(bytes.len(), PER_BYTE, 0, read)?;
    let alphabet = statistics.alphabet();
    if alphabet.is_empty() {
        return Ok(());
    }
    let length = 16;
    let encoder = striate_text::Encoder::new(TextEncoding { alphabet, length })?;
    for line in striate_text::lines(bytes) {
        let text = striate_text::decode(&bytes[line.range])?;
        let ones = encoder.encode(text).iter().filter(|value| **value == 1.0).count();
        assert!(ones <= length, "{ones} ones in {length} columns");
    }
    Ok(())
}

/// Reads a sound.
pub(crate) fn sound(bytes: &[u8]) -> Result<()> {
    let sound = within(bytes.len(), PER_BYTE, SOUND, || striate_sound::decode(bytes))?;
    assert!(sound.seconds() <= f64::from(striate_sound::LONGEST_SECONDS), "longer than allowed");
    assert!(sound.samples.iter().all(|sample| sample.is_finite()), "samples that are not finite");
    let stated = within(bytes.len(), PER_BYTE, SOUND, || striate_sound::duration(bytes))?;
    assert!(stated.is_finite() && stated >= 0.0, "a length of {stated} s");
    Ok(())
}

/// Reads a recipe.
pub(crate) fn recipe(bytes: &[u8]) -> Result<()> {
    let text = text(bytes)?;
    let recipe = within(bytes.len(), PER_BYTE_OF_TEXT, 0, || Recipe::from_text(text))?;
    assert_eq!(Recipe::from_text(&recipe.to_text())?, recipe, "changed by writing and reading");
    recipe.spec()?;
    for (step, steps) in [(0, 1), (5, 10), (u64::MAX - 1, u64::MAX)] {
        assert!(
            recipe.schedule.share(step, steps).is_finite(),
            "the rate is not finite at step {step} of {steps}"
        );
    }
    Ok(())
}

/// Reads a network's text.
pub(crate) fn network(bytes: &[u8]) -> Result<()> {
    let text = text(bytes)?;
    let network = within(bytes.len(), PER_BYTE_OF_TEXT, 0, || Network::from_text(text))?;
    assert_eq!(Network::from_text(&network.to_text())?, network, "changed by writing and reading");
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
    CPU.get_or_init(|| Cpu::with_isa(1, *Isa::available().last().expect("portable code is always available")))
}

/// Returns whether running `network` on two inputs takes little work.
fn is_small(network: &Network) -> Result<bool> {
    let macs = statistics(&network.graph(1)?).cost.macs;
    let bytes = Inference::plan(network, &network.input_shape(2), cpu())?.peak_bytes;
    Ok(macs.max(bytes as u64) <= SMALL)
}

/// Counts and plans `network`, and runs it if it is small, with `weights` or initial weights.
fn use_network(network: &Network, weights: Option<&Weights>) -> Result<()> {
    let shape = network.input_shape(2);
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    let spec = TrainingSpec::new(sgd);
    // Not every network can be trained.
    let training = Training::plan(network, &spec, &shape, cpu()).map(|plan| plan.peak_bytes as u64);
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

    /// Limit for a file of ten bytes.
    const LIMIT: usize = MEMORY + 10 * PER_BYTE + 5;

    fn allocate(bytes: usize) -> Result<usize> {
        within(10, PER_BYTE, 5, || Ok(black_box(vec![0u8; bytes]).len()))
    }

    #[test]
    fn allocation_within_limit_is_accepted() {
        assert_eq!(allocate(LIMIT).unwrap(), LIMIT);
    }

    #[test]
    #[should_panic(expected = "bytes for a file of 10")]
    fn allocation_above_limit_is_detected() {
        drop(allocate(LIMIT + 1));
    }

    /// Peak memory counts, even if it was freed again and the file is refused.
    #[test]
    #[should_panic(expected = "bytes for a file of 10")]
    fn freed_allocation_counts() {
        drop(within(10, PER_BYTE, 5, || {
            drop(black_box(vec![0u8; LIMIT + 1]));
            Err::<(), _>(Error::input("refused"))
        }));
    }
}
