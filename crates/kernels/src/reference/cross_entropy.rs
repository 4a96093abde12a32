//! Cross-entropy between softmax and labels, by definition.

use super::{Real, softmax};
use crate::cross_entropy::CrossEntropyDesc;

/// The loss; writes the probabilities.
pub fn forward<T: Real>(d: &CrossEntropyDesc, x: &[T], labels: &[i64], probabilities: &mut [T]) -> T {
    softmax::forward(d.classes, x, probabilities);
    let mut total = T::from_f64(0.0);
    for (row, label) in labels.iter().enumerate() {
        let x = &x[row * d.classes..][..d.classes];
        let largest = x.iter().copied().fold(x[0], T::maximum);
        let mut sum = T::from_f64(0.0);
        x.iter().for_each(|x| sum += (*x - largest).exp());
        let log_sum = sum.ln() + largest;
        for (class, x) in x.iter().enumerate() {
            total += T::from_f64(d.target(class, *label)) * (log_sum - *x);
        }
    }
    total * T::from_f64(f64::from(d.scale) / d.rows as f64)
}

/// dx = scale/N · (p − target).
pub fn gradient<T: Real>(d: &CrossEntropyDesc, probabilities: &[T], labels: &[i64], dx: &mut [T]) {
    let scale = T::from_f64(f64::from(d.scale) / d.rows as f64);
    for (index, out) in dx.iter_mut().enumerate() {
        let target = d.target(index % d.classes, labels[index / d.classes]);
        *out = (probabilities[index] - T::from_f64(target)) * scale;
    }
}
