//! What an implementation of an operation is, and how one is chosen.

use striate_tensor::{Layout, Views};

use crate::isa::Isa;
use crate::pool::Pool;

/// What a kernel runs with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The threads that share the work.
    pub pool: &'a Pool,
}

/// One way to compute the operation that `D` describes, on one or more instruction sets.
pub trait Implementation<D>: Send + Sync {
    /// A name that says all, such as `conv_direct_f32`.
    fn name(&self) -> &'static str;

    /// The layouts in which this implementation wants its operands on `isa`, reads first, then
    /// writes; `None` if it refuses the descriptor.
    ///
    /// `first` is the layout in which the first operand lies now: implementations that work in any
    /// layout answer with it. A halo in the answer is the least that is needed; the compiler may
    /// widen it.
    fn accepts(&self, desc: &D, isa: Isa, first: Layout) -> Option<Vec<Layout>>;

    /// The kernel for operands that lie as `layouts` say: those of [`Implementation::accepts`], with
    /// halos at least as wide. All that can be computed beforehand is computed here.
    fn prepare(&self, desc: &D, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel>;
}

/// An implementation bound to its descriptor and layouts: a step of a plan.
pub trait Kernel: Send + Sync {
    /// Elements (`f32`) of scratch memory that [`Kernel::run`] wants as one more written operand,
    /// after all others. Its content is arbitrary.
    fn scratch_len(&self) -> usize {
        0
    }

    /// Computes. The operands stand in `views` in the order that the operation's module states.
    fn run(&self, context: &Context, views: &mut Views);
}

/// The first implementation in `list` that accepts, with the layouts that it wants.
///
/// # Panics
/// If none accepts: every list ends with one that accepts everything.
pub fn choose<'a, D>(
    list: &[&'a dyn Implementation<D>],
    desc: &D,
    isa: Isa,
    first: Layout,
) -> (&'a dyn Implementation<D>, Vec<Layout>) {
    list.iter()
        .find_map(|candidate| Some((*candidate, candidate.accepts(desc, isa, first)?)))
        .expect("the last implementation accepts everything")
}
