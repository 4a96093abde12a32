//! Dense SIFT: upright descriptors of fixed sizes on a grid, as a feature map.
//!
//! They equal those of key points with angle 0 in the centers of the grid. As windows are aligned with pixels, the
//! votes of a direction are two one-dimensional sums, first across, then down. Source of their use: Lazebnik, Schmid
//! and Ponce, "Beyond bags of features", CVPR 2006; of the sizes and the smoothing: VLFeat's `vl_phow`.

use striate_tensor::preprocessing::DenseSift;
use striate_tensor::{Result, Vectorize, vectorized};

use super::descriptor::{DIRECTIONS, REGIONS, VALUES, direction, normalize, window};
use super::plane::Plane;
use super::scale_space::BLUR_OF_IMAGE;
use crate::Image;
use crate::features::Extract;

impl Extract for DenseSift {
    /// Returns the features of `image` with their shape, that of [`DenseSift::output_shape`]: for each size, the values
    /// of descriptors in the order row of the region, column, direction. Each is of Euclidean norm 1 or 0.
    ///
    /// # Errors
    /// As for [`DenseSift::output_shape`].
    fn features(&self, image: &Image) -> Result<([usize; 3], Vec<f32>)> {
        let shape = self.output_shape([image.height(), image.width()])?;
        let plane = Plane::of(image);
        let mut features = vec![0.0; shape.iter().product()];
        let of_size = features.len() / self.sizes.len();
        for (size, features) in self.sizes.iter().zip(features.chunks_exact_mut(of_size)) {
            let sigma = if self.smoothing > 0.0 { size / self.smoothing } else { 0.0 };
            let variance = sigma * sigma - (BLUR_OF_IMAGE * BLUR_OF_IMAGE) as f32;
            let blurred = (variance > 0.0).then(|| plane.blurred(f64::from(variance).sqrt()));
            let down = Axis::new(plane.height, shape[1], self.step, *size);
            let across = Axis::new(plane.width, shape[2], self.step, *size);
            let plane = blurred.as_ref().unwrap_or(&plane);
            vectorized(Sums { plane, axes: [&down, &across], root: self.root, features });
        }
        Ok((shape, features))
    }
}

/// The grid along an axis, and how much each pixel contributes to the regions of a window.
struct Axis {
    centers: usize,
    step: usize,
    pixels: usize,
    /// For each region: the place of its first weight in relation to the first pixel, for the first center.
    firsts: [isize; REGIONS],
    weights: [Vec<f32>; REGIONS],
}

impl Axis {
    /// `centers` centers, `step` pixels apart, in the middle of `pixels`, with regions of side `size`.
    fn new(pixels: usize, centers: usize, step: usize, size: f32) -> Axis {
        let (first, size) = (first_center(pixels, centers, step), f64::from(size));
        let middle = |region: usize| first + (region as f64 - (REGIONS - 1) as f64 / 2.0) * size;
        let firsts: [isize; REGIONS] = std::array::from_fn(|region| (middle(region) - size).ceil() as isize);
        let weights = std::array::from_fn(|region| {
            let places = firsts[region]..=(middle(region) + size).floor() as isize;
            let weight = |place: isize| {
                let share = 1.0 - (place as f64 - middle(region)).abs() / size;
                (share * window(((place as f64 - first) / size).powi(2))) as f32
            };
            places.map(weight).collect()
        });
        Axis { centers, step, pixels, firsts, weights }
    }

    /// Returns the pixels and weights of a region of the window around a center.
    #[inline(always)]
    fn taps(&self, center: usize, region: usize) -> impl Iterator<Item = (usize, f32)> {
        let first = self.firsts[region] + (center * self.step) as isize;
        let skipped = first.min(0).unsigned_abs();
        let places = first.max(0) as usize..self.pixels;
        places.zip(self.weights[region].iter().copied().skip(skipped))
    }
}

/// Returns the place of the first center of a grid in the middle of `pixels`; it may lie between two pixels.
fn first_center(pixels: usize, centers: usize, step: usize) -> f64 {
    (pixels - 1 - (centers - 1) * step) as f64 / 2.0
}

/// The votes of a row of regions for each direction.
type Row = [[f32; DIRECTIONS]; REGIONS];

/// Computes the descriptors of one size.
struct Sums<'a> {
    plane: &'a Plane,
    /// Down and across.
    axes: [&'a Axis; 2],
    root: bool,
    features: &'a mut [f32],
}

impl Vectorize for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Sums { plane, axes: [down, across], root, features } = self;
        let mut sums: Vec<Row> = vec![[[0.0; DIRECTIONS]; REGIONS]; plane.height * across.centers];
        let mut votes = vec![[0.0; DIRECTIONS]; plane.width];
        for y in 1..plane.height.saturating_sub(1) {
            fill(plane, y, &mut votes);
            for (center, sums) in sums[y * across.centers..][..across.centers].iter_mut().enumerate() {
                for (region, sums) in sums.iter_mut().enumerate() {
                    for (x, weight) in across.taps(center, region) {
                        let pairs = sums.iter_mut().zip(&votes[x]);
                        pairs.for_each(|(sum, vote)| *sum += weight * vote);
                    }
                }
            }
        }
        let places = down.centers * across.centers;
        for place in 0..places {
            let mut values = [0.0; VALUES];
            for (region, values) in
                values.as_chunks_mut::<{ REGIONS * DIRECTIONS }>().0.iter_mut().enumerate()
            {
                for (y, weight) in down.taps(place / across.centers, region) {
                    let row = sums[y * across.centers + place % across.centers].as_flattened();
                    values.iter_mut().zip(row).for_each(|(value, sum)| *value += weight * sum);
                }
            }
            normalize(&mut values);
            if root {
                take_roots(&mut values);
            }
            for (channel, value) in values.into_iter().enumerate() {
                features[channel * places + place] = value;
            }
        }
    }
}

/// Divides the gradient of each pixel of row `y` among the two nearest directions.
#[inline(always)]
fn fill(plane: &Plane, y: usize, votes: &mut [[f32; DIRECTIONS]]) {
    let [above, row, below] = [y - 1, y, y + 1].map(|y| plane.row(y));
    for x in 1..plane.width.saturating_sub(1) {
        let (dx, dy) = (row[x + 1] - row[x - 1], below[x] - above[x]);
        votes[x] = [0.0; DIRECTIONS];
        let magnitude = (dx * dx + dy * dy).sqrt();
        if magnitude > 0.0 {
            let direction = direction(dx, dy);
            let (first, share) = (direction as usize, direction.fract() as f32);
            votes[x][first % DIRECTIONS] = magnitude * (1.0 - share);
            votes[x][(first + 1) % DIRECTIONS] = magnitude * share;
        }
    }
}

/// Replaces values by the square roots of their shares in the sum.
fn take_roots(values: &mut [f32; VALUES]) {
    let sum: f32 = values.iter().sum();
    let factor = if sum > 0.0 { sum.recip() } else { 0.0 };
    values.iter_mut().for_each(|value| *value = (*value * factor).sqrt());
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::{Window, descriptor};
    use super::*;

    fn image(width: usize, height: usize) -> Image {
        let value = |i: usize| ((i % width).pow(2) * 3 + (i / width) * 11 + i * 7919 % 50) as u8;
        Image::new(width, height, 1, (0..width * height).map(value).collect()).unwrap()
    }

    #[test]
    fn descriptors_equal_those_of_windows_in_the_plane() {
        for (width, height, step, size) in
            [(28, 28, 4, 4.0), (31, 20, 3, 2.5), (9, 40, 9, 5.0), (5, 1, 1, 1.0)]
        {
            let image = image(width, height);
            let dense = DenseSift { step, sizes: vec![2.0, size], smoothing: 0.0, root: false };
            let (shape, values) = dense.features(&image).unwrap();
            assert_eq!(shape, [256, height / step, width / step]);
            let places = shape[1] * shape[2];
            for place in 0..places {
                let center = |pixels, centers, at| first_center(pixels, centers, step) + (at * step) as f64;
                let x = center(width, shape[2], place % shape[2]);
                let y = center(height, shape[1], place / shape[2]);
                let window = Window { x, y, scale: f64::from(size) / 3.0, angle: 0.0 };
                for (channel, expected) in descriptor(&Plane::of(&image), &window).into_iter().enumerate() {
                    let found = values[(128 + channel) * places + place];
                    assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
                }
            }
        }
    }

    #[test]
    fn roots_have_norm_one_and_flat_images_are_zero() {
        let dense = DenseSift { sizes: vec![4.0, 6.0], ..DenseSift::default() };
        let (shape, values) = dense.features(&image(28, 28)).unwrap();
        assert_eq!(shape, [256, 7, 7]);
        for place in 0..49 {
            let squares = (0..128).map(|channel| values[channel * 49 + place].powi(2));
            assert!((squares.sum::<f32>() - 1.0).abs() < 1e-5);
        }
        assert!(dense.features(&Image::filled(28, 28, [9; 3])).unwrap().1.iter().all(|value| *value == 0.0));
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let good = DenseSift::default();
        for bad in [
            DenseSift { step: 0, ..good.clone() },
            DenseSift { sizes: vec![], ..good.clone() },
            DenseSift { sizes: vec![f32::NAN], ..good.clone() },
            DenseSift { sizes: vec![4.0; 9], ..good.clone() },
            DenseSift { smoothing: 0.5, ..good.clone() },
        ] {
            assert!(bad.output_shape([28, 28]).unwrap_err().is_input(), "{bad:?}");
        }
        assert!(good.output_shape([3, 28]).is_err() && good.output_shape([1 << 20, 1 << 20]).is_err());
        assert!(DenseSift { step: 1, ..good }.output_shape([4096, 4096]).is_err());
    }
}
