//! Running averages: of weights, and sums of the gradients of a batch's parts.

use striate_tensor::DType;

use super::{PIECE, Threaded};
use crate::reference::{Reference, floats};
use crate::{Context, Implementation, Views};

/// A running average of `len` elements. Reads x, `keep` `[1]` and `share` `[1]`; writes the average:
/// average = keep·average + share·x.
#[derive(Debug, Clone, PartialEq)]
pub struct AverageDesc {
    /// Number of elements.
    pub len: usize,
}

/// Running averages.
pub fn list() -> &'static [&'static dyn Implementation<AverageDesc>] {
    &[
        &Threaded::<AverageDesc> { name: "average_f32", operands, run: pieces },
        &Reference::<AverageDesc> {
            name: "average_reference",
            operands,
            run: |_, views| {
                let (x, keep, share) = (views.read::<f32>(0), views.read(1)[0], views.read(2)[0]);
                super::reference::average(x, keep, share, views.write(0));
            },
        },
    ]
}

fn operands(_: &AverageDesc) -> Vec<DType> {
    floats(4)
}

fn pieces(_: &AverageDesc, context: &Context, views: &mut Views) {
    let (x, keep, share) = (views.read::<f32>(0), views.read::<f32>(1)[0], views.read::<f32>(2)[0]);
    context.thread_pool.pieces(views.write::<f32>(0), PIECE, |index, average| {
        super::reference::average(&x[index * PIECE..][..average.len()], keep, share, average);
    });
}
