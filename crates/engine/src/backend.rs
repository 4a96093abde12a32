//! The interface of a device that compiles graphs to plans. The CPU is the only one so far.

use std::collections::HashMap;

use striate_graph::Graph;
use striate_tensor::Result;
use striate_kernels::{Layout, Region};

/// The layouts and regions of variables that are already placed, by name. Plans for other batch sizes must use
/// the same ones.
pub type Placements = HashMap<String, (Layout, Region)>;

/// A device with its own list of passes.
pub trait Backend {
    /// A compiled graph on this device.
    type Plan;

    /// The name for output and errors, such as `cpu avx512, 2 threads`.
    fn name(&self) -> String;

    /// Compiles `graph`, to which the neutral passes have been applied.
    ///
    /// # Errors
    /// If the device cannot run an operation.
    fn compile(&self, graph: Graph, placements: &Placements) -> Result<Self::Plan>;
}
