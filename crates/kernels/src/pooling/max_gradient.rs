//! The gradient of max pooling of maps in blocks, and of the activation before it.

use super::PoolDesc;
use super::windows::{Windows, apply_activation_gradient, clear_rows, fold, unrolled};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_lanes};
use crate::simd::{Body, Simd, activation_gradient, dispatch, streams};
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
        let windows = Windows::new(desc);
        Box::new(Bound {
            isa,
            activation: desc.activation,
            is_tiled: windows.tiles(desc.input),
            windows,
            x: Maps::new(desc.x_shape(), layouts[0]),
            y: Maps::new(desc.y_shape(), layouts[1]),
            dx: Maps::new(desc.x_shape(), layouts[2]),
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
        let (x, dy, dx) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        let streams = streams(dx, self.dx.block);
        self.dx.each(context.thread_pool, dx, |map, dx| {
            dispatch(
                self.isa,
                Map { pool: self, x: self.x.map(x, map), dy: self.y.map(dy, map), dx, streams },
            );
        });
    }
}

/// The same map of all operands.
struct Map<'a> {
    pool: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    /// Whether dx is stored past the caches, if the windows tile it.
    streams: bool,
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Map { pool, x, dy, dx, streams } = self;
        pool.dx.clear_halo(dx);
        let (x, dy, dx) = (x.as_ptr(), dy.as_ptr(), dx.as_mut_ptr());
        // SAFETY: the pointers point to whole maps with the geometries in `pool`.
        unsafe {
            match (pool.activation, streams) {
                _ if !pool.is_tiled => pool.add(s, x, dy, dx),
                (Activation::Relu, true) => pool.write::<S, true>(s, Activation::Relu, x, dy, dx),
                (Activation::Relu, false) => pool.write::<S, false>(s, Activation::Relu, x, dy, dx),
                (other, _) => pool.write::<S, false>(s, other, x, dy, dx),
            }
        }
        if streams {
            s.fence();
        }
    }
}

impl Bound {
    /// Computes the gradient, including that of the activation, row by row of windows, so that rows of dx to which
    /// several windows add stay in the L1 cache.
    ///
    /// # Safety
    /// `x`, `dy` and `dx` must point to maps with the geometries `self.x`, `self.y` and `self.dx`.
    #[inline(always)]
    unsafe fn add<S: Simd>(&self, s: S, x: *const f32, dy: *const f32, dx: *mut f32) {
        for band in self.windows.bands(self.dx.size[0]) {
            // SAFETY: windows are clipped to the map.
            unsafe {
                clear_rows(&self.dx, dx, band.fresh);
                let rows = &band.rows.range;
                let (x_row, dx_row) = (x.add(self.x.row(rows.start)), dx.add(self.dx.row(rows.start)));
                let dy = dy.add(self.y.row(band.index));
                for (ox, columns) in self.windows.columns.iter().enumerate() {
                    let (r, c) = (rows.len(), columns.range.len());
                    let (window, to) = (
                        x_row.add(columns.range.start * S::LANES),
                        dx_row.add(columns.range.start * S::LANES),
                    );
                    let dy = s.load(dy.add(ox * S::LANES));
                    let largest = unrolled!(r, c, fold::<S, true>(s, &self.x, window, r, c));
                    unrolled!(r, c, self.add_at_first(s, largest, window, dy, to, r, c));
                }
                if self.activation != Activation::None {
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
                    let share = take(s, value, largest, &mut remaining);
                    s.store(to, s.add(s.load(to), share));
                }
            }
        }
    }

    /// Computes the gradient, including that of the activation, if the windows cover every element once.
    ///
    /// # Safety
    /// As for [`Bound::add`]; if `dx` is stored past the caches, it must be aligned to the size of a vector.
    #[inline(always)]
    unsafe fn write<S: Simd, const STREAMS: bool>(
        &self,
        s: S,
        activation: Activation,
        x: *const f32,
        dy: *const f32,
        dx: *mut f32,
    ) {
        for (oy, rows) in self.windows.rows.iter().enumerate() {
            for (ox, columns) in self.windows.columns.iter().enumerate() {
                let (r, c) = (rows.range.len(), columns.range.len());
                // SAFETY: windows are clipped to the map.
                unsafe {
                    let window = x.add(self.x.row(rows.range.start) + columns.range.start * S::LANES);
                    let to = dx.add(self.dx.row(rows.range.start) + columns.range.start * S::LANES);
                    let dy = s.load(dy.add(self.y.row(oy) + ox * S::LANES));
                    let largest = unrolled!(r, c, fold::<S, true>(s, &self.x, window, r, c));
                    unrolled!(
                        r,
                        c,
                        self.write_window::<S, STREAMS>(s, activation, largest, window, dy, to, r, c)
                    );
                }
            }
        }
    }

    /// Sets `dx` to `dy`, lane by lane, at the first element of the window that equals `largest`, and to zero
    /// elsewhere, times the derivative of the activation.
    ///
    /// # Safety
    /// As for [`Bound::add_at_first`].
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn write_window<S: Simd, const STREAMS: bool>(
        &self,
        s: S,
        activation: Activation,
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
                    let share = take(s, value, largest, &mut remaining);
                    let share = activation_gradient(s, activation, value, share);
                    if STREAMS { s.stream(to, share) } else { s.store(to, share) }
                }
            }
        }
    }
}

/// Takes, lane by lane, what remains of the gradient if `value` is the largest or NaN, and zero otherwise.
#[inline(always)]
fn take<S: Simd>(s: S, value: S::F, largest: S::F, remaining: &mut S::F) -> S::F {
    let share = s.select_equal_or_nan(value, largest, *remaining, s.zero());
    *remaining = s.select_equal_or_nan(value, largest, s.zero(), *remaining);
    share
}
