//! Convolution in all three directions, by definition.

use super::ConvDesc;
use crate::reference::Real;

/// A multiply-add of a convolution, as offsets into x, w and y.
pub(super) struct Tap {
    pub x: usize,
    pub w: usize,
    pub y: usize,
}

/// Calls `visit` for every multiply-add of the convolution, except those with padding.
pub(super) fn each_tap(d: &ConvDesc, mut visit: impl FnMut(Tap)) {
    let (c, o) = (d.in_channels / d.groups, d.out_channels / d.groups);
    let ([ih, iw], [oh, ow], [kh, kw]) = (d.input, d.output, d.kernel);
    for n in 0..d.batch {
        for out in 0..d.out_channels {
            let first = out / o * c;
            for y in 0..oh {
                for x in 0..ow {
                    let to = ((n * d.out_channels + out) * oh + y) * ow + x;
                    for channel in 0..c {
                        for ky in 0..kh {
                            let row = (y * d.stride[0] + ky * d.dilation[0]).wrapping_sub(d.padding[0]);
                            for kx in 0..kw {
                                let column =
                                    (x * d.stride[1] + kx * d.dilation[1]).wrapping_sub(d.padding[1]);
                                if row < ih && column < iw {
                                    let map = n * d.in_channels + first + channel;
                                    visit(Tap {
                                        x: (map * ih + row) * iw + column,
                                        w: ((out * c + channel) * kh + ky) * kw + kx,
                                        y: to,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
    }
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
    each_tap(d, |tap| y[tap.y] += x[tap.x] * w[tap.w]);
    y.iter_mut().for_each(|out| *out = d.activation.apply(*out));
}

/// dx from dy and w, plus the residual.
pub fn data_gradient<T: Real>(d: &ConvDesc, dy: &[T], w: &[T], residual: Option<&[T]>, dx: &mut [T]) {
    match residual {
        Some(residual) => dx.copy_from_slice(residual),
        None => dx.fill(T::from_f64(0.0)),
    }
    each_tap(d, |tap| dx[tap.x] += dy[tap.y] * w[tap.w]);
}

/// dw from x and dy.
pub fn weight_gradient<T: Real>(d: &ConvDesc, x: &[T], dy: &[T], dw: &mut [T]) {
    dw.fill(T::from_f64(0.0));
    each_tap(d, |tap| dw[tap.w] += x[tap.x] * dy[tap.y]);
}
