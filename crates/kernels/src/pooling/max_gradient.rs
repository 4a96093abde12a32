//! The gradient of max pooling of maps in blocks, and of the activation before it.

use super::PoolDesc;
use super::windows::{Windows, apply_activation_gradient, fold, unrolled};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_lanes};
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Blocked;

impl Implementation<PoolDesc> for Blocked {
    fn name(&self) -> &'static str {
        "max_pool_gradient_f32"
    }

    fn formats(&self, _desc: &PoolDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        is_lanes(first, isa.block()).then(|| vec![first.f32(); 3])
    }

    fn prepare(&self, desc: &PoolDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound {
            isa,
            activation: desc.activation,
            windows: Windows::new(desc),
            x: Maps::new(desc.x_shape(), layouts[0]),
            y: Maps::new(desc.y_shape(), layouts[1]),
            dx: Maps::new(desc.x_shape(), layouts[2]),
        })
    }
}

struct Bound {
    isa: Isa,
    activation: Activation,
    windows: Windows,
    x: Maps,
    y: Maps,
    dx: Maps,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy) = (views.read::<f32>(0), views.read::<f32>(1));
        self.dx.each(context.thread_pool, views.write(0), |map, dx| {
            dispatch(self.isa, Map { pool: self, x: self.x.map(x, map), dy: self.y.map(dy, map), dx });
        });
    }
}

/// The same map of all operands.
struct Map<'a> {
    pool: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.dx.fill(0.0);
        let (pool, x, dx) = (self.pool, self.x.as_ptr(), self.dx.as_mut_ptr());
        // SAFETY: the pointers point to whole maps with the geometries in `pool`.
        unsafe {
            pool.add(s, x, self.dy.as_ptr(), dx);
            if pool.activation != Activation::None {
                apply_activation_gradient(s, pool.activation, (&pool.x, x), (&pool.dx, dx));
            }
        }
    }
}

impl Bound {
    /// Adds the gradient to `dx`.
    ///
    /// # Safety
    /// `x`, `dy` and `dx` must point to maps with the geometries `self.x`, `self.y` and `self.dx`.
    #[inline(always)]
    unsafe fn add<S: Simd>(&self, s: S, x: *const f32, dy: *const f32, dx: *mut f32) {
        self.windows.each(&self.y, |rows, columns, from| {
            let (r, c) = (rows.range.len(), columns.range.len());
            // SAFETY: the window is clipped to the map, and `from` is an offset in the map.
            unsafe {
                let window = x.add(self.x.row(rows.range.start) + columns.range.start * S::LANES);
                let to = dx.add(self.dx.row(rows.range.start) + columns.range.start * S::LANES);
                let dy = s.load(dy.add(from));
                let largest = unrolled!(r, c, fold::<S, true>(s, &self.x, window, r, c));
                unrolled!(r, c, self.add_at_first(s, largest, window, dy, to, r, c));
            }
        });
    }

    /// Adds `dy`, lane by lane, to `dx` at the first element of the window that equals `largest`; NaN counts as
    /// largest.
    ///
    /// # Safety
    /// As for [`fold`]; `dx` must point to the first element of the window in a map with the geometry
    /// `self.dx`.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn add_at_first<S: Simd>(
        &self,
        s: S,
        largest: S::F,
        window: *const f32,
        dy: S::F,
        dx: *mut f32,
        rows: usize,
        columns: usize,
    ) {
        let mut remaining = dy;
        for row in 0..rows {
            for column in 0..columns {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let value = s.load(window.add(row * self.x.row_len() + column * S::LANES));
                    let to = dx.add(row * self.dx.row_len() + column * S::LANES);
                    let share = s.select_equal_or_nan(value, largest, remaining, s.zero());
                    s.store(to, s.add(s.load(to), share));
                    remaining = s.select_equal_or_nan(value, largest, s.zero(), remaining);
                }
            }
        }
    }
}
