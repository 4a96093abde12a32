//! Rules for means, sums, norms and extrema over axes.

use striate_graph::ops::{
    Flatten, GlobalAveragePool, MaxPool, Mul, MultiplyBy, ReduceMean, Transpose, Unary, UnaryFunction,
};
use striate_graph::{Op, Padding, PerAxis};
use striate_tensor::{Error, Result, Shape};

use super::import::{Import, stem_of};
use super::layers::axis_of;
use super::proto::Node;
use super::turned::Turned;
use super::value::{Flow, Value};

/// How the elements along the axes are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    Mean,
    Sum,
    SumSquare,
    L1,
    L2,
    Max,
    Min,
}

impl Import<'_> {
    pub(super) fn reduce(&mut self, node: &Node, reduction: Reduction) -> Result<Value> {
        let x = self.computed(node, 0)?;
        let rank = x.order.len();
        let given = self.fixed_of(node, 1, "axes")?.unwrap_or_default();
        let mut axes = given.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?;
        if axes.is_empty() && node.int("noop_with_empty_axes")?.unwrap_or(0) == 0 {
            axes = (0..rank).collect();
        }
        // The axes of the value as stored.
        axes = axes.into_iter().map(|axis| x.order[axis]).collect();
        axes.sort_unstable();
        axes.dedup();
        let [small, large] = &x.flow.shapes;
        if axes.iter().any(|axis| small[*axis] != large[*axis]) {
            return Err(Error::input("axes: a reduction over the batch is not supported"));
        }
        let y = self.reduced(node, &x.flow, &axes, reduction)?;
        if axes.is_empty() || node.int("keepdims")?.unwrap_or(1) != 0 {
            return Ok(x.with(y));
        }
        let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        let order = x.order.iter().filter_map(|axis| kept.iter().position(|other| other == axis)).collect();
        let without = y
            .shapes
            .each_ref()
            .map(|shape| Shape::new(kept.iter().map(|axis| shape[*axis]).collect::<Vec<_>>()));
        let flow = match kept.len() == 2 && rank > 2 {
            true => self.layer(&format!("{}/shape", stem_of(node)), Flatten {}, &[&y], vec![])?,
            false => self.reshape(node, &y, &without)?,
        };
        Ok(Turned { flow, order }.value())
    }

    /// Returns `x` reduced over `axes`, which are kept with extent 1.
    fn reduced(&mut self, node: &Node, x: &Flow, axes: &[usize], reduction: Reduction) -> Result<Flow> {
        let stem = stem_of(node);
        let part = |what: &str| format!("{stem}/{what}");
        let count: usize = axes.iter().map(|axis| x.shapes[0][*axis]).product();
        let unary = |function| Unary { function };
        match reduction {
            Reduction::Mean if axes.is_empty() => Ok(x.clone()),
            Reduction::Mean => self.mean(&stem, x, axes),
            Reduction::Sum => {
                let mean = self.reduced(node, x, axes, Reduction::Mean)?;
                let factor = count as f32;
                self.layer(&part("sum"), MultiplyBy { factor }, &[&mean], vec![])
            }
            Reduction::SumSquare => {
                let square = self.layer(&part("square"), Mul {}, &[x, x], vec![])?;
                self.reduced(node, &square, axes, Reduction::Sum)
            }
            Reduction::L1 => {
                let size = self.layer(&part("abs"), unary(UnaryFunction::Abs), &[x], vec![])?;
                self.reduced(node, &size, axes, Reduction::Sum)
            }
            Reduction::L2 => {
                let sum = self.reduced(node, x, axes, Reduction::SumSquare)?;
                self.layer(&part("root"), unary(UnaryFunction::Sqrt), &[&sum], vec![])
            }
            Reduction::Max if axes.is_empty() => Ok(x.clone()),
            Reduction::Max => self.maximum(node, x, axes),
            Reduction::Min => {
                let minus = MultiplyBy { factor: -1.0 };
                let negative = self.layer(&part("negative"), minus.clone(), &[x], vec![])?;
                let most = self.reduced(node, &negative, axes, Reduction::Max)?;
                self.layer(&part("least"), minus, &[&most], vec![])
            }
        }
    }

    fn mean(&mut self, stem: &str, x: &Flow, axes: &[usize]) -> Result<Flow> {
        let rank = x.rank();
        let op: Op = match (3..=5).contains(&rank) && axes.iter().copied().eq(2..rank) {
            true => GlobalAveragePool {}.into(),
            false => ReduceMean { axes: axes.to_vec() }.into(),
        };
        self.layer(stem, op, &[x], vec![])
    }

    /// Returns the largest element along `axes`: moved to the end, they become the window of a pool.
    fn maximum(&mut self, node: &Node, x: &Flow, axes: &[usize]) -> Result<Flow> {
        let rank = x.rank();
        let kept = || (0..rank).filter(|axis| !axes.contains(axis));
        if x.shapes[0][0] == x.shapes[1][0] || axes.contains(&0) {
            return Err(Error::input("axes: a maximum is supported where the batch is the first axis"));
        }
        let permutation: Vec<usize> = kept().chain(axes.iter().copied()).collect();
        let moved = match permutation.is_sorted() {
            true => x.clone(),
            false => {
                let name = format!("{}/turn", stem_of(node));
                self.layer(&name, Transpose { permutation }, &[x], vec![])?
            }
        };
        let rows: usize = kept().skip(1).map(|axis| x.shapes[0][axis]).product();
        let length: usize = axes.iter().map(|axis| x.shapes[0][*axis]).product();
        let to = x.shapes.each_ref().map(|shape| Shape::from([shape[0], rows, 1, length]));
        let flat = self.reshape(node, &moved, &to)?;
        let pool = MaxPool {
            kernel_size: PerAxis::from((1, length)),
            stride: PerAxis::ONE,
            dilation: PerAxis::ONE,
            padding: Padding::default(),
            ceil_mode: false,
        };
        let most = self.layer(&stem_of(node), pool, &[&flat], vec![])?;
        let to = x.shapes.each_ref().map(|shape| {
            let extent = |axis: usize| if axes.contains(&axis) { 1 } else { shape[axis] };
            Shape::new((0..rank).map(extent).collect::<Vec<_>>())
        });
        self.reshape(node, &most, &to)
    }
}
