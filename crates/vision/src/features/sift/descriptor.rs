//! The descriptor of a window: histograms of gradients in 4×4 regions.
//!
//! Lowe 2004, section 6: each pixel votes with the magnitude of its gradient, under a Gaussian window, for the nearest
//! regions and directions, by trilinear interpolation. The order of values is OpenCV's: row of the region, column,
//! direction, counterclockwise.

use std::f64::consts::TAU;

use super::plane::Plane;

/// Regions along a side.
pub(super) const REGIONS: usize = 4;
/// Directions of a histogram.
pub(super) const DIRECTIONS: usize = 8;
/// Values of a descriptor.
pub(super) const VALUES: usize = REGIONS * REGIONS * DIRECTIONS;
/// Side of a region, in scales.
const REGION: f64 = 3.0;
/// Largest value of a normalized descriptor before it is normalized again.
const CLIP: f32 = 0.2;

/// The square that a descriptor describes, in the pixels of a plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The center.
    pub x: f64,
    pub y: f64,
    /// A third of the side of a region.
    pub scale: f64,
    /// The direction of its x axis in degrees, clockwise from that of the plane.
    pub angle: f64,
}

/// Returns the Gaussian window at a distance from the center, in regions: half of the window is its standard deviation.
pub(super) fn window(squared_distance: f64) -> f64 {
    let sigma = REGIONS as f64 / 2.0;
    (-squared_distance / (2.0 * sigma * sigma)).exp()
}

/// Returns the direction of a gradient, counterclockwise, from 0 to below 8.
pub(super) fn direction(dx: f32, dy: f32) -> f64 {
    let turns = f64::from((-dy).atan2(dx)) / TAU;
    (turns * DIRECTIONS as f64).rem_euclid(DIRECTIONS as f64) % DIRECTIONS as f64
}

/// Returns the descriptor of `window`. Pixels at the edges of the plane and beyond do not contribute.
pub(super) fn descriptor(plane: &Plane, at: &Window) -> [f32; VALUES] {
    let side = REGION * at.scale;
    let (sine, cosine) = at.angle.to_radians().sin_cos();
    let turned = (at.angle / 360.0).rem_euclid(1.0) * DIRECTIONS as f64;
    // Half of the diagonal of the regions and of those around them, of which pixels contribute in part.
    let radius = side * std::f64::consts::FRAC_1_SQRT_2 * (REGIONS + 1) as f64;
    let range = |center: f64, count: usize| {
        let (first, last) = ((center - radius).ceil().max(1.0), (center + radius).floor());
        first as usize..(last.max(0.0) as usize).saturating_add(1).min(count.saturating_sub(1))
    };
    let mut histograms = [0.0f64; VALUES];
    for y in range(at.y, plane.height) {
        let [above, row, below] = [y - 1, y, y + 1].map(|y| plane.row(y));
        for x in range(at.x, plane.width) {
            let (left, up) = ((x as f64 - at.x) / side, (y as f64 - at.y) / side);
            let (u, v) = (cosine * left + sine * up, cosine * up - sine * left);
            let center = (REGIONS - 1) as f64 / 2.0;
            let place = [v + center, u + center];
            if !place.iter().all(|place| (-1.0..REGIONS as f64).contains(place)) {
                continue;
            }
            let (dx, dy) = (row[x + 1] - row[x - 1], below[x] - above[x]);
            let magnitude = f64::from(dx * dx + dy * dy).sqrt() * window(u * u + v * v);
            vote(&mut histograms, place, direction(dx, dy) + turned, magnitude);
        }
    }
    let mut values = histograms.map(|value| value as f32);
    normalize(&mut values);
    values
}

/// Divides `magnitude` among the nearest regions and directions.
fn vote(histograms: &mut [f64; VALUES], place: [f64; 2], direction: f64, magnitude: f64) {
    let split = |value: f64| (value.floor(), value - value.floor());
    let [(row, down), (column, right)] = place.map(split);
    let (first, share) = split(direction);
    for (row, share_down) in [(row, 1.0 - down), (row + 1.0, down)] {
        for (column, share_right) in [(column, 1.0 - right), (column + 1.0, right)] {
            let is_inside = |region: f64| (0.0..REGIONS as f64).contains(&region);
            if !is_inside(row) || !is_inside(column) {
                continue;
            }
            let region = row as usize * REGIONS + column as usize;
            let histogram = &mut histograms[region * DIRECTIONS..][..DIRECTIONS];
            let amount = magnitude * share_down * share_right;
            histogram[first as usize % DIRECTIONS] += amount * (1.0 - share);
            histogram[(first as usize + 1) % DIRECTIONS] += amount * share;
        }
    }
}

/// Divides the values by their norm, clips them, so that a few large gradients do not outweigh the others, and divides
/// them by their norm again. Values that are all zero stay zero.
pub(super) fn normalize(values: &mut [f32; VALUES]) {
    for is_clipped in [true, false] {
        let squares: f64 = values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        let factor = if squares > 0.0 { squares.sqrt().recip() as f32 } else { 0.0 };
        let most = if is_clipped { CLIP } else { f32::INFINITY };
        values.iter_mut().for_each(|value| *value = (*value * factor).min(most));
    }
}
