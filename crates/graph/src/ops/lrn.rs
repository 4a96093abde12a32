//! Local response normalization: y\[c\] = x\[c\] / (k + α/size · Σ x\[c'\]²)^β over the `size` channels
//! c' around c. Krizhevsky et al., NIPS 2012, section 3.3.
//!
//! α is divided by the size, as in Caffe, PyTorch and ONNX but not in the paper, whose k = 2, n = 5,
//! α = 1e-4, β = 0.75 are `size = 5, alpha = 5e-4, beta = 0.75, k = 2` here.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::window::LARGEST_WINDOW;
use super::{LayerOp, spatial_axes};

/// Normalization across neighboring channels: `[N, C, H, W]` to the same shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lrn {
    /// Number of channels in a sum; odd, because libraries disagree about the extra neighbor of an even size.
    pub size: usize,
    /// Factor on the mean of the squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// The constant added to the mean.
    pub k: f32,
}

/// Gradient. Operands: x, dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct LrnGradient(pub Lrn);

impl LayerOp for Lrn {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        spatial_axes(inputs[0])?;
        if self.size.is_multiple_of(2) {
            return Err(Error::input(format!("size {} must be odd", self.size)));
        }
        if self.size > LARGEST_WINDOW {
            return Err(Error::input(format!("size {} exceeds {LARGEST_WINDOW}, the limit", self.size)));
        }
        let finite = [self.alpha, self.beta, self.k].iter().all(|number| number.is_finite());
        if !(finite && self.alpha >= 0.0 && self.beta > 0.0 && self.k > 0.0) {
            return Err(Error::input("beta and k must be positive and alpha must not be negative"));
        }
        Ok(inputs[0].clone())
    }

    fn terms(&self, _inputs: &[&Shape]) -> usize {
        self.size
    }
}
