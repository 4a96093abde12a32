//! Locally connected layers.

use super::runs::Runs;
use crate::conv::ConvDesc;
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Rows;

impl Implementation<ConvDesc> for Rows {
    fn name(&self) -> &'static str {
        "locally_connected_f32"
    }

    fn formats(&self, d: &ConvDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 3 + usize::from(d.bias)])
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
        let (x, w, y) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        let bias = self.runs.d.bias.then(|| views.read::<f32>(2));
        assert_eq!(
            [x.len(), w.len(), y.len()],
            self.runs.lengths(),
            "operand lengths must match the layouts"
        );
        let y = Pointer(y.as_mut_ptr());
        context.thread_pool.run(self.runs.d.out_channels, |channel| {
            dispatch(self.isa, Channel { runs: &self.runs, x, w, bias, y: &y, channel });
        });
    }
}

/// One output channel of all images.
struct Channel<'a> {
    runs: &'a Runs,
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a Pointer<f32>,
    channel: usize,
}

impl Body for Channel<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let d = &self.runs.d;
        let (places, stride) = (d.output[0] * d.output[1], d.stride[1]);
        for image in 0..d.batch {
            let first = (image * d.out_channels + self.channel) * places;
            // SAFETY: the channel lies within y, whose length `Bound::run` checked, and only this item writes it.
            let y = unsafe { std::slice::from_raw_parts_mut(self.y.get().add(first), places) };
            match self.bias {
                Some(bias) => y.copy_from_slice(&bias[self.channel * places..][..places]),
                None => y.fill(0.0),
            }
            self.runs.each(image, self.channel, |run| {
                let (x, w) = (&self.x[run.x..], &self.w[run.w..][..run.count]);
                let y = &mut y[run.y % places..][..run.count];
                for (i, (y, w)) in y.iter_mut().zip(w).enumerate() {
                    *y += w * x[i * stride];
                }
            });
        }
    }
}
