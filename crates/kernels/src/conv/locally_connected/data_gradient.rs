//! The data gradient of locally connected layers.

use super::runs::Runs;
use crate::conv::ConvDesc;
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Rows;

impl Implementation<ConvDesc> for Rows {
    fn name(&self) -> &'static str {
        "locally_connected_data_gradient_f32"
    }

    fn formats(&self, _d: &ConvDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 3])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { isa, runs: Runs::new(d) })
    }
}

struct Bound {
    isa: Isa,
    runs: Runs,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (dy, w, dx) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        assert_eq!(
            [dx.len(), w.len(), dy.len()],
            self.runs.lengths(),
            "operand lengths must match the layouts"
        );
        let length = dx.len() / self.runs.d.batch;
        context.thread_pool.pieces(dx, length, |image, dx| {
            dispatch(self.isa, Image { runs: &self.runs, dy, w, dx, image });
        });
    }
}

/// One image.
struct Image<'a> {
    runs: &'a Runs,
    dy: &'a [f32],
    w: &'a [f32],
    dx: &'a mut [f32],
    image: usize,
}

impl Body for Image<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let Image { runs, dy, w, dx, image } = self;
        let (start, stride) = (image * dx.len(), runs.d.stride[1]);
        dx.fill(0.0);
        for channel in 0..runs.d.out_channels {
            runs.each(image, channel, |run| {
                let (dy, w) = (&dy[run.y..][..run.count], &w[run.w..][..run.count]);
                let dx = &mut dx[run.x - start..];
                for (i, (dy, w)) in dy.iter().zip(w).enumerate() {
                    dx[i * stride] += w * dy;
                }
            });
        }
    }
}
