//! A network as data.
//!
//! A [`Network`] is a list of layers with sizes left open: what a person writes, with the
//! [`Builder`] or as text. [`Network::graph`] fixes the input's shape and yields a [`Graph`]: values
//! and nodes with every shape known. [`training_graph`] derives from it the graph of a whole training
//! step: forward pass, loss, gradients, update. All of them consist of one closed set of operations,
//! [`Op`]; each stands in a file of its own under `ops/`.
//!
//! No threads, files or clocks: what a graph computes is decided here, how it runs in
//! `striate-engine`.

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
mod statistics;
mod text;
mod training;

pub use builder::{Builder, Tensor, concat};
pub use geometry::{Padding, PerAxis, window_count};
pub use graph::{Graph, Kind, Node, NodeId, Role, Segment, Value, ValueId};
pub use init::{Fan, Init, initial_values};
pub use loss::Loss;
pub use network::{AuxiliaryHead, INPUT, Layer, MOST_LAYERS, Network};
pub use ops::Op;
pub use statistics::{LayerStatistics, Statistics, statistics};
pub use training::{Optimizer, TrainingSpec, training_graph};
