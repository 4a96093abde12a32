//! A plane of floats and its Gaussian blur.

use striate_tensor::{Vectorize, vectorized};

use crate::Image;

/// Rows of values, the top one first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plane {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Plane {
    /// Creates a plane of zeros.
    pub fn new(width: usize, height: usize) -> Self {
        Plane { width, height, values: vec![0.0; width * height] }
    }

    /// Returns the brightness of `image`, from 0 to 1.
    pub fn of(image: &Image) -> Self {
        let gray = image.to_gray();
        let values = gray.pixels().iter().map(|byte| f32::from(*byte) / 255.0).collect();
        Plane { width: gray.width(), height: gray.height(), values }
    }

    #[inline(always)]
    pub fn row(&self, y: usize) -> &[f32] {
        &self.values[y * self.width..][..self.width]
    }

    /// Returns a plane of twice the size by linear interpolation, which covers the same area.
    pub fn doubled(&self) -> Self {
        let mut result = Plane::new(self.width * 2, self.height * 2);
        for (y, to) in result.values.chunks_exact_mut(self.width * 2).enumerate() {
            let (row, other) = (self.row(y / 2), self.row(neighbor(y, self.height)));
            let mix = |x: usize| 0.75 * row[x] + 0.25 * other[x];
            for (x, value) in to.iter_mut().enumerate() {
                *value = 0.75 * mix(x / 2) + 0.25 * mix(neighbor(x, self.width));
            }
        }
        result
    }

    /// Returns every second pixel of every second row, from the first on; of an odd number, the last one is left out.
    pub fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let values = (0..height).flat_map(|y| self.row(2 * y).iter().step_by(2).take(width));
        Plane { width, height, values: values.copied().collect() }
    }

    /// Returns the plane convolved with a Gaussian of standard deviation `sigma`, in pixels, mirrored at its edges.
    /// The Gaussian is cut off at 4 sigma.
    pub fn blurred(&self, sigma: f64) -> Self {
        let weights = gaussian(sigma);
        let mut result = Plane::new(self.width, self.height);
        vectorized(Blur { plane: self, weights: &weights, result: &mut result });
        result
    }
}

/// Returns the pixel, of `count`, that the interpolated one in `place` is mixed with.
fn neighbor(place: usize, count: usize) -> usize {
    match place % 2 {
        0 => (place / 2).saturating_sub(1),
        _ => (place / 2 + 1).min(count - 1),
    }
}

/// Returns the right half of a Gaussian, from its center to 4 sigma; the whole has the sum 1.
fn gaussian(sigma: f64) -> Vec<f32> {
    let radius = (4.0 * sigma).round() as usize;
    let values: Vec<f64> = (0..=radius).map(|x| (-0.5 * (x as f64 / sigma).powi(2)).exp()).collect();
    let sum = 2.0 * values.iter().sum::<f64>() - values[0];
    values.iter().map(|value| (value / sum) as f32).collect()
}

/// Reflects the index `place` into `0..count`, without repeating the border.
fn mirrored(place: isize, count: usize) -> usize {
    if count == 1 {
        return 0;
    }
    let period = 2 * (count - 1);
    let place = place.rem_euclid(period as isize) as usize;
    place.min(period - place)
}

/// Blurs every column into a row of its own, then this row.
struct Blur<'a> {
    plane: &'a Plane,
    weights: &'a [f32],
    result: &'a mut Plane,
}

impl Vectorize for Blur<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Blur { plane, weights, result } = self;
        let (width, height, radius) = (plane.width, plane.height, weights.len() - 1);
        // A row with mirrored pixels on both sides.
        let mut padded = vec![0.0; width + 2 * radius];
        for (y, to) in result.values.chunks_exact_mut(width).enumerate() {
            let column = &mut padded[radius..][..width];
            column.iter_mut().zip(plane.row(y)).for_each(|(sum, value)| *sum = value * weights[0]);
            for (offset, weight) in weights.iter().enumerate().skip(1) {
                let row = |y: isize| plane.row(mirrored(y, height));
                let rows = row(y as isize - offset as isize).iter().zip(row((y + offset) as isize));
                column.iter_mut().zip(rows).for_each(|(sum, (a, b))| *sum += (a + b) * weight);
            }
            for place in (0..radius).chain(radius + width..width + 2 * radius) {
                padded[place] = padded[radius + mirrored(place as isize - radius as isize, width)];
            }
            to.iter_mut().zip(&padded[radius..]).for_each(|(sum, value)| *sum = value * weights[0]);
            for (offset, weight) in weights.iter().enumerate().skip(1) {
                let pairs = padded[radius - offset..].iter().zip(&padded[radius + offset..]);
                to.iter_mut().zip(pairs).for_each(|(sum, (a, b))| *sum += (a + b) * weight);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_matches_its_definition() {
        for (width, height, sigma) in [(9, 7, 1.2), (1, 5, 2.0), (2, 1, 3.0), (30, 4, 0.5)] {
            let values = (0..width * height).map(|i| (i * i * 7 % 23) as f32 / 23.0).collect();
            let plane = Plane { width, height, values };
            let blurred = plane.blurred(sigma);
            let radius = (4.0 * sigma).round() as isize;
            let weight = |x: isize| (-0.5 * (x as f64 / sigma).powi(2)).exp();
            let sum: f64 = (-radius..=radius).map(weight).sum();
            for (place, found) in blurred.values.iter().enumerate() {
                let (x, y) = ((place % width) as isize, (place / width) as isize);
                let mut expected = 0.0;
                for (dy, dx) in (-radius..=radius).flat_map(|dy| (-radius..=radius).map(move |dx| (dy, dx))) {
                    let value = plane.row(mirrored(y + dy, height))[mirrored(x + dx, width)];
                    expected += f64::from(value) * weight(dx) * weight(dy) / (sum * sum);
                }
                assert!((f64::from(*found) - expected).abs() < 1e-6);
            }
        }
        assert_eq!(
            (-5..9).map(|x| mirrored(x, 4)).collect::<Vec<_>>(),
            [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]
        );
    }

    #[test]
    fn doubled_plane_is_interpolated_and_keeps_its_center() {
        let plane = Plane { width: 3, height: 1, values: vec![0.0, 4.0, 8.0] };
        let doubled = plane.doubled();
        assert_eq!((doubled.width, doubled.height), (6, 2));
        assert_eq!(doubled.row(0), [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]);
        assert_eq!(doubled.row(1), doubled.row(0));
        assert_eq!(doubled.halved().values, [0.0, 3.0, 7.0]);
    }
}
