//! Reads and writes weights files (safetensors, PyTorch, Caffe, ONNX), the self-describing model file and
//! checkpoints of training runs, and maps weights to a network's names.

#![forbid(unsafe_code)]

mod bgr;
mod caffe;
mod checkpoint;
mod contents;
mod digest;
mod dtype;
mod file;
mod fit;
mod header;
mod keys;
mod kind;
mod load;
mod message;
mod model;
mod onnx;
mod protobuf;
mod pytorch;
mod safetensors;
mod stream;
mod weights;
mod zip;

pub use bgr::first_convolution_to_rgb;
pub use caffe::{
    CaffeModel, Epsilon, Normalization, caffemodel_bytes, fit_constants, read_caffemodel,
    read_caffemodel_bytes,
};
pub use checkpoint::{Checkpoint, Checkpoints, Position};
pub use contents::{Contents, contents};
pub use fit::{Fitted, Head, check_weights, count_parameters, fit, fit_classes};
pub use load::{Loaded, READABLE, ReadOptions, Several, read_weights, read_weights_with};
pub use model::{Data, Evaluation, Golden, Integrity, ModelFile, WEIGHTS_ALONE, check_classes};
pub use onnx::{
    Imported, IntegerType, external_files, onnx_bytes, onnx_model_bytes, read_onnx, read_onnx_bytes,
    read_onnx_bytes_with, read_onnx_with,
};
pub use pytorch::{StateDict, pytorch_bytes, read_pytorch, read_pytorch_bytes, read_pytorch_bytes_with};
pub use safetensors::{read_safetensors, read_safetensors_bytes, safetensors_bytes};
pub use stream::{read_evaluation, read_tensors};
pub use weights::{Weights, sha256, weights_sha256, weights_sha256_of};
