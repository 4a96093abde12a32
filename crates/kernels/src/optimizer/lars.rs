//! LARS: gradient descent with a learning rate for each parameter, in proportion to the ratio of the norms of the
//! parameter and of its gradient. The squares are summed piece by piece.

use striate_tensor::DType;

use super::norm::squares;
use super::{PIECE, Slices};
use crate::isa::Isa;
use crate::reference::{Reference, floats, plain};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

/// LARS on the `len` elements of one parameter. Reads the gradient and the rate `[1]`; writes the parameter, and the
/// momentum state unless `momentum` is zero.
#[derive(Debug, Clone, PartialEq)]
pub struct LarsDesc {
    /// Number of elements.
    pub len: usize,
    /// The momentum coefficient.
    pub momentum: f32,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
    /// The weight decay coefficient.
    pub weight_decay: f32,
    /// The trust coefficient.
    pub trust: f32,
}

/// LARS.
pub fn list() -> &'static [&'static dyn Implementation<LarsDesc>] {
    &[
        &Pieces,
        &Reference::<LarsDesc> {
            name: "lars_reference",
            operands,
            run: |d, views| {
                let (g, rate) = (views.read::<f32>(0), views.read(1)[0]);
                let (p, v) = (views.write(0), (d.momentum != 0.0).then(|| views.write(1)));
                super::reference::lars(d, g, rate, p, v);
            },
        },
    ]
}

/// The types of the gradient and the rate, and of the parameter and its state.
fn operands(d: &LarsDesc) -> Vec<DType> {
    floats(if d.momentum == 0.0 { 3 } else { 4 })
}

struct Pieces;

impl Implementation<LarsDesc> for Pieces {
    fn name(&self) -> &'static str {
        "lars_f32"
    }

    fn formats(&self, desc: &LarsDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(plain(operands(desc)))
    }

    fn prepare(&self, desc: &LarsDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound(desc.clone()))
    }
}

struct Bound(LarsDesc);

impl Kernel for Bound {
    /// The sums of squares of each piece: of the parameter and of the gradient.
    fn scratch_bytes(&self, _threads: usize) -> usize {
        2 * size_of::<f64>() * self.0.len.div_ceil(PIECE)
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let d = &self.0;
        let (g, rate) = (views.read::<f32>(0), views.read::<f32>(1)[0]);
        let p = views.write::<f32>(0);
        let state = (d.momentum != 0.0).then(|| Slices::new(views.write(1)));
        let sums = views.write::<f64>(if d.momentum == 0.0 { 1 } else { 2 });
        context.thread_pool.pieces(sums, 2, |index, sums| {
            let range = index * PIECE..((index + 1) * PIECE).min(p.len());
            (sums[0], sums[1]) = (squares(&p[range.clone()]), squares(&g[range]));
        });
        let total = |offset: usize| sums.iter().skip(offset).step_by(2).sum::<f64>().sqrt();
        let ratio = super::reference::trust_ratio(d, total(0), total(1)) as f32;
        context.thread_pool.pieces(p, PIECE, |index, p| {
            let g = &g[index * PIECE..][..p.len()];
            // SAFETY: the pieces correspond to those of `p`, and each is taken once.
            let v = state.as_ref().map(|state| unsafe { state.piece(index, p.len()) });
            super::reference::lars_step(d, ratio, g, rate, p, v);
        });
    }
}
