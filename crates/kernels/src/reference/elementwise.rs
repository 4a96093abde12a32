//! Elementwise operations, by definition.

use super::Real;
use crate::activation::Activation;
use crate::elementwise::Elementwise;

/// y from a, and from b if there are two operands.
pub fn elementwise<T: Real>(op: Elementwise, a: &[T], b: Option<&[T]>, y: &mut [T]) {
    for (index, out) in y.iter_mut().enumerate() {
        let (a, b) = (a[index], b.map_or(T::from_f64(0.0), |b| b[index]));
        *out = match op {
            Elementwise::Apply(activation) => activation.apply(a),
            Elementwise::Gradient(activation) => b * activation.derivative(a),
            Elementwise::Function(function) => function.apply(a),
            Elementwise::FunctionGradient(function) => b * function.derivative(a),
            Elementwise::MultiplyBy(factor) => T::from_f64(f64::from(factor)) * a,
            Elementwise::Add => a + b,
            Elementwise::AddRelu => Activation::Relu.apply(a + b),
        };
    }
}
