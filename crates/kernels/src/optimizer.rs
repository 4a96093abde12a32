//! Updates of variables: gradient descent, Adam, sums and limits of gradients. They work on whole
//! values; zeros between elements stay zero.

use striate_tensor::{Layout, Views};

use crate::isa::Isa;
use crate::pool::Pointer;
use crate::reference::{self, Reference};
use crate::{Context, Implementation, Kernel};

/// Gradient descent on `len` elements. Reads the gradient and the rate `[1]`; writes the parameter, and
/// the momentum's state if `momentum` is not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct SgdDesc {
    /// Elements.
    pub len: usize,
    /// Share of the last step that is kept.
    pub momentum: f32,
    /// Whether the gradient is looked up ahead.
    pub nesterov: bool,
    /// Pull towards zero.
    pub weight_decay: f32,
}

/// Adam on `len` elements. Reads the gradient, the rate `[1]` and the step `[1]` (i64, from 0); writes
/// the parameter and both moments.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamDesc {
    /// Elements.
    pub len: usize,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Pull towards zero.
    pub weight_decay: f32,
    /// Whether the pull acts on the parameter instead of the gradient.
    pub decoupled: bool,
}

/// total += gradient. Reads the gradient, writes the total.
#[derive(Debug, Clone, PartialEq)]
pub struct AccumulateDesc {
    /// Elements.
    pub len: usize,
}

/// Limit on the norm of all gradients. Writes the gradients, which lie side by side, and their norm
/// `[1]` before the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipDesc {
    /// Elements.
    pub len: usize,
    /// The largest norm that is let through.
    pub max_norm: f32,
}

/// Gradient descent.
pub fn sgd() -> &'static [&'static dyn Implementation<SgdDesc>] {
    &[
        &Threaded::<SgdDesc> {
            name: "sgd_f32",
            operands: |d| if d.momentum == 0.0 { 3 } else { 4 },
            run: sgd_pieces,
        },
        &Reference::<SgdDesc> {
            name: "sgd_reference",
            operands: |d| if d.momentum == 0.0 { 3 } else { 4 },
            run: |d, views| {
                let (g, rate) = (views.read::<f32>(0), views.read(1)[0]);
                let (p, v) = (views.write(0), (d.momentum != 0.0).then(|| views.write(1)));
                reference::optimizer::sgd(d, g, rate, p, v);
            },
        },
    ]
}

/// Adam.
pub fn adam() -> &'static [&'static dyn Implementation<AdamDesc>] {
    &[
        &Threaded::<AdamDesc> { name: "adam_f32", operands: |_| 6, run: adam_pieces },
        &Reference::<AdamDesc> {
            name: "adam_reference",
            operands: |_| 6,
            run: |d, views| {
                let (g, rate, step) = (views.read::<f32>(0), views.read(1)[0], views.read::<i64>(2)[0]);
                let (p, m, v) = (views.write(0), views.write(1), views.write(2));
                reference::optimizer::adam(d, g, rate, step, p, m, v);
            },
        },
    ]
}

/// Sum of gradients.
pub fn accumulate() -> &'static [&'static dyn Implementation<AccumulateDesc>] {
    &[&Reference::<AccumulateDesc> {
        name: "accumulate_reference",
        operands: |_| 2,
        run: |_, views| {
            let (g, total) = (views.read::<f32>(0), views.write::<f32>(0));
            total.iter_mut().zip(g).for_each(|(total, g)| *total += g);
        },
    }]
}

/// Limit on the norm.
pub fn clip_norm() -> &'static [&'static dyn Implementation<ClipDesc>] {
    &[&Reference::<ClipDesc> {
        name: "clip_norm_reference",
        operands: |_| 2,
        run: |d, views| {
            let (g, norm) = (views.write::<f32>(0), views.write::<f32>(1));
            norm[0] = g.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt() as f32;
            if norm[0] > d.max_norm {
                let scale = d.max_norm / norm[0];
                g.iter_mut().for_each(|g| *g *= scale);
            }
        },
    }]
}

/// Elements that one item of the grid works on.
const PIECE: usize = 16384;

/// The reference's loops, piece by piece on all threads.
struct Threaded<D> {
    name: &'static str,
    operands: fn(&D) -> usize,
    run: fn(&D, &Context, &mut Views),
}

impl<D: Clone + Send + Sync + 'static> Implementation<D> for Threaded<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, desc: &D, _isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        Some(vec![Layout::Plain; (self.operands)(desc)])
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
    context.pool.pieces(p, PIECE, |index, p| {
        let g = &g[index * PIECE..][..p.len()];
        // SAFETY: pieces are those of `p`, each taken once.
        let v = state.as_ref().map(|state| unsafe { state.piece(index, p.len()) });
        reference::optimizer::sgd(d, g, rate, p, v);
    });
}

fn adam_pieces(d: &AdamDesc, context: &Context, views: &mut Views) {
    let (g, rate, step) = (views.read::<f32>(0), views.read::<f32>(1)[0], views.read::<i64>(2)[0]);
    let p = views.write::<f32>(0);
    let (m, v) = (Slices::new(views.write(1)), Slices::new(views.write(2)));
    context.pool.pieces(p, PIECE, |index, p| {
        let g = &g[index * PIECE..][..p.len()];
        // SAFETY: pieces are those of `p`, each taken once.
        let (m, v) = unsafe { (m.piece(index, p.len()), v.piece(index, p.len())) };
        reference::optimizer::adam(d, g, rate, step, p, m, v);
    });
}

/// A slice that is handed out in the pieces of another.
struct Slices {
    start: Pointer<f32>,
    len: usize,
}

impl Slices {
    fn new(all: &mut [f32]) -> Slices {
        Slices { start: Pointer(all.as_mut_ptr()), len: all.len() }
    }

    /// # Safety
    /// Each `index` is taken by one thread at a time, and the slice outlives the pieces.
    unsafe fn piece<'a>(&self, index: usize, length: usize) -> &'a mut [f32] {
        assert!(index * PIECE + length <= self.len, "the state is as long as the parameter");
        // SAFETY: within the slice; disjoint as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.get().add(index * PIECE), length) }
    }
}
