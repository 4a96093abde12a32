//! The interface of a device, which compiles graphs and runs them.
//!
//! [`Inference`](crate::Inference) and [`Training`](crate::Training) know only these traits. Plans, memory and the
//! formats of values are the device's own; variables go in and come out by name, in plain row-major order.

use std::fmt;
use std::sync::Arc;

use striate_graph::{Graph, Segment};
use striate_tensor::Result;

use crate::Variables;
use crate::clock::Clock;
use crate::passes::Disabled;
use crate::report::PlanReport;

/// A clock, and the seconds of each step of a program, to which a run adds. Steps that run once are not included.
pub type Profile<'a> = (&'a dyn Clock, &'a mut [f64]);

/// The numbers that a device multiplies in convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// `f32`, as everywhere else.
    #[default]
    F32,
    /// `f32` in memory, of which 11 significant bits are multiplied; products are summed in `f32`. Only on GPUs.
    Tf32,
    /// `bf16`, with 8 significant bits; products are summed in `f32`. On the CPU only for inference.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        })
    }
}

/// Values on their way to a device.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// Floating-point numbers.
    F32(&'a [f32]),
    /// Whole numbers, such as labels.
    I64(&'a [i64]),
}

impl<'a> Data<'a> {
    /// The bytes in memory.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Data::F32(values) => bytemuck::cast_slice(values),
            Data::I64(values) => bytemuck::cast_slice(values),
        }
    }
}

/// Reads the weights of these names, and possibly others, again from where they came.
pub type ReadAgain = Arc<dyn Fn(&[&str]) -> Result<Variables> + Send + Sync>;

/// Weights that programs do not change, on their way to a device.
pub struct FixedWeights {
    /// All parameters and buffers by name.
    pub values: Variables,
    /// Where they came from, if they can be read again. A device may then release those that no program reads, such as
    /// the originals of packed ones, until a later program needs them.
    pub again: Option<ReadAgain>,
}

impl From<Variables> for FixedWeights {
    fn from(values: Variables) -> FixedWeights {
        FixedWeights { values, again: None }
    }
}

/// A device with its own passes.
pub trait Device: Send + Sync {
    /// The name for output and errors, such as `cpu avx512, 2 threads`.
    fn name(&self) -> String;

    /// What decides the bits of results, such as `cpu avx512 f32`; checkpoints contain it.
    fn arithmetic(&self) -> String;

    /// The number of threads for work beside the device.
    fn threads(&self) -> usize {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }

    /// The disabled passes.
    fn disabled(&self) -> &Disabled;

    /// The bytes of memory that a new session can allocate; `None` if the system's memory is all there is.
    fn free_memory(&self) -> Option<usize> {
        None
    }

    /// Compiles `graph`, to which the neutral passes have been applied, and returns the figures of its plan. No memory
    /// is allocated for it.
    ///
    /// # Errors
    /// If the device cannot run an operation.
    fn plan(&self, graph: Graph) -> Result<PlanReport>;

    /// Creates a session without programs and variables.
    fn session(&self) -> Box<dyn Session>;

    /// Moves `weights` of the network `name` to the device, for programs that do not change them.
    ///
    /// # Errors
    /// If there is not enough memory.
    fn deploy(&self, name: &str, weights: FixedWeights) -> Result<Arc<dyn Deployment>>;
}

/// Programs that change variables, such as training steps for several batch sizes, and these variables.
pub trait Session: Send + Sync {
    /// Compiles `graph`, whose variables are those of all programs of the session, and returns the number of the
    /// program. The first program's variables are zero at first.
    ///
    /// # Errors
    /// If the device cannot run an operation, or there is not enough memory.
    fn compile(&mut self, graph: Graph) -> Result<usize>;

    /// Sets the variable `name`; does nothing if no program has it.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the number of values is wrong.
    fn upload(&mut self, name: &str, values: Data) -> Result<()>;

    /// Copies the variable `name` of floats to `values`.
    ///
    /// # Errors
    /// If the device fails, or a run before has failed.
    ///
    /// # Panics
    /// If the variable does not exist, or the number of values is wrong.
    fn download(&self, name: &str, values: &mut [f32]) -> Result<()>;

    /// Whether all values of the variables `names` of floats are finite.
    ///
    /// # Errors
    /// As [`Session::download`].
    ///
    /// # Panics
    /// If one of them does not exist.
    fn are_finite(&self, names: &[&str]) -> Result<bool>;

    /// Sets the input `index` of `program`.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the input does not exist, or the number of values is wrong.
    fn set_input(&mut self, program: usize, index: usize, values: Data) -> Result<()>;

    /// Runs the steps of `segment`.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the program does not exist.
    fn run(&mut self, program: usize, segment: Segment, profile: Option<Profile>) -> Result<()>;

    /// The output `index` of `program` after its last run.
    ///
    /// # Panics
    /// If the output does not exist.
    fn output(&self, program: usize, index: usize) -> &[f32];

    /// Runs the accumulation segment step by step, and returns the name of the first step that produces a non-finite
    /// value.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the program does not exist.
    fn first_non_finite(&mut self, program: usize) -> Result<Option<String>>;

    /// The figures of `program`; `seconds` are the measured times of its steps.
    ///
    /// # Panics
    /// If the program does not exist.
    fn report(&self, program: usize, seconds: Option<&[f64]>) -> PlanReport;

    /// The number of bytes currently allocated.
    fn allocated_bytes(&self) -> usize;
}

/// Fixed weights on a device, and the programs that read them. Can be shared between threads.
pub trait Deployment: Send + Sync {
    /// Compiles `graph`, whose variables are among the weights.
    ///
    /// # Errors
    /// If the device cannot run an operation, or there is not enough memory.
    fn compile(&self, graph: Graph) -> Result<Arc<dyn Program>>;

    /// Returns a deployment of the same weights for another network that contains them.
    fn fork(&self) -> Arc<dyn Deployment>;
}

/// A compiled graph with fixed weights, which several threads may run at once.
pub trait Program: Send + Sync {
    /// Runs the program: reads the graph's inputs and writes its outputs.
    ///
    /// # Errors
    /// If there is not enough memory.
    ///
    /// # Panics
    /// If the number of inputs, of outputs or of values is wrong.
    fn run(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]], profile: Option<Profile>) -> Result<()>;

    /// The figures of the program; `seconds` are the measured times of its steps.
    fn report(&self, seconds: Option<&[f64]>) -> PlanReport;
}
