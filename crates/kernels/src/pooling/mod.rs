//! Max and average pooling, and their gradients.

pub mod pooling3d;
pub mod reference;

use std::ops::Range;

use crate::{Layout, Views};

use crate::activation::Activation;
use crate::isa::Isa;
use crate::layout::maps::{Maps, is_lanes};
use crate::reference::Reference;
use crate::simd::{Body, Simd, activation_gradient, dispatch};
use crate::{Context, Implementation, Kernel};

/// The number of terms that are added in sequence: elements in a run, and runs in a group.
const RUN: usize = 64;

/// The quantity computed over a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest element, NaN if there is one; padding counts as minus infinity.
    Max,
    /// The mean.
    Average {
        /// Whether padding counts in the divisor.
        count_include_pad: bool,
    },
}

/// Pooling of maps. Windows may extend past the map on every side.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolDesc {
    /// The quantity computed over a window.
    pub kind: PoolKind,
    /// Number of images.
    pub batch: usize,
    /// Number of channels.
    pub channels: usize,
    /// Rows and columns of x.
    pub input: [usize; 2],
    /// Rows and columns of y.
    pub output: [usize; 2],
    /// Extent of the window.
    pub kernel: [usize; 2],
    /// Stride of the window.
    pub stride: [usize; 2],
    /// Rows above and columns to the left. Those below and to the right follow from `output`; if padding
    /// counts in the divisor, they must be the same.
    pub padding: [usize; 2],
    /// For the gradient of average pooling: the activation that produced x, whose gradient is applied as well.
    pub activation: Activation,
}

impl PoolDesc {
    /// The rows and columns of x that window number `window` (row-major) covers.
    pub(crate) fn clipped(&self, window: usize) -> [Range<usize>; 2] {
        let at = [window / self.output[1], window % self.output[1]];
        [self.clipped_on(0, at[0]), self.clipped_on(1, at[1])]
    }

    fn clipped_on(&self, axis: usize, at: usize) -> Range<usize> {
        let start = at * self.stride[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis]).min(self.input[axis]);
        start.saturating_sub(self.padding[axis])..end
    }

    /// The divisor of the sum over window number `window`.
    pub(crate) fn divisor(&self, window: usize) -> usize {
        self.divisor_on(0, window / self.output[1]) * self.divisor_on(1, window % self.output[1])
    }

    fn divisor_on(&self, axis: usize, at: usize) -> usize {
        if self.kind == (PoolKind::Average { count_include_pad: true }) {
            let start = at * self.stride[axis];
            (start + self.kernel[axis]).min(self.input[axis] + 2 * self.padding[axis]) - start
        } else {
            self.clipped_on(axis, at).len()
        }
    }

    fn x_shape(&self) -> [usize; 4] {
        [self.batch, self.channels, self.input[0], self.input[1]]
    }

    fn y_shape(&self) -> [usize; 4] {
        [self.batch, self.channels, self.output[0], self.output[1]]
    }
}

/// Forward. Reads x, writes y.
pub fn forward() -> &'static [&'static dyn Implementation<PoolDesc>] {
    &[
        &Blocked { name: "pool_f32", direction: Direction::Forward },
        &Reference::<PoolDesc> {
            name: "pool_reference",
            operands: |_| 2,
            run: |desc, views| reference::forward(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

/// Gradient of max pooling. Reads x and dy, writes dx.
pub fn max_gradient() -> &'static [&'static dyn Implementation<PoolDesc>] {
    &[
        &Blocked { name: "max_pool_gradient_f32", direction: Direction::MaxGradient },
        &Reference::<PoolDesc> {
            name: "max_pool_gradient_reference",
            operands: |_| 3,
            run: |desc, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::max_gradient(desc, x, dy, views.write(0));
            },
        },
    ]
}

/// Gradient of average pooling and of the optional activation before it. Reads dy, and with an activation x;
/// writes dx.
pub fn average_gradient() -> &'static [&'static dyn Implementation<PoolDesc>] {
    &[
        &Blocked { name: "average_pool_gradient_f32", direction: Direction::AverageGradient },
        &Reference::<PoolDesc> {
            name: "average_pool_gradient_reference",
            operands: |desc| 2 + usize::from(desc.activation != Activation::None),
            run: |desc, views| {
                let x = (desc.activation != Activation::None).then(|| views.read::<f32>(1));
                reference::average_gradient(desc, views.read(0), x, views.write(0));
            },
        },
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Forward,
    MaxGradient,
    AverageGradient,
}

struct Blocked {
    name: &'static str,
    direction: Direction,
}

impl Implementation<PoolDesc> for Blocked {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, desc: &PoolDesc, isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        let operands = match self.direction {
            Direction::Forward => 2,
            Direction::MaxGradient => 3,
            Direction::AverageGradient => 2 + usize::from(desc.activation != Activation::None),
        };
        is_lanes(first, isa.block()).then(|| vec![first; operands])
    }

    fn prepare(&self, desc: &PoolDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let spans = |axis: usize| {
            let span = |at| Span { range: desc.clipped_on(axis, at), divisor: desc.divisor_on(axis, at) };
            (0..desc.output[axis]).map(span).collect::<Vec<_>>()
        };
        // The operands with the shapes of x and y.
        let (x, y) = match self.direction {
            Direction::Forward => (layouts[0], layouts[1]),
            Direction::MaxGradient => (layouts[0], layouts[1]),
            Direction::AverageGradient => (layouts[1], layouts[0]),
        };
        let dx = *layouts.last().expect("the result is an operand");
        Box::new(Bound {
            isa,
            direction: self.direction,
            kind: desc.kind,
            activation: desc.activation,
            rows: spans(0),
            columns: spans(1),
            sharing: Sharing::of(desc),
            x: Maps::new(desc.x_shape(), x),
            y: Maps::new(desc.y_shape(), y),
            dx: Maps::new(desc.x_shape(), if self.direction == Direction::Forward { x } else { dx }),
        })
    }
}

/// The range that a window covers along one axis, and its divisor.
struct Span {
    range: Range<usize>,
    divisor: usize,
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
    direction: Direction,
    kind: PoolKind,
    activation: Activation,
    rows: Vec<Span>,
    columns: Vec<Span>,
    sharing: Option<Sharing>,
    x: Maps,
    y: Maps,
    dx: Maps,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let first = views.read::<f32>(0);
        let second = views.read::<f32>(views.reads() - 1);
        let written = if self.direction == Direction::Forward { &self.y } else { &self.dx };
        context.thread_pool.pieces(views.write(0), written.map_len(), |map, out| {
            let of = |maps: &Maps, data: &'_ [f32]| -> *const f32 { data[map * maps.map_len()..].as_ptr() };
            let first = if self.direction == Direction::AverageGradient {
                of(&self.y, first)
            } else {
                of(&self.x, first)
            };
            let second = match self.direction {
                Direction::MaxGradient => of(&self.y, second),
                Direction::AverageGradient if self.activation == Activation::None => first,
                Direction::Forward | Direction::AverageGradient => of(&self.x, second),
            };
            dispatch(self.isa, Map { pool: self, first, second, out });
        });
    }
}

/// Evaluates an expression of a window's rows and columns with constants for common sizes, so that its loops unroll.
macro_rules! unrolled {
    ($rows:ident, $columns:ident, $body:expr) => {
        match ($rows, $columns) {
            (2, 2) => {
                let ($rows, $columns) = (2, 2);
                $body
            }
            (3, 3) => {
                let ($rows, $columns) = (3, 3);
                $body
            }
            _ => $body,
        }
    };
}

/// One map of a block of channels. `first` and `second` point to the corresponding maps of the operands.
struct Map<'a> {
    pool: &'a Bound,
    first: *const f32,
    second: *const f32,
    out: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let out = self.out.as_mut_ptr();
        match self.pool.direction {
            Direction::Forward => {
                self.pool.y.clear_halo(self.out);
                // SAFETY: the pointers point to whole maps with the geometries in `pool`.
                unsafe {
                    match self.pool.kind {
                        PoolKind::Max => self.pool.forward::<S, true>(s, self.first, out),
                        PoolKind::Average { .. } => self.pool.forward::<S, false>(s, self.first, out),
                    }
                }
            }
            Direction::MaxGradient => {
                self.out.fill(0.0);
                // SAFETY: as above.
                unsafe { self.pool.max_gradient(s, self.first, self.second, out) }
            }
            // SAFETY: as above.
            Direction::AverageGradient if self.pool.tiles_input() => unsafe {
                self.pool.dx.clear_halo(self.out);
                self.pool.average_gradient_once(s, self.first, self.second, out)
            },
            Direction::AverageGradient => {
                self.out.fill(0.0);
                // SAFETY: as above.
                unsafe { self.pool.average_gradient(s, self.first, out) }
                if self.pool.activation != Activation::None {
                    // SAFETY: as above.
                    unsafe { self.pool.apply_activation_gradient(s, self.second, out) }
                }
            }
        }
    }
}

impl Bound {
    /// Calls `visit` for each window with its rows, its columns and its offset in y.
    #[inline(always)]
    fn each_window(&self, mut visit: impl FnMut(&Span, &Span, usize)) {
        for (oy, rows) in self.rows.iter().enumerate() {
            for (ox, columns) in self.columns.iter().enumerate() {
                visit(rows, columns, self.y.row(oy) + ox * self.y.block);
            }
        }
    }

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
        self.each_window(|rows, columns, to| {
            let (r, c) = (rows.range.len(), columns.range.len());
            // SAFETY: the window is clipped to the map, and `to` is an offset in the map.
            unsafe {
                let window = x.add(self.x.row(rows.range.start) + columns.range.start * S::LANES);
                let result = if MAX || r * c <= RUN {
                    unrolled!(r, c, self.fold::<S, MAX>(s, window, r, c))
                } else {
                    self.long_sum(s, window, r, c)
                };
                s.store(y.add(to), finish::<S, MAX>(s, result, rows, columns));
            }
        });
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
        for (oy, rows) in self.rows.iter().enumerate() {
            // SAFETY: all offsets are those of rows, and of pixels in a row, of the maps.
            unsafe {
                let (x, y) = (x.add(self.x.row(rows.range.start)), y.add(self.y.row(oy)));
                let height = rows.range.len();
                let mut seen = [neutral::<S, MAX>(s); 3];
                for place in step..3 {
                    seen[place] = self.column::<S, MAX>(s, x, height, (place - step).checked_sub(left));
                }
                for (ox, columns) in self.columns.iter().enumerate() {
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
    /// As for [`Bound::fold`], for the first column.
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
                3 => self.fold::<S, MAX>(s, x, 3, 1),
                _ => self.fold::<S, MAX>(s, x, rows, 1),
            }
        }
    }

    /// Computes, lane by lane, the maximum (`MAX`), which is NaN if an element is, or the sum of a window, in order.
    ///
    /// # Safety
    /// `window` must point to the first element of `rows` rows and `columns` columns within a map with the geometry
    /// `self.x`.
    #[inline(always)]
    unsafe fn fold<S: Simd, const MAX: bool>(
        &self,
        s: S,
        window: *const f32,
        rows: usize,
        columns: usize,
    ) -> S::F {
        let mut result = neutral::<S, MAX>(s);
        for row in 0..rows {
            for column in 0..columns {
                // SAFETY: guaranteed by the caller.
                let element = unsafe { s.load(window.add(row * self.x.row_len() + column * S::LANES)) };
                result = combine::<S, MAX>(s, result, element);
            }
        }
        result
    }

    /// Computes, lane by lane, the sum of a large window, as groups of [`RUN`] runs of up to [`RUN`] elements, so
    /// that no single sum has many terms and the rounding error stays small.
    ///
    /// # Safety
    /// As [`Bound::fold`].
    #[inline(always)]
    unsafe fn long_sum<S: Simd>(&self, s: S, window: *const f32, rows: usize, columns: usize) -> S::F {
        let [mut total, mut group] = [s.zero(); 2];
        let mut runs = 0;
        let rows_per_run = (RUN / columns).max(1);
        for row in (0..rows).step_by(rows_per_run) {
            for column in (0..columns).step_by(RUN) {
                let (r, c) = (rows_per_run.min(rows - row), RUN.min(columns - column));
                // SAFETY: the run is part of the window.
                let run = unsafe {
                    let part = window.add(row * self.x.row_len() + column * S::LANES);
                    self.fold::<S, false>(s, part, r, c)
                };
                group = s.add(group, run);
                runs += 1;
                if runs % RUN == 0 {
                    total = s.add(total, group);
                    group = s.zero();
                }
            }
        }
        s.add(total, group)
    }

    /// # Safety
    /// `x`, `dy` and `dx` must point to maps with the geometries `self.x`, `self.y` and `self.dx`.
    #[inline(always)]
    unsafe fn max_gradient<S: Simd>(&self, s: S, x: *const f32, dy: *const f32, dx: *mut f32) {
        self.each_window(|rows, columns, from| {
            let (r, c) = (rows.range.len(), columns.range.len());
            // SAFETY: the window is clipped to the map, and `from` is an offset in the map.
            unsafe {
                let window = x.add(self.x.row(rows.range.start) + columns.range.start * S::LANES);
                let to = dx.add(self.dx.row(rows.range.start) + columns.range.start * S::LANES);
                let dy = s.load(dy.add(from));
                let largest = unrolled!(r, c, self.fold::<S, true>(s, window, r, c));
                unrolled!(r, c, self.add_at_first(s, largest, window, dy, to, r, c));
            }
        });
    }

    /// Adds `dy`, lane by lane, to `dx` at the first element of the window that equals `largest`; NaN counts as
    /// largest.
    ///
    /// # Safety
    /// As for [`Bound::fold`]; `dx` must point to the first element of the window in a map with the geometry
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

    /// Whether the windows cover every element of x exactly once.
    fn tiles_input(&self) -> bool {
        [(&self.rows, 0), (&self.columns, 1)].into_iter().all(|(spans, axis)| {
            let ends = spans.iter().map(|span| span.range.end);
            let starts = spans.iter().map(|span| span.range.start).skip(1).chain([self.dx.size[axis]]);
            spans[0].range.start == 0 && ends.eq(starts)
        })
    }

    /// Adds the gradient to `dx`, because windows may overlap.
    ///
    /// # Safety
    /// `dy` and `dx` must point to maps with the geometries `self.y` and `self.dx`.
    #[inline(always)]
    unsafe fn average_gradient<S: Simd>(&self, s: S, dy: *const f32, dx: *mut f32) {
        self.each_window(|rows, columns, from| {
            let scale = s.splat(1.0 / (rows.divisor * columns.divisor) as f32);
            // SAFETY: `from` is an offset in the map.
            let share = unsafe { s.mul(scale, s.load(dy.add(from))) };
            for row in rows.range.clone() {
                for column in columns.range.clone() {
                    // SAFETY: the window is clipped to the map.
                    unsafe {
                        let to = dx.add(self.dx.row(row) + column * S::LANES);
                        s.store(to, s.add(s.load(to), share));
                    }
                }
            }
        });
    }

    /// Computes the gradient, including that of the activation, if windows do not overlap.
    ///
    /// # Safety
    /// `dy`, `x` and `dx` must point to maps with the geometries `self.y`, `self.x` and `self.dx`.
    #[inline(always)]
    unsafe fn average_gradient_once<S: Simd>(&self, s: S, dy: *const f32, x: *const f32, dx: *mut f32) {
        let has_activation = self.activation != Activation::None;
        self.each_window(|rows, columns, from| {
            let scale = s.splat(1.0 / (rows.divisor * columns.divisor) as f32);
            // SAFETY: `from` is an offset in the map.
            let share = unsafe { s.mul(scale, s.load(dy.add(from))) };
            for row in rows.range.clone() {
                let (x_row, dx_row) = (self.x.row(row), self.dx.row(row));
                for column in columns.range.clone() {
                    // SAFETY: the window is clipped to the map.
                    unsafe {
                        let mut gradient = share;
                        if has_activation {
                            let x = s.load(x.add(x_row + column * S::LANES));
                            gradient = activation_gradient(s, self.activation, x, share);
                        }
                        s.store(dx.add(dx_row + column * S::LANES), gradient);
                    }
                }
            }
        });
    }

    /// Multiplies `dx` by the derivative of the activation, whose output is `x`.
    ///
    /// # Safety
    /// `x` and `dx` must point to maps with the geometries `self.x` and `self.dx`.
    #[inline(always)]
    unsafe fn apply_activation_gradient<S: Simd>(&self, s: S, x: *const f32, dx: *mut f32) {
        let [rows, columns] = self.dx.size;
        for row in 0..rows {
            for column in 0..columns {
                // SAFETY: the pixel lies within the maps.
                unsafe {
                    let x = s.load(x.add(self.x.row(row) + column * S::LANES));
                    let dx = dx.add(self.dx.row(row) + column * S::LANES);
                    s.store(dx, activation_gradient(s, self.activation, x, s.load(dx)));
                }
            }
        }
    }
}

/// The neutral element of a maximum (`MAX`) or of a sum.
#[inline(always)]
fn neutral<S: Simd, const MAX: bool>(s: S) -> S::F {
    if MAX { s.splat(f32::NEG_INFINITY) } else { s.zero() }
}

/// The maximum (`MAX`) or the sum of two elements.
#[inline(always)]
fn combine<S: Simd, const MAX: bool>(s: S, a: S::F, b: S::F) -> S::F {
    if MAX { s.max_or_nan(a, b) } else { s.add(a, b) }
}

/// The result of a window, given the maximum (`MAX`) or the sum of its elements.
#[inline(always)]
fn finish<S: Simd, const MAX: bool>(s: S, folded: S::F, rows: &Span, columns: &Span) -> S::F {
    if MAX { folded } else { s.mul(folded, s.splat(1.0 / (rows.divisor * columns.divisor) as f32)) }
}
