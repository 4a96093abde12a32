//! Functions of each element: activations, unary functions, dropout.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use striate_graph::ops::{Activation, Dropout, Function};
use striate_graph::{Node, Op};
use striate_tensor::random::{Stream, philox};

/// Computes `node` from its operands `r` into `w`.
pub(super) fn step(node: &Node, r: &[&[f64]], w: &mut [f64]) {
    let mut each = |value: &dyn Fn(usize) -> f64| w.iter_mut().enumerate().for_each(|(i, y)| *y = value(i));
    match &node.op {
        Op::Relu(_) | Op::Relu6(_) | Op::Tanh(_) | Op::Sigmoid(_) | Op::ScaledTanh(_) => {
            let activation = node.op.activation().expect("the node is an activation");
            each(&|i| activate(activation, r[0][i]));
        }
        // From y and dy.
        Op::ActivationGradient(op) => each(&|i| r[1][i] * activation_derivative(op.0, r[0][i])),
        Op::LeakyRelu(_)
        | Op::Elu(_)
        | Op::HardSigmoid(_)
        | Op::HardSwish(_)
        | Op::Step(_)
        | Op::Gelu(_)
        | Op::Unary(_)
        | Op::Power(_) => {
            let function = node.op.function().expect("the node is a function");
            each(&|i| apply(function, r[0][i]));
        }
        // From x and dy.
        Op::FunctionGradient(op) => each(&|i| r[1][i] * derivative(op.0, r[0][i])),
        Op::MultiplyBy(op) => each(&|i| f64::from(op.factor) * r[0][i]),
        Op::Dropout(op) if r.len() == 3 => {
            let keeps = mask(op, r[1][0] as i64, r[2][0] as i64);
            let kept = 1.0 - f64::from(op.probability);
            each(&|i| if keeps(i as u64) { r[0][i] / kept } else { 0.0 });
        }
        // Results are rounded to their element type wherever they are stored. Dropout without seed and step is that of
        // inference, which does nothing.
        Op::Cast(_) | Op::Dropout(_) | Op::Flatten(_) | Op::Reshape(_) | Op::Constant(_) => {
            each(&|i| r[0][i])
        }
        other => unreachable!("{} is computed elsewhere", other.name()),
    }
}

/// f(x)
pub(super) fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::ScaledTanh => 1.7159 * (2.0 / 3.0 * x).tanh(),
    }
}

/// f'(x), given y = f(x).
pub(super) fn activation_derivative(activation: Activation, y: f64) -> f64 {
    let within = |inside: bool| if inside { 1.0 } else { 0.0 };
    match activation {
        Activation::None => 1.0,
        Activation::Relu => within(y > 0.0),
        Activation::Relu6 => within(y > 0.0 && y < 6.0),
        Activation::Tanh => 1.0 - y * y,
        Activation::Sigmoid => y * (1.0 - y),
        Activation::ScaledTanh => 1.7159 * 2.0 / 3.0 * (1.0 - (y / 1.7159).powi(2)),
    }
}

/// f(x)
fn apply(function: Function, x: f64) -> f64 {
    match function {
        Function::LeakyRelu { slope } => x.max(0.0) + f64::from(slope) * x.min(0.0),
        Function::Elu { alpha, scale, rate } => {
            let negative = f64::from(alpha) * (f64::from(rate) * x.min(0.0)).exp_m1();
            f64::from(scale) * (x.max(0.0) + negative)
        }
        Function::HardSigmoid { slope, offset } => (f64::from(slope) * x + f64::from(offset)).clamp(0.0, 1.0),
        Function::Step { threshold } => f64::from(u8::from(x > f64::from(threshold))),
        Function::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Function::Gelu => x * normal(x),
        Function::GeluTanh => x * (1.0 + gelu_argument(x).tanh()) / 2.0,
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Sqrt => x.sqrt(),
        Function::Abs => x.abs(),
        Function::Erf => erf(x),
        Function::Power { exponent } => x.powf(exponent.into()),
    }
}

/// f'(x); at a kink, the value that PyTorch uses.
fn derivative(function: Function, x: f64) -> f64 {
    match function {
        Function::LeakyRelu { slope } => {
            if x > 0.0 {
                1.0
            } else {
                slope.into()
            }
        }
        Function::Elu { scale, .. } if x > 0.0 => scale.into(),
        Function::Elu { alpha, scale, rate } => {
            let [alpha, scale, rate] = [alpha, scale, rate].map(f64::from);
            scale * alpha * rate * (rate * x).exp()
        }
        Function::HardSigmoid { slope, offset } => {
            let y = f64::from(slope) * x + f64::from(offset);
            if y > 0.0 && y < 1.0 { slope.into() } else { 0.0 }
        }
        Function::Step { .. } => 0.0,
        Function::HardSwish if x < -3.0 => 0.0,
        Function::HardSwish if x > 3.0 => 1.0,
        Function::HardSwish => x / 3.0 + 0.5,
        Function::Gelu => normal(x) + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt(),
        Function::GeluTanh => {
            let t = gelu_argument(x).tanh();
            let inner = (2.0 / PI).sqrt() * (1.0 + 3.0 * 0.044_715 * x * x);
            (1.0 + t) / 2.0 + x / 2.0 * (1.0 - t * t) * inner
        }
        Function::Exp => x.exp(),
        Function::Log => 1.0 / x,
        Function::Sqrt => 0.5 / x.sqrt(),
        Function::Abs => {
            if x == 0.0 {
                0.0
            } else {
                x.signum()
            }
        }
        Function::Erf => FRAC_2_SQRT_PI * (-x * x).exp(),
        Function::Power { exponent } => f64::from(exponent) * x.powf(f64::from(exponent) - 1.0),
    }
}

/// √(2/π)·(x + 0.044715·x³)
fn gelu_argument(x: f64) -> f64 {
    (2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))
}

/// The standard normal distribution function.
fn normal(x: f64) -> f64 {
    (1.0 + erf(x * FRAC_1_SQRT_2)) / 2.0
}

/// The error function: 2/√π · e^−x² · Σ 2ⁿ·x²ⁿ⁺¹/(2n+1)!!, a series whose terms have the same sign (Abramowitz and
/// Stegun, 7.1.6).
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// Which elements dropout keeps: element i has word i mod 4 of block i/4 of a stream keyed by seed, layer and step, and
/// is kept if this word, as a fraction, is at least the probability.
fn mask(op: &Dropout, seed: i64, step: i64) -> impl Fn(u64) -> bool {
    let halves = |number: u64| [number as u32, (number >> 32) as u32];
    let [salt, step] = [halves(op.salt), halves(step as u64)];
    let [a, b, ..] = philox(halves(seed as u64), [salt[0], salt[1], Stream::Dropout as u32, 0]);
    let threshold = (f64::from(op.probability) * 2f64.powi(32)) as u32;
    move |index| {
        let block = halves(index / 4);
        philox([a, b], [block[0], block[1], step[0], step[1]])[(index % 4) as usize] >= threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Abramowitz and Stegun, table 7.1, to 10 digits.
    #[test]
    fn error_function_has_tabulated_values() {
        for (x, expected) in
            [(0.0, 0.0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)]
        {
            assert!(
                (erf(x) - expected).abs() < 1e-10 && (erf(-x) + expected).abs() < 1e-10,
                "erf({x}) = {}",
                erf(x)
            );
        }
        assert!((erf(5.9) - 1.0).abs() < 1e-15 && erf(7.0) == 1.0);
    }
}
