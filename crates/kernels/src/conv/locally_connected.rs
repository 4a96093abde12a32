//! Locally connected layers in all three directions, on plain values.
//!
//! Every weight is used once per image, so there is nothing to keep in registers: rows of weights, inputs
//! and outputs are multiplied element by element, the weights of an output channel with all images in turn.
//! Descriptors are those of a convolution without groups; weights are `[O, C·KH·KW, OH, OW]`.

use std::ops::Range;

use crate::{Layout, Views};

use crate::conv::ConvDesc;
use crate::isa::Isa;
use crate::reference::Reference;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// Reads x, w and the optional bias `[O, OH, OW]`; writes y.
pub fn forward() -> &'static [&'static dyn Implementation<ConvDesc>] {
    &[
        &Rows { name: "locally_connected_f32", direction: Direction::Forward },
        &Reference::<ConvDesc> {
            name: "locally_connected_reference",
            operands: |d| 3 + usize::from(d.bias),
            run: |d, views| {
                let (x, w) = (views.read::<f32>(0), views.read(1));
                let bias = d.bias.then(|| views.read(2));
                reference::forward(d, x, w, bias, views.write(0));
            },
        },
    ]
}

/// Reads dy and w, writes dx.
pub fn data_gradient() -> &'static [&'static dyn Implementation<ConvDesc>] {
    &[
        &Rows { name: "locally_connected_data_gradient_f32", direction: Direction::Data },
        &Reference::<ConvDesc> {
            name: "locally_connected_data_gradient_reference",
            operands: |_| 3,
            run: |d, views| {
                let (dy, w) = (views.read::<f32>(0), views.read(1));
                reference::data_gradient(d, dy, w, views.write(0));
            },
        },
    ]
}

/// Reads x and dy, writes dw.
pub fn weight_gradient() -> &'static [&'static dyn Implementation<ConvDesc>] {
    &[
        &Rows { name: "locally_connected_weight_gradient_f32", direction: Direction::Weights },
        &Reference::<ConvDesc> {
            name: "locally_connected_weight_gradient_reference",
            operands: |_| 3,
            run: |d, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::weight_gradient(d, x, dy, views.write(0));
            },
        },
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Forward,
    Data,
    Weights,
}

struct Rows {
    name: &'static str,
    direction: Direction,
}

impl Implementation<ConvDesc> for Rows {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, d: &ConvDesc, _isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        let bias = self.direction == Direction::Forward && d.bias;
        Some(vec![Layout::Plain; 3 + usize::from(bias)])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        let columns = (0..d.kernel[1]).map(|tap| reached(d, 1, tap)).collect();
        Box::new(Bound { d: d.clone(), isa, direction: self.direction, columns })
    }
}

/// The outputs along an axis for which tap number `tap` lies in the input.
fn reached(d: &ConvDesc, axis: usize, tap: usize) -> Range<usize> {
    let (offset, stride) = (tap * d.dilation[axis], d.stride[axis]);
    let first = d.padding[axis].saturating_sub(offset).div_ceil(stride);
    let end = (d.input[axis] + d.padding[axis]).saturating_sub(offset).div_ceil(stride);
    first..end.min(d.output[axis]).max(first)
}

struct Bound {
    d: ConvDesc,
    isa: Isa,
    direction: Direction,
    /// For each tap of a row, the outputs of a row for which it lies in the input.
    columns: Vec<Range<usize>>,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (first, second) = (views.read::<f32>(0), views.read::<f32>(1));
        let bias = (views.reads() == 3).then(|| views.read::<f32>(2));
        let out = views.write::<f32>(0);
        let d = &self.d;
        let [x_len, y_len] =
            [[d.in_channels, d.input[0], d.input[1]], [d.out_channels, d.output[0], d.output[1]]]
                .map(|extents| d.batch * extents.iter().product::<usize>());
        let w_len = y_len / d.batch * d.in_channels * d.kernel[0] * d.kernel[1];
        let expected = match self.direction {
            Direction::Forward => [x_len, w_len, y_len],
            Direction::Data => [y_len, w_len, x_len],
            Direction::Weights => [x_len, y_len, w_len],
        };
        assert_eq!(
            [first.len(), second.len(), out.len()],
            expected,
            "operand lengths must match the layouts"
        );
        let items = if self.direction == Direction::Data { d.batch } else { d.out_channels };
        let out = Pointer(out.as_mut_ptr());
        context.thread_pool.run(items, |item| {
            dispatch(self.isa, Item { bound: self, first, second, bias, out: &out, item });
        });
    }
}

/// One output channel, or for the data gradient one image.
struct Item<'a> {
    bound: &'a Bound,
    first: &'a [f32],
    second: &'a [f32],
    bias: Option<&'a [f32]>,
    out: &'a Pointer<f32>,
    item: usize,
}

/// Neighboring output positions: the offsets of their inputs, weights and outputs.
struct Run {
    x: usize,
    w: usize,
    y: usize,
    count: usize,
}

impl Body for Item<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let Bound { d, direction, .. } = self.bound;
        let (first, second, stride) = (self.first, self.second, d.stride[1]);
        let places = d.output[0] * d.output[1];
        match direction {
            Direction::Forward => {
                for image in 0..d.batch {
                    let y = self.piece((image * d.out_channels + self.item) * places, places);
                    match self.bias {
                        Some(bias) => y.copy_from_slice(&bias[self.item * places..][..places]),
                        None => y.fill(0.0),
                    }
                    self.bound.each_run(image, self.item, |run| {
                        let (x, w) = (&first[run.x..], &second[run.w..][..run.count]);
                        let y = &mut y[run.y % places..][..run.count];
                        for (i, (y, w)) in y.iter_mut().zip(w).enumerate() {
                            *y += w * x[i * stride];
                        }
                    });
                }
            }
            Direction::Data => {
                let length = d.in_channels * d.input[0] * d.input[1];
                let dx = self.piece(self.item * length, length);
                dx.fill(0.0);
                for channel in 0..d.out_channels {
                    self.bound.each_run(self.item, channel, |run| {
                        let (dy, w) = (&first[run.y..][..run.count], &second[run.w..][..run.count]);
                        let dx = &mut dx[run.x - self.item * length..];
                        for (i, (dy, w)) in dy.iter().zip(w).enumerate() {
                            dx[i * stride] += w * dy;
                        }
                    });
                }
            }
            Direction::Weights => {
                let length = d.in_channels * d.kernel[0] * d.kernel[1] * places;
                let dw = self.piece(self.item * length, length);
                dw.fill(0.0);
                for image in 0..d.batch {
                    self.bound.each_run(image, self.item, |run| {
                        let (x, dy) = (&first[run.x..], &second[run.y..][..run.count]);
                        let dw = &mut dw[run.w - self.item * length..][..run.count];
                        for (i, (dw, dy)) in dw.iter_mut().zip(dy).enumerate() {
                            *dw += dy * x[i * stride];
                        }
                    });
                }
            }
        }
    }
}

impl<'a> Item<'a> {
    /// The piece of the result that only this item writes.
    fn piece(&self, first: usize, length: usize) -> &'a mut [f32] {
        // SAFETY: pieces of different items do not overlap, and lie within the result, whose length
        // `Bound::run` checked.
        unsafe { std::slice::from_raw_parts_mut(self.out.get().add(first), length) }
    }
}

impl Bound {
    /// Calls `visit` for every tap of every row of one output channel of one image.
    #[inline(always)]
    fn each_run(&self, image: usize, channel: usize, mut visit: impl FnMut(Run)) {
        let d = &self.d;
        let ([oh, ow], [kh, kw]) = (d.output, d.kernel);
        for input in 0..d.in_channels {
            for ky in 0..kh {
                for row in reached(d, 0, ky) {
                    let x_row = row * d.stride[0] + ky * d.dilation[0] - d.padding[0];
                    let x = ((image * d.in_channels + input) * d.input[0] + x_row) * d.input[1];
                    let y = ((image * d.out_channels + channel) * oh + row) * ow;
                    for (kx, columns) in self.columns.iter().enumerate() {
                        if columns.is_empty() {
                            continue;
                        }
                        let first = columns.start;
                        let tap = ((channel * d.in_channels + input) * kh + ky) * kw + kx;
                        visit(Run {
                            x: x + first * d.stride[1] + kx * d.dilation[1] - d.padding[1],
                            w: (tap * oh + row) * ow + first,
                            y: y + first,
                            count: columns.len(),
                        });
                    }
                }
            }
        }
    }
}

pub mod reference {
    //! Locally connected layers in all three directions, by definition: convolutions whose weights
    //! `[O, C·KH·KW, OH, OW]` are separate for every output position.

    use super::super::reference::{Tap, each_tap};
    use crate::conv::ConvDesc;
    use crate::reference::Real;

    /// y = x ∗ w + bias; bias `[O, OH, OW]`.
    pub fn forward<T: Real>(d: &ConvDesc, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
        let units = d.out_channels * d.output[0] * d.output[1];
        for (index, y) in y.iter_mut().enumerate() {
            *y = bias.map_or(T::from_f64(0.0), |bias| bias[index % units]);
        }
        each_tap(d, |tap| y[tap.y] += x[tap.x] * w[weight(d, &tap)]);
    }

    /// dx from dy and w.
    pub fn data_gradient<T: Real>(d: &ConvDesc, dy: &[T], w: &[T], dx: &mut [T]) {
        dx.fill(T::from_f64(0.0));
        each_tap(d, |tap| dx[tap.x] += dy[tap.y] * w[weight(d, &tap)]);
    }

    /// dw from x and dy.
    pub fn weight_gradient<T: Real>(d: &ConvDesc, x: &[T], dy: &[T], dw: &mut [T]) {
        dw.fill(T::from_f64(0.0));
        each_tap(d, |tap| dw[weight(d, &tap)] += x[tap.x] * dy[tap.y]);
    }

    /// The offset of the weight of a tap.
    fn weight(d: &ConvDesc, tap: &Tap) -> usize {
        let places = d.output[0] * d.output[1];
        tap.w * places + tap.y % places
    }
}
