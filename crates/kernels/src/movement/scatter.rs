//! Scatters the kernels of a connection table into a full convolution weight, and gathers them from it.

use crate::Implementation;
use crate::reference::{Reference, floats};

/// The positions of kernels in a full weight.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterDesc {
    /// Weights per kernel.
    pub kernel: usize,
    /// The position of each kernel, counted in kernels.
    pub places: Vec<usize>,
}

/// Reads the kernels, writes the full weight, which is zero elsewhere.
pub fn scatter() -> &'static [&'static dyn Implementation<ScatterDesc>] {
    &[&Reference::<ScatterDesc> {
        name: "scatter_kernels",
        operands: |_| floats(2),
        run: |d, views| d.scatter(views.read::<f32>(0), views.write(0)),
    }]
}

/// Reads the full weight, writes the kernels.
pub fn gather() -> &'static [&'static dyn Implementation<ScatterDesc>] {
    &[&Reference::<ScatterDesc> {
        name: "gather_kernels",
        operands: |_| floats(2),
        run: |d, views| d.gather(views.read::<f32>(0), views.write(0)),
    }]
}

impl ScatterDesc {
    /// Copies `kernels` to their positions in `weight` and sets all others to zero.
    pub fn scatter<T: Copy + Default>(&self, kernels: &[T], weight: &mut [T]) {
        weight.fill(T::default());
        for (kernel, place) in kernels.chunks_exact(self.kernel).zip(&self.places) {
            weight[place * self.kernel..][..self.kernel].copy_from_slice(kernel);
        }
    }

    /// Copies `kernels` from their positions in `weight`.
    pub fn gather<T: Copy>(&self, weight: &[T], kernels: &mut [T]) {
        for (kernel, place) in kernels.chunks_exact_mut(self.kernel).zip(&self.places) {
            kernel.copy_from_slice(&weight[place * self.kernel..][..self.kernel]);
        }
    }
}
