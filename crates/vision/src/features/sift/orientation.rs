//! The dominant directions of the gradient around an extremum.
//!
//! Lowe 2004, section 5: a histogram of 36 directions, in which each pixel votes with the magnitude of its gradient
//! under a Gaussian window. Its highest peak is a direction, and so are others of at least 80 % of that height.

use super::extrema::Extremum;
use super::scale_space::Octave;

/// Directions of the histogram.
const BINS: usize = 36;
/// Standard deviation of the window, in scales.
const WINDOW: f64 = 1.5;
/// Where the window ends, in standard deviations.
const CUT: f64 = 3.0;
/// Least height of a peak, as a share of the highest.
const PEAK: f64 = 0.8;

/// Returns directions in degrees from 0 to 360, clockwise from the positive x axis.
pub(super) fn orientations(octave: &Octave, extremum: &Extremum) -> Vec<f32> {
    let histogram = smoothed(&votes(octave, extremum));
    let highest = histogram.iter().copied().fold(0.0, f64::max);
    let peak = |bin: usize| {
        let [left, value, right] = [BINS - 1, 0, 1].map(|shift| histogram[(bin + shift) % BINS]);
        let is_peak = value > left && value > right && value >= PEAK * highest;
        // The vertex of the parabola through the three values.
        let shift = 0.5 * (left - right) / (left - 2.0 * value + right);
        is_peak.then(|| ((bin as f64 + shift) * 360.0 / BINS as f64).rem_euclid(360.0) as f32 % 360.0)
    };
    (0..BINS).filter_map(peak).collect()
}

fn votes(octave: &Octave, extremum: &Extremum) -> [f64; BINS] {
    let plane = &octave.levels[extremum.level];
    let sigma = WINDOW * extremum.scale;
    let radius = (CUT * sigma).round();
    let range = |center: f64, count: usize| {
        let (first, last) = ((center - radius).ceil().max(1.0), (center + radius).floor());
        first as usize..(last as usize + 1).min(count - 1)
    };
    let mut histogram = [0.0; BINS];
    for y in range(extremum.y, plane.height) {
        let [above, row, below] = [y - 1, y, y + 1].map(|y| plane.row(y));
        for x in range(extremum.x, plane.width) {
            let (dx, dy) = (row[x + 1] - row[x - 1], below[x] - above[x]);
            let (left, up) = (x as f64 - extremum.x, y as f64 - extremum.y);
            let weight = (-(left * left + up * up) / (2.0 * sigma * sigma)).exp();
            let turns = f64::from(dy.atan2(dx)) / std::f64::consts::TAU;
            let bin = (turns * BINS as f64).round().rem_euclid(BINS as f64) as usize % BINS;
            histogram[bin] += weight * f64::from(dx * dx + dy * dy).sqrt();
        }
    }
    histogram
}

/// Returns the histogram smoothed by the binomial weights 1, 4, 6, 4, 1.
fn smoothed(histogram: &[f64; BINS]) -> [f64; BINS] {
    let at = |bin: usize, shift: usize| histogram[(bin + BINS + shift - 2) % BINS];
    std::array::from_fn(|bin| {
        let [a, b, c, d, e] = std::array::from_fn(|shift| at(bin, shift));
        (a + e + 4.0 * (b + d) + 6.0 * c) / 16.0
    })
}
