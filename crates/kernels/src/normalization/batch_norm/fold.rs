//! Folding of a batch norm into the weights of the preceding layer.

use super::reference;
use crate::isa::Isa;
use crate::reference::{Reference, floats};
use crate::threads::Pointer;
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

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
    &[
        &Fold,
        &Reference::<FoldDesc> {
            name: "fold_batch_norm_reference",
            operands: |desc| floats(operands(desc)),
            run: |desc, views| {
                let weight = (views.read::<f32>(0), desc.bias.then(|| views.read(5)));
                let statistics = std::array::from_fn(|i| views.read(i + 1));
                let out = (views.write(0), views.write(1));
                reference::fold(desc.epsilon, weight, statistics, out);
            },
        },
    ]
}

fn operands(desc: &FoldDesc) -> usize {
    if desc.bias { 8 } else { 7 }
}

/// Folds channel by channel, on all threads.
struct Fold;

impl Implementation<FoldDesc> for Fold {
    fn name(&self) -> &'static str {
        "fold_batch_norm_f32"
    }

    fn formats(&self, desc: &FoldDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); operands(desc)])
    }

    fn prepare(&self, desc: &FoldDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(desc.clone())
    }
}

impl Kernel for FoldDesc {
    fn run(&self, context: &Context, views: &mut Views) {
        let (weight, bias) = (views.read::<f32>(0), self.bias.then(|| views.read::<f32>(5)));
        let [gamma, beta, mean, var] = std::array::from_fn(|i| views.read::<f32>(i + 1));
        let (folded_weight, folded_bias) = (views.write::<f32>(0), views.write::<f32>(1));
        assert_eq!(folded_bias.len(), self.channels);
        let folded_bias = Pointer(folded_bias.as_mut_ptr());
        context.thread_pool.pieces(folded_weight, self.inner, |channel, folded| {
            let one = channel..channel + 1;
            // SAFETY: there are as many channels as pieces; each belongs to one item alone.
            let bias_of_one = unsafe { std::slice::from_raw_parts_mut(folded_bias.get().add(channel), 1) };
            let weight = &weight[channel * self.inner..][..self.inner];
            let statistics = [gamma, beta, mean, var].map(|values| &values[one.clone()]);
            let bias = bias.map(|bias| &bias[one.clone()]);
            reference::fold(self.epsilon, (weight, bias), statistics, (folded, bias_of_one));
        });
    }
}
