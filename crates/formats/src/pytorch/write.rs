//! Writes a `.pth` file that `torch.load(…, weights_only=True)` reads: an ordered dictionary of tensors.

use std::borrow::Cow;

use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use crate::Weights;
use crate::weights::little_endian;
use crate::zip::write_archive;

/// The folder in the archive; PyTorch takes the file's stem, but any name will do.
const FOLDER: &str = "archive";

/// Returns the zip form of a state dict of these tensors, names sorted bytewise. The same content gives the same
/// bytes.
///
/// # Errors
/// If a tensor's number of values does not match its shape, or the file would be larger than 4 GB.
pub fn pytorch_bytes(weights: &Weights) -> Result<Vec<u8>> {
    let mut pickle = Pickler::default();
    let mut entries = Vec::new();
    pickle.begin();
    for (number, (name, (shape, values))) in weights.iter().enumerate() {
        if shape.checked_len().ok() != Some(values.len()) {
            let what = format!("tensor {name} of shape {shape} has {}", counted(values.len(), "value"));
            return Err(Error::failed(format!("the weights cannot be written: {what}")));
        }
        pickle.tensor(name, number, shape, values.len());
        entries.push((format!("{FOLDER}/data/{number}"), little_endian(values)));
    }
    let head: [(&str, Cow<[u8]>); 2] =
        [("data.pkl", pickle.end().into()), ("byteorder", b"little".as_slice().into())];
    let head = head.into_iter().map(|(name, data)| (format!("{FOLDER}/{name}"), data));
    let mut all: Vec<_> = head.chain(entries).collect();
    all.push((format!("{FOLDER}/version"), b"3\n".as_slice().into()));
    write_archive(&all)
}

/// Writes instructions of protocol 2, which every PyTorch reads.
#[derive(Default)]
struct Pickler {
    bytes: Vec<u8>,
}

impl Pickler {
    fn begin(&mut self) {
        self.bytes.extend(b"\x80\x02");
        self.call("collections", "OrderedDict");
        self.bytes.extend(b")R(");
    }

    /// Writes `name` with `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
    fn tensor(&mut self, name: &str, storage: usize, shape: &Shape, len: usize) {
        self.text(name);
        self.call("torch._utils", "_rebuild_tensor_v2");
        self.bytes.extend(b"((");
        self.text("storage");
        self.call("torch", "FloatStorage");
        self.text(&storage.to_string());
        self.text("cpu");
        self.integer(len);
        self.bytes.extend(b"tQK\x00(");
        shape.iter().for_each(|extent| self.integer(*extent));
        self.bytes.extend(b"t(");
        strides(shape).into_iter().for_each(|stride| self.integer(stride));
        self.bytes.extend(b"t\x89");
        self.call("collections", "OrderedDict");
        self.bytes.extend(b")RtR");
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.extend(b"u.");
        self.bytes
    }

    fn call(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").into_bytes());
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn integer(&mut self, value: usize) {
        self.bytes.extend(b"\x8a\x09");
        self.bytes.extend((value as u64).to_le_bytes());
        self.bytes.push(0);
    }
}

/// Returns the strides of a contiguous tensor.
fn strides(shape: &Shape) -> Vec<usize> {
    let mut due = 1;
    let mut strides: Vec<usize> = shape
        .iter()
        .rev()
        .map(|extent| {
            let stride = due;
            due *= extent.max(&1);
            stride
        })
        .collect();
    strides.reverse();
    strides
}
