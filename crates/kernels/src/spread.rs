//! Kernels of a convolution put into their places among zeros, and taken out again.

use crate::Implementation;
use crate::reference::Reference;

/// Kernels of a few numbers each, and where they stand in a whole weight.
#[derive(Debug, Clone, PartialEq)]
pub struct SpreadDesc {
    /// Numbers of a kernel.
    pub kernel: usize,
    /// The place of each kernel, counted in kernels.
    pub places: Vec<usize>,
}

/// Reads the kernels, writes the whole weight: zero but for their places.
pub fn spread() -> &'static [&'static dyn Implementation<SpreadDesc>] {
    &[&Reference::<SpreadDesc> {
        name: "spread_kernels",
        operands: |_| 2,
        run: |d, views| d.spread(views.read::<f32>(0), views.write(0)),
    }]
}

/// Reads the whole weight, writes the kernels.
pub fn gather() -> &'static [&'static dyn Implementation<SpreadDesc>] {
    &[&Reference::<SpreadDesc> {
        name: "gather_kernels",
        operands: |_| 2,
        run: |d, views| d.gather(views.read::<f32>(0), views.write(0)),
    }]
}

impl SpreadDesc {
    /// Puts `kernels` into their places of `weight`, zeros into all others.
    pub fn spread<T: Copy + Default>(&self, kernels: &[T], weight: &mut [T]) {
        weight.fill(T::default());
        for (kernel, place) in kernels.chunks_exact(self.kernel).zip(&self.places) {
            weight[place * self.kernel..][..self.kernel].copy_from_slice(kernel);
        }
    }

    /// Takes `kernels` out of their places of `weight`.
    pub fn gather<T: Copy>(&self, weight: &[T], kernels: &mut [T]) {
        for (kernel, place) in kernels.chunks_exact_mut(self.kernel).zip(&self.places) {
            kernel.copy_from_slice(&weight[place * self.kernel..][..self.kernel]);
        }
    }
}
