//! The interpreter's operations on values of any rank, computed element by element from indices.

use striate_graph::{Graph, Node, Op};
use striate_tensor::Shape;

/// Computes `node` from its operands `r` into `w`.
pub(super) fn step(graph: &Graph, node: &Node, r: &[&[f64]], w: &mut [f64]) {
    let x = graph.shape(node.inputs[0]);
    let y = graph.shape(node.outputs[0]);
    let x_at = |index: &[usize]| r[0][flat(x, index)];
    match &node.op {
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) | Op::Max(_) | Op::Min(_) => {
            let b = graph.shape(node.inputs[1]);
            fill(y, w, |index| {
                let (x, b) = (r[0][narrow(x, index)], r[1][narrow(b, index)]);
                match &node.op {
                    Op::Add(_) => x + b,
                    Op::Sub(_) => x - b,
                    Op::Mul(_) => x * b,
                    Op::Div(_) => x / b,
                    Op::Max(_) => {
                        if x.is_nan() || x > b {
                            x
                        } else {
                            b
                        }
                    }
                    _ => {
                        if x.is_nan() || x < b {
                            x
                        } else {
                            b
                        }
                    }
                }
            });
        }
        // The gradient of a in the shape of the result; both operands get half of it where they are equal.
        Op::ExtremumGradient(op) => {
            let b = graph.shape(node.inputs[1]);
            fill(y, w, |index| {
                let (x, b) = (r[0][narrow(x, index)], r[1][narrow(b, index)]);
                let is_selected = if op.is_min { x < b } else { x > b };
                r[2][flat(y, index)]
                    * if is_selected {
                        1.0
                    } else if x == b {
                        0.5
                    } else {
                        0.0
                    }
            });
        }
        Op::Gather(op) => fill(y, w, |index| {
            let mut from = index.to_vec();
            from[op.axis] = op.indices[index[op.axis]];
            x_at(&from)
        }),
        Op::GatherGradient(op) => {
            w.fill(0.0);
            each(x, |index| {
                let mut to = index.to_vec();
                to[op.0.axis] = op.0.indices[index[op.0.axis]];
                w[flat(y, &to)] += x_at(index);
            });
        }
        Op::SumTo(op) => sum_to(x, y, r[0], f64::from(op.factor), w),
        Op::ReduceMean(_) => sum_to(x, y, r[0], y.numel() as f64 / x.numel() as f64, w),
        Op::ReduceMeanGradient(_) => {
            let share = x.numel() as f64 / y.numel() as f64;
            fill(y, w, |index| r[0][narrow(x, index)] * share);
        }
        Op::MatMul(op) => {
            let b = graph.shape(node.inputs[1]);
            let swapped = |mut index: Vec<usize>, swap: bool| {
                let rank = index.len();
                if swap {
                    index.swap(rank - 1, rank - 2);
                }
                index
            };
            let inner = x[if op.transpose_a { x.len() - 2 } else { x.len() - 1 }];
            fill(y, w, |index| {
                let (outer, [i, j]) = index.split_at(index.len() - 2) else {
                    unreachable!("matrices have two axes")
                };
                let term = |k: usize| {
                    let a = swapped([outer, &[*i, k]].concat(), op.transpose_a);
                    let b_index = swapped([outer, &[k, *j]].concat(), op.transpose_b);
                    r[0][narrow(x, &a)] * r[1][narrow(b, &b_index)]
                };
                (0..inner).map(term).sum()
            });
        }
        Op::Transpose(op) => fill(y, w, |index| x_at(&permuted(index, &op.permutation))),
        Op::Slice(op) => fill(y, w, |index| {
            let mut from = index.to_vec();
            from[op.axis] = (op.start as isize + index[op.axis] as isize * op.step) as usize;
            x_at(&from)
        }),
        Op::SliceGradient(op) => {
            w.fill(0.0);
            each(x, |index| {
                let mut to = index.to_vec();
                to[op.0.axis] = (op.0.start as isize + index[op.0.axis] as isize * op.0.step) as usize;
                w[flat(y, &to)] = x_at(index);
            });
        }
        Op::Pad(op) => fill(y, w, |index| {
            let unpadded =
                |(axis, at): (usize, &usize)| at.checked_sub(op.before[axis]).filter(|at| *at < x[axis]);
            let from: Option<Vec<usize>> = index.iter().enumerate().map(unpadded).collect();
            from.map_or(f64::from(op.value), |from| x_at(&from))
        }),
        Op::PadGradient(op) => fill(y, w, |index| {
            let from: Vec<usize> = index.iter().zip(&op.0.before).map(|(at, before)| at + before).collect();
            x_at(&from)
        }),
        Op::Clip(op) => fill(y, w, |index| x_at(index).max(op.min.into()).min(op.max.into())),
        Op::ClipGradient(op) => fill(y, w, |index| {
            let in_range = (f64::from(op.0.min)..=f64::from(op.0.max)).contains(&x_at(index));
            if in_range { r[1][flat(y, index)] } else { 0.0 }
        }),
        other => unreachable!("{} is computed elsewhere", other.name()),
    }
}

fn sum_to(wide: &Shape, narrow_shape: &Shape, x: &[f64], factor: f64, w: &mut [f64]) {
    w.fill(0.0);
    each(wide, |index| w[narrow(narrow_shape, index)] += x[flat(wide, index)] * factor);
}

/// The offset of the element of a value with `shape` that is broadcast to `index`.
fn narrow(shape: &Shape, index: &[usize]) -> usize {
    let own = index[index.len() - shape.len()..].iter().zip(shape.iter());
    own.fold(0, |place, (at, extent)| place * extent + if *extent == 1 { 0 } else { *at })
}

/// The index before a transposition of the element at `index` after it.
fn permuted(index: &[usize], permutation: &[usize]) -> Vec<usize> {
    let mut from = vec![0; index.len()];
    permutation.iter().zip(index).for_each(|(axis, at)| from[*axis] = *at);
    from
}

fn flat(shape: &Shape, index: &[usize]) -> usize {
    index.iter().zip(shape.iter()).fold(0, |place, (at, extent)| place * extent + at)
}

fn each(shape: &Shape, mut visit: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for number in 0..shape.numel() {
        let mut rest = number;
        for axis in (0..shape.len()).rev() {
            (index[axis], rest) = (rest % shape[axis], rest / shape[axis]);
        }
        visit(&index);
    }
}

fn fill(shape: &Shape, w: &mut [f64], value: impl Fn(&[usize]) -> f64) {
    each(shape, |index| w[flat(shape, index)] = value(index));
}
