//! Multiplication by a coefficient for each channel, with an optional bias, by definition.

use super::Real;

/// y = w\[c\]·x + bias\[c\]; x `[N, C, H, W]`.
pub fn scale<T: Real>(shape: [usize; 4], x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let [_, c, height, width] = shape;
    for (index, (x, y)) in x.iter().zip(y).enumerate() {
        let channel = index / (height * width) % c;
        *y = w[channel] * *x + bias.map_or(T::from_f64(0.0), |bias| bias[channel]);
    }
}
