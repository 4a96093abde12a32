//! The building block of the later Inception networks: convolution without bias, batch norm, ReLU.

use striate_graph::{Padding, PerAxis, Tensor};

/// Kernel, stride and padding of a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    kernel: PerAxis,
    stride: usize,
    padding: Padding,
}

/// A window of odd size whose padding keeps the size of the feature map.
pub(crate) fn same(kernel: impl Into<PerAxis>) -> Window {
    let kernel = kernel.into();
    Window { kernel, stride: 1, padding: (kernel.h / 2, kernel.w / 2).into() }
}

/// A window without padding.
pub(crate) fn valid(kernel: impl Into<PerAxis>) -> Window {
    Window { kernel: kernel.into(), stride: 1, padding: Padding::default() }
}

/// A window without padding, with stride 2.
pub(crate) fn halving(kernel: impl Into<PerAxis>) -> Window {
    Window { stride: 2, ..valid(kernel) }
}

/// A window with stride 2 that halves a map of even size exactly, with TensorFlow's "same" padding.
pub(crate) fn halving_same(kernel: usize) -> Window {
    Window { kernel: kernel.into(), stride: 2, padding: tensorflow_same(kernel, 2) }
}

/// Returns TensorFlow's "same" padding for a map whose size is a multiple of `stride`: the extra row is at the
/// bottom, the extra column on the right.
pub(crate) fn tensorflow_same(kernel: usize, stride: usize) -> Padding {
    let total = kernel - stride;
    let before = total / 2;
    Padding::of(&[[before, total - before]; 2])
}

/// Adds the convolution `name.conv`, the batch norm `name.bn` with ε = 1e-3 and the ReLU `name.relu`.
pub(crate) fn unit<'b>(x: Tensor<'b>, name: &str, channels: usize, window: Window) -> Tensor<'b> {
    let x = x.conv(channels, window.kernel).stride(window.stride).pad(window.padding).no_bias();
    let x = x.named(format!("{name}.conv")).batch_norm().epsilon(1e-3).named(format!("{name}.bn"));
    x.relu().named(format!("{name}.relu"))
}

/// Adds a sequence of units, named `stem` plus a number that starts at `first`.
pub(crate) fn chain<'b>(x: Tensor<'b>, stem: &str, first: usize, units: &[(usize, Window)]) -> Tensor<'b> {
    let numbered = units.iter().zip(first..);
    numbered
        .fold(x, |x, ((channels, window), number)| unit(x, &format!("{stem}{number}"), *channels, *window))
}
