//! The unit of the Inception family since batch norm: convolution without bias, batch norm, ReLU.

use striate_graph::{Padding, PerAxis, Tensor};

/// Kernel, stride and padding of a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    kernel: PerAxis,
    stride: usize,
    padding: Padding,
}

/// A window of odd size that keeps the map's size.
pub(crate) fn same(kernel: impl Into<PerAxis>) -> Window {
    let kernel = kernel.into();
    Window { kernel, stride: 1, padding: (kernel.h / 2, kernel.w / 2).into() }
}

/// A window that stays inside the map.
pub(crate) fn valid(kernel: impl Into<PerAxis>) -> Window {
    Window { kernel: kernel.into(), stride: 1, padding: Padding::default() }
}

/// A window that stays inside the map and moves by two.
pub(crate) fn halving(kernel: impl Into<PerAxis>) -> Window {
    Window { stride: 2, ..valid(kernel) }
}

/// A window that moves by two over an even map and halves it exactly: TensorFlow's "same".
pub(crate) fn halving_same(kernel: usize) -> Window {
    Window { kernel: kernel.into(), stride: 2, padding: tensorflow_same(kernel, 2) }
}

/// TensorFlow's "same" padding for a map that `stride` divides: the odd row lies below, the odd column to the
/// right.
pub(crate) fn tensorflow_same(kernel: usize, stride: usize) -> Padding {
    let total = kernel - stride;
    let before = total / 2;
    Padding::of(&[[before, total - before]; 2])
}

/// Convolution `name.conv`, batch norm `name.bn` with ε 1e-3, ReLU `name.relu`.
pub(crate) fn unit<'b>(x: Tensor<'b>, name: &str, channels: usize, window: Window) -> Tensor<'b> {
    let x = x.conv(channels, window.kernel).stride(window.stride).pad(window.padding).no_bias();
    let x = x.named(format!("{name}.conv")).batch_norm().epsilon(1e-3).named(format!("{name}.bn"));
    x.relu().named(format!("{name}.relu"))
}

/// Units one after the other, called `stem` and numbers from `first` on.
pub(crate) fn chain<'b>(x: Tensor<'b>, stem: &str, first: usize, units: &[(usize, Window)]) -> Tensor<'b> {
    let numbered = units.iter().zip(first..);
    numbered
        .fold(x, |x, ((channels, window), number)| unit(x, &format!("{stem}{number}"), *channels, *window))
}
