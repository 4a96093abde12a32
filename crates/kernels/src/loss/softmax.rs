//! Softmax over rows of scores. Rows are few and short, so a naive kernel suffices.

use crate::Implementation;
use crate::reference::{Reference, floats};

/// Softmax of `[rows, classes]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftmaxDesc {
    /// Number of rows.
    pub rows: usize,
    /// Scores per row.
    pub classes: usize,
}

/// Reads x, writes y.
pub fn list() -> &'static [&'static dyn Implementation<SoftmaxDesc>] {
    &[&Reference::<SoftmaxDesc> {
        name: "softmax_reference",
        operands: |_| floats(2),
        run: |desc, views| reference::forward(desc.classes, views.read::<f32>(0), views.write(0)),
    }]
}

/// Gradient. Reads y and dy, writes dx.
pub fn gradient() -> &'static [&'static dyn Implementation<SoftmaxDesc>] {
    &[&Reference::<SoftmaxDesc> {
        name: "softmax_gradient_reference",
        operands: |_| floats(3),
        run: |desc, views| {
            let (y, dy) = (views.read::<f32>(0), views.read(1));
            reference::gradient(desc.classes, y, dy, views.write(0));
        },
    }]
}

/// Log-softmax. Reads x, writes y.
pub fn log() -> &'static [&'static dyn Implementation<SoftmaxDesc>] {
    &[&Reference::<SoftmaxDesc> {
        name: "log_softmax_reference",
        operands: |_| floats(2),
        run: |desc, views| reference::log_forward(desc.classes, views.read::<f32>(0), views.write(0)),
    }]
}

/// Gradient of the log-softmax. Reads y and dy, writes dx.
pub fn log_gradient() -> &'static [&'static dyn Implementation<SoftmaxDesc>] {
    &[&Reference::<SoftmaxDesc> {
        name: "log_softmax_gradient_reference",
        operands: |_| floats(3),
        run: |desc, views| {
            let (y, dy) = (views.read::<f32>(0), views.read(1));
            reference::log_gradient(desc.classes, y, dy, views.write(0));
        },
    }]
}

pub mod reference {
    //! Softmax over rows, by definition.

    use crate::reference::Real;

    /// yᵢ = e^xᵢ / Σ e^xⱼ for each row of `classes`.
    pub fn forward<T: Real>(classes: usize, x: &[T], y: &mut [T]) {
        for (x, y) in x.chunks_exact(classes).zip(y.chunks_exact_mut(classes)) {
            let largest = x.iter().copied().fold(x[0], T::maximum);
            let mut sum = T::from_f64(0.0);
            for (x, y) in x.iter().zip(y.iter_mut()) {
                *y = (*x - largest).exp();
                sum += *y;
            }
            y.iter_mut().for_each(|y| *y = *y / sum);
        }
    }

    /// yᵢ = xᵢ − ln Σ e^xⱼ for each row of `classes`.
    pub fn log_forward<T: Real>(classes: usize, x: &[T], y: &mut [T]) {
        for (x, y) in x.chunks_exact(classes).zip(y.chunks_exact_mut(classes)) {
            let largest = x.iter().copied().fold(x[0], T::maximum);
            let mut sum = T::from_f64(0.0);
            x.iter().for_each(|x| sum += (*x - largest).exp());
            let log = largest + sum.ln();
            x.iter().zip(y).for_each(|(x, y)| *y = *x - log);
        }
    }

    /// dx = dy − e^y · Σ dy for each row of `classes`.
    pub fn log_gradient<T: Real>(classes: usize, y: &[T], dy: &[T], dx: &mut [T]) {
        for row in 0..y.len() / classes {
            let at = row * classes..(row + 1) * classes;
            let mut sum = T::from_f64(0.0);
            dy[at.clone()].iter().for_each(|dy| sum += *dy);
            at.for_each(|i| dx[i] = dy[i] - y[i].exp() * sum);
        }
    }

    /// dx = y·(dy − Σ dy·y) for each row of `classes`.
    pub fn gradient<T: Real>(classes: usize, y: &[T], dy: &[T], dx: &mut [T]) {
        for row in 0..y.len() / classes {
            let at = row * classes..(row + 1) * classes;
            let mut product = T::from_f64(0.0);
            at.clone().for_each(|i| product += dy[i] * y[i]);
            at.for_each(|i| dx[i] = y[i] * (dy[i] - product));
        }
    }
}
