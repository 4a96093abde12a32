//! Convolutional neural networks on the CPU: define, train, evaluate, inspect and use.
//!
//! This crate re-exports what most Rust programs need, and each of the underlying crates as a module.
//!
//! Of the features, all off by default, `download` adds `data::download`, which downloads data sets over HTTP(S), and
//! `codecs` the decoding of Ogg Vorbis, FLAC and MP3 files.
//!
//! ```no_run
//! # fn main() -> striate::Result<()> {
//! let file = striate::ModelFile::load("model.safetensors".as_ref())?;
//! let model = striate::Classifier::new(file, striate::Cpu::new(0)?)?;
//! let image = striate::decode(&std::fs::read("seven.png").expect("readable file"))?;
//! println!("{}", model.guesses(&image, 1)?[0].class);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub use striate_data as data;
pub use striate_engine as engine;
pub use striate_formats as formats;
#[cfg(feature = "cuda")]
pub use striate_gpu as gpu;
pub use striate_graph as graph;
pub use striate_insight as insight;
pub use striate_kernels as kernels;
pub use striate_models as models;
pub use striate_predict as predict;
pub use striate_sound as sound;
pub use striate_tensor as tensor;
pub use striate_text as text;
pub use striate_train as train;
pub use striate_vision as vision;

pub use striate_data::{Dataset, Spec};
pub use striate_engine::{Cpu, Inference, Training, Variables};
pub use striate_formats::ModelFile;
pub use striate_graph::{Builder, Network, Optimizer, TrainingSpec, concat};
pub use striate_predict::{Classifier, Guess, Tally};
pub use striate_tensor::{Error, Result, Shape};
pub use striate_train::{Recipe, Session, Trainer};
pub use striate_vision::{Image, decode, encode_png};
