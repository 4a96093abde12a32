//! GPUs as a device of the engine.
//!
//! A [`Gpu`] compiles graphs for a [`Driver`], which owns memory and runs kernels: `lower` maps each node to launches,
//! `plan` gives every value a place in memory. All kernels are in `kernels`, as one source, which a driver compiles.
//! Tests compile the same source for the CPU.

#![warn(missing_docs)]

mod autocast;
mod capture;
mod casts;
mod convolution;
#[cfg(feature = "cuda")]
pub mod cuda;
mod deployment;
mod driver;
mod finite;
mod launch;
mod layout;
mod lower;
mod order;
mod pad;
mod plan;
mod session;

pub use convolution::{Convolution, Direction, Engine, Epilogue};
pub use driver::{COMMON, Driver, FILES, Function, Recording, THREADS};
pub use order::Order;

use std::sync::Arc;

use striate_engine::passes::{self, Disabled, FUSION};
use striate_engine::{Deployment, Device, FixedWeights, PlanReport, Precision, Session};
use striate_graph::Graph;
use striate_tensor::{Error, Result};

use self::deployment::GpuDeployment;
use self::driver::Block;
use self::order::Orders;
use self::plan::{Plan, Variables};
use self::session::GpuSession;

/// A GPU.
#[derive(Clone)]
pub struct Gpu {
    driver: Arc<dyn Driver>,
    disabled: Disabled,
    precision: Precision,
}

impl Gpu {
    /// Creates the device that `driver` runs.
    pub fn new(driver: Arc<dyn Driver>) -> Gpu {
        Gpu { driver, disabled: Disabled::none(), precision: Precision::F32 }
    }

    /// Disables passes.
    #[must_use]
    pub fn without(mut self, disabled: Disabled) -> Gpu {
        self.disabled = disabled;
        self
    }

    /// Multiplies numbers of `precision` in convolutions; with `bf16`, activations are stored in it too.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Gpu {
        self.precision = precision;
        self
    }

    /// Applies the passes from graph to graph.
    pub fn rewrite(&self, graph: &mut Graph) {
        self.arrange(graph);
    }

    /// Applies the passes and chooses the orders of values. Matrix units, which only multiply numbers of `tf32` and
    /// `bf16`, want channels last.
    fn arrange(&self, graph: &mut Graph) -> Orders {
        let has = |pass| !self.disabled.contains(pass);
        passes::run(FUSION, graph, &self.disabled);
        let uses_matrix_units = self.precision != Precision::F32 && has("layout");
        if uses_matrix_units {
            pad::pad(graph, self.precision);
        }
        if self.precision == Precision::Bf16 && has("autocast") {
            autocast::autocast(graph);
        }
        if uses_matrix_units { layout::layout(graph) } else { Orders::default() }
    }

    fn compile(&self, graph: &Graph, variables: &Variables) -> Result<Plan> {
        let mut graph = graph.clone();
        let orders = self.arrange(&mut graph);
        let share = !self.disabled.contains("memory");
        Plan::new(&graph, &orders, &*self.driver, self.precision, variables, share)
    }

    /// Refuses to allocate more memory than is free, before anything runs.
    fn check_memory(&self, bytes: usize) -> Result<()> {
        match self.driver.free_memory()? {
            Some(free) if bytes > free => {
                let [bytes, free] = [bytes, free].map(|bytes| bytes.div_ceil(1 << 20));
                let what = format!("needs {bytes} MiB of memory on the GPU, and {free} MiB are free");
                Err(Error::input(format!("{what}; use a smaller batch, or --device cpu")))
            }
            _ => Ok(()),
        }
    }

    /// Compiles `graph` and moves its tables to the device, unless there is not enough memory for its constants and as
    /// many bytes as `more` returns.
    fn load(
        &self,
        graph: &Graph,
        variables: &Variables,
        more: impl FnOnce(&Plan) -> usize,
    ) -> Result<(Plan, Block)> {
        let plan = self.compile(graph, variables)?;
        self.check_memory(plan.constant_bytes + more(&plan))?;
        let constants = Block::zeroed(&self.driver, plan.constant_bytes)?;
        for (offset, table) in &plan.tables {
            constants.write(*offset, bytemuck::cast_slice(table))?;
        }
        Ok((plan, constants))
    }
}

impl Device for Gpu {
    fn name(&self) -> String {
        match self.precision {
            Precision::F32 => self.driver.name(),
            other => format!("{}, {other}", self.driver.name()),
        }
    }

    fn arithmetic(&self) -> String {
        format!("{}, {}", self.driver.arithmetic(), self.precision)
    }

    fn disabled(&self) -> &Disabled {
        &self.disabled
    }

    fn free_memory(&self) -> Option<usize> {
        self.driver.free_memory().ok().flatten()
    }

    fn plan(&self, graph: Graph) -> Result<PlanReport> {
        let mut variables = Variables::default();
        variables.add_all(&graph);
        Ok(self.compile(&graph, &variables)?.report(None))
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(GpuSession::new(self.clone()))
    }

    fn deploy(&self, name: &str, weights: FixedWeights) -> Result<Arc<dyn Deployment>> {
        let deployment = GpuDeployment::new(self.clone(), weights);
        Ok(Arc::new(deployment.map_err(|e| e.at(format!("the weights of {name}")))?))
    }
}

impl From<Gpu> for Arc<dyn Device> {
    fn from(device: Gpu) -> Self {
        Arc::new(device)
    }
}
