//! Convolutions, locally connected layers and pools. Signals and maps count as volumes with extents of 1.

use striate_graph::ops::{Activation, AveragePool, Conv, MaxPool};
use striate_graph::{Graph, Node, Op, Padding, PerAxis};
use striate_tensor::Shape;

use super::functions::{activate, activation_derivative};

/// Computes `node` from its operands `r` into `w`.
pub(super) fn step(graph: &Graph, node: &Node, r: &[&[f64]], w: &mut [f64]) {
    let input = |i: usize| graph.shape(node.inputs[i]);
    let output = graph.shape(node.outputs[0]);
    match &node.op {
        Op::Conv(op) => {
            let (channels, places) = (output[1], output[2..].iter().product::<usize>());
            let residual = op.residual.then(|| r[r.len() - 1]);
            for (i, y) in w.iter_mut().enumerate() {
                let bias = if op.bias { r[2][i / places % channels] } else { 0.0 };
                *y = bias + residual.map_or(0.0, |residual| residual[i]);
            }
            each_row(op, input(0), output, |row| {
                let (inputs, weight) = (r[0][row.x..].iter().step_by(row.stride), r[1][row.w]);
                w[row.y..][..row.count].iter_mut().zip(inputs).for_each(|(y, x)| *y += x * weight);
            });
            w.iter_mut().for_each(|y| *y = activate(op.activation, *y));
        }
        Op::ConvDataGradient(op) => {
            let residual = op.0.residual.then(|| r[2]);
            w.iter_mut().enumerate().for_each(|(i, dx)| *dx = residual.map_or(0.0, |residual| residual[i]));
            each_row(&op.0, output, input(0), |row| {
                let (inputs, weight) = (w[row.x..].iter_mut().step_by(row.stride), r[1][row.w]);
                inputs.zip(&r[0][row.y..][..row.count]).for_each(|(dx, dy)| *dx += dy * weight);
            });
        }
        Op::ConvWeightGradient(op) => {
            w.fill(0.0);
            each_row(&op.0, input(0), input(1), |row| {
                let inputs = r[0][row.x..].iter().step_by(row.stride);
                w[row.w] += inputs.zip(&r[1][row.y..][..row.count]).map(|(x, dy)| x * dy).sum::<f64>();
            });
        }
        Op::LocallyConnected(op) => {
            let units = output[1..].iter().product::<usize>();
            w.iter_mut().enumerate().for_each(|(i, y)| *y = if op.bias { r[2][i % units] } else { 0.0 });
            let own = own_weight(output);
            each_product(&op.as_conv(), input(0), output, |p| w[p.y] += r[0][p.x] * r[1][own(&p)]);
        }
        Op::LocallyConnectedDataGradient(op) => {
            w.fill(0.0);
            let own = own_weight(input(0));
            each_product(&op.0.as_conv(), output, input(0), |p| w[p.x] += r[0][p.y] * r[1][own(&p)]);
        }
        Op::LocallyConnectedWeightGradient(op) => {
            w.fill(0.0);
            let own = own_weight(input(1));
            each_product(&op.0.as_conv(), input(0), input(1), |p| w[own(&p)] += r[0][p.x] * r[1][p.y]);
        }
        Op::MaxPool(op) => {
            let windows = Windows::of_maximum(op, input(0), output);
            windows.each(|y, first, elements| w[y] = r[0][largest(r[0], first, elements)]);
        }
        Op::MaxPoolGradient(op) => {
            w.fill(0.0);
            let windows = Windows::of_maximum(&op.pool, input(0), input(1));
            windows.each(|y, first, elements| w[largest(r[0], first, elements)] += r[1][y]);
            if op.activation != Activation::None {
                w.iter_mut().zip(r[0]).for_each(|(dx, x)| *dx *= activation_derivative(op.activation, *x));
            }
        }
        Op::AveragePool(op) => mean(&Windows::of_mean(op, input(0), output), r[0], w),
        Op::GlobalAveragePool(_) => {
            let area = input(0)[2..].iter().product::<usize>();
            let maps = r[0].chunks_exact(area);
            maps.zip(w).for_each(|(map, y)| *y = map.iter().sum::<f64>() / area as f64);
        }
        Op::AveragePoolGradient(op) => {
            w.fill(0.0);
            let windows = Windows::of_mean(&op.pool, output, input(0));
            windows.each(|y, first, elements| {
                let share = r[0][y] / windows.divisor(y) as f64;
                elements.iter().for_each(|x| w[first + x] += share);
            });
            if op.activation != Activation::None {
                w.iter_mut().zip(r[1]).for_each(|(dx, x)| *dx *= activation_derivative(op.activation, *x));
            }
        }
        other => unreachable!("{} is computed elsewhere", other.name()),
    }
}

fn mean(windows: &Windows, x: &[f64], y: &mut [f64]) {
    windows.each(|at, first, elements| {
        y[at] = elements.iter().map(|x_at| x[first + x_at]).sum::<f64>() / windows.divisor(at) as f64;
    });
}

/// The first maximum among the elements of a map that starts at `first`; NaN counts as the maximum.
fn largest(x: &[f64], first: usize, elements: &[usize]) -> usize {
    let exceeds = |at: usize, best: usize| x[at] > x[best] || x[at].is_nan() && !x[best].is_nan();
    let elements = elements.iter().map(|at| first + at);
    elements.reduce(|best, at| if exceeds(at, best) { at } else { best }).expect("the window is not empty")
}

/// Products with one weight along a row of outputs, as offsets into x, w and y.
struct Row {
    x: usize,
    w: usize,
    y: usize,
    /// The number of products.
    count: usize,
    /// The distance in x from one product to the next; in y it is 1.
    stride: usize,
}

/// Calls `visit` for the products of y\[n, o, p\] = Σ w\[o, c, t\] · x\[n, c', p·stride + t·dilation − padding\], where
/// c' is channel c of the group of o; products with padding are left out.
fn each_row(op: &Conv, x: &Shape, y: &Shape, mut visit: impl FnMut(Row)) {
    let (from, to) = (x.ncdhw(), y.ncdhw());
    let taps = taps(extents(x), extents(y), [op.kernel_size, op.stride, op.dilation], op.padding);
    let (inputs, outputs) = (from[1] / op.groups, to[1] / op.groups);
    let [places, x_len] = [&to, &from].map(|shape| shape[2..].iter().product::<usize>());
    let window: usize = op.kernel_size.array().iter().product();
    for n in 0..to[0] {
        for o in 0..to[1] {
            for c in 0..inputs {
                let channel = o / outputs * inputs + c;
                for tap in &taps {
                    visit(Row {
                        x: (n * from[1] + channel) * x_len + tap.x,
                        w: (o * inputs + c) * window + tap.number,
                        y: (n * to[1] + o) * places + tap.y,
                        count: tap.count,
                        stride: tap.stride,
                    });
                }
            }
        }
    }
}

/// Offsets into x, w and y of the factors and the sum of one product.
struct Product {
    x: usize,
    w: usize,
    y: usize,
}

/// Like [`each_row`], but calls `visit` for each product.
fn each_product(op: &Conv, x: &Shape, y: &Shape, mut visit: impl FnMut(Product)) {
    each_row(op, x, y, |row| {
        (0..row.count).for_each(|i| visit(Product { x: row.x + i * row.stride, w: row.w, y: row.y + i }));
    });
}

/// The offset of the weight of a product of a locally connected layer with output `y`: its weights
/// `[O, C·KH·KW, OH, OW]` are those of a convolution, separate for each output position.
fn own_weight(y: &Shape) -> impl Fn(&Product) -> usize {
    let places: usize = y[2..].iter().product();
    move |product| product.w * places + product.y % places
}

/// Depth, height and width.
fn extents(shape: &Shape) -> [usize; 3] {
    let [_, _, extents @ ..] = shape.ncdhw();
    extents
}

/// An element of the windows along a row of y, with its offset in a map of x, and that of the window in a map of y, for
/// the first window.
struct Tap {
    x: usize,
    y: usize,
    /// The number of the element in its window.
    number: usize,
    /// The number of windows.
    count: usize,
    /// The distance in x from the element of a window to that of the next; in y it is 1.
    stride: usize,
}

/// All elements of all windows except those in the padding, in the order of their numbers.
fn taps(x: [usize; 3], y: [usize; 3], sizes: [PerAxis; 3], padding: Padding) -> Vec<Tap> {
    let [kernel, stride, dilation] = sizes.map(PerAxis::array);
    let before = padding.before();
    let mut taps = Vec::new();
    for (number, tap) in positions(kernel).enumerate() {
        let on = |axis: usize, place: usize| {
            let position = place * stride[axis] + tap[axis] * dilation[axis];
            position.checked_sub(before[axis]).filter(|position| *position < x[axis])
        };
        let columns: Vec<usize> = (0..y[2]).filter(|place| on(2, *place).is_some()).collect();
        let Some(first) = columns.first() else { continue };
        for [depth, height, _] in positions([y[0], y[1], 1]) {
            if let (Some(d), Some(h), Some(w)) = (on(0, depth), on(1, height), on(2, *first)) {
                let (x, y) = ((d * x[1] + h) * x[2] + w, (depth * y[1] + height) * y[2] + first);
                taps.push(Tap { x, y, number, count: columns.len(), stride: stride[2] });
            }
        }
    }
    taps
}

/// All positions in a volume, in order.
fn positions([d, h, w]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..d * h * w).map(move |i| [i / (h * w), i / w % h, i % w])
}

/// The windows of a pool.
struct Windows {
    /// The elements of a map of x in each window over it.
    elements: Vec<Vec<usize>>,
    /// The number of elements of each window that count in a mean.
    divisors: Vec<usize>,
    maps: usize,
    x_len: usize,
}

impl Windows {
    fn of_maximum(op: &MaxPool, x: &Shape, y: &Shape) -> Windows {
        Windows::new(x, y, [op.kernel_size, op.stride, op.dilation], op.padding, false)
    }

    fn of_mean(op: &AveragePool, x: &Shape, y: &Shape) -> Windows {
        Windows::new(x, y, [op.kernel_size, op.stride, op.dilation], op.padding, op.count_include_pad)
    }

    /// Windows may extend past the padding; what lies there never counts.
    fn new(x: &Shape, y: &Shape, sizes: [PerAxis; 3], padding: Padding, padding_counts: bool) -> Windows {
        let (from, to) = (extents(x), extents(y));
        let places = to.iter().product();
        let mut elements = vec![Vec::new(); places];
        for tap in taps(from, to, sizes, padding) {
            (0..tap.count).for_each(|i| elements[tap.y + i].push(tap.x + i * tap.stride));
        }
        let mut divisors: Vec<usize> = elements.iter().map(Vec::len).collect();
        if padding_counts {
            let (before, after) = (padding.before(), padding.after());
            let padded = std::array::from_fn(|axis| before[axis] + from[axis] + after[axis]);
            divisors = vec![0; places];
            for tap in taps(padded, to, sizes, Padding::default()) {
                divisors[tap.y..][..tap.count].iter_mut().for_each(|divisor| *divisor += 1);
            }
        }
        Windows { elements, divisors, maps: x[0] * x[1], x_len: from.iter().product() }
    }

    /// Calls `visit` for every window of every map with its offset in y, the start of its map in x, and the offsets of
    /// its elements in the map.
    fn each(&self, mut visit: impl FnMut(usize, usize, &[usize])) {
        for map in 0..self.maps {
            for (place, elements) in self.elements.iter().enumerate() {
                visit(map * self.elements.len() + place, map * self.x_len, elements);
            }
        }
    }

    /// The divisor of the mean at offset `y`.
    fn divisor(&self, y: usize) -> usize {
        self.divisors[y % self.divisors.len()]
    }
}
