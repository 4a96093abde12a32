//! Max and average pooling of maps in blocks.

use super::windows::{RUN, Windows, combine, finish, fold, long_sum, neutral, unrolled};
use super::{PoolDesc, PoolKind};
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_lanes};
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

pub(super) struct Blocked;

impl Implementation<PoolDesc> for Blocked {
    fn name(&self) -> &'static str {
        "pool_f32"
    }

    fn formats(&self, _desc: &PoolDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        is_lanes(first, isa.block()).then(|| vec![first.f32(); 2])
    }

    fn prepare(&self, desc: &PoolDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound {
            isa,
            kind: desc.kind,
            windows: Windows::new(desc),
            sharing: Sharing::of(desc),
            x: Maps::new(desc.x_shape(), layouts[0]),
            y: Maps::new(desc.y_shape(), layouts[1]),
        })
    }
}

/// Windows of three columns that overlap with their neighbors.
struct Sharing {
    /// The distance between windows: 1 or 2.
    step: usize,
    /// Columns of padding before the first.
    left: usize,
}

impl Sharing {
    fn of(d: &PoolDesc) -> Option<Sharing> {
        let shares = d.kernel[1] == 3 && d.stride[1] < 3 && d.kernel[0] * 3 <= RUN;
        shares.then_some(Sharing { step: d.stride[1], left: d.padding[1] })
    }
}

struct Bound {
    isa: Isa,
    kind: PoolKind,
    windows: Windows,
    sharing: Option<Sharing>,
    x: Maps,
    y: Maps,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let x = views.read::<f32>(0);
        self.y.each(context.thread_pool, views.write(0), |map, y| {
            dispatch(self.isa, Map { pool: self, x: self.x.map(x, map), y });
        });
    }
}

/// The same map of x and of y.
struct Map<'a> {
    pool: &'a Bound,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Map { pool, x, y } = self;
        pool.y.clear_halo(y);
        let (x, y) = (x.as_ptr(), y.as_mut_ptr());
        // SAFETY: the pointers point to whole maps with the geometries in `pool`.
        unsafe {
            match pool.kind {
                PoolKind::Max => pool.forward::<S, true>(s, x, y),
                PoolKind::Average { .. } => pool.forward::<S, false>(s, x, y),
            }
        }
    }
}

impl Bound {
    /// Computes the maximum (`MAX`) or the mean of each window.
    ///
    /// # Safety
    /// `x` and `y` must point to maps with the geometries `self.x` and `self.y`.
    #[inline(always)]
    unsafe fn forward<S: Simd, const MAX: bool>(&self, s: S, x: *const f32, y: *mut f32) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match self.sharing {
                Some(Sharing { step: 1, left }) => self.forward_sharing::<S, MAX>(s, x, y, 1, left),
                Some(Sharing { left, .. }) => self.forward_sharing::<S, MAX>(s, x, y, 2, left),
                None => self.forward_alone::<S, MAX>(s, x, y),
            }
        }
    }

    /// Computes each window separately.
    ///
    /// # Safety
    /// As [`Bound::forward`].
    #[inline(always)]
    unsafe fn forward_alone<S: Simd, const MAX: bool>(&self, s: S, x: *const f32, y: *mut f32) {
        for (oy, rows) in self.windows.rows.iter().enumerate() {
            for (ox, columns) in self.windows.columns.iter().enumerate() {
                let (r, c) = (rows.range.len(), columns.range.len());
                // SAFETY: the window is clipped to the map, and y has a pixel for each.
                unsafe {
                    let window = x.add(self.x.row(rows.range.start) + columns.range.start * S::LANES);
                    let result = if MAX || r * c <= RUN {
                        unrolled!(r, c, fold::<S, MAX>(s, &self.x, window, r, c))
                    } else {
                        long_sum(s, &self.x, window, r, c)
                    };
                    let to = y.add(self.y.row(oy) + ox * S::LANES);
                    s.store(to, finish::<S, MAX>(s, result, rows, columns));
                }
            }
        }
    }

    /// Computes overlapping windows (see [`Sharing`]): the result of a column is computed once for all windows
    /// that contain it.
    ///
    /// # Safety
    /// As [`Bound::forward`].
    #[inline(always)]
    unsafe fn forward_sharing<S: Simd, const MAX: bool>(
        &self,
        s: S,
        x: *const f32,
        y: *mut f32,
        step: usize,
        left: usize,
    ) {
        for (oy, rows) in self.windows.rows.iter().enumerate() {
            // SAFETY: all offsets are those of rows, and of pixels in a row, of the maps.
            unsafe {
                let (x, y) = (x.add(self.x.row(rows.range.start)), y.add(self.y.row(oy)));
                let height = rows.range.len();
                let mut seen = [neutral::<S, MAX>(s); 3];
                for place in step..3 {
                    seen[place] = self.column::<S, MAX>(s, x, height, (place - step).checked_sub(left));
                }
                for (ox, columns) in self.windows.columns.iter().enumerate() {
                    for place in 0..3 {
                        seen[place] = if place + step < 3 {
                            seen[place + step]
                        } else {
                            self.column::<S, MAX>(s, x, height, (ox * step + place).checked_sub(left))
                        };
                    }
                    let [a, b, c] = seen;
                    let result = combine::<S, MAX>(s, combine::<S, MAX>(s, a, b), c);
                    s.store(y.add(ox * S::LANES), finish::<S, MAX>(s, result, rows, columns));
                }
            }
        }
    }

    /// Combines `rows` elements of column `at`, starting from the row at `x`; returns the neutral element for a
    /// column outside the map.
    ///
    /// # Safety
    /// As for [`fold`], for the first column.
    #[inline(always)]
    unsafe fn column<S: Simd, const MAX: bool>(
        &self,
        s: S,
        x: *const f32,
        rows: usize,
        at: Option<usize>,
    ) -> S::F {
        let Some(at) = at.filter(|at| *at < self.x.size[1]) else { return neutral::<S, MAX>(s) };
        // SAFETY: guaranteed by the caller; the column lies within the map.
        unsafe {
            let x = x.add(at * S::LANES);
            match rows {
                3 => fold::<S, MAX>(s, &self.x, x, 3, 1),
                _ => fold::<S, MAX>(s, &self.x, x, rows, 1),
            }
        }
    }
}
