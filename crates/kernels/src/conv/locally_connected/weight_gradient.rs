//! The weight gradient of locally connected layers.

use super::runs::Runs;
use crate::conv::ConvDesc;
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Rows;

impl Implementation<ConvDesc> for Rows {
    fn name(&self) -> &'static str {
        "locally_connected_weight_gradient_f32"
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
        let (x, dy, dw) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        assert_eq!(
            [x.len(), dw.len(), dy.len()],
            self.runs.lengths(),
            "operand lengths must match the layouts"
        );
        let length = dw.len() / self.runs.d.out_channels;
        context.thread_pool.pieces(dw, length, |channel, dw| {
            dispatch(self.isa, Channel { runs: &self.runs, x, dy, dw, channel });
        });
    }
}

/// The weights of one output channel.
struct Channel<'a> {
    runs: &'a Runs,
    x: &'a [f32],
    dy: &'a [f32],
    dw: &'a mut [f32],
    channel: usize,
}

impl Body for Channel<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let Channel { runs, x, dy, dw, channel } = self;
        let (start, stride) = (channel * dw.len(), runs.d.stride[1]);
        dw.fill(0.0);
        for image in 0..runs.d.batch {
            runs.each(image, channel, |run| {
                let (x, dy) = (&x[run.x..], &dy[run.y..][..run.count]);
                let dw = &mut dw[run.w - start..][..run.count];
                for (i, (dw, dy)) in dw.iter_mut().zip(dy).enumerate() {
                    *dw += dy * x[i * stride];
                }
            });
        }
    }
}
