//! Extrema of the differences of Gaussians, in position and scale.
//!
//! Lowe 2004, sections 3 and 4: a pixel that is larger or smaller than its 26 neighbors, refined by a quadratic
//! function; without those of low contrast and those on edges.

use super::Sift;
use super::scale_space::{BORDER, Octave, scale};

/// An extremum, in the pixels of its octave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extremum {
    pub x: f64,
    pub y: f64,
    /// The nearest level.
    pub level: usize,
    /// Standard deviation of the Gaussian.
    pub scale: f64,
    /// The absolute value of the quadratic function.
    pub response: f64,
}

/// Most steps from a pixel to the one that is nearest to the extremum.
const MOST_STEPS: usize = 5;

/// A pixel of a difference of two levels: level, row, column.
type Place = [usize; 3];

/// Returns the extrema of `octave`, by level, row and column.
pub(super) fn extrema(sift: &Sift, octave: &Octave) -> Vec<Extremum> {
    let (width, height) = (octave.levels[0].width, octave.levels[0].height);
    // Refinement rarely more than doubles the value of a pixel.
    let threshold = 0.5 * sift.contrast / sift.intervals as f32;
    let mut found = Vec::new();
    for level in 1..=sift.intervals {
        for y in BORDER..height.saturating_sub(BORDER) {
            let rows = octave.levels[level + 1].row(y).iter().zip(octave.levels[level].row(y));
            for (x, (above, below)) in rows.enumerate().take(width.saturating_sub(BORDER)).skip(BORDER) {
                let is_candidate = (above - below).abs() > threshold;
                if is_candidate && is_extremum(octave, [level, y, x]) {
                    found.extend(refined(sift, octave, [level, y, x]));
                }
            }
        }
    }
    // Several pixels may lead to one extremum.
    let key = |extremum: &Extremum| (extremum.level, extremum.y, extremum.x);
    found.sort_by(|a, b| key(a).partial_cmp(&key(b)).expect("coordinates are finite"));
    found.dedup();
    found
}

/// Returns the difference of Gaussians in a place.
#[inline(always)]
fn difference(octave: &Octave, [level, y, x]: Place) -> f32 {
    octave.levels[level + 1].row(y)[x] - octave.levels[level].row(y)[x]
}

fn is_extremum(octave: &Octave, [level, y, x]: Place) -> bool {
    let value = difference(octave, [level, y, x]);
    let sign = value.signum();
    let mut places = (level - 1..=level + 1).flat_map(|l| (y - 1..=y + 1).map(move |y| [l, y]));
    places.all(|[level, y]| {
        let (above, below) = (octave.levels[level + 1].row(y), octave.levels[level].row(y));
        (x - 1..=x + 1).all(|x| (above[x] - below[x]) * sign <= value * sign)
    })
}

/// Returns the extremum near a pixel; `None` if it moves away, or its contrast is low, or it lies on an edge.
fn refined(sift: &Sift, octave: &Octave, mut place: Place) -> Option<Extremum> {
    let ends = [sift.intervals + 1, octave.levels[0].height - BORDER, octave.levels[0].width - BORDER];
    let starts = [1, BORDER, BORDER];
    for _ in 0..MOST_STEPS {
        let (gradient, hessian) = derivatives(octave, place);
        let shift = solved(hessian, gradient.map(|derivative| -derivative))?;
        if shift.iter().all(|shift| shift.abs() < 0.5) {
            let slope: f64 = gradient.iter().zip(shift).map(|(derivative, shift)| derivative * shift).sum();
            let response = (f64::from(difference(octave, place)) + 0.5 * slope).abs();
            let is_strong = response * sift.intervals as f64 >= f64::from(sift.contrast);
            if !is_strong || is_on_edge(hessian, f64::from(sift.edge_ratio)) {
                return None;
            }
            let [level, y, x] = std::array::from_fn(|axis| place[axis] as f64 + shift[axis]);
            return Some(Extremum { x, y, level: place[0], scale: scale(sift, level), response });
        }
        for axis in 0..3 {
            let moved = place[axis] as f64 + shift[axis].round();
            if !(starts[axis] as f64..ends[axis] as f64).contains(&moved) {
                return None;
            }
            place[axis] = moved as usize;
        }
    }
    None
}

/// Returns the first and second derivatives by level, row and column.
fn derivatives(octave: &Octave, place: Place) -> ([f64; 3], [[f64; 3]; 3]) {
    let value = |shifts: [(usize, isize); 2]| {
        let mut place = place;
        shifts.iter().for_each(|(axis, shift)| place[*axis] = place[*axis].wrapping_add_signed(*shift));
        f64::from(difference(octave, place))
    };
    let center = value([(0, 0); 2]);
    let along = |axis, shift| value([(axis, shift), (axis, 0)]);
    let gradient = std::array::from_fn(|axis| 0.5 * (along(axis, 1) - along(axis, -1)));
    let hessian = std::array::from_fn(|a| {
        std::array::from_fn(|b| match a == b {
            true => along(a, 1) + along(a, -1) - 2.0 * center,
            false => {
                let corner = |i, j| value([(a, i), (b, j)]);
                0.25 * (corner(1, 1) + corner(-1, -1) - corner(1, -1) - corner(-1, 1))
            }
        })
    });
    (gradient, hessian)
}

/// Whether the principal curvatures in the plane have different signs or a ratio above `largest`.
fn is_on_edge(hessian: [[f64; 3]; 3], largest: f64) -> bool {
    let [_, [_, yy, yx], [_, _, xx]] = hessian;
    let (trace, determinant) = (yy + xx, yy * xx - yx * yx);
    determinant <= 0.0 || trace * trace * largest >= (largest + 1.0).powi(2) * determinant
}

/// Solves `matrix` · x = `right` by Cramer's rule; `None` if the matrix is singular.
fn solved(matrix: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let determinant = |[a, b, c]: [[f64; 3]; 3]| {
        let minor = |i: usize, j: usize| b[i] * c[j] - b[j] * c[i];
        a[0] * minor(1, 2) - a[1] * minor(0, 2) + a[2] * minor(0, 1)
    };
    let whole = determinant(matrix);
    let solution = std::array::from_fn(|column| {
        let mut replaced = matrix;
        replaced.iter_mut().zip(right).for_each(|(row, value)| row[column] = value);
        determinant(replaced) / whole
    });
    solution.iter().all(|value: &f64| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let matrix = [[2.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 4.0]];
        let expected = [1.0, -2.0, 0.25];
        let right = matrix.map(|row: [f64; 3]| row.iter().zip(expected).map(|(a, x)| a * x).sum());
        let found = solved(matrix, right).unwrap();
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12));
        assert_eq!(solved([[1.0, 2.0, 3.0]; 3], [1.0; 3]), None);
    }
}
