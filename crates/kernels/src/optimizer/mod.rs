//! Updates of variables: optimizers, clipping of gradients, running averages. They process whole values including
//! padding, which stays zero.

mod average;
mod clip_norm;
mod lars;
mod norm;
pub mod reference;
mod rms_prop;

pub use average::{AverageDesc, list as average};
pub use lars::{LarsDesc, list as lars};
pub use rms_prop::{RmsPropDesc, list as rms_prop};

use striate_tensor::DType;

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::reference::{Reference, floats, plain};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel};

/// Gradient descent on `len` elements. Reads the gradient and the rate `[1]`; writes the parameter, and
/// the momentum state unless `momentum` is zero.
#[derive(Debug, Clone, PartialEq)]
pub struct SgdDesc {
    /// Number of elements.
    pub len: usize,
    /// The momentum coefficient.
    pub momentum: f32,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
    /// The weight decay coefficient.
    pub weight_decay: f32,
}

/// Adam on `len` elements. Reads the gradient, the rate `[1]` and the step `[1]` (i64, from 0); writes
/// the parameter and both moments.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamDesc {
    /// Number of elements.
    pub len: usize,
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// Added to the square root of the second moment.
    pub epsilon: f32,
    /// The weight decay coefficient.
    pub weight_decay: f32,
    /// Whether weight decay is applied to the parameter directly instead of through the gradient.
    pub decoupled: bool,
}

/// Clipping of the gradients by their global norm. Writes the gradients, which are contiguous, and the norm
/// `[1]` before clipping.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipNormDesc {
    /// Number of elements.
    pub len: usize,
    /// The largest norm that is left unchanged.
    pub max_norm: f32,
}

/// Gradient descent.
pub fn sgd() -> &'static [&'static dyn Implementation<SgdDesc>] {
    &[
        &Threaded::<SgdDesc> {
            name: "sgd_f32",
            operands: |d| floats(if d.momentum == 0.0 { 3 } else { 4 }),
            run: sgd_pieces,
        },
        &Reference::<SgdDesc> {
            name: "sgd_reference",
            operands: |d| floats(if d.momentum == 0.0 { 3 } else { 4 }),
            run: |d, views| {
                let (g, rate) = (views.read::<f32>(0), views.read(1)[0]);
                let (p, v) = (views.write(0), (d.momentum != 0.0).then(|| views.write(1)));
                reference::sgd(d, g, rate, p, v);
            },
        },
    ]
}

/// Adam.
pub fn adam() -> &'static [&'static dyn Implementation<AdamDesc>] {
    &[
        &Threaded::<AdamDesc> { name: "adam_f32", operands: adam_operands, run: adam_pieces },
        &Reference::<AdamDesc> {
            name: "adam_reference",
            operands: adam_operands,
            run: |d, views| {
                let (g, rate, step) = (views.read::<f32>(0), views.read(1)[0], views.read::<i64>(2)[0]);
                let (p, m, v) = (views.write(0), views.write(1), views.write(2));
                reference::adam(d, g, rate, step, p, m, v);
            },
        },
    ]
}

/// The types of the gradient, the rate and the step, and of the parameter and its two moments.
fn adam_operands(_: &AdamDesc) -> Vec<DType> {
    vec![DType::F32, DType::F32, DType::I64, DType::F32, DType::F32, DType::F32]
}

/// Clipping of gradients by their global norm.
pub fn clip_norm() -> &'static [&'static dyn Implementation<ClipNormDesc>] {
    &[
        &clip_norm::Pieces,
        &Reference::<ClipNormDesc> {
            name: "clip_norm_reference",
            operands: |_| floats(2),
            run: |d, views| {
                let (g, norm) = (views.write::<f32>(0), views.write::<f32>(1));
                norm[0] = reference::clip_norm(d, g);
            },
        },
    ]
}

/// Elements in one item of the grid.
const PIECE: usize = 16384;

/// The loops of the reference, piece by piece on all threads.
struct Threaded<D> {
    name: &'static str,
    operands: fn(&D) -> Vec<DType>,
    run: fn(&D, &Context, &mut Views),
}

impl<D: Clone + Send + Sync + 'static> Implementation<D> for Threaded<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn formats(&self, desc: &D, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(plain((self.operands)(desc)))
    }

    fn prepare(&self, desc: &D, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { desc: desc.clone(), run: self.run })
    }
}

struct Bound<D> {
    desc: D,
    run: fn(&D, &Context, &mut Views),
}

impl<D: Send + Sync> Kernel for Bound<D> {
    fn run(&self, context: &Context, views: &mut Views) {
        (self.run)(&self.desc, context, views);
    }
}

fn sgd_pieces(d: &SgdDesc, context: &Context, views: &mut Views) {
    let (g, rate) = (views.read::<f32>(0), views.read::<f32>(1)[0]);
    let p = views.write::<f32>(0);
    let state = (d.momentum != 0.0).then(|| Slices::new(views.write(1)));
    context.thread_pool.pieces(p, PIECE, |index, p| {
        let g = &g[index * PIECE..][..p.len()];
        // SAFETY: the pieces correspond to those of `p`, and each is taken once.
        let v = state.as_ref().map(|state| unsafe { state.piece(index, p.len()) });
        reference::sgd(d, g, rate, p, v);
    });
}

fn adam_pieces(d: &AdamDesc, context: &Context, views: &mut Views) {
    let (g, rate, step) = (views.read::<f32>(0), views.read::<f32>(1)[0], views.read::<i64>(2)[0]);
    let p = views.write::<f32>(0);
    let (m, v) = (Slices::new(views.write(1)), Slices::new(views.write(2)));
    context.thread_pool.pieces(p, PIECE, |index, p| {
        let g = &g[index * PIECE..][..p.len()];
        // SAFETY: the pieces correspond to those of `p`, and each is taken once.
        let (m, v) = unsafe { (m.piece(index, p.len()), v.piece(index, p.len())) };
        reference::adam(d, g, rate, step, p, m, v);
    });
}

/// A slice that is split into the same pieces as another one.
struct Slices {
    start: Pointer<f32>,
    len: usize,
}

impl Slices {
    fn new(all: &mut [f32]) -> Slices {
        Slices { start: Pointer(all.as_mut_ptr()), len: all.len() }
    }

    /// # Safety
    /// Pieces with the same `index` must not be alive at the same time, and the slice must outlive them.
    unsafe fn piece<'a>(&self, index: usize, length: usize) -> &'a mut [f32] {
        assert!(index * PIECE + length <= self.len, "the state must be as long as the parameter");
        // SAFETY: the piece lies within the slice, and the caller guarantees that pieces are disjoint.
        unsafe { std::slice::from_raw_parts_mut(self.start.get().add(index * PIECE), length) }
    }
}
