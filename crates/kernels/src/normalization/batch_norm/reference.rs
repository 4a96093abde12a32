//! Batch normalization, by definition.

use super::BatchNormDesc;
use crate::activation::Activation;
use crate::reference::Real;

/// Positions of the elements of one channel.
fn channel(shape: [usize; 4], c: usize) -> impl Iterator<Item = usize> + Clone {
    let [n, channels, h, w] = shape;
    (0..n).flat_map(move |n| (0..h * w).map(move |i| (n * channels + c) * h * w + i))
}

/// y = γ·(x − mean)/√(variance + ε) + β.
pub fn inference<T: Real>(
    d: &BatchNormDesc,
    x: &[T],
    gamma: &[T],
    beta: &[T],
    mean: &[T],
    var: &[T],
    y: &mut [T],
) {
    for c in 0..d.shape[1] {
        let scale = gamma[c] / (var[c] + T::from_f64(f64::from(d.epsilon))).sqrt();
        channel(d.shape, c).for_each(|i| y[i] = (x[i] - mean[c]) * scale + beta[c]);
    }
}

/// The statistics that [`training`] writes.
pub struct Statistics<'a, T> {
    /// Mean of the batch, `[C]`.
    pub mean: &'a mut [T],
    /// 1/√(variance + ε), `[C]`.
    pub inverse_deviation: &'a mut [T],
    /// Updated in place, `[C]`.
    pub running_mean: &'a mut [T],
    /// Updated in place with the unbiased variance, `[C]`.
    pub running_var: &'a mut [T],
}

/// y with the statistics of the batch, plus the residual, activated.
pub fn training<T: Real>(
    d: &BatchNormDesc,
    (x, gamma, beta): (&[T], &[T], &[T]),
    residual: Option<&[T]>,
    y: &mut [T],
    s: Statistics<T>,
) {
    let [n, channels, h, w] = d.shape;
    let count = n * h * w;
    let (m, momentum) = (T::from_f64(count as f64), T::from_f64(f64::from(d.momentum)));
    let keep = T::from_f64(1.0 - f64::from(d.momentum));
    for c in 0..channels {
        let mut sum = T::from_f64(0.0);
        channel(d.shape, c).for_each(|i| sum += x[i]);
        let mean = sum / m;
        let mut squares = T::from_f64(0.0);
        channel(d.shape, c).for_each(|i| squares += (x[i] - mean) * (x[i] - mean));
        let inverse = T::from_f64(1.0) / (squares / m + T::from_f64(f64::from(d.epsilon))).sqrt();
        channel(d.shape, c).for_each(|i| {
            let sum = (x[i] - mean) * inverse * gamma[c] + beta[c];
            y[i] = d.activation.apply(residual.map_or(sum, |residual| sum + residual[i]));
        });
        let unbiased = squares / T::from_f64((count.max(2) - 1) as f64);
        s.mean[c] = mean;
        s.inverse_deviation[c] = inverse;
        s.running_mean[c] = keep * s.running_mean[c] + momentum * mean;
        s.running_var[c] = keep * s.running_var[c] + momentum * unbiased;
    }
}

/// dx, dγ and dβ; with an activation, `beta` is given and dy is the gradient of its result.
pub fn gradient<T: Real>(
    d: &BatchNormDesc,
    (x, dy, gamma): (&[T], &[T], &[T]),
    (mean, inverse, beta): (&[T], &[T], Option<&[T]>),
    (dx, dgamma, dbeta): (&mut [T], &mut [T], &mut [T]),
) {
    let [n, channels, h, w] = d.shape;
    let m = T::from_f64((n * h * w) as f64);
    for c in 0..channels {
        let dy = |i: usize| {
            let Some(beta) = beta else { return dy[i] };
            let y = (x[i] - mean[c]) * inverse[c] * gamma[c] + beta[c];
            dy[i] * d.activation.derivative(d.activation.apply(y))
        };
        let (mut sum, mut product) = (T::from_f64(0.0), T::from_f64(0.0));
        channel(d.shape, c).for_each(|i| {
            sum += dy(i);
            product += dy(i) * (x[i] - mean[c]) * inverse[c];
        });
        dbeta[c] = sum;
        dgamma[c] = product;
        channel(d.shape, c).for_each(|i| {
            let normal = (x[i] - mean[c]) * inverse[c];
            dx[i] = gamma[c] * inverse[c] * (dy(i) - sum / m - normal * product / m);
        });
    }
}

/// The gradient before an activation with the result y, whose gradient is dy, or dy plus `addend`.
pub fn before_activation<T: Real>(
    activation: Activation,
    y: &[T],
    dy: &[T],
    addend: Option<&[T]>,
    before: &mut [T],
) {
    for (index, before) in before.iter_mut().enumerate() {
        let dy = addend.map_or(dy[index], |addend| dy[index] + addend[index]);
        *before = dy * activation.derivative(y[index]);
    }
}

/// Folds a batch norm into the weights `[O, inner]` and bias `[O]` of the layer before it.
pub fn fold<T: Real>(
    epsilon: f32,
    (weight, bias): (&[T], Option<&[T]>),
    [gamma, beta, mean, var]: [&[T]; 4],
    (folded_weight, folded_bias): (&mut [T], &mut [T]),
) {
    let inner = weight.len() / gamma.len();
    for o in 0..gamma.len() {
        let scale = gamma[o] / (var[o] + T::from_f64(f64::from(epsilon))).sqrt();
        for i in o * inner..(o + 1) * inner {
            folded_weight[i] = weight[i] * scale;
        }
        folded_bias[o] = (bias.map_or(T::from_f64(0.0), |bias| bias[o]) - mean[o]) * scale + beta[o];
    }
}
