//! The gradient of average pooling of maps in blocks, and of the activation before it.

use super::PoolDesc;
use super::windows::{Windows, apply_activation_gradient, clear_rows};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_lanes};
use crate::simd::{Body, Simd, activation_gradient, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Blocked;

impl Implementation<PoolDesc> for Blocked {
    fn name(&self) -> &'static str {
        "average_pool_gradient_f32"
    }

    fn formats(&self, desc: &PoolDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let operands = 2 + usize::from(desc.activation != Activation::None);
        is_lanes(first, isa.block()).then(|| vec![first.f32(); operands])
    }

    fn prepare(&self, desc: &PoolDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let windows = Windows::new(desc);
        Box::new(Bound {
            isa,
            activation: desc.activation,
            is_tiled: windows.tiles(desc.input),
            windows,
            // Without an activation, x is not read, and this is the layout of dx.
            x: Maps::new(desc.x_shape(), layouts[1]),
            y: Maps::new(desc.y_shape(), layouts[0]),
            dx: Maps::new(desc.x_shape(), *layouts.last().expect("the result is an operand")),
        })
    }
}

struct Bound {
    isa: Isa,
    activation: Activation,
    /// Whether the windows cover every element of x exactly once.
    is_tiled: bool,
    windows: Windows,
    x: Maps,
    y: Maps,
    dx: Maps,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let dy = views.read::<f32>(0);
        let x = (self.activation != Activation::None).then(|| views.read::<f32>(1));
        self.dx.each(context.thread_pool, views.write(0), |map, dx| {
            let x = x.map(|x| self.x.map(x, map));
            dispatch(self.isa, Map { pool: self, dy: self.y.map(dy, map), x, dx });
        });
    }
}

/// The same map of all operands; x only with an activation.
struct Map<'a> {
    pool: &'a Bound,
    dy: &'a [f32],
    x: Option<&'a [f32]>,
    dx: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Map { pool, dy, x, dx } = self;
        let (dy, x) = (dy.as_ptr(), x.map(<[f32]>::as_ptr));
        pool.dx.clear_halo(dx);
        // SAFETY: the pointers point to whole maps with the geometries in `pool`.
        unsafe {
            if pool.is_tiled {
                pool.write(s, dy, x, dx.as_mut_ptr());
            } else {
                pool.add(s, dy, x, dx.as_mut_ptr());
            }
        }
    }
}

impl Bound {
    /// Computes the gradient, including that of the activation, row by row of windows, so that rows of dx to which
    /// several windows add stay in the L1 cache.
    ///
    /// # Safety
    /// `dy`, `x` and `dx` must point to maps with the geometries `self.y`, `self.x` and `self.dx`.
    #[inline(always)]
    unsafe fn add<S: Simd>(&self, s: S, dy: *const f32, x: Option<*const f32>, dx: *mut f32) {
        for band in self.windows.bands(self.dx.size[0]) {
            // SAFETY: windows are clipped to the map.
            unsafe {
                clear_rows(&self.dx, dx, band.fresh);
                let dy = dy.add(self.y.row(band.index));
                for (ox, columns) in self.windows.columns.iter().enumerate() {
                    let scale = s.splat(1.0 / (band.rows.divisor * columns.divisor) as f32);
                    let share = s.mul(scale, s.load(dy.add(ox * S::LANES)));
                    for row in band.rows.range.clone() {
                        let row = dx.add(self.dx.row(row));
                        for column in columns.range.clone() {
                            let to = row.add(column * S::LANES);
                            s.store(to, s.add(s.load(to), share));
                        }
                    }
                }
                if let Some(x) = x {
                    apply_activation_gradient(
                        s,
                        self.activation,
                        (&self.x, x),
                        (&self.dx, dx),
                        band.complete,
                    );
                }
            }
        }
    }

    /// Computes the gradient, including that of the activation, if windows do not overlap.
    ///
    /// # Safety
    /// `dy`, `x` and `dx` must point to maps with the geometries `self.y`, `self.x` and `self.dx`.
    #[inline(always)]
    unsafe fn write<S: Simd>(&self, s: S, dy: *const f32, x: Option<*const f32>, dx: *mut f32) {
        for (oy, rows) in self.windows.rows.iter().enumerate() {
            for (ox, columns) in self.windows.columns.iter().enumerate() {
                let scale = s.splat(1.0 / (rows.divisor * columns.divisor) as f32);
                // SAFETY: dy has a pixel for each window.
                let share = unsafe { s.mul(scale, s.load(dy.add(self.y.row(oy) + ox * S::LANES))) };
                for row in rows.range.clone() {
                    let (x_row, dx_row) = (self.x.row(row), self.dx.row(row));
                    for column in columns.range.clone() {
                        // SAFETY: the window is clipped to the map.
                        unsafe {
                            let mut gradient = share;
                            if let Some(x) = x {
                                let x = s.load(x.add(x_row + column * S::LANES));
                                gradient = activation_gradient(s, self.activation, x, share);
                            }
                            s.store(dx.add(dx_row + column * S::LANES), gradient);
                        }
                    }
                }
            }
        }
    }
}
