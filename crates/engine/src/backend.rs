//! What turns a graph into something that runs: the CPU now, others beside it later.

use std::collections::HashMap;

use striate_graph::Graph;
use striate_tensor::{Layout, Region, Result};

/// Where variables lie already, by name: a plan for another batch size must find them there.
pub type Fixed = HashMap<String, (Layout, Region)>;

/// A device with its own list of passes.
pub trait Backend {
    /// What a compiled graph is on this device.
    type Plan;

    /// For output and errors, such as `cpu avx512, 2 threads`.
    fn name(&self) -> String;

    /// Compiles `graph`, which the neutral passes have been over.
    ///
    /// # Errors
    /// If the device cannot run an operation.
    fn compile(&self, graph: Graph, fixed: &Fixed) -> Result<Self::Plan>;
}
