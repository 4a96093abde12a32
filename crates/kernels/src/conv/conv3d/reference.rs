//! Convolution of volumes in all three directions, by definition.

use super::Conv3dDesc;
use crate::reference::Real;

/// Calls `visit` for every multiply-add of the convolution, except those with padding, with its offsets in x, w and
/// y.
fn each_tap(d: &Conv3dDesc, mut visit: impl FnMut(usize, usize, usize)) {
    let (c, o) = (d.in_channels / d.groups, d.out_channels / d.groups);
    let place = |index: usize, [_, h, w]: [usize; 3]| [index / (h * w), index / w % h, index % w];
    let flat = |[z, y, x]: [usize; 3], [_, h, w]: [usize; 3]| (z * h + y) * w + x;
    let [input, output, kernel] =
        [d.input, d.output, d.kernel].map(|extents| extents.iter().product::<usize>());
    for map in 0..d.batch * d.out_channels {
        let (n, out) = (map / d.out_channels, map % d.out_channels);
        for at in 0..output {
            let start = place(at, d.output);
            for tap in 0..kernel {
                let offset = place(tap, d.kernel);
                let from: [usize; 3] = std::array::from_fn(|axis| {
                    (start[axis] * d.stride[axis] + offset[axis] * d.dilation[axis])
                        .wrapping_sub(d.padding[axis])
                });
                if (0..3).any(|axis| from[axis] >= d.input[axis]) {
                    continue;
                }
                for channel in 0..c {
                    let x = (n * d.in_channels + out / o * c + channel) * input + flat(from, d.input);
                    visit(x, (out * c + channel) * kernel + tap, map * output + at);
                }
            }
        }
    }
}

/// y = activation(x ∗ w + bias + residual).
pub fn forward<T: Real>(
    d: &Conv3dDesc,
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    residual: Option<&[T]>,
    y: &mut [T],
) {
    let map: usize = d.output.iter().product();
    for (index, out) in y.iter_mut().enumerate() {
        let start = bias.map_or(T::from_f64(0.0), |bias| bias[index / map % d.out_channels]);
        *out = start + residual.map_or(T::from_f64(0.0), |residual| residual[index]);
    }
    each_tap(d, |from, tap, to| y[to] += x[from] * w[tap]);
    y.iter_mut().for_each(|out| *out = d.activation.apply(*out));
}

/// dx from dy and w.
pub fn data_gradient<T: Real>(d: &Conv3dDesc, dy: &[T], w: &[T], dx: &mut [T]) {
    dx.fill(T::from_f64(0.0));
    each_tap(d, |from, tap, to| dx[from] += dy[to] * w[tap]);
}

/// dw from x and dy.
pub fn weight_gradient<T: Real>(d: &Conv3dDesc, x: &[T], dy: &[T], dw: &mut [T]) {
    dw.fill(T::from_f64(0.0));
    each_tap(d, |from, tap, to| dw[tap] += x[from] * dy[to]);
}
