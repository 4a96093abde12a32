//! Folding of a batch norm into the weights of the preceding layer. Runs only once, so a naive kernel suffices.

use super::reference;
use crate::Implementation;
use crate::reference::Reference;

/// Folding of a batch norm into weights `[O, inner]`.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldDesc {
    /// Output channels of the layer.
    pub channels: usize,
    /// Weights per output channel.
    pub inner: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether the layer has a bias.
    pub bias: bool,
}

/// Reads weight, γ, β, mean, variance and the optional bias; writes weight and bias.
pub fn list() -> &'static [&'static dyn Implementation<FoldDesc>] {
    &[&Reference::<FoldDesc> {
        name: "fold_batch_norm_reference",
        operands: |desc| if desc.bias { 8 } else { 7 },
        run: |desc, views| {
            let weight = (views.read::<f32>(0), desc.bias.then(|| views.read(5)));
            let statistics = std::array::from_fn(|i| views.read(i + 1));
            let out = (views.write(0), views.write(1));
            reference::fold(desc.epsilon, weight, statistics, out);
        },
    }]
}
