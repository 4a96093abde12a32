//! RMSProp: steps divided by a running root mean square of the gradients.

use striate_tensor::DType;

use super::{PIECE, Slices, Threaded};
use crate::reference::{Reference, floats};
use crate::{Context, Implementation, Views};

/// RMSProp on `len` elements. Reads the gradient and the rate `[1]`; writes the parameter, the mean square, and the
/// momentum state unless `momentum` is zero.
#[derive(Debug, Clone, PartialEq)]
pub struct RmsPropDesc {
    /// Number of elements.
    pub len: usize,
    /// Decay rate of the mean square.
    pub decay: f32,
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// The momentum coefficient.
    pub momentum: f32,
    /// The weight decay coefficient.
    pub weight_decay: f32,
}

/// RMSProp.
pub fn list() -> &'static [&'static dyn Implementation<RmsPropDesc>] {
    &[
        &Threaded::<RmsPropDesc> { name: "rms_prop_f32", operands, run: pieces },
        &Reference::<RmsPropDesc> {
            name: "rms_prop_reference",
            operands,
            run: |d, views| {
                let (g, rate) = (views.read::<f32>(0), views.read(1)[0]);
                let (p, s) = (views.write(0), views.write(1));
                let v = (d.momentum != 0.0).then(|| views.write(2));
                super::reference::rms_prop(d, g, rate, p, s, v);
            },
        },
    ]
}

/// The types of the gradient and the rate, and of the parameter and its states.
fn operands(d: &RmsPropDesc) -> Vec<DType> {
    floats(if d.momentum == 0.0 { 4 } else { 5 })
}

fn pieces(d: &RmsPropDesc, context: &Context, views: &mut Views) {
    let (g, rate) = (views.read::<f32>(0), views.read::<f32>(1)[0]);
    let (p, squares) = (views.write::<f32>(0), Slices::new(views.write(1)));
    let state = (d.momentum != 0.0).then(|| Slices::new(views.write(2)));
    context.thread_pool.pieces(p, PIECE, |index, p| {
        let g = &g[index * PIECE..][..p.len()];
        // SAFETY: the pieces correspond to those of `p`, and each is taken once.
        let s = unsafe { squares.piece(index, p.len()) };
        // SAFETY: as above.
        let v = state.as_ref().map(|state| unsafe { state.piece(index, p.len()) });
        super::reference::rms_prop(d, g, rate, p, s, v);
    });
}
