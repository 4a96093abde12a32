//! Batch normalization per channel: inference, training, gradient.
//!
//! Statistics are computed map by map as (count, mean, sum of squared deviations) and merged in the order
//! of the images (Chan, Golub and LeVeque, 1979), so that they do not depend on the number of threads.

mod blocked;
pub mod fold;
mod gradient;
mod inference;
mod plain;
pub mod reference;
mod residual_gradient;
mod training;

use reference::Statistics;
pub use residual_gradient::{ResidualGradientDesc, residual_gradient};

use crate::Implementation;
use crate::activation::Activation;
use crate::reference::{Reference, floats};

/// Batch normalization of maps.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Added to the variance.
    pub epsilon: f32,
    /// Weight of the new batch in the running statistics.
    pub momentum: f32,
    /// Whether a value in the shape of y is added before the activation, in training.
    pub residual: bool,
    /// Applied to y in training: one that maps 0 to 0.
    pub activation: Activation,
}

/// Normalization with given statistics. Reads x, γ, β, mean, variance; writes y.
pub fn inference() -> &'static [&'static dyn Implementation<BatchNormDesc>] {
    &[
        &inference::Blocked,
        &inference::Plain,
        &Reference::<BatchNormDesc> {
            name: "batch_norm_reference",
            operands: |_| floats(6),
            run: |d, v| {
                let [x, gamma, beta, mean, var] = std::array::from_fn(|i| v.read::<f32>(i));
                reference::inference(d, x, gamma, beta, mean, var, v.write(0));
            },
        },
    ]
}

/// Normalization with the statistics of the batch. Reads x, γ, β, the optional residual; writes y, mean,
/// 1/√(variance + ε), running mean and running variance (the last two in place).
pub fn training() -> &'static [&'static dyn Implementation<BatchNormDesc>] {
    &[
        &training::Blocked,
        &training::Plain,
        &Reference::<BatchNormDesc> {
            name: "batch_norm_training_reference",
            operands: |d| floats(8 + usize::from(d.residual)),
            run: |d, v| {
                let [x, gamma, beta] = std::array::from_fn(|i| v.read::<f32>(i));
                let residual = d.residual.then(|| v.read(3));
                let y = v.write(0);
                let [mean, inverse_deviation, running_mean, running_var] =
                    std::array::from_fn(|i| v.write(i + 1));
                let statistics = Statistics { mean, inverse_deviation, running_mean, running_var };
                reference::training(d, (x, gamma, beta), residual, y, statistics);
            },
        },
    ]
}

/// Gradient. Reads x, dy, γ, mean, 1/√(variance + ε), with an activation also β; writes dx, dγ, dβ.
pub fn gradient() -> &'static [&'static dyn Implementation<BatchNormDesc>] {
    &[
        &gradient::Blocked,
        &gradient::Plain,
        &Reference::<BatchNormDesc> {
            name: "batch_norm_gradient_reference",
            operands: |d| floats(8 + usize::from(d.activation != Activation::None)),
            run: |d, v| {
                let [x, dy, gamma, mean, inverse] = std::array::from_fn(|i| v.read::<f32>(i));
                let out = (v.write(0), v.write(1), v.write(2));
                let beta = (d.activation != Activation::None).then(|| v.read(5));
                reference::gradient(d, (x, dy, gamma), (mean, inverse, beta), out);
            },
        },
    ]
}
