//! Files of weights: safetensors, the self-describing model file, checkpoints.

#![forbid(unsafe_code)]

mod atomic;
mod checkpoint;
mod file;
mod header;
mod message;
mod model;
#[allow(dead_code, reason = "the formats in protocol buffers are to come")]
mod protobuf;
mod pytorch;
mod safetensors;
mod weights;
mod zip;

pub use atomic::{Disk, Storage, write_atomically};
pub use checkpoint::{Checkpoint, Checkpoints, Position};
pub use model::{Data, Evaluation, Golden, ModelFile, check_weights};
pub use pytorch::{StateDict, pytorch_bytes, read_pytorch, read_pytorch_bytes};
pub use safetensors::{read_safetensors, read_safetensors_bytes, safetensors_bytes};
pub use weights::{Weights, sha256, weights_sha256, weights_sha256_of};
