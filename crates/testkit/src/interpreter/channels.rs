//! Operations that treat values as channels `[N, C, …]`: normalization, coefficients and sums per channel,
//! concatenation, connection tables.

use striate_graph::ops::Lrn;
use striate_graph::{Graph, Node, Op};
use striate_tensor::Shape;

use super::functions::{activate, activation_derivative};

/// Computes `node` from its operands `r` into `w`.
pub(super) fn step(graph: &Graph, node: &Node, r: &[&[f64]], w: &mut [Vec<f64>]) {
    let x = Channels::of(graph.shape(node.inputs[0]));
    let y = Channels::of(graph.shape(node.outputs[0]));
    match &node.op {
        Op::BatchNorm(op) => {
            let [gamma, beta, mean, variance] = [r[1], r[2], r[3], r[4]];
            let value = |i: usize, c: usize| {
                gamma[c] * (r[0][i] - mean[c]) / (variance[c] + f64::from(op.epsilon)).sqrt() + beta[c]
            };
            x.each(|i, c| w[0][i] = value(i, c));
        }
        Op::BatchNormTraining(op) => {
            let count = x.count() as f64;
            let mean: Vec<f64> = x.sums(|i, _| r[0][i]).iter().map(|sum| sum / count).collect();
            let squares = x.sums(|i, c| (r[0][i] - mean[c]).powi(2));
            let momentum = f64::from(op.norm.momentum);
            for c in 0..x.channels {
                let unbiased = squares[c] / (count - 1.0).max(1.0);
                w[1][c] = mean[c];
                w[2][c] = 1.0 / (squares[c] / count + f64::from(op.norm.epsilon)).sqrt();
                w[3][c] = (1.0 - momentum) * w[3][c] + momentum * mean[c];
                w[4][c] = (1.0 - momentum) * w[4][c] + momentum * unbiased;
            }
            x.each(|i, c| {
                let residual = if op.residual { r[3][i] } else { 0.0 };
                let sum = r[1][c] * (r[0][i] - mean[c]) * w[2][c] + r[2][c] + residual;
                w[0][i] = activate(op.activation, sum);
            });
        }
        Op::BatchNormGradient(op) => {
            let [gamma, mean, inverse] = [r[2], r[3], r[4]];
            let normal = |i: usize, c: usize| (r[0][i] - mean[c]) * inverse[c];
            // The gradient before the activation.
            let dy = |i: usize, c: usize| match r.get(5) {
                None => r[1][i],
                Some(beta) => {
                    let y = activate(op.activation, gamma[c] * normal(i, c) + beta[c]);
                    r[1][i] * activation_derivative(op.activation, y)
                }
            };
            let (sums, products) = (x.sums(dy), x.sums(|i, c| dy(i, c) * normal(i, c)));
            let count = x.count() as f64;
            x.each(|i, c| {
                let mean_part = (sums[c] + normal(i, c) * products[c]) / count;
                w[0][i] = gamma[c] * inverse[c] * (dy(i, c) - mean_part);
            });
            (w[1], w[2]) = (products, sums);
        }
        Op::BatchNormResidualGradient(op) => {
            let [gamma, mean, inverse, y] = [r[2], r[3], r[4], r[5]];
            let normal = |i: usize, c: usize| (r[0][i] - mean[c]) * inverse[c];
            let dy = |i: usize| r[1][i] + if op.is_sum { r[6][i] } else { 0.0 };
            x.each(|i, _| w[3][i] = dy(i) * activation_derivative(op.activation, y[i]));
            let before = w[3].clone();
            let (sums, products) = (x.sums(|i, _| before[i]), x.sums(|i, c| before[i] * normal(i, c)));
            let count = x.count() as f64;
            x.each(|i, c| {
                let mean_part = (sums[c] + normal(i, c) * products[c]) / count;
                w[0][i] = gamma[c] * inverse[c] * (before[i] - mean_part);
            });
            (w[1], w[2]) = (products, sums);
        }
        Op::FoldBatchNorm(op) => {
            let [gamma, beta, mean, variance] = [r[1], r[2], r[3], r[4]];
            let inner = r[0].len() / gamma.len();
            for o in 0..gamma.len() {
                let scale = gamma[o] / (variance[o] + f64::from(op.epsilon)).sqrt();
                (o * inner..(o + 1) * inner).for_each(|i| w[0][i] = r[0][i] * scale);
                w[1][o] = beta[o] + (r.get(5).map_or(0.0, |bias| bias[o]) - mean[o]) * scale;
            }
        }
        Op::Lrn(op) => {
            x.each(|i, _| w[0][i] = r[0][i] * denominator(op, &x, r[0], i).powf(-f64::from(op.beta)));
        }
        Op::LrnGradient(op) => {
            let beta = f64::from(op.0.beta);
            let bases: Vec<f64> = (0..r[0].len()).map(|i| denominator(&op.0, &x, r[0], i)).collect();
            let factor = 2.0 * beta * f64::from(op.0.alpha) / op.0.size as f64;
            x.each(|i, _| {
                let term = |j: usize| r[1][j] * r[0][j] * bases[j].powf(-beta - 1.0);
                let sum: f64 = x.neighbors(i, op.0.size / 2).map(term).sum();
                w[0][i] = r[1][i] * bases[i].powf(-beta) - factor * r[0][i] * sum;
            });
        }
        Op::Scale(op) => x.each(|i, c| w[0][i] = r[1][c] * r[0][i] + if op.bias { r[2][c] } else { 0.0 }),
        Op::ChannelSum(_) => w[0] = x.sums(|i, _| r[0][i]),
        Op::ChannelProductSum(_) => w[0] = x.sums(|i, _| r[0][i] * r[1][i]),
        Op::PadChannels(op) => {
            w[0].fill(0.0);
            x.each(|i, c| w[0][y.at(x.image(i), c + op.before, i % x.inner)] = r[0][i]);
        }
        Op::PadChannelsGradient(op) => {
            y.each(|i, c| w[0][i] = r[0][x.at(y.image(i), c + op.0.before, i % y.inner)]);
        }
        Op::Concat(_) => {
            let mut first = 0;
            for (id, part) in node.inputs.iter().zip(r) {
                let own = Channels::of(graph.shape(*id));
                own.each(|i, c| w[0][y.at(own.image(i), first + c, i % own.inner)] = part[i]);
                first += own.channels;
            }
        }
        Op::ConcatGradient(_) => {
            let mut first = 0;
            for (id, part) in node.outputs.iter().zip(w) {
                let own = Channels::of(graph.shape(*id));
                own.each(|i, c| part[i] = r[0][x.at(own.image(i), first + c, i % own.inner)]);
                first += own.channels;
            }
        }
        Op::ScatterKernels(op) => {
            w[0].fill(0.0);
            each_connection(&op.connections, |kernel, o, c| {
                (0..y.inner).for_each(|tap| w[0][y.at(o, c, tap)] = r[0][kernel * y.inner + tap]);
            });
        }
        Op::ScatterKernelsGradient(op) => each_connection(&op.0.connections, |kernel, o, c| {
            (0..x.inner).for_each(|tap| w[0][kernel * x.inner + tap] = r[0][x.at(o, c, tap)]);
        }),
        other => unreachable!("{} is computed elsewhere", other.name()),
    }
}

/// k + α/size · Σ x² over the channels around element `i`.
fn denominator(op: &Lrn, shape: &Channels, x: &[f64], i: usize) -> f64 {
    let squares: f64 = shape.neighbors(i, op.size / 2).map(|j| x[j] * x[j]).sum();
    f64::from(op.k) + f64::from(op.alpha) / op.size as f64 * squares
}

/// Calls `visit` with the number, the output channel and the input channel of each kernel of a connection table.
fn each_connection(table: &[Vec<usize>], mut visit: impl FnMut(usize, usize, usize)) {
    let connections = table.iter().enumerate().flat_map(|(o, inputs)| inputs.iter().map(move |c| (o, *c)));
    connections.enumerate().for_each(|(kernel, (o, c))| visit(kernel, o, c));
}

/// The extents of a value `[N, C, …]`.
struct Channels {
    images: usize,
    channels: usize,
    /// Elements of a channel of an image.
    inner: usize,
}

impl Channels {
    fn of(shape: &Shape) -> Channels {
        let [images, channels] = [0, 1].map(|axis| shape.get(axis).copied().unwrap_or(1));
        Channels { images, channels, inner: shape.iter().skip(2).product() }
    }

    /// Elements per channel.
    fn count(&self) -> usize {
        self.images * self.inner
    }

    fn at(&self, image: usize, channel: usize, i: usize) -> usize {
        (image * self.channels + channel) * self.inner + i
    }

    /// The image that element `i` belongs to.
    fn image(&self, i: usize) -> usize {
        i / (self.channels * self.inner)
    }

    /// Calls `visit` for each element with its channel.
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let length = self.images * self.channels * self.inner;
        (0..length).for_each(|i| visit(i, i / self.inner % self.channels));
    }

    /// The sum of `term` over each channel.
    fn sums(&self, term: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.channels];
        self.each(|i, c| sums[c] += term(i, c));
        sums
    }

    /// The elements of the channels at most `distance` away from element `i`, at the same position.
    fn neighbors(&self, i: usize, distance: usize) -> impl Iterator<Item = usize> {
        let c = i / self.inner % self.channels;
        let (first, inner) = (i - c * self.inner, self.inner);
        let channels = c.saturating_sub(distance)..(c + distance + 1).min(self.channels);
        channels.map(move |channel| first + channel * inner)
    }
}
