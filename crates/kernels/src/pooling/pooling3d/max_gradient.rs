//! The gradient of max pooling of plain volumes, and of the activation before it.

use super::Pool3dDesc;
use super::windows::Windows;
use crate::activation::Activation;
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Rows;

impl Implementation<Pool3dDesc> for Rows {
    fn name(&self) -> &'static str {
        "max_pool3d_gradient_f32"
    }

    fn formats(&self, _desc: &Pool3dDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 3])
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
        let (x, dy) = (views.read::<f32>(0), views.read::<f32>(1));
        context.thread_pool.pieces(views.write(0), x_len, |map, dx| {
            let (x, dy) = (&x[map * x_len..][..x_len], &dy[map * y_len..][..y_len]);
            dispatch(self.isa, Map { pool: self, x, dy, dx });
        });
    }
}

/// One channel of one volume.
struct Map<'a> {
    pool: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        self.pool.gradient(self.x, self.dy, self.dx);
        let activation = self.pool.windows.desc.activation;
        if activation != Activation::None {
            self.dx.iter_mut().zip(self.x).for_each(|(dx, x)| *dx *= activation.derivative(*x));
        }
    }
}

impl Bound {
    /// Adds dy to the first maximum of its window; NaN counts as the maximum.
    #[inline(always)]
    fn gradient(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let ([_, height, width], dilation) = (self.windows.desc.input, self.windows.desc.dilation);
        let mut places = dy.iter();
        for maps in &self.windows.spans[0] {
            for rows in &self.windows.spans[1] {
                for (columns, dy) in self.windows.columns.iter().zip(&mut places) {
                    let mut best = (maps.first * height + rows.first) * width + columns.first;
                    for map in 0..maps.taps {
                        for row in 0..rows.taps {
                            let map = maps.first + map * dilation[0];
                            let row = rows.first + row * dilation[1];
                            for column in 0..columns.taps {
                                let column = columns.first + column * dilation[2];
                                let at = (map * height + row) * width + column;
                                if x[at] > x[best] || (x[at].is_nan() && !x[best].is_nan()) {
                                    best = at;
                                }
                            }
                        }
                    }
                    dx[best] += dy;
                }
            }
        }
    }
}
