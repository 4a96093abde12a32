//! Convolution in all three directions, by definition.

use super::ConvDesc;
use crate::reference::Real;

/// Multiply-adds with one weight along a row of outputs, except those with padding, as offsets into x, w and y.
struct Row {
    x: usize,
    w: usize,
    y: usize,
    /// The number of multiply-adds; x advances by the stride, y by one.
    count: usize,
}

/// Calls `visit` for the multiply-adds of the convolution, those of an output in the order of its weights.
fn each_row(d: &ConvDesc, mut visit: impl FnMut(Row)) {
    let (c, o) = (d.in_channels / d.groups, d.out_channels / d.groups);
    let ([ih, iw], [oh, ow], [kh, kw]) = (d.input, d.output, d.kernel);
    // The outputs along an axis that see an input, not padding, through a tap.
    let outputs = |axis: usize, tap: usize| {
        let before = tap * d.dilation[axis];
        let first = d.padding[axis].saturating_sub(before).div_ceil(d.stride[axis]);
        let end = (d.input[axis] + d.padding[axis]).saturating_sub(before).div_ceil(d.stride[axis]);
        first..end.min(d.output[axis])
    };
    // The input that an output sees through a tap.
    let input = |axis: usize, output: usize, tap: usize| {
        output * d.stride[axis] + tap * d.dilation[axis] - d.padding[axis]
    };
    for n in 0..d.batch {
        for out in 0..d.out_channels {
            for channel in 0..c {
                let (from, to) = (n * d.in_channels + out / o * c + channel, n * d.out_channels + out);
                for ky in 0..kh {
                    let rows = outputs(0, ky);
                    for kx in 0..kw {
                        let columns = outputs(1, kx);
                        if columns.is_empty() {
                            continue;
                        }
                        for y in rows.clone() {
                            visit(Row {
                                x: (from * ih + input(0, y, ky)) * iw + input(1, columns.start, kx),
                                w: ((out * c + channel) * kh + ky) * kw + kx,
                                y: (to * oh + y) * ow + columns.start,
                                count: columns.len(),
                            });
                        }
                    }
                }
            }
        }
    }
}

/// A multiply-add of a convolution, as offsets into x, w and y.
pub(super) struct Tap {
    pub x: usize,
    pub w: usize,
    pub y: usize,
}

/// Calls `visit` for every multiply-add of the convolution, except those with padding.
pub(super) fn each_tap(d: &ConvDesc, mut visit: impl FnMut(Tap)) {
    each_row(d, |row| {
        (0..row.count).for_each(|i| visit(Tap { x: row.x + i * d.stride[1], w: row.w, y: row.y + i }));
    });
}

/// y = activation(x ∗ w + bias + residual).
pub fn forward<T: Real>(
    d: &ConvDesc,
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    residual: Option<&[T]>,
    y: &mut [T],
) {
    let map = d.output[0] * d.output[1];
    for (index, out) in y.iter_mut().enumerate() {
        let start = bias.map_or(T::from_f64(0.0), |bias| bias[index / map % d.out_channels]);
        *out = start + residual.map_or(T::from_f64(0.0), |residual| residual[index]);
    }
    each_row(d, |row| {
        let (inputs, weight) = (x[row.x..].iter().step_by(d.stride[1]), w[row.w]);
        y[row.y..][..row.count].iter_mut().zip(inputs).for_each(|(y, x)| *y += *x * weight);
    });
    y.iter_mut().for_each(|out| *out = d.activation.apply(*out));
}

/// dx from dy and w, plus the residual.
pub fn data_gradient<T: Real>(d: &ConvDesc, dy: &[T], w: &[T], residual: Option<&[T]>, dx: &mut [T]) {
    match residual {
        Some(residual) => dx.copy_from_slice(residual),
        None => dx.fill(T::from_f64(0.0)),
    }
    each_row(d, |row| {
        let (inputs, weight) = (dx[row.x..].iter_mut().step_by(d.stride[1]), w[row.w]);
        inputs.zip(&dy[row.y..][..row.count]).for_each(|(dx, dy)| *dx += *dy * weight);
    });
}

/// dw from x and dy.
pub fn weight_gradient<T: Real>(d: &ConvDesc, x: &[T], dy: &[T], dw: &mut [T]) {
    dw.fill(T::from_f64(0.0));
    each_row(d, |row| {
        let inputs = x[row.x..].iter().step_by(d.stride[1]);
        dw[row.w] = inputs.zip(&dy[row.y..][..row.count]).fold(dw[row.w], |sum, (x, dy)| sum + *x * *dy);
    });
}
