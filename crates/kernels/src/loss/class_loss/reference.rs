//! Classification losses, by definition.

use super::{ClassLossDesc, Criterion};
use crate::activation::Activation;
use crate::reference::Real;
use crate::softmax::reference as softmax;

/// Returns the loss; writes the substitute for probabilities.
pub fn forward<T: Real>(d: &ClassLossDesc, x: &[T], labels: &[i64], probabilities: &mut [T]) -> T {
    let mut total = T::from_f64(0.0);
    let rows = x.chunks_exact(d.classes).zip(probabilities.chunks_exact_mut(d.classes));
    for ((x, probabilities), label) in rows.zip(labels) {
        let label = *label as usize;
        match d.criterion {
            Criterion::BinaryCrossEntropy => {
                probabilities.iter_mut().zip(x).for_each(|(p, x)| *p = Activation::Sigmoid.apply(*x));
            }
            Criterion::MeanSquared => probabilities.copy_from_slice(x),
            Criterion::Hinge { .. } | Criterion::Perceptron => softmax::forward(d.classes, x, probabilities),
            Criterion::Rbf { j } => softmax_with_none(j, x, probabilities),
        }
        total += row_loss(d.criterion, x, label);
    }
    total * T::from_f64(f64::from(d.scale) / d.rows as f64)
}

/// dx from the scores and labels.
pub fn gradient<T: Real>(d: &ClassLossDesc, x: &[T], labels: &[i64], dx: &mut [T]) {
    let scale = T::from_f64(f64::from(d.scale) / d.rows as f64);
    for ((x, dx), label) in x.chunks_exact(d.classes).zip(dx.chunks_exact_mut(d.classes)).zip(labels) {
        row_gradient(d.criterion, x, *label as usize, dx);
        dx.iter_mut().for_each(|dx| *dx = *dx * scale);
    }
}

/// 1 for the label, 0 for the others.
fn target<T: Real>(class: usize, label: usize) -> T {
    T::from_f64(if class == label { 1.0 } else { 0.0 })
}

fn row_loss<T: Real>(criterion: Criterion, x: &[T], label: usize) -> T {
    let zero = T::from_f64(0.0);
    let mut sum = zero;
    let mean = T::from_f64(1.0 / x.len() as f64);
    match criterion {
        Criterion::BinaryCrossEntropy => {
            for (class, x) in x.iter().enumerate() {
                // max(x, 0) − x·t + log(1 + e^−|x|), which cannot overflow.
                let negative = zero - x.maximum(zero - *x);
                let tail = (T::from_f64(1.0) + negative.exp()).ln();
                sum += x.maximum(zero) - *x * target(class, label) + tail;
            }
            sum * mean
        }
        Criterion::MeanSquared => {
            for (class, x) in x.iter().enumerate() {
                let difference = *x - target(class, label);
                sum += difference * difference;
            }
            sum * mean
        }
        Criterion::Hinge { margin, power } => {
            for class in (0..x.len()).filter(|class| *class != label) {
                let within = excess(margin, x, label, class);
                sum += if power == 2 { within * within } else { within };
            }
            sum * mean
        }
        Criterion::Perceptron => x[highest(x)] - x[label],
        Criterion::Rbf { j } => log_sum_with_none(j, x) - x[label],
    }
}

fn row_gradient<T: Real>(criterion: Criterion, x: &[T], label: usize, dx: &mut [T]) {
    let zero = T::from_f64(0.0);
    let mean = T::from_f64(1.0 / x.len() as f64);
    match criterion {
        Criterion::BinaryCrossEntropy => {
            for (class, (x, dx)) in x.iter().zip(dx).enumerate() {
                *dx = (Activation::Sigmoid.apply(*x) - target(class, label)) * mean;
            }
        }
        Criterion::MeanSquared => {
            for (class, (x, dx)) in x.iter().zip(dx).enumerate() {
                *dx = T::from_f64(2.0) * (*x - target(class, label)) * mean;
            }
        }
        Criterion::Hinge { margin, power } => {
            let mut all = zero;
            for class in (0..x.len()).filter(|class| *class != label) {
                let within = excess(margin, x, label, class);
                dx[class] = match power {
                    2 => T::from_f64(2.0) * within * mean,
                    _ if within > zero => mean,
                    _ => zero,
                };
                all += dx[class];
            }
            dx[label] = zero - all;
        }
        Criterion::Perceptron => {
            let one = T::from_f64(1.0);
            dx.fill(zero);
            dx[highest(x)] = one;
            dx[label] = dx[label] - one;
        }
        Criterion::Rbf { j } => {
            softmax_with_none(j, x, dx);
            dx[label] = dx[label] - T::from_f64(1.0);
        }
    }
}

/// The place of the highest score, the first of several.
fn highest<T: Real>(x: &[T]) -> usize {
    (1..x.len()).fold(0, |best, class| if x[class] > x[best] { class } else { best })
}

/// max(0, margin − x\[label\] + x\[class\])
fn excess<T: Real>(margin: f32, x: &[T], label: usize, class: usize) -> T {
    (T::from_f64(f64::from(margin)) - x[label] + x[class]).maximum(T::from_f64(0.0))
}

/// log(e^−j + Σ e^x)
fn log_sum_with_none<T: Real>(j: f32, x: &[T]) -> T {
    let none = T::from_f64(-f64::from(j));
    let largest = x.iter().copied().fold(none, T::maximum);
    let mut sum = (none - largest).exp();
    x.iter().for_each(|x| sum += (*x - largest).exp());
    sum.ln() + largest
}

/// The softmax with an additional class of score −j, whose own probability is omitted.
fn softmax_with_none<T: Real>(j: f32, x: &[T], y: &mut [T]) {
    let log_sum = log_sum_with_none(j, x);
    x.iter().zip(y).for_each(|(x, y)| *y = (*x - log_sum).exp());
}
