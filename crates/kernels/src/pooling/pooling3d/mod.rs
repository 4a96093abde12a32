//! Max and average pooling of plain volumes, and their gradients. Windows may be dilated, and padding may differ on
//! every side; maps and signals with such windows are treated as volumes of depth 1, and of height 1.

pub mod reference;

use crate::{Layout, Views};

use crate::activation::Activation;
use crate::conv::taps::{Tap, along_row};
use crate::isa::Isa;
use crate::normalization::plain_channels::long_sum;
use crate::pooling::PoolKind;
use crate::reference::Reference;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Implementation, Kernel};

/// Windows with more taps than this are summed in f64.
const MANY: usize = 256;

/// Pooling of volumes; sizes are in the order depth, height, width. Every window must cover at least one element.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool3dDesc {
    /// The quantity computed over a window.
    pub kind: PoolKind,
    /// Number of volumes.
    pub batch: usize,
    /// Number of channels.
    pub channels: usize,
    /// Extents of x.
    pub input: [usize; 3],
    /// Extents of y.
    pub output: [usize; 3],
    /// Extent of the window.
    pub kernel: [usize; 3],
    /// Stride of the window.
    pub stride: [usize; 3],
    /// Distance between adjacent taps.
    pub dilation: [usize; 3],
    /// Padding before the first element of each axis.
    pub padding: [usize; 3],
    /// Padding after the last.
    pub padding_after: [usize; 3],
    /// For the gradient of average pooling: the activation that produced x, whose gradient is applied as well.
    pub activation: Activation,
}

impl Pool3dDesc {
    /// The elements of x that window number `at` along `axis` covers: the first, and how many, `dilation` apart.
    pub(crate) fn covered(&self, axis: usize, at: usize) -> (usize, usize) {
        let (start, padding) = (at * self.stride[axis], self.padding[axis]);
        let skipped = padding.saturating_sub(start).div_ceil(self.dilation[axis]);
        let taps = self.taps_before(axis, start, self.input[axis] + padding);
        let first = (start + skipped * self.dilation[axis]).saturating_sub(padding);
        (first, taps.saturating_sub(skipped))
    }

    /// The divisor of window number `at` along `axis`; that of the whole window is the product over the axes.
    pub(crate) fn divisor(&self, axis: usize, at: usize) -> usize {
        if self.kind == (PoolKind::Average { count_include_pad: true }) {
            let end = self.padding[axis] + self.input[axis] + self.padding_after[axis];
            return self.taps_before(axis, at * self.stride[axis], end);
        }
        self.covered(axis, at).1
    }

    /// The number of taps of a window starting at `start` that lie before `end`.
    fn taps_before(&self, axis: usize, start: usize, end: usize) -> usize {
        end.saturating_sub(start).div_ceil(self.dilation[axis]).min(self.kernel[axis])
    }

    fn volumes(&self) -> [usize; 2] {
        [self.input, self.output].map(|extents| extents.iter().product())
    }
}

/// Forward. Reads x, writes y.
pub fn forward() -> &'static [&'static dyn Implementation<Pool3dDesc>] {
    &[
        &Rows { name: "pool3d_f32", direction: Direction::Forward },
        &Reference::<Pool3dDesc> {
            name: "pool3d_reference",
            operands: |_| 2,
            run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

/// Gradient of max pooling. Reads x and dy, writes dx.
pub fn max_gradient() -> &'static [&'static dyn Implementation<Pool3dDesc>] {
    &[
        &Rows { name: "max_pool3d_gradient_f32", direction: Direction::MaxGradient },
        &Reference::<Pool3dDesc> {
            name: "max_pool3d_gradient_reference",
            operands: |_| 3,
            run: |desc, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::max_gradient(desc, x, dy, views.write(0));
            },
        },
    ]
}

/// Gradient of average pooling and of the optional activation before it. Reads dy, and with an activation x;
/// writes dx.
pub fn average_gradient() -> &'static [&'static dyn Implementation<Pool3dDesc>] {
    &[
        &Rows { name: "average_pool3d_gradient_f32", direction: Direction::AverageGradient },
        &Reference::<Pool3dDesc> {
            name: "average_pool3d_gradient_reference",
            operands: |desc| 2 + usize::from(desc.activation != Activation::None),
            run: |desc, views| {
                let x = (desc.activation != Activation::None).then(|| views.read::<f32>(1));
                reference::average_gradient(desc, views.read(0), x, views.write(0));
            },
        },
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Forward,
    MaxGradient,
    AverageGradient,
}

/// Processes y row by row, and each row tap by tap, so that neighboring elements are computed together.
struct Rows {
    name: &'static str,
    direction: Direction,
}

impl Implementation<Pool3dDesc> for Rows {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, desc: &Pool3dDesc, _isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        let operands = match self.direction {
            Direction::Forward => 2,
            Direction::MaxGradient => 3,
            Direction::AverageGradient => 2 + usize::from(desc.activation != Activation::None),
        };
        Some(vec![Layout::Plain; operands])
    }

    fn prepare(&self, desc: &Pool3dDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        let spans = |axis: usize| {
            let span = |at| {
                let (first, taps) = desc.covered(axis, at);
                Span { first, taps, share: 1.0 / desc.divisor(axis, at) as f32 }
            };
            (0..desc.output[axis]).map(span).collect::<Vec<_>>()
        };
        let [kernel, stride, dilation, padding, input, output] =
            [desc.kernel, desc.stride, desc.dilation, desc.padding, desc.input, desc.output]
                .map(|sizes| sizes[2]);
        let along_row = along_row(kernel, stride, dilation, padding, input, output);
        let shares = spans(2).iter().map(|span| span.share).collect();
        let columns = spans(2);
        let spans = [spans(0), spans(1)];
        Box::new(Bound { d: desc.clone(), isa, direction: self.direction, spans, columns, along_row, shares })
    }
}

/// The taps that a window covers along one axis, and the weight of each in the mean.
struct Span {
    first: usize,
    taps: usize,
    share: f32,
}

struct Bound {
    d: Pool3dDesc,
    isa: Isa,
    direction: Direction,
    /// Windows along the depth and the height.
    spans: [Vec<Span>; 2],
    /// Windows along the width.
    columns: Vec<Span>,
    along_row: Vec<Tap>,
    /// The shares of the windows along the width.
    shares: Vec<f32>,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let [x_len, y_len] = self.d.volumes();
        let first = views.read::<f32>(0);
        let second = (views.reads() > 1).then(|| views.read::<f32>(1));
        let length = if self.direction == Direction::Forward { y_len } else { x_len };
        context.thread_pool.pieces(views.write(0), length, |map, out| {
            let lengths =
                if self.direction == Direction::AverageGradient { [y_len, x_len] } else { [x_len, y_len] };
            let first = &first[map * lengths[0]..][..lengths[0]];
            let second = second.map(|data| &data[map * lengths[1]..][..lengths[1]]);
            dispatch(self.isa, Map { pool: self, first, second, out });
        });
    }
}

/// One channel of one volume.
struct Map<'a> {
    pool: &'a Bound,
    first: &'a [f32],
    second: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let Map { pool, first, second, out } = self;
        match (pool.direction, pool.d.kind) {
            (Direction::Forward, PoolKind::Max) => pool.maximum(first, out),
            (Direction::Forward, _) if pool.d.kernel.iter().product::<usize>() > MANY => {
                pool.long_mean(first, out);
            }
            (Direction::Forward, _) => pool.mean(first, out),
            (Direction::MaxGradient, _) => {
                pool.max_gradient(first, second.expect("the gradient reads dy"), out)
            }
            (Direction::AverageGradient, _) => {
                pool.average_gradient(first, out);
                if let Some(x) = second {
                    let activation = pool.d.activation;
                    out.iter_mut().zip(x).for_each(|(dx, x)| *dx *= activation.derivative(*x));
                }
            }
        }
    }
}

impl Bound {
    /// Calls `visit` for each row of y and each row of x that its windows cover, with the offsets of both and the
    /// product of the shares along depth and height.
    #[inline(always)]
    fn each_row(&self, mut visit: impl FnMut(usize, usize, f32)) {
        let [_, height, width] = self.d.input;
        let dilation = self.d.dilation;
        for (oz, maps) in self.spans[0].iter().enumerate() {
            for (oy, rows) in self.spans[1].iter().enumerate() {
                let row = (oz * self.d.output[1] + oy) * self.d.output[2];
                for map in 0..maps.taps {
                    for line in 0..rows.taps {
                        let map = maps.first + map * dilation[0];
                        let line = rows.first + line * dilation[1];
                        visit(row, (map * height + line) * width, maps.share * rows.share);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn maximum(&self, x: &[f32], y: &mut [f32]) {
        y.fill(f32::NEG_INFINITY);
        self.each_row(|to, from, _| {
            self.gather(&x[from..], &mut y[to..], |y, x| if x > y || x.is_nan() { x } else { y });
        });
    }

    /// For windows with few taps: computes all elements of a row at once.
    #[inline(always)]
    fn mean(&self, x: &[f32], y: &mut [f32]) {
        y.fill(0.0);
        self.each_row(|to, from, _| self.gather(&x[from..], &mut y[to..], |y, x| y + x));
        let mut rows = y.chunks_exact_mut(self.d.output[2]);
        for maps in &self.spans[0] {
            for (lines, row) in self.spans[1].iter().zip(&mut rows) {
                let share = maps.share * lines.share;
                row.iter_mut().zip(&self.shares).for_each(|(y, own)| *y *= own * share);
            }
        }
    }

    /// For windows with many taps: computes each element separately, adding the sums of its rows in f64, so that
    /// long sums stay accurate.
    fn long_mean(&self, x: &[f32], y: &mut [f32]) {
        let ([_, height, width], dilation) = (self.d.input, self.d.dilation);
        let mut places = y.iter_mut();
        for maps in &self.spans[0] {
            for rows in &self.spans[1] {
                for (columns, y) in self.columns.iter().zip(&mut places) {
                    let mut sum = 0.0;
                    for map in 0..maps.taps {
                        for row in 0..rows.taps {
                            let map = maps.first + map * dilation[0];
                            let row = rows.first + row * dilation[1];
                            let line = &x[(map * height + row) * width..][..width][columns.first..];
                            sum += match dilation[2] {
                                1 => long_sum(&line[..columns.taps]),
                                dilation => {
                                    let taps = line.iter().step_by(dilation).take(columns.taps);
                                    taps.map(|x| f64::from(*x)).sum()
                                }
                            };
                        }
                    }
                    *y = (sum * f64::from(maps.share * rows.share * columns.share)) as f32;
                }
            }
        }
    }

    /// Combines each element of a row of y with its taps in a row of x.
    #[inline(always)]
    fn gather(&self, x: &[f32], y: &mut [f32], combine: impl Fn(f32, f32) -> f32) {
        let stride = self.d.stride[2];
        for Tap { outputs, first } in &self.along_row {
            let (x, y) = (&x[*first..], &mut y[outputs.clone()]);
            match stride {
                1 => y.iter_mut().zip(x).for_each(|(y, x)| *y = combine(*y, *x)),
                _ => y.iter_mut().enumerate().for_each(|(i, y)| *y = combine(*y, x[i * stride])),
            }
        }
    }

    #[inline(always)]
    fn average_gradient(&self, dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let stride = self.d.stride[2];
        self.each_row(|from, to, share| {
            for Tap { outputs, first } in &self.along_row {
                let dy = dy[from..][outputs.clone()].iter().zip(&self.shares[outputs.clone()]);
                let (dy, dx) = (dy.map(|(dy, own)| dy * (own * share)), &mut dx[to + first..]);
                match stride {
                    1 => dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy),
                    _ => dy.enumerate().for_each(|(i, dy)| dx[i * stride] += dy),
                }
            }
        });
    }

    /// Adds dy to the first maximum of its window; NaN counts as the maximum.
    #[inline(always)]
    fn max_gradient(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let ([_, height, width], dilation) = (self.d.input, self.d.dilation);
        let mut places = dy.iter();
        for maps in &self.spans[0] {
            for rows in &self.spans[1] {
                for (columns, dy) in self.columns.iter().zip(&mut places) {
                    let mut best = (maps.first * height + rows.first) * width + columns.first;
                    for map in 0..maps.taps {
                        for row in 0..rows.taps {
                            let map = maps.first + map * dilation[0];
                            let row = rows.first + row * dilation[1];
                            for column in 0..columns.taps {
                                let column = columns.first + column * dilation[2];
                                let at = (map * height + row) * width + column;
                                if x[at] > x[best] || (x[at].is_nan() && !x[best].is_nan()) {
                                    best = at;
                                }
                            }
                        }
                    }
                    dx[best] += dy;
                }
            }
        }
    }
}
