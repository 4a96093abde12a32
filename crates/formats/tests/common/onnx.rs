//! ONNX files with input x `[N, 3, 8, 8]` and unnamed nodes.

#![allow(unused_imports, reason = "each test file uses its part")]

pub use striate_testkit::onnx::{external, float, floats, int, ints as ints_attribute};
use striate_testkit::onnx::{integers, model_on, node_called, raw};
use striate_testkit::protobuf::Message;

pub fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Message]) -> Message {
    node_called("", op, inputs, output, attributes)
}

/// A tensor with ONNX element type `kind`.
pub fn tensor(name: &str, dims: &[i64], kind: u64, bytes: &[u8]) -> Message {
    raw(name, kind, dims, bytes)
}

pub fn ints(name: &str, values: &[i64]) -> Message {
    integers(name, &[values.len() as i64], values)
}

/// A model whose output is y.
pub fn model(nodes: &[Message], tensors: &[Message]) -> Vec<u8> {
    model_on(&[-1, 3, 8, 8], nodes, tensors).bytes
}
