//! The gradient of average pooling of plain volumes, and of the activation before it.

use super::Pool3dDesc;
use super::windows::Windows;
use crate::activation::Activation;
use crate::conv::taps::Tap;
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Rows;

impl Implementation<Pool3dDesc> for Rows {
    fn name(&self) -> &'static str {
        "average_pool3d_gradient_f32"
    }

    fn formats(&self, desc: &Pool3dDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 2 + usize::from(desc.activation != Activation::None)])
    }

    fn prepare(&self, desc: &Pool3dDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { isa, windows: Windows::new(desc) })
    }
}

struct Bound {
    isa: Isa,
    windows: Windows,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let [x_len, y_len] = self.windows.desc.volumes();
        let dy = views.read::<f32>(0);
        let x = (self.windows.desc.activation != Activation::None).then(|| views.read::<f32>(1));
        context.thread_pool.pieces(views.write(0), x_len, |map, dx| {
            let x = x.map(|x| &x[map * x_len..][..x_len]);
            dispatch(self.isa, Map { pool: self, dy: &dy[map * y_len..][..y_len], x, dx });
        });
    }
}

/// One channel of one volume; x only with an activation.
struct Map<'a> {
    pool: &'a Bound,
    dy: &'a [f32],
    x: Option<&'a [f32]>,
    dx: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let Map { pool, dy, x, dx } = self;
        pool.gradient(dy, dx);
        if let Some(x) = x {
            let activation = pool.windows.desc.activation;
            dx.iter_mut().zip(x).for_each(|(dx, x)| *dx *= activation.derivative(*x));
        }
    }
}

impl Bound {
    #[inline(always)]
    fn gradient(&self, dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let stride = self.windows.desc.stride[2];
        self.windows.each_row(|from, to, share| {
            for Tap { outputs, first } in &self.windows.along_row {
                let dy = dy[from..][outputs.clone()].iter().zip(&self.windows.shares[outputs.clone()]);
                let (dy, dx) = (dy.map(|(dy, own)| dy * (own * share)), &mut dx[to + first..]);
                match stride {
                    1 => dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy),
                    _ => dy.enumerate().for_each(|(i, dy)| dx[i * stride] += dy),
                }
            }
        });
    }
}
