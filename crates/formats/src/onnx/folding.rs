//! Arithmetic on constants, and their concatenation.

use striate_tensor::{Error, Result};

use super::budget::Budget;
use super::constant::{Constant, Data, count};

/// A binary operation that can be folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
}

impl Arithmetic {
    fn floats(self, a: f32, b: f32) -> f32 {
        match self {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
            Arithmetic::Max if a.is_nan() || b.is_nan() => f32::NAN,
            Arithmetic::Min if a.is_nan() || b.is_nan() => f32::NAN,
            Arithmetic::Max => a.max(b),
            Arithmetic::Min => a.min(b),
        }
    }

    fn ints(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Sub => a.checked_sub(b),
            Arithmetic::Mul => a.checked_mul(b),
            Arithmetic::Div => a.checked_div(b),
            Arithmetic::Max => Some(a.max(b)),
            Arithmetic::Min => Some(a.min(b)),
        }
    }
}

/// Computes a op b with broadcasting.
pub(super) fn arithmetic(
    op: Arithmetic,
    a: &Constant,
    b: &Constant,
    budget: &mut Budget,
) -> Result<Constant> {
    let rank = a.shape.len().max(b.shape.len());
    let extent =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let together = |axis: usize| match (extent(&a.shape, axis), extent(&b.shape, axis)) {
        (x, y) if x == y => Some(x),
        (1, other) | (other, 1) => Some(other),
        _ => None,
    };
    let misfit = || Error::input(format!("{:?} and {:?} cannot be broadcast", a.shape, b.shape));
    let shape: Vec<usize> = (0..rank).map(together).collect::<Option<_>>().ok_or_else(misfit)?;
    let total = count(&shape)?;
    let steps = 2 * rank + 1;
    let place = |own: &[usize], mut index: usize| {
        let (mut place, mut stride) = (0, 1);
        for axis in (0..rank).rev() {
            let here = extent(own, axis);
            place += if here == 1 { 0 } else { index % shape[axis] * stride };
            stride *= here;
            index /= shape[axis];
        }
        place
    };
    let is_weight = a.is_weight || b.is_weight;
    if let (Some(x), Some(y)) = (a.uniform(), b.uniform()) {
        return Ok(Constant { is_weight, ..Constant::filled(shape, op.floats(x, y)) });
    }
    match (&a.data, &b.data) {
        (Data::Ints(x), Data::Ints(y)) => {
            budget.ints(total)?;
            budget.work(total, 2 * steps)?;
            let side = |side: usize| -> Result<Vec<i64>> {
                let element = |i: usize| op.ints(x[side][place(&a.shape, i)], y[side][place(&b.shape, i)]);
                let all: Option<Vec<i64>> = (0..total).map(element).collect();
                all.ok_or_else(|| Error::input("the arithmetic on integers overflows, or divides by zero"))
            };
            Ok(Constant::ints(shape.clone(), [side(0)?, side(1)?]))
        }
        (Data::Ints(_), _) | (_, Data::Ints(_)) => Err(Error::input("combines floats with integers")),
        _ => {
            budget.floats(total)?;
            budget.work(total, steps)?;
            let element = |i: usize| op.floats(a.float(place(&a.shape, i)), b.float(place(&b.shape, i)));
            let values = (0..total).map(element).collect();
            Ok(Constant { is_weight, ..Constant::floats(shape.clone(), values) })
        }
    }
}

/// Concatenates constants along an axis.
pub(super) fn concat(parts: &[Constant], axis: usize, budget: &mut Budget) -> Result<Constant> {
    let misfit = || Error::input("the parts cannot be concatenated");
    let first = &parts[0];
    let fits = |part: &Constant| {
        part.shape.len() == first.shape.len()
            && part.is_float() == first.is_float()
            && (0..first.shape.len()).all(|other| other == axis || part.shape[other] == first.shape[other])
    };
    if axis >= first.shape.len() || !parts.iter().all(fits) {
        return Err(misfit());
    }
    let mut shape = first.shape.clone();
    let along = parts.iter().try_fold(0usize, |sum, part| sum.checked_add(part.shape[axis]));
    shape[axis] = along.ok_or_else(misfit)?;
    let total = count(&shape)?;
    let is_weight = parts.iter().any(|part| part.is_weight);
    let is = |value: f32, part: &Constant| part.uniform().is_some_and(|x| x.to_bits() == value.to_bits());
    if let Some(value) = first.uniform().filter(|value| parts.iter().all(|part| is(*value, part))) {
        return Ok(Constant { is_weight, ..Constant::filled(shape, value) });
    }
    // Empty parts contribute nothing, but there could be very many.
    let rows = |part: &Constant| part.shape[axis..].iter().product::<usize>();
    let parts: Vec<(&Constant, usize)> = match total {
        0 => vec![],
        _ => parts.iter().map(|part| (part, rows(part))).filter(|(_, rows)| *rows > 0).collect(),
    };
    let outer = if total == 0 { 0 } else { count(&shape[..axis])? };
    let places = (0..outer).flat_map(|row| parts.iter().map(move |(part, rows)| (*part, row * rows, *rows)));
    if first.is_float() {
        budget.floats(total)?;
        budget.work(total, 1)?;
        let mut all = Vec::with_capacity(total);
        for (part, start, rows) in places {
            all.extend((start..start + rows).map(|place| part.float(place)));
        }
        return Ok(Constant { is_weight, ..Constant::floats(shape, all) });
    }
    budget.ints(total)?;
    budget.work(total, 2)?;
    let mut sides = [0, 1].map(|_| Vec::with_capacity(total));
    for (part, start, rows) in places {
        for (all, values) in sides.iter_mut().zip(part.ints_of_batches()?) {
            all.extend(&values[start..start + rows]);
        }
    }
    Ok(Constant::ints(shape, sides))
}
