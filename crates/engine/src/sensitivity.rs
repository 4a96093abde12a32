//! The gradients of class scores with respect to values of a network, at inference.

use std::sync::Arc;

use striate_graph::{Graph, INPUT, ScoreGradients};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape, zeroed};

use crate::device::Program;

/// A program that computes how class scores change with values of a network, for inputs of one shape: see
/// [`striate_graph::score_gradients`]. It shares the weights of the [`Inference`](crate::Inference) that made it.
pub struct Sensitivity {
    program: Arc<dyn Program>,
    /// Shapes of the network's input and of the direction.
    inputs: [Shape; 2],
    /// Shapes of all outputs: the network's own, then those of the wanted values.
    outputs: Vec<Shape>,
    wanted: Vec<String>,
    scores: String,
}

/// A value of a network in one run, and the gradient of the score with respect to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitive {
    /// The shape of both, such as `[N, C, H, W]`.
    pub shape: Shape,
    /// The value; empty if it is the network's input, which the caller has.
    pub value: Vec<f32>,
    /// The gradient of the score.
    pub gradient: Vec<f32>,
}

impl Sensitivity {
    /// Wraps the `program` of `derived`, compiled as `graph`.
    pub(crate) fn new(
        program: Arc<dyn Program>,
        derived: &ScoreGradients,
        wanted: &[&str],
    ) -> Result<Sensitivity> {
        let graph: &Graph = &derived.graph;
        let shape = |id: &striate_graph::ValueId| graph.shape(*id).clone();
        let outputs: Vec<Shape> = graph.outputs.iter().map(shape).collect();
        outputs.iter().try_for_each(|shape| shape.checked_len().map(|_| ()))?;
        Ok(Sensitivity {
            program,
            inputs: [shape(&graph.inputs[0]), shape(&graph.inputs[1])],
            outputs,
            wanted: wanted.iter().map(|name| (*name).to_owned()).collect(),
            scores: derived.scores.clone(),
        })
    }

    /// The name of the value that contains the scores: what a final softmax or sigmoid reads, or else the output.
    pub fn scores(&self) -> &str {
        &self.scores
    }

    /// The shape of the direction, which is that of the scores: `[N, K]`.
    pub fn direction(&self) -> &Shape {
        &self.inputs[1]
    }

    /// Runs the network on `input`; returns its output, and for each wanted value how the sum of `direction`, which
    /// has a factor for each score of each image, times the scores changes with it.
    ///
    /// # Errors
    /// If a number of values is wrong, or there is not enough memory.
    pub fn run(&self, input: &[f32], direction: &[f32]) -> Result<(Vec<f32>, Vec<Sensitive>)> {
        for (name, shape, values) in
            [("input", &self.inputs[0], input), ("direction", &self.inputs[1], direction)]
        {
            if values.len() != shape.numel() {
                let count = counted(values.len(), "value");
                return Err(Error::input(format!("the {name} of {count} does not match its shape {shape}")));
            }
        }
        let mut outputs: Vec<Vec<f32>> =
            self.outputs.iter().map(|shape| zeroed(shape.numel())).collect::<Result<_>>()?;
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        self.program.run(&[input, direction], &mut slices, None)?;
        let mut outputs = outputs.into_iter().zip(&self.outputs);
        let (output, _) = outputs.next().expect("the network has an output");
        let mut next = || outputs.next().expect("every wanted value is an output");
        let sensitive = |name: &String| {
            let value = if name == INPUT { Vec::new() } else { next().0 };
            let (gradient, shape) = next();
            Sensitive { shape: shape.clone(), value, gradient }
        };
        Ok((output, self.wanted.iter().map(sensitive).collect()))
    }
}
