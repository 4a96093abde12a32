//! Networks as data.
//!
//! A [`Network`] is a list of layers for any input size, as a user writes it with the [`Builder`] or as
//! text. [`Network::graph`] fixes the input's shape and yields a [`Graph`]: values and nodes with every
//! shape known. [`training_graph`] derives from it the graph of a complete training step: forward
//! computation, loss, gradients, update. All of them consist of one closed set of operations, [`Op`], each
//! in its own file under `ops/`.
//!
//! This crate uses no threads, files or clocks: it defines what a graph computes; `striate-engine` decides
//! how it runs.

#![forbid(unsafe_code)]

mod builder;
mod channels_first;
mod geometry;
mod gradient;
mod graph;
mod init;
mod loss;
mod network;
pub mod ops;
mod optimizer;
mod pattern;
mod predicates;
mod receptive;
mod score;
mod statistics;
mod syntax;
mod text;
mod training;
mod update;

pub use builder::{Builder, Tensor, concat};
pub use geometry::{Padding, PerAxis, window_count};
pub use graph::{Graph, Kind, Node, Role, Segment, Value, ValueId};
pub use init::{Fan, Init, initial_values};
pub use loss::Loss;
pub use network::{AuxiliaryHead, INPUT, Layer, MOST_LAYERS, Network};
pub use ops::Op;
pub use optimizer::Optimizer;
pub use receptive::{ReceptiveField, receptive_fields};
pub use score::{ScoreGradients, score_gradients};
pub use statistics::{LayerStatistics, Statistics, statistics};
pub use syntax::check_toml;
pub use training::{TrainingSpec, training_graph};
pub use update::{AVERAGE, RATE_TIMES, average_decay};
