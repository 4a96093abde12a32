//! Clipping of gradients by their global norm, whose squares are summed piece by piece.

use super::norm::squares;
use super::{ClipNormDesc, PIECE};
use crate::isa::Isa;
use crate::reference::floats;
use crate::reference::plain;
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Pieces;

impl Implementation<ClipNormDesc> for Pieces {
    fn name(&self) -> &'static str {
        "clip_norm_f32"
    }

    fn formats(&self, _desc: &ClipNormDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(plain(floats(2)))
    }

    fn prepare(&self, desc: &ClipNormDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound(desc.clone()))
    }
}

struct Bound(ClipNormDesc);

impl Kernel for Bound {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        size_of::<f64>() * self.0.len.div_ceil(PIECE)
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (g, norm, sums) = (views.write::<f32>(0), views.write::<f32>(1), views.write::<f64>(2));
        assert_eq!(g.len().div_ceil(PIECE), sums.len(), "the gradients must have the described length");
        context.thread_pool.pieces(sums, 1, |index, sum| {
            let first = index * PIECE;
            sum[0] = squares(&g[first..(first + PIECE).min(g.len())]);
        });
        norm[0] = sums.iter().sum::<f64>().sqrt() as f32;
        if norm[0] > self.0.max_norm {
            let scale = self.0.max_norm / norm[0];
            context.thread_pool.pieces(g, PIECE, |_, g| g.iter_mut().for_each(|g| *g *= scale));
        }
    }
}
