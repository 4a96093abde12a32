//! Rules for pooling. A pool's padding is at most half its window; wider padding becomes a separate layer.

use striate_graph::ops::{AveragePool, MaxPool, Mul, Pad};
use striate_graph::{Padding, PerAxis, window_count};
use striate_tensor::{Error, Result};

use super::constant::Constant;
use super::import::{Import, stem_of};
use super::layers::Window;
use super::proto::Node;
use super::value::Flow;

impl Import<'_> {
    pub(super) fn max_pool(&mut self, node: &Node) -> Result<Flow> {
        let x = self.flow(node, 0)?;
        let window = Window::read(node, None, &x)?;
        self.on_maps(node, &x, |import, x| {
            let mut pool = MaxPool {
                kernel_size: window.kernel,
                stride: window.stride,
                dilation: window.dilation,
                padding: window.padding,
                ceil_mode: window.ceil,
            };
            if !is_wide(&window, x) {
                return import.layer(&stem_of(node), pool, &[x], vec![]);
            }
            let axes = Axis::all(&window, x)?;
            let x = import.padded(node, x, &axes, Axis::covered, f32::MIN)?;
            (pool.padding, pool.ceil_mode) = (Padding::default(), false);
            import.layer(&stem_of(node), pool, &[&x], vec![])
        })
    }

    pub(super) fn global_max_pool(&mut self, node: &Node) -> Result<Flow> {
        let x = self.flow(node, 0)?;
        self.on_maps(node, &x, |import, x| {
            let pool = MaxPool {
                kernel_size: PerAxis::of(&x.shapes[0][2..]),
                stride: PerAxis::ONE,
                dilation: PerAxis::ONE,
                padding: Padding::default(),
                ceil_mode: false,
            };
            import.layer(&stem_of(node), pool, &[x], vec![])
        })
    }

    pub(super) fn average_pool(&mut self, node: &Node) -> Result<Flow> {
        let x = self.flow(node, 0)?;
        let window = Window::read(node, None, &x)?;
        let count_include_pad = node.int("count_include_pad")?.unwrap_or(0) != 0;
        self.on_maps(node, &x, |import, x| {
            let mut pool = AveragePool {
                kernel_size: window.kernel,
                stride: window.stride,
                dilation: window.dilation,
                padding: window.padding,
                ceil_mode: window.ceil,
                count_include_pad,
            };
            if !is_wide(&window, x) {
                return import.layer(&stem_of(node), pool, &[x], vec![]);
            }
            let axes = Axis::all(&window, x)?;
            pool.padding = Padding::default();
            pool.count_include_pad = true;
            if count_include_pad {
                // Elements past the padding are never counted.
                let x = import.padded(node, x, &axes, Axis::padded, 0.0)?;
                return import.layer(&stem_of(node), pool, &[&x], vec![]);
            }
            pool.ceil_mode = false;
            let x = import.padded(node, x, &axes, Axis::covered, 0.0)?;
            let mean = import.layer(&stem_of(node), pool, &[&x], vec![])?;
            import.without_padding(node, &mean, &axes)
        })
    }

    /// Pads `x` with `value`: before it as the pool states, after it up to `end` on each axis.
    fn padded(
        &mut self,
        node: &Node,
        x: &Flow,
        axes: &[Axis],
        end: impl Fn(&Axis) -> usize,
        value: f32,
    ) -> Result<Flow> {
        let (mut before, mut after) = (vec![0, 0], vec![0, 0]);
        for axis in axes {
            before.push(axis.before);
            after.push(end(axis).saturating_sub(axis.before + axis.extent));
        }
        self.layer(&format!("{}/pad", stem_of(node)), Pad { before, after, value }, &[x], vec![])
    }

    /// Converts means `y` over whole windows, including zeros, into means over the elements of the input alone.
    fn without_padding(&mut self, node: &Node, y: &Flow, axes: &[Axis]) -> Result<Flow> {
        let shape = [&[1, 1], &y.shapes[0][2..]].concat();
        self.budget.floats(shape.iter().product())?;
        let mut factors = vec![1.0];
        for axis in axes {
            let seen: Vec<usize> = (0..axis.count).map(|place| axis.seen(place)).collect();
            if seen.contains(&0) {
                return Err(Error::input("attribute pads: a window covers only padding"));
            }
            let shares: Vec<f32> = seen.iter().map(|seen| axis.kernel as f32 / *seen as f32).collect();
            let outer = |factor: &f32| shares.iter().map(|share| factor * share).collect::<Vec<_>>();
            factors = factors.iter().flat_map(outer).collect();
        }
        let factors = Constant::floats(shape, factors);
        let factors = self.constant_layer(&format!("{}/factors", stem_of(node)), factors, false)?;
        self.layer(&format!("{}/mean", stem_of(node)), Mul {}, &[y, &factors], vec![])
    }
}

fn is_wide(window: &Window, x: &Flow) -> bool {
    let (before, behind) = (window.padding.before(), window.padding.after());
    (5 - x.rank()..3).any(|axis| before[axis].max(behind[axis]) * 2 > window.kernel.array()[axis])
}

/// The windows of a pool along one axis.
struct Axis {
    extent: usize,
    before: usize,
    behind: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// The number of windows.
    count: usize,
}

impl Axis {
    /// Returns the axes of the maps of `x`.
    fn all(window: &Window, x: &Flow) -> Result<Vec<Axis>> {
        let outer = 5 - x.rank();
        let one = |axis: usize| {
            let [kernel, stride, dilation] =
                [window.kernel, window.stride, window.dilation].map(|sizes| sizes.array()[axis]);
            let [before, behind] = [window.padding.before()[axis], window.padding.after()[axis]];
            let extent = x.shapes[0][2 + axis - outer];
            let count = window_count(extent, kernel, stride, dilation, before, behind, window.ceil)?;
            Some(Axis { extent, before, behind, kernel, stride, dilation, count })
        };
        let axes: Option<Vec<Axis>> = (outer..3).map(one).collect();
        let misfit = || Error::input(format!("its window does not fit the input {}", x.shapes[0]));
        axes.filter(|axes| axes.iter().all(|axis| axis.count > 0)).ok_or_else(misfit)
    }

    /// Returns the end of the last window, counted from the start of the padding.
    fn covered(&self) -> usize {
        (self.count - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
    }

    /// As [`Axis::covered`], but at most the end of the padding.
    fn padded(&self) -> usize {
        self.covered().min(self.before + self.extent + self.behind)
    }

    /// Returns the number of input elements in window `place`.
    fn seen(&self, place: usize) -> usize {
        let taps = |end: usize| end.saturating_sub(place * self.stride).div_ceil(self.dilation);
        taps(self.before + self.extent).min(self.kernel).saturating_sub(taps(self.before))
    }
}
