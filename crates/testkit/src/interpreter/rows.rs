//! Operations on rows `[N, K]`: fully connected layers, distances to codes, softmax and losses.

use striate_graph::ops::{Criterion, CrossEntropy};
use striate_graph::{Graph, Node, Op};

use super::functions::activate;

/// Computes `node` from its operands `r` into `w`.
pub(super) fn step(graph: &Graph, node: &Node, r: &[&[f64]], w: &mut [Vec<f64>]) {
    // Rows and columns of the first operand.
    let x = graph.shape(node.inputs[0]);
    let (rows, columns) = (x[0], x[1]);
    let y = graph.shape(node.outputs[0]).get(1).copied().unwrap_or(1);
    match &node.op {
        Op::Linear(op) => each(&mut w[0], y, |n, o| {
            let bias = if op.bias { r[2][o] } else { 0.0 };
            let sum = sum(columns, |i| r[0][n * columns + i] * r[1][o * columns + i]);
            activate(op.activation, sum + bias)
        }),
        // From dy and w `[O, I]`.
        Op::LinearDataGradient(_) => {
            each(&mut w[0], y, |n, i| sum(columns, |o| r[0][n * columns + o] * r[1][o * y + i]));
        }
        // From x and dy.
        Op::LinearWeightGradient(_) => {
            let outputs = graph.shape(node.inputs[1])[1];
            each(&mut w[0], y, |o, i| sum(rows, |n| r[0][n * columns + i] * r[1][n * outputs + o]));
        }
        Op::Rbf(_) => each(&mut w[0], y, |n, k| {
            -sum(columns, |i| (r[0][n * columns + i] - r[1][k * columns + i]).powi(2))
        }),
        Op::RbfGradient(_) => {
            let units = graph.shape(node.inputs[1])[0];
            each(&mut w[0], columns, |n, i| {
                let difference = |k: usize| r[0][n * columns + i] - r[1][k * columns + i];
                -2.0 * sum(units, |k| r[2][n * units + k] * difference(k))
            });
        }
        Op::Softmax(_) => each_row(&mut w[0], columns, |n, y| softmax(row(r[0], n, columns), y)),
        Op::LogSoftmax(_) => each_row(&mut w[0], columns, |n, y| {
            let x = row(r[0], n, columns);
            let log = log_sum_exp(x);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x - log);
        }),
        // From y and dy.
        Op::SoftmaxGradient(_) => each_row(&mut w[0], columns, |n, dx| {
            let (y, dy) = (row(r[0], n, columns), row(r[1], n, columns));
            let product = sum(columns, |k| y[k] * dy[k]);
            (0..columns).for_each(|k| dx[k] = y[k] * (dy[k] - product));
        }),
        Op::LogSoftmaxGradient(_) => each_row(&mut w[0], columns, |n, dx| {
            let (y, dy) = (row(r[0], n, columns), row(r[1], n, columns));
            let total: f64 = dy.iter().sum();
            (0..columns).for_each(|k| dx[k] = dy[k] - y[k].exp() * total);
        }),
        Op::CrossEntropy(op) => {
            each_row(&mut w[1], columns, |n, y| softmax(row(r[0], n, columns), y));
            let loss = |n: usize| {
                let x = row(r[0], n, columns);
                let log = log_sum_exp(x);
                sum(columns, |k| target(op, columns, k, r[1][n]) * (log - x[k]))
            };
            w[0][0] = f64::from(op.scale) * sum(rows, loss) / rows as f64;
        }
        // From the probabilities.
        Op::CrossEntropyGradient(op) => each(&mut w[0], columns, |n, k| {
            let difference = r[0][n * columns + k] - target(&op.0, columns, k, r[1][n]);
            f64::from(op.0.scale) * difference / rows as f64
        }),
        Op::SoftCrossEntropy(op) => {
            each_row(&mut w[1], columns, |n, y| softmax(row(r[0], n, columns), y));
            let loss = |n: usize| {
                let (x, t) = (row(r[0], n, columns), row(r[1], n, columns));
                let log = log_sum_exp(x);
                sum(columns, |k| t[k] * (log - x[k]))
            };
            w[0][0] = f64::from(op.scale) * sum(rows, loss) / rows as f64;
        }
        // From the probabilities.
        Op::SoftCrossEntropyGradient(op) => each_row(&mut w[0], columns, |n, dx| {
            let (p, t) = (row(r[0], n, columns), row(r[1], n, columns));
            let all: f64 = t.iter().sum();
            (0..columns).for_each(|k| dx[k] = f64::from(op.0.scale) * (p[k] * all - t[k]) / rows as f64);
        }),
        Op::ClassLoss(op) => {
            let loss = |n: usize| criterion_loss(op.criterion, row(r[0], n, columns), r[1][n] as usize);
            w[0][0] = f64::from(op.scale) * sum(rows, loss) / rows as f64;
            each_row(&mut w[1], columns, |n, p| {
                let x = row(r[0], n, columns);
                match op.criterion {
                    Criterion::BinaryCrossEntropy => {
                        p.iter_mut().zip(x).for_each(|(p, x)| *p = sigmoid(*x));
                    }
                    Criterion::MeanSquared => p.copy_from_slice(x),
                    Criterion::Hinge { .. } | Criterion::Perceptron => softmax(x, p),
                    Criterion::Rbf { j } => softmax_with_none(j, x, p),
                }
            });
        }
        Op::ClassLossGradient(op) => each_row(&mut w[0], columns, |n, dx| {
            criterion_gradient(op.0.criterion, row(r[0], n, columns), r[1][n] as usize, dx);
            dx.iter_mut().for_each(|dx| *dx *= f64::from(op.0.scale) / rows as f64);
        }),
        other => unreachable!("{} is computed elsewhere", other.name()),
    }
}

fn sum(count: usize, term: impl Fn(usize) -> f64) -> f64 {
    (0..count).map(term).sum()
}

fn row(x: &[f64], n: usize, columns: usize) -> &[f64] {
    &x[n * columns..][..columns]
}

/// Sets every element of `w` to `value` of its row and column.
fn each(w: &mut [f64], columns: usize, value: impl Fn(usize, usize) -> f64) {
    w.iter_mut().enumerate().for_each(|(i, y)| *y = value(i / columns, i % columns));
}

fn each_row(w: &mut [f64], columns: usize, visit: impl Fn(usize, &mut [f64])) {
    w.chunks_exact_mut(columns).enumerate().for_each(|(n, row)| visit(n, row));
}

/// ln Σ eˣ, shifted by the largest element so that nothing overflows.
fn log_sum_exp(x: &[f64]) -> f64 {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + x.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

fn softmax(x: &[f64], y: &mut [f64]) {
    let log = log_sum_exp(x);
    y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - log).exp());
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The target probability of a class, with label smoothing.
fn target(op: &CrossEntropy, classes: usize, class: usize, label: f64) -> f64 {
    let smoothing = f64::from(op.smoothing);
    smoothing / classes as f64 + if class as f64 == label { 1.0 - smoothing } else { 0.0 }
}

/// The target of the losses that compare each score with 0 or 1.
fn hit(class: usize, label: usize) -> f64 {
    if class == label { 1.0 } else { 0.0 }
}

/// The amount by which the score of `class` comes within `margin` of the label's.
fn excess(margin: f32, x: &[f64], label: usize, class: usize) -> f64 {
    if class == label { 0.0 } else { (f64::from(margin) - x[label] + x[class]).max(0.0) }
}

/// The loss of one row.
fn criterion_loss(criterion: Criterion, x: &[f64], label: usize) -> f64 {
    let mean = |term: &dyn Fn(usize) -> f64| sum(x.len(), term) / x.len() as f64;
    match criterion {
        // −t·ln σ(x) − (1 − t)·ln(1 − σ(x)) = ln(1 + eˣ) − t·x, which is ln(1 + e⁻ˣ) + x − t·x for large x.
        Criterion::BinaryCrossEntropy => {
            mean(&|k| (-x[k].abs()).exp().ln_1p() + x[k].max(0.0) - hit(k, label) * x[k])
        }
        Criterion::MeanSquared => mean(&|k| (x[k] - hit(k, label)).powi(2)),
        Criterion::Hinge { margin, power } => mean(&|k| excess(margin, x, label, k).powi(power.into())),
        Criterion::Perceptron => x.iter().copied().fold(f64::NEG_INFINITY, f64::max) - x[label],
        Criterion::Rbf { j } => log_sum_exp(&[x, &[-f64::from(j)]].concat()) - x[label],
    }
}

/// The gradient of the loss of one row.
fn criterion_gradient(criterion: Criterion, x: &[f64], label: usize, dx: &mut [f64]) {
    let count = x.len() as f64;
    let mut each = |value: &dyn Fn(usize) -> f64| (0..x.len()).for_each(|k| dx[k] = value(k));
    match criterion {
        Criterion::BinaryCrossEntropy => each(&|k| (sigmoid(x[k]) - hit(k, label)) / count),
        Criterion::MeanSquared => each(&|k| 2.0 * (x[k] - hit(k, label)) / count),
        Criterion::Hinge { margin, power } => {
            let of_class = |k: usize| match (power, excess(margin, x, label, k)) {
                (2, excess) => 2.0 * excess / count,
                (_, excess) => {
                    if excess > 0.0 {
                        1.0 / count
                    } else {
                        0.0
                    }
                }
            };
            let all = sum(x.len(), of_class);
            each(&|k| if k == label { -all } else { of_class(k) });
        }
        Criterion::Perceptron => {
            let best = (1..x.len()).fold(0, |best, k| if x[k] > x[best] { k } else { best });
            each(&|k| hit(k, best) - hit(k, label));
        }
        Criterion::Rbf { j } => {
            softmax_with_none(j, x, dx);
            dx[label] -= 1.0;
        }
    }
}

/// The softmax with an additional class of score −j, whose own probability is omitted.
fn softmax_with_none(j: f32, x: &[f64], y: &mut [f64]) {
    let log = log_sum_exp(&[x, &[-f64::from(j)]].concat());
    y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - log).exp());
}
