//! The flags of `predict`.

use std::path::PathBuf;

use clap::Args;

use super::Compute;
use crate::reading::Images;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  striate predict runs/lenet5-digits-1/last.safetensors seven.png
  striate predict model.safetensors photo.jpg --picture predictions.png
  striate predict model.safetensors FOLDER --top 1 --csv predictions.csv
  striate predict net.onnx photo.jpg --preprocessing imagenet --names imagenet
  striate predict resnet18.pth photo.jpg --model resnet18
  striate predict model.safetensors sentences.txt --top 1
  striate predict model.safetensors --text \"Where is the station?\"

A preprocessing FILE.json states channels, steps, mean and std (see README):
  {\"channels\": 3, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5], \"steps\":
  [{\"step\": \"resize\", \"height\": 64, \"width\": 64, \"filter\": \"bilinear\"}]}")]
pub struct Predict {
    /// Model file, ONNX file, or weights with --model
    pub model: PathBuf,
    /// Images, sounds or text files (each line is a text), or folders of them
    #[arg(required_unless_present = "text", value_name = "FILE|FOLDER")]
    pub files: Vec<PathBuf>,
    /// A text to classify; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub text: Vec<String>,
    /// Number of predictions per sample
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub top: usize,
    /// Draw a single image's predictions as labeled bars
    #[arg(long, value_name = "OUT.png")]
    pub picture: Option<PathBuf>,
    /// Write the predictions as a CSV table
    #[arg(long, value_name = "OUT.csv")]
    pub csv: Option<PathBuf>,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub compute: Compute,
}
