//! Winograd's algorithms along one axis: with stride 1, m outputs of a convolution with r taps from m + r − 1 products.
//!
//! Inputs and weights are values of polynomials at the same points, the products are values of their product, and the
//! outputs follow by transposition. The points are ∞, pairs ±p, and in some algorithms 0; pairs share most of their
//! arithmetic. The points were found by search for small rounding errors.

use std::mem::MaybeUninit;

use crate::simd::Simd;

/// The most products of an algorithm.
pub(super) const MOST: usize = 10;
/// The most pairs of points.
const PAIRS: usize = 4;

/// As many vectors as an algorithm has inputs, outputs or products; the others are not used.
pub(super) type Line<S> = [<S as Simd>::F; MOST];

/// The vectors of a tile between the transforms of its columns and of its rows. They begin without values, because
/// zeros for the largest tile would cost more than the transforms of a small one.
pub(super) struct Halves<S: Simd>([[MaybeUninit<S::F>; MOST]; MOST]);

impl<S: Simd> Halves<S> {
    #[inline(always)]
    pub fn new() -> Halves<S> {
        Halves([const { [const { MaybeUninit::uninit() }; MOST] }; MOST])
    }

    /// Sets the first `rows` vectors of a column.
    #[inline(always)]
    pub fn set_column(&mut self, column: usize, line: Line<S>, rows: usize) {
        for row in 0..rows {
            self.0[row][column].write(line[row]);
        }
    }

    /// The first `columns` vectors of a row.
    ///
    /// # Safety
    /// They must have been set.
    #[inline(always)]
    pub unsafe fn row(&self, s: S, row: usize, columns: usize) -> Line<S> {
        let mut line = [s.zero(); MOST];
        for column in 0..columns {
            // SAFETY: guaranteed by the caller.
            line[column] = unsafe { self.0[row][column].assume_init() };
        }
        line
    }
}

/// An algorithm along an axis, in one direction.
pub(super) trait Axis: Send + Sync + 'static {
    /// Inputs of a tile.
    const INPUTS: usize;
    /// Inputs from the first of a tile to the first of the next.
    const STEP: usize;
    /// Outputs of a tile.
    const OUT: usize;
    /// Products of a tile.
    const PRODUCTS: usize;

    /// Bᵀ x: products' factors from inputs.
    fn input<S: Simd>(s: S, x: Line<S>) -> Line<S>;
    /// Aᵀ m: outputs from products.
    fn output<S: Simd>(s: S, m: Line<S>) -> Line<S>;
}

/// The algorithm of a convolution, with all that other directions take.
pub(super) trait Convolution: Axis {
    /// The algorithm of the data gradient, with the factors of flipped weights.
    type Backward: Axis;
    /// The stride.
    const STRIDE: usize;
    /// Taps.
    const TAPS: usize;
    /// Factors from weights: one for each of the first products, and the last for all others.
    const FACTORS: usize;

    /// G w: factors from taps.
    fn weights<S: Simd>(s: S, w: Line<S>) -> Line<S>;
    /// Gᵀ u: gradients of taps from those of factors.
    fn weight_gradients<S: Simd>(s: S, u: Line<S>) -> Line<S>;
    /// A dy: products' factors from gradients of outputs.
    fn output_gradient<S: Simd>(s: S, dy: Line<S>) -> Line<S>;
}

/// An algorithm for stride 1, given by its points.
pub(super) trait Points: Send + Sync + 'static {
    /// Outputs of a tile.
    const OUT: usize;
    /// Taps.
    const TAPS: usize;
    /// The points ±p.
    const POINTS: &'static [f64];
    /// Whether 0 is a point.
    const ZERO: bool = true;
    /// Products of a tile, and as many inputs.
    const PRODUCTS: usize = Self::OUT + Self::TAPS - 1;
    /// The coefficients of the transforms.
    const TABLES: Tables = Tables::new(Self::POINTS, Self::ZERO);
}

impl<P: Points> Axis for P {
    const INPUTS: usize = P::PRODUCTS;
    const STEP: usize = P::OUT;
    const OUT: usize = P::OUT;
    const PRODUCTS: usize = P::PRODUCTS;

    #[inline(always)]
    fn input<S: Simd>(s: S, x: Line<S>) -> Line<S> {
        input::<P, S>(s, x)
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: Line<S>) -> Line<S> {
        output::<P, S>(s, m)
    }
}

impl<P: Points> Convolution for P {
    type Backward = P;
    const STRIDE: usize = 1;
    const TAPS: usize = P::TAPS;
    const FACTORS: usize = P::PRODUCTS;

    #[inline(always)]
    fn weights<S: Simd>(s: S, w: Line<S>) -> Line<S> {
        weights::<P, S>(s, w)
    }

    #[inline(always)]
    fn weight_gradients<S: Simd>(s: S, u: Line<S>) -> Line<S> {
        weight_gradients::<P, S>(s, u)
    }

    #[inline(always)]
    fn output_gradient<S: Simd>(s: S, dy: Line<S>) -> Line<S> {
        output_gradient::<P, S>(s, dy)
    }
}

/// One output for each input: no convolution along this axis.
pub(super) struct Unit;

impl Points for Unit {
    const OUT: usize = 1;
    const TAPS: usize = 1;
    const POINTS: &'static [f64] = &[];
    const ZERO: bool = false;
}

macro_rules! axes {
    ($($name:ident: $out:literal outputs, $taps:literal taps, $points:expr, $zero:literal;)*) => {$(
        #[doc = concat!("F(", $out, ", ", $taps, ").")]
        pub(super) struct $name;

        impl Points for $name {
            const OUT: usize = $out;
            const TAPS: usize = $taps;
            const POINTS: &'static [f64] = &$points;
            const ZERO: bool = $zero;
        }
    )*};
}

axes! {
    F4x2: 4 outputs, 2 taps, [0.5, 1.25], false;
    F2x3: 2 outputs, 3 taps, [1.0], true;
    F4x3: 4 outputs, 3 taps, [0.625, 1.5], true;
    F3x5: 3 outputs, 5 taps, [0.375, 0.875, 1.5], false;
    F4x7: 4 outputs, 7 taps, [0.375, 0.75, 1.25, 2.0], true;
}

/// The coefficients of the transforms of an algorithm.
pub(super) struct Tables {
    /// Powers of each point p.
    powers: [[f32; MOST]; PAIRS],
    /// Of the polynomial in x² with all p² as roots, the coefficients.
    all: [f32; PAIRS + 1],
    /// The same without the root of each point.
    others: [[f32; PAIRS]; PAIRS],
    /// 1 / N of each point p and of 0, where N is the product of its differences to all other points.
    scales: [f32; PAIRS],
    zero_scale: f32,
}

impl Tables {
    const fn new(points: &[f64], zero: bool) -> Tables {
        let mut tables = Tables {
            powers: [[0.0; MOST]; PAIRS],
            all: [0.0; PAIRS + 1],
            others: [[0.0; PAIRS]; PAIRS],
            scales: [0.0; PAIRS],
            zero_scale: 0.0,
        };
        assert!(points.len() <= PAIRS, "the tables have a place for every point");
        let all = from_roots(points, PAIRS);
        let mut zero_scale = 1.0;
        let mut at = 0;
        while at <= points.len() {
            tables.all[at] = all[at] as f32;
            at += 1;
        }
        let mut point = 0;
        while point < points.len() {
            let p = points[point];
            zero_scale *= -p * p;
            let (mut power, mut exponent) = (1.0, 0);
            while exponent < MOST {
                tables.powers[point][exponent] = power as f32;
                power *= p;
                exponent += 1;
            }
            let others = from_roots(points, point);
            let mut value = 0.0;
            let mut at = points.len();
            while at > 0 {
                at -= 1;
                tables.others[point][at] = others[at] as f32;
                value = value * p * p + others[at];
            }
            // The difference of p and −p, that to 0, and those to all other points.
            tables.scales[point] = (1.0 / (2.0 * p * (if zero { p } else { 1.0 }) * value)) as f32;
            point += 1;
        }
        tables.zero_scale = (1.0 / zero_scale) as f32;
        tables
    }
}

/// The coefficients of the polynomial in x² whose roots are the squares of all points except that number `without`.
const fn from_roots(points: &[f64], without: usize) -> [f64; PAIRS + 1] {
    let mut polynomial = [0.0; PAIRS + 1];
    polynomial[0] = 1.0;
    let mut point = 0;
    while point < points.len() {
        if point != without {
            let mut at = PAIRS;
            while at > 0 {
                polynomial[at] = polynomial[at - 1] - points[point] * points[point] * polynomial[at];
                at -= 1;
            }
            polynomial[0] *= -points[point] * points[point];
        }
        point += 1;
    }
    polynomial
}

/// Bᵀ x.
#[inline(always)]
fn input<P: Points, S: Simd>(s: S, x: Line<S>) -> Line<S> {
    let (tables, pairs, zero) = (const { &P::TABLES }, P::POINTS.len(), usize::from(P::ZERO));
    let mut factors = [s.zero(); MOST];
    if P::ZERO {
        factors[0] = polynomial(s, &tables.all, &x, pairs, 0);
    }
    for pair in 0..pairs {
        let others = &tables.others[pair];
        let even = polynomial(s, others, &x, pairs - 1, zero);
        let odd = polynomial(s, others, &x, pairs - 1, zero + 1);
        let point = tables.powers[pair][1];
        factors[zero + 2 * pair] = s.fma(s.splat(point), even, odd);
        factors[zero + 2 * pair + 1] = s.fma(s.splat(-point), even, odd);
    }
    factors[P::PRODUCTS - 1] = polynomial(s, &tables.all, &x, pairs, zero);
    factors
}

/// The sum of every second input from number `first` on, times the coefficients of a polynomial of this degree. The
/// leading coefficient is 1.
#[inline(always)]
fn polynomial<S: Simd>(s: S, coefficients: &[f32], x: &Line<S>, degree: usize, first: usize) -> S::F {
    let mut sum = x[first + 2 * degree];
    for power in 0..degree {
        sum = s.fma(s.splat(coefficients[power]), x[first + 2 * power], sum);
    }
    sum
}

/// Aᵀ m.
#[inline(always)]
fn output<P: Points, S: Simd>(s: S, m: Line<S>) -> Line<S> {
    let (tables, pairs, zero) = (const { &P::TABLES }, P::POINTS.len(), usize::from(P::ZERO));
    let (mut sums, mut differences) = ([s.zero(); PAIRS], [s.zero(); PAIRS]);
    for pair in 0..pairs {
        let (plus, minus) = (m[zero + 2 * pair], m[zero + 2 * pair + 1]);
        (sums[pair], differences[pair]) = (s.add(plus, minus), s.sub(plus, minus));
    }
    let mut outputs = [s.zero(); MOST];
    for index in 0..P::OUT {
        let mut sum = s.zero();
        if index == 0 && P::ZERO {
            sum = m[0];
        }
        if index == P::OUT - 1 {
            sum = if index == 0 && P::ZERO { s.add(sum, m[P::PRODUCTS - 1]) } else { m[P::PRODUCTS - 1] };
        }
        for pair in 0..pairs {
            let part = if index % 2 == 0 { sums[pair] } else { differences[pair] };
            sum = s.fma(s.splat(tables.powers[pair][index]), part, sum);
        }
        outputs[index] = sum;
    }
    outputs
}

/// G w.
#[inline(always)]
fn weights<P: Points, S: Simd>(s: S, w: Line<S>) -> Line<S> {
    let (tables, zero) = (const { &P::TABLES }, usize::from(P::ZERO));
    let mut factors = powers::<P, S>(s, w, P::TAPS, &tables.scales);
    if P::ZERO {
        factors[0] = s.mul(s.splat(tables.zero_scale), w[0]);
    } else {
        // Without 0, the scales of p and −p have opposite signs.
        for pair in 0..P::POINTS.len() {
            let minus = zero + 2 * pair + 1;
            factors[minus] = s.sub(s.zero(), factors[minus]);
        }
    }
    factors
}

/// Gᵀ u.
#[inline(always)]
fn weight_gradients<P: Points, S: Simd>(s: S, u: Line<S>) -> Line<S> {
    let (tables, pairs, zero) = (const { &P::TABLES }, P::POINTS.len(), usize::from(P::ZERO));
    let (mut evens, mut odds) = ([s.zero(); PAIRS], [s.zero(); PAIRS]);
    for pair in 0..pairs {
        let (plus, minus) = (u[zero + 2 * pair], u[zero + 2 * pair + 1]);
        let scale = s.splat(tables.scales[pair]);
        let (sum, difference) = (s.mul(scale, s.add(plus, minus)), s.mul(scale, s.sub(plus, minus)));
        (evens[pair], odds[pair]) = if P::ZERO { (sum, difference) } else { (difference, sum) };
    }
    let mut taps = [s.zero(); MOST];
    for index in 0..P::TAPS {
        let mut sum = if index == P::TAPS - 1 { u[P::PRODUCTS - 1] } else { s.zero() };
        if index == 0 && P::ZERO {
            sum = s.fma(s.splat(tables.zero_scale), u[0], sum);
        }
        for pair in 0..pairs {
            let part = if index % 2 == 0 { evens[pair] } else { odds[pair] };
            sum = s.fma(s.splat(tables.powers[pair][index]), part, sum);
        }
        taps[index] = sum;
    }
    taps
}

/// A dy.
#[inline(always)]
fn output_gradient<P: Points, S: Simd>(s: S, dy: Line<S>) -> Line<S> {
    let mut factors = powers::<P, S>(s, dy, P::OUT, &[1.0; PAIRS]);
    if P::ZERO {
        factors[0] = dy[0];
    }
    factors
}

/// The values at ±p of the polynomials with the first `count` vectors as coefficients, times the scale of each pair,
/// and the last coefficient, which is the value at ∞.
#[inline(always)]
fn powers<P: Points, S: Simd>(s: S, values: Line<S>, count: usize, scales: &[f32; PAIRS]) -> Line<S> {
    let (tables, zero) = (const { &P::TABLES }, usize::from(P::ZERO));
    let mut factors = [s.zero(); MOST];
    for pair in 0..P::POINTS.len() {
        let (mut even, mut odd) = (s.zero(), s.zero());
        for index in 0..count {
            let factor = s.splat(tables.powers[pair][index] * scales[pair]);
            if index % 2 == 0 {
                even = s.fma(factor, values[index], even);
            } else {
                odd = s.fma(factor, values[index], odd);
            }
        }
        factors[zero + 2 * pair] = s.add(even, odd);
        factors[zero + 2 * pair + 1] = s.sub(even, odd);
    }
    factors[P::PRODUCTS - 1] = values[count - 1];
    factors
}
