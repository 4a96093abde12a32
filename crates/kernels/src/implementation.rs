//! The interface of an implementation of an operation, and how one is chosen.

use striate_tensor::DType;

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::threads::ThreadPool;

/// The environment that a kernel runs in.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The threads that share the work.
    pub thread_pool: &'a ThreadPool,
}

/// An implementation of the operation that `D` describes, for one or more instruction sets.
pub trait Implementation<D>: Send + Sync {
    /// A descriptive name, such as `conv_direct_f32`.
    fn name(&self) -> &'static str;

    /// Returns the formats in which this implementation wants its operands on `isa`, first those it reads,
    /// then those it writes; `None` if it does not support the descriptor.
    ///
    /// `first` is the current layout of the first operand, which implementations that work in any layout
    /// return. Halos in the result are minimums; the compiler may widen them. Element types are never converted for a
    /// kernel: it is considered only for operands that already have them.
    fn formats(&self, desc: &D, isa: Isa, first: Layout) -> Option<Vec<Format>>;

    /// The time that it takes on `isa`, in multiply-adds at the peak of one core, whatever their number. Counts the
    /// weights that are read, but not the conversion of operands. The layout pass minimizes the sum over the graph;
    /// only implementations that compete need to know theirs.
    fn cost(&self, _desc: &D, _isa: Isa) -> f64 {
        0.0
    }

    /// Whether the result can take the place of the residual, the last operand that is read. The kernel is then called
    /// without it, and finds it in the written operand, which has the same layout.
    fn replaces_residual(&self, _desc: &D, _isa: Isa) -> bool {
        false
    }

    /// Creates the kernel for operands in `layouts`: those of [`Implementation::formats`], with halos
    /// at least as wide. Everything that can be computed in advance is computed here.
    fn prepare(&self, desc: &D, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel>;
}

/// An implementation bound to its descriptor and layouts: a step of a plan.
pub trait Kernel: Send + Sync {
    /// The number of bytes of scratch memory that [`Kernel::run`] takes on a pool of `threads` threads, as an
    /// additional written operand after all others. Its initial contents are arbitrary.
    fn scratch_bytes(&self, _threads: usize) -> usize {
        0
    }

    /// Runs the kernel. The operands in `views` are in the order documented in the operation's module.
    fn run(&self, context: &Context, views: &mut Views);
}

/// Returns the implementation in `list` that supports `desc` for operands of `f32` at the lowest cost, the first of
/// several, with the layouts that it wants.
///
/// # Panics
/// If there is none; this does not happen, because every list of kernels for `f32` ends with one that supports
/// everything.
pub fn choose<'a, D>(
    list: &[&'a dyn Implementation<D>],
    desc: &D,
    isa: Isa,
    first: Layout,
) -> (&'a dyn Implementation<D>, Vec<Layout>) {
    list.iter()
        .filter_map(|candidate| {
            let formats = candidate.formats(desc, isa, first)?;
            let is_reduced = formats.iter().any(|format| format.dtype == DType::BF16);
            (!is_reduced).then(|| (*candidate, Format::layouts(&formats), candidate.cost(desc, isa)))
        })
        .min_by(|(.., a), (.., b)| a.total_cmp(b))
        .map(|(candidate, layouts, _)| (candidate, layouts))
        .expect("the last implementation supports everything")
}
