//! The flags of `convert`.

use std::path::PathBuf;

use clap::Args;

use super::Compute;
use crate::reading::Reading;

#[derive(Debug, Args)]
#[command(after_help = "\
Formats, read and written: .safetensors, .pth, .pt, .caffemodel and .onnx.

The network comes from --model, or from IN if that is a model or ONNX file.
With a network, a .safetensors file becomes a self-contained model file; without
one, it contains only tensors. An ONNX file always contains the network. Caffe
also needs a .prototxt to use a .caffemodel.

Examples:
  striate convert resnet18.pth resnet18.safetensors --model resnet18
  striate convert runs/lenet5-digits-1/last.safetensors lenet5.pth
  striate convert runs/lenet5-digits-1/last.safetensors lenet5.onnx
  striate convert resnet18.pth resnet18.onnx --model resnet18

A preprocessing FILE.json states channels, steps, mean and std (see README):
  {\"channels\": 3, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5], \"steps\":
  [{\"step\": \"resize\", \"height\": 64, \"width\": 64, \"filter\": \"bilinear\"}]}")]
pub struct Convert {
    /// File to read: weights or a model
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// File to write; its extension selects the format
    #[arg(value_name = "OUT")]
    pub to: PathBuf,
    /// Network that the weights belong to
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Change the number of classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// Convert weights trained on BGR images to RGB
    #[arg(long)]
    pub bgr: bool,
    /// Preprocessing: imagenet, caffe, tensorflow, zero-one or FILE.json
    #[arg(long, value_name = "NAME|FILE")]
    pub preprocessing: Option<String>,
    /// Class names (one per line, or JSON), or `imagenet`
    #[arg(long, value_name = "FILE|imagenet")]
    pub names: Option<String>,
    /// Write only the tensors, without the network
    #[arg(long)]
    pub tensors_only: bool,
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub compute: Compute,
}
