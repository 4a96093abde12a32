//! Fully connected layers in all three directions, by definition.

use super::LinearDesc;
use crate::reference::Real;

/// y = activation(W·x + b); x `[N, I]`, w `[O, I]`, y `[N, O]`.
pub fn forward<T: Real>(d: &LinearDesc, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    for (index, out) in y.iter_mut().enumerate() {
        let (n, o) = (index / d.out_features, index % d.out_features);
        let mut sum = bias.map_or(T::from_f64(0.0), |bias| bias[o]);
        for i in 0..d.in_features {
            sum += x[n * d.in_features + i] * w[o * d.in_features + i];
        }
        *out = d.activation.apply(sum);
    }
}

/// dx `[N, I]` from dy `[N, O]` and w.
pub fn data_gradient<T: Real>(d: &LinearDesc, dy: &[T], w: &[T], dx: &mut [T]) {
    for (index, out) in dx.iter_mut().enumerate() {
        let (n, i) = (index / d.in_features, index % d.in_features);
        let mut sum = T::from_f64(0.0);
        for o in 0..d.out_features {
            sum += dy[n * d.out_features + o] * w[o * d.in_features + i];
        }
        *out = sum;
    }
}

/// dw `[O, I]` from x and dy.
pub fn weight_gradient<T: Real>(d: &LinearDesc, x: &[T], dy: &[T], dw: &mut [T]) {
    for (index, out) in dw.iter_mut().enumerate() {
        let (o, i) = (index / d.in_features, index % d.in_features);
        let mut sum = T::from_f64(0.0);
        for n in 0..d.batch {
            sum += x[n * d.in_features + i] * dy[n * d.out_features + o];
        }
        *out = sum;
    }
}
