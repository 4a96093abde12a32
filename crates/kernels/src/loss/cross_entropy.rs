//! Cross-entropy between softmax and labels. Rows are few and short, so a naive kernel suffices.

use striate_tensor::DType;

use crate::Implementation;
use crate::reference::Reference;

/// The loss of scores `[rows, classes]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropyDesc {
    /// Number of rows.
    pub rows: usize,
    /// Scores per row.
    pub classes: usize,
    /// Label smoothing: the share of the target distributed evenly over all classes.
    pub smoothing: f32,
    /// Factor on the loss.
    pub scale: f32,
}

impl CrossEntropyDesc {
    /// The target probability of `class` in a row with this label.
    pub(crate) fn target(&self, class: usize, label: i64) -> f64 {
        let smoothing = f64::from(self.smoothing);
        let share = smoothing / self.classes as f64;
        if class as i64 == label { 1.0 - smoothing + share } else { share }
    }
}

/// Reads scores and labels (i64), writes loss `[1]` and probabilities.
pub fn forward() -> &'static [&'static dyn Implementation<CrossEntropyDesc>] {
    &[&Reference::<CrossEntropyDesc> {
        name: "cross_entropy_reference",
        operands: |_| vec![DType::F32, DType::I64, DType::F32, DType::F32],
        run: |desc, views| {
            let (x, labels) = (views.read::<f32>(0), views.read::<i64>(1));
            let (loss, probabilities) = (views.write::<f32>(0), views.write(1));
            loss[0] = reference::forward(desc, x, labels, probabilities);
        },
    }]
}

/// Gradient. Reads probabilities and labels (i64), writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<CrossEntropyDesc>] {
    &[&Reference::<CrossEntropyDesc> {
        name: "cross_entropy_gradient_reference",
        operands: |_| vec![DType::F32, DType::I64, DType::F32],
        run: |desc, views| {
            let (probabilities, labels) = (views.read::<f32>(0), views.read::<i64>(1));
            reference::gradient(desc, probabilities, labels, views.write(0));
        },
    }]
}

pub mod reference {
    //! Cross-entropy between softmax and labels, by definition.

    use super::CrossEntropyDesc;
    use crate::reference::Real;
    use crate::softmax::reference as softmax;

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
}
