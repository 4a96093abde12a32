//! Elastic distortion: every pixel moves by a smooth random field.

use serde::{Deserialize, Serialize};
use striate_tensor::Result;
use striate_tensor::random::Random;

use super::Operation;
use super::parameters::{Fill, require};
use crate::Image;

/// Moves every pixel by a field of uniform noise that a Gaussian has smoothed; Simard et al., "Best practices for
/// convolutional neural networks applied to visual document analysis", ICDAR 2003, section 2; torchvision's
/// `ElasticTransform` with bilinear interpolation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticTransform {
    /// Strength: noise in [−1, 1] is smoothed and multiplied by half as many pixels, as in torchvision. The paper's
    /// strength counts whole pixels; its 34 is 68 here.
    pub alpha: f64,
    /// Standard deviation of the Gaussian in pixels; 0 does not smooth.
    pub sigma: f64,
    /// The color of pixels from outside the image.
    pub fill: Fill,
}

impl Default for ElasticTransform {
    fn default() -> Self {
        ElasticTransform { alpha: 50.0, sigma: 5.0, fill: Fill::default() }
    }
}

/// Largest standard deviation in pixels; the work is proportional to it.
const LARGEST_SIGMA: f64 = 64.0;
/// Largest strength; with more, nearly all pixels would come from outside.
const LARGEST_ALPHA: f64 = 65536.0;

impl ElasticTransform {
    /// Draws the shifts of all pixels along x and along y, in pixels.
    pub fn draw(&self, width: usize, height: usize, random: &mut Random) -> [Vec<f32>; 2] {
        [(); 2].map(|()| {
            let mut field: Vec<f32> = (0..width * height).map(|_| random.uniform() * 2.0 - 1.0).collect();
            blur(&mut field, width, self.sigma);
            field.iter_mut().for_each(|shift| *shift *= (self.alpha / 2.0) as f32);
            field
        })
    }
}

impl Operation for ElasticTransform {
    fn check(&self) -> Result<()> {
        let name = "ElasticTransform";
        require((0.0..=LARGEST_ALPHA).contains(&self.alpha), name, "alpha must be from 0 to 65536")?;
        require((0.0..=LARGEST_SIGMA).contains(&self.sigma), name, "sigma must be from 0 to 64 pixels")
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        let [right, down] = self.draw(image.width(), image.height(), random);
        Ok(displace(&image, &right, &down, self.fill.color()))
    }
}

/// Smooths a field of rows of `width` values by a Gaussian of standard deviation `sigma`, cut off at about four of them
/// as in torchvision. The field is reflected at its border, without repeating the border itself.
pub fn blur(field: &mut [f32], width: usize, sigma: f64) {
    let reach = (8.0 * sigma + 1.0) as usize / 2;
    if reach == 0 {
        return;
    }
    let weights = gaussian(reach, sigma);
    let height = field.len() / width;
    let mut padded = vec![0.0; width + 2 * reach];
    for row in field.chunks_exact_mut(width) {
        for (at, value) in padded.iter_mut().enumerate() {
            *value = row[reflected(at as isize - reach as isize, width)];
        }
        row.fill(0.0);
        for (shift, weight) in weights.iter().enumerate() {
            row.iter_mut().zip(&padded[shift..]).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    let from = field.to_vec();
    for (at, row) in field.chunks_exact_mut(width).enumerate() {
        row.fill(0.0);
        for (shift, weight) in weights.iter().enumerate() {
            let line = reflected((at + shift) as isize - reach as isize, height);
            row.iter_mut().zip(&from[line * width..]).for_each(|(sum, value)| *sum += weight * value);
        }
    }
}

/// Returns the weights of a Gaussian at −`reach` … `reach`; their sum is 1.
fn gaussian(reach: usize, sigma: f64) -> Vec<f32> {
    let weight = |at: usize| (-0.5 * ((at as f64 - reach as f64) / sigma).powi(2)).exp();
    let weights: Vec<f64> = (0..=2 * reach).map(weight).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / total) as f32).collect()
}

/// Returns the index in a line of `length` values that is reflected at both ends, as often as needed.
fn reflected(at: isize, length: usize) -> usize {
    let period = 2 * (length as isize - 1);
    if period == 0 {
        return 0;
    }
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

/// Returns the image whose pixel at (x, y) is interpolated at (x + `right`, y + `down`) in the old one, as by
/// torchvision's `elastic_transform`: what is partly outside is mixed with `fill` twice, first with black.
///
/// # Panics
/// If the fields have fewer values than the image has pixels.
#[must_use]
pub fn displace(image: &Image, right: &[f32], down: &[f32], fill: [u8; 3]) -> Image {
    match image.channels() {
        1 => displaced::<1>(image, right, down, [fill[0]]),
        _ => displaced::<3>(image, right, down, fill),
    }
}

fn displaced<const C: usize>(image: &Image, right: &[f32], down: &[f32], fill: [u8; C]) -> Image {
    let (width, height) = (image.width(), image.height());
    let from = image.pixels().as_chunks::<C>().0;
    let mut pixels = Vec::with_capacity(from.len() * C);
    for row in 0..height {
        for column in 0..width {
            let at = row * width + column;
            let (x, y) = (column as f32 + right[at], row as f32 + down[at]);
            // Nothing further out can be seen, and the numbers below stay small.
            let (x, y) = (x.clamp(-2.0, width as f32 + 1.0), y.clamp(-2.0, height as f32 + 1.0));
            let (left, top) = ((x + 2.0) as isize - 2, (y + 2.0) as isize - 2);
            let (across, below) = (x - left as f32, y - top as f32);
            let corners = [
                (left, top, (1.0 - across) * (1.0 - below)),
                (left + 1, top, across * (1.0 - below)),
                (left, top + 1, (1.0 - across) * below),
                (left + 1, top + 1, across * below),
            ];
            let (mut sums, mut inside) = ([0.0; C], 0.0);
            for (x, y, weight) in corners {
                if (0..width as isize).contains(&x) && (0..height as isize).contains(&y) {
                    let pixel = from[y as usize * width + x as usize];
                    sums.iter_mut().zip(pixel).for_each(|(sum, byte)| *sum += weight * f32::from(byte));
                    inside += weight;
                }
            }
            let byte = |(sum, fill): (f32, u8)| {
                (sum * inside + (1.0 - inside) * f32::from(fill)).round_ties_even() as u8
            };
            pixels.extend(sums.into_iter().zip(fill).map(byte));
        }
    }
    Image::new(width, height, C, pixels).expect("the size is the same")
}
