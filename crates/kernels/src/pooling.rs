//! Maximum and mean over windows, and their gradients.

use std::ops::Range;

use striate_tensor::{Layout, Views};

use crate::activation::Activation;
use crate::isa::Isa;
use crate::maps::{Maps, is_lanes};
use crate::reference::{self, Reference};
use crate::simd::{Body, Simd, activation_gradient, dispatch};
use crate::{Context, Implementation, Kernel};

/// Elements that are added up one after the other, and such sums.
const RUN: usize = 64;

/// What is computed of a window.
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

/// Pooling of maps. Windows may reach past the map on every side.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolDesc {
    /// What is computed.
    pub kind: PoolKind,
    /// Images.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Rows and columns of x.
    pub input: [usize; 2],
    /// Rows and columns of y.
    pub output: [usize; 2],
    /// Extent of the window.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub stride: [usize; 2],
    /// Rows above and columns to the left. Those below and to the right follow from `output`, but where padding
    /// counts in the divisor they are as many.
    pub padding: [usize; 2],
    /// For the gradient of average pooling: the activation whose result x was, and through which the
    /// gradient goes on.
    pub activation: Activation,
}

impl PoolDesc {
    /// Rows and columns of x that window number `window` (row-major) covers.
    pub(crate) fn clipped(&self, window: usize) -> [Range<usize>; 2] {
        let at = [window / self.output[1], window % self.output[1]];
        [self.clipped_on(0, at[0]), self.clipped_on(1, at[1])]
    }

    fn clipped_on(&self, axis: usize, at: usize) -> Range<usize> {
        let start = at * self.stride[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis]).min(self.input[axis]);
        start.saturating_sub(self.padding[axis])..end
    }

    /// What the sum over window number `window` is divided by.
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
        &Blocked { name: "pool_f32", pass: Pass::Forward },
        &Reference::<PoolDesc> {
            name: "pool_reference",
            operands: |_| 2,
            run: |desc, views| reference::pooling::forward(desc, views.read::<f32>(0), views.write(0)),
        },
    ]
}

/// Gradient of max pooling. Reads x and dy, writes dx.
pub fn max_gradient() -> &'static [&'static dyn Implementation<PoolDesc>] {
    &[
        &Blocked { name: "max_pool_gradient_f32", pass: Pass::MaxGradient },
        &Reference::<PoolDesc> {
            name: "max_pool_gradient_reference",
            operands: |_| 3,
            run: |desc, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::pooling::max_gradient(desc, x, dy, views.write(0));
            },
        },
    ]
}

/// Gradient of average pooling, and of the activation before it. Reads dy, and x if there is an
/// activation; writes dx.
pub fn average_gradient() -> &'static [&'static dyn Implementation<PoolDesc>] {
    &[
        &Blocked { name: "average_pool_gradient_f32", pass: Pass::AverageGradient },
        &Reference::<PoolDesc> {
            name: "average_pool_gradient_reference",
            operands: |desc| 2 + usize::from(desc.activation != Activation::None),
            run: |desc, views| {
                let x = (desc.activation != Activation::None).then(|| views.read::<f32>(1));
                reference::pooling::average_gradient(desc, views.read(0), x, views.write(0));
            },
        },
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Forward,
    MaxGradient,
    AverageGradient,
}

struct Blocked {
    name: &'static str,
    pass: Pass,
}

impl Implementation<PoolDesc> for Blocked {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepts(&self, desc: &PoolDesc, isa: Isa, first: Layout) -> Option<Vec<Layout>> {
        let operands = match self.pass {
            Pass::Forward => 2,
            Pass::MaxGradient => 3,
            Pass::AverageGradient => 2 + usize::from(desc.activation != Activation::None),
        };
        is_lanes(first, isa.block()).then(|| vec![first; operands])
    }

    fn prepare(&self, desc: &PoolDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let spans = |axis: usize| {
            let span = |at| Span { range: desc.clipped_on(axis, at), divisor: desc.divisor_on(axis, at) };
            (0..desc.output[axis]).map(span).collect::<Vec<_>>()
        };
        // The operand that lies like x, and the one that lies like y.
        let (x, y) = match self.pass {
            Pass::Forward => (layouts[0], layouts[1]),
            Pass::MaxGradient => (layouts[0], layouts[1]),
            Pass::AverageGradient => (layouts[1], layouts[0]),
        };
        let dx = *layouts.last().expect("there are operands");
        Box::new(Bound {
            isa,
            pass: self.pass,
            kind: desc.kind,
            activation: desc.activation,
            rows: spans(0),
            columns: spans(1),
            sharing: Sharing::of(desc),
            x: Maps::new(desc.x_shape(), x),
            y: Maps::new(desc.y_shape(), y),
            dx: Maps::new(desc.x_shape(), if self.pass == Pass::Forward { x } else { dx }),
        })
    }
}

/// What a window covers on one axis.
struct Span {
    range: Range<usize>,
    divisor: usize,
}

/// Windows of three columns that share some with their neighbors.
struct Sharing {
    /// From window to window: 1 or 2.
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
    pass: Pass,
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
        let written = if self.pass == Pass::Forward { &self.y } else { &self.dx };
        context.pool.pieces(views.write(0), written.map_len(), |map, out| {
            let of = |maps: &Maps, data: &'_ [f32]| -> *const f32 { data[map * maps.map_len()..].as_ptr() };
            let first =
                if self.pass == Pass::AverageGradient { of(&self.y, first) } else { of(&self.x, first) };
            let second = match self.pass {
                Pass::MaxGradient => of(&self.y, second),
                Pass::AverageGradient if self.activation == Activation::None => first,
                Pass::Forward | Pass::AverageGradient => of(&self.x, second),
            };
            dispatch(self.isa, Map { pool: self, first, second, out });
        });
    }
}

/// An expression of a window's rows and columns, which are constants in it where they are common ones, so that its
/// loops unroll.
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

/// One map of one block of channels. `first` and `second` are the maps of the operands.
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
        match self.pool.pass {
            Pass::Forward => {
                self.pool.y.clear_halo(self.out);
                // SAFETY: the pointers are those of whole maps of the geometry that `pool` holds.
                unsafe {
                    match self.pool.kind {
                        PoolKind::Max => self.pool.forward::<S, true>(s, self.first, out),
                        PoolKind::Average { .. } => self.pool.forward::<S, false>(s, self.first, out),
                    }
                }
            }
            Pass::MaxGradient => {
                self.out.fill(0.0);
                // SAFETY: as above.
                unsafe { self.pool.max_gradient(s, self.first, self.second, out) }
            }
            // SAFETY: as above.
            Pass::AverageGradient if self.pool.tiles_input() => unsafe {
                self.pool.dx.clear_halo(self.out);
                self.pool.average_gradient_once(s, self.first, self.second, out)
            },
            Pass::AverageGradient => {
                self.out.fill(0.0);
                // SAFETY: as above.
                unsafe { self.pool.average_gradient(s, self.first, out) }
                if self.pool.activation != Activation::None {
                    // SAFETY: as above.
                    unsafe { self.pool.through_activation(s, self.second, out) }
                }
            }
        }
    }
}

impl Bound {
    /// Calls `visit` for each window with its rows, columns, divisor and place in y.
    #[inline(always)]
    fn each_window(&self, mut visit: impl FnMut(&Span, &Span, usize)) {
        for (oy, rows) in self.rows.iter().enumerate() {
            for (ox, columns) in self.columns.iter().enumerate() {
                visit(rows, columns, self.y.row(oy) + ox * self.y.block);
            }
        }
    }

    /// The largest (`MAX`) or the mean of each window.
    ///
    /// # Safety
    /// `x` and `y` are maps of the geometry `self.x` and `self.y`.
    #[inline(always)]
    unsafe fn forward<S: Simd, const MAX: bool>(&self, s: S, x: *const f32, y: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe {
            match self.sharing {
                Some(Sharing { step: 1, left }) => self.forward_sharing::<S, MAX>(s, x, y, 1, left),
                Some(Sharing { left, .. }) => self.forward_sharing::<S, MAX>(s, x, y, 2, left),
                None => self.forward_alone::<S, MAX>(s, x, y),
            }
        }
    }

    /// Each window by itself.
    ///
    /// # Safety
    /// As [`Bound::forward`].
    #[inline(always)]
    unsafe fn forward_alone<S: Simd, const MAX: bool>(&self, s: S, x: *const f32, y: *mut f32) {
        self.each_window(|rows, columns, to| {
            let (r, c) = (rows.range.len(), columns.range.len());
            // SAFETY: the window is clipped to the map, and `to` is a place of the map.
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

    /// Windows of [`Sharing`]: what a column gives is worked out once for all windows that see it.
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
            // SAFETY: rows of the map, and places of a row.
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

    /// What `rows` elements give that stand one below the other, in column `at` from the row on that begins at `x`;
    /// outside of the map what changes nothing.
    ///
    /// # Safety
    /// As [`Bound::fold`], of the first column.
    #[inline(always)]
    unsafe fn column<S: Simd, const MAX: bool>(
        &self,
        s: S,
        x: *const f32,
        rows: usize,
        at: Option<usize>,
    ) -> S::F {
        let Some(at) = at.filter(|at| *at < self.x.size[1]) else { return neutral::<S, MAX>(s) };
        // SAFETY: as the caller promises; the column is one of the map.
        unsafe {
            let x = x.add(at * S::LANES);
            match rows {
                3 => self.fold::<S, MAX>(s, x, 3, 1),
                _ => self.fold::<S, MAX>(s, x, rows, 1),
            }
        }
    }

    /// The largest (`MAX`), NaN if there is one, or the sum of each lane of a window, element by element in order.
    ///
    /// # Safety
    /// `window` is the first element of so many rows and columns within a map of the geometry `self.x`.
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
                // SAFETY: as the caller promises.
                let element = unsafe { s.load(window.add(row * self.x.row_len() + column * S::LANES)) };
                result = combine::<S, MAX>(s, result, element);
            }
        }
        result
    }

    /// The sum of each lane of a large window: of groups of [`RUN`] runs of at most [`RUN`] elements each, so that no
    /// sum has many terms and little is lost.
    ///
    /// # Safety
    /// As [`Bound::fold`].
    #[inline(always)]
    unsafe fn long_sum<S: Simd>(&self, s: S, window: *const f32, rows: usize, columns: usize) -> S::F {
        let [mut total, mut group] = [s.zero(); 2];
        let mut runs = 0;
        let rows_of_a_run = (RUN / columns).max(1);
        for row in (0..rows).step_by(rows_of_a_run) {
            for column in (0..columns).step_by(RUN) {
                let (r, c) = (rows_of_a_run.min(rows - row), RUN.min(columns - column));
                // SAFETY: a part of the window.
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
    /// `x`, `dy` and `dx` are maps of the geometry `self.x`, `self.y` and `self.dx`.
    #[inline(always)]
    unsafe fn max_gradient<S: Simd>(&self, s: S, x: *const f32, dy: *const f32, dx: *mut f32) {
        self.each_window(|rows, columns, from| {
            let (r, c) = (rows.range.len(), columns.range.len());
            // SAFETY: the window is clipped to the map, and `from` is a place of the map.
            unsafe {
                let window = x.add(self.x.row(rows.range.start) + columns.range.start * S::LANES);
                let to = dx.add(self.dx.row(rows.range.start) + columns.range.start * S::LANES);
                let dy = s.load(dy.add(from));
                let largest = unrolled!(r, c, self.fold::<S, true>(s, window, r, c));
                unrolled!(r, c, self.give_to_first(s, largest, window, dy, to, r, c));
            }
        });
    }

    /// Adds, lane by lane, `dy` to that place of `dx` where the window first is `largest`; NaN counts as largest.
    ///
    /// # Safety
    /// As [`Bound::fold`]; `dx` is the first element of a window of a map of the geometry `self.dx`.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn give_to_first<S: Simd>(
        &self,
        s: S,
        largest: S::F,
        window: *const f32,
        dy: S::F,
        dx: *mut f32,
        rows: usize,
        columns: usize,
    ) {
        let mut left = dy;
        for row in 0..rows {
            for column in 0..columns {
                // SAFETY: as the caller promises.
                unsafe {
                    let value = s.load(window.add(row * self.x.row_len() + column * S::LANES));
                    let to = dx.add(row * self.dx.row_len() + column * S::LANES);
                    let share = s.select_equal_or_nan(value, largest, left, s.zero());
                    s.store(to, s.add(s.load(to), share));
                    left = s.select_equal_or_nan(value, largest, s.zero(), left);
                }
            }
        }
    }

    /// Whether the windows cover every place of x exactly once.
    fn tiles_input(&self) -> bool {
        [(&self.rows, 0), (&self.columns, 1)].into_iter().all(|(spans, axis)| {
            let ends = spans.iter().map(|span| span.range.end);
            let starts = spans.iter().map(|span| span.range.start).skip(1).chain([self.dx.size[axis]]);
            spans[0].range.start == 0 && ends.eq(starts)
        })
    }

    /// Adds to `dx`, since windows may overlap.
    ///
    /// # Safety
    /// `dy` and `dx` are maps of the geometry `self.y` and `self.dx`.
    #[inline(always)]
    unsafe fn average_gradient<S: Simd>(&self, s: S, dy: *const f32, dx: *mut f32) {
        self.each_window(|rows, columns, from| {
            let scale = s.splat(1.0 / (rows.divisor * columns.divisor) as f32);
            // SAFETY: `from` is a place of the map.
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

    /// The same where no windows overlap, the activation included.
    ///
    /// # Safety
    /// `dy`, `x` and `dx` are maps of the geometry `self.y`, `self.x` and `self.dx`.
    #[inline(always)]
    unsafe fn average_gradient_once<S: Simd>(&self, s: S, dy: *const f32, x: *const f32, dx: *mut f32) {
        let through = self.activation != Activation::None;
        self.each_window(|rows, columns, from| {
            let scale = s.splat(1.0 / (rows.divisor * columns.divisor) as f32);
            // SAFETY: `from` is a place of the map.
            let share = unsafe { s.mul(scale, s.load(dy.add(from))) };
            for row in rows.range.clone() {
                let (x_row, dx_row) = (self.x.row(row), self.dx.row(row));
                for column in columns.range.clone() {
                    // SAFETY: the window is clipped to the map.
                    unsafe {
                        let mut slope = share;
                        if through {
                            let x = s.load(x.add(x_row + column * S::LANES));
                            slope = activation_gradient(s, self.activation, x, share);
                        }
                        s.store(dx.add(dx_row + column * S::LANES), slope);
                    }
                }
            }
        });
    }

    /// Multiplies `dx` by the slope of the activation at its result `x`.
    ///
    /// # Safety
    /// `x` and `dx` are maps of the geometry `self.x` and `self.dx`.
    #[inline(always)]
    unsafe fn through_activation<S: Simd>(&self, s: S, x: *const f32, dx: *mut f32) {
        let [rows, columns] = self.dx.size;
        for row in 0..rows {
            for column in 0..columns {
                // SAFETY: rows and columns of the map.
                unsafe {
                    let x = s.load(x.add(self.x.row(row) + column * S::LANES));
                    let dx = dx.add(self.dx.row(row) + column * S::LANES);
                    s.store(dx, activation_gradient(s, self.activation, x, s.load(dx)));
                }
            }
        }
    }
}

/// What changes nothing: for a maximum (`MAX`), or for a sum.
#[inline(always)]
fn neutral<S: Simd, const MAX: bool>(s: S) -> S::F {
    if MAX { s.splat(f32::NEG_INFINITY) } else { s.zero() }
}

/// The larger (`MAX`) or the sum of two.
#[inline(always)]
fn combine<S: Simd, const MAX: bool>(s: S, a: S::F, b: S::F) -> S::F {
    if MAX { s.max_or_nan(a, b) } else { s.add(a, b) }
}

/// The result of a window, of which `found` is the largest element (`MAX`) or the sum.
#[inline(always)]
fn finish<S: Simd, const MAX: bool>(s: S, found: S::F, rows: &Span, columns: &Span) -> S::F {
    if MAX { found } else { s.mul(found, s.splat(1.0 / (rows.divisor * columns.divisor) as f32)) }
}
