//! Cross-entropy between softmax and a target for each class, such as the mixture of two labels. Rows are few and
//! short, so a naive kernel suffices.

use striate_tensor::DType;

use crate::Implementation;
use crate::reference::{Reference, floats};

/// The loss of scores `[rows, classes]` for targets of the same shape.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftCrossEntropyDesc {
    /// Number of rows.
    pub rows: usize,
    /// Scores per row.
    pub classes: usize,
    /// Factor on the loss.
    pub scale: f32,
}

/// Reads scores and targets, writes loss `[1]` and probabilities.
pub fn forward() -> &'static [&'static dyn Implementation<SoftCrossEntropyDesc>] {
    &[&Reference::<SoftCrossEntropyDesc> {
        name: "soft_cross_entropy_reference",
        operands: |_| floats(4),
        run: |desc, views| {
            let (x, targets) = (views.read::<f32>(0), views.read(1));
            let (loss, probabilities) = (views.write::<f32>(0), views.write(1));
            loss[0] = reference::forward(desc, x, targets, probabilities);
        },
    }]
}

/// Gradient. Reads probabilities and targets, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<SoftCrossEntropyDesc>] {
    &[&Reference::<SoftCrossEntropyDesc> {
        name: "soft_cross_entropy_gradient_reference",
        operands: |_| vec![DType::F32; 3],
        run: |desc, views| {
            reference::gradient(desc, views.read::<f32>(0), views.read(1), views.write(0));
        },
    }]
}

pub mod reference {
    //! Cross-entropy between softmax and targets, by definition.

    use super::SoftCrossEntropyDesc;
    use crate::reference::Real;
    use crate::softmax::reference as softmax;

    /// scale/N · Σ −t·log p; writes the probabilities.
    pub fn forward<T: Real>(d: &SoftCrossEntropyDesc, x: &[T], targets: &[T], probabilities: &mut [T]) -> T {
        softmax::forward(d.classes, x, probabilities);
        let mut total = T::from_f64(0.0);
        for (x, targets) in x.chunks_exact(d.classes).zip(targets.chunks_exact(d.classes)) {
            let largest = x.iter().copied().fold(x[0], T::maximum);
            let mut sum = T::from_f64(0.0);
            x.iter().for_each(|x| sum += (*x - largest).exp());
            let log_sum = sum.ln() + largest;
            x.iter().zip(targets).for_each(|(x, target)| total += *target * (log_sum - *x));
        }
        total * T::from_f64(f64::from(d.scale) / d.rows as f64)
    }

    /// dx = scale/N · (p·Σt − t).
    pub fn gradient<T: Real>(d: &SoftCrossEntropyDesc, probabilities: &[T], targets: &[T], dx: &mut [T]) {
        let scale = T::from_f64(f64::from(d.scale) / d.rows as f64);
        for (row, dx) in dx.chunks_exact_mut(d.classes).enumerate() {
            let range = row * d.classes..(row + 1) * d.classes;
            let (p, t) = (&probabilities[range.clone()], &targets[range]);
            let mut all = T::from_f64(0.0);
            t.iter().for_each(|target| all += *target);
            (0..d.classes).for_each(|k| dx[k] = (p[k] * all - t[k]) * scale);
        }
    }
}
