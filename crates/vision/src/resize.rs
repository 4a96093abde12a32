//! Resizing with Pillow's antialiased filters, in Pillow's own arithmetic, so that results are bitwise equal.
//!
//! Each axis is resized by itself, with bytes in between: first every row to the new width, then every column to
//! the new height; the other way round where the height loses more than twice as many pixels as the width, as in
//! Pillow from version 13 on. A new pixel is a weighted sum of the old ones under the filter, which is stretched
//! when the image shrinks to prevent aliasing. Weights are integers with 22 fractional bits. Source: Pillow,
//! `src/libImaging/Resample.c`, and `Geometry.c` for nearest.

use serde::{Deserialize, Serialize};

use crate::Image;

/// A resampling filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The pixel at the center of the covered area.
    Nearest,
    /// The mean over the covered area.
    Box,
    /// A triangle.
    Bilinear,
    /// Keys' cubic with a = −1/2.
    Bicubic,
}

impl Filter {
    /// Returns how far the unstretched filter reaches from its center, in pixels.
    fn support(self) -> f64 {
        match self {
            Filter::Nearest => 0.0,
            Filter::Box => 0.5,
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let distance = x.abs();
        match self {
            Filter::Box if x > -0.5 && x <= 0.5 => 1.0,
            Filter::Bilinear if distance < 1.0 => 1.0 - distance,
            Filter::Bicubic if distance < 1.0 => {
                ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0
            }
            Filter::Bicubic if distance < 2.0 => (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// Fractional bits of a weight: a byte times a weight, and the overshoot of a sum, fit into 32 bits.
const PRECISION: u32 = 22;
/// One half, the initial value of every sum, so that it is rounded.
const HALF: i32 = 1 << (PRECISION - 1);

/// The old pixels under one new pixel: the first of them, and their weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// Resizes `image` to `width` × `height` pixels.
///
/// # Panics
/// If a side is zero.
#[must_use]
pub fn resize(image: &Image, width: usize, height: usize, filter: Filter) -> Image {
    assert!(width > 0 && height > 0, "the sides must not be zero");
    if (width, height) == (image.width(), image.height()) {
        return image.clone();
    }
    if filter == Filter::Nearest {
        return nearest(image, width, height);
    }
    let lost = |from: usize, to: usize| from as i64 - to as i64;
    let (columns, rows) = (lost(image.width(), width), lost(image.height(), height));
    match rows > 0 && rows > 2 * columns {
        true => across(&down(image, height, filter), width, filter),
        false => down(&across(image, width, filter), height, filter),
    }
}

/// Resizes every row to `width`.
fn across(image: &Image, width: usize, filter: Filter) -> Image {
    match image.channels() {
        _ if width == image.width() => image.clone(),
        1 => across_of::<1>(image, width, filter),
        _ => across_of::<3>(image, width, filter),
    }
}

/// [`across`] of an image of `C` channels.
fn across_of<const C: usize>(image: &Image, width: usize, filter: Filter) -> Image {
    let taps = taps(image.width(), width, filter);
    let mut pixels = vec![0; width * image.height() * C];
    let rows = image.pixels().chunks_exact(image.width() * C);
    for (from, to) in rows.zip(pixels.chunks_exact_mut(width * C)) {
        for (taps, to) in taps.iter().zip(to.chunks_exact_mut(C)) {
            let mut sums = [HALF; C];
            for (pixel, weight) in from[taps.first * C..].chunks_exact(C).zip(&taps.weights) {
                for (sum, byte) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*byte) * weight;
                }
            }
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to = to_byte(sum));
        }
    }
    Image::new(width, image.height(), C, pixels).expect("sizes fit")
}

/// Resizes every column to `height`, a whole row at a time.
fn down(image: &Image, height: usize, filter: Filter) -> Image {
    if height == image.height() {
        return image.clone();
    }
    let line = image.width() * image.channels();
    let mut pixels = vec![0; height * line];
    let mut sums = vec![HALF; line];
    for (taps, to) in taps(image.height(), height, filter).iter().zip(pixels.chunks_exact_mut(line)) {
        sums.fill(HALF);
        for (row, weight) in image.pixels()[taps.first * line..].chunks_exact(line).zip(&taps.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum += i32::from(*byte) * weight);
        }
        to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = to_byte(*sum));
    }
    Image::new(image.width(), height, image.channels(), pixels).expect("sizes fit")
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Returns for each of `to` new pixels the old ones, of `from`, that contribute to it.
fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let one = |at: usize| {
        let center = (at as f64 + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let weight = |x: usize| filter.weight((x as f64 - center + 0.5) * (1.0 / stretch));
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let total: f64 = weights.iter().sum();
        let fixed = |weight: &f64| (weight / total * f64::from(1 << PRECISION)).round() as i32;
        Taps { first, weights: weights.iter().map(fixed).collect() }
    };
    (0..to).map(one).collect()
}

fn nearest(image: &Image, width: usize, height: usize) -> Image {
    let channels = image.channels();
    let columns: Vec<usize> = places(image.width(), width).collect();
    let mut pixels = Vec::with_capacity(width * height * channels);
    for row in places(image.height(), height) {
        columns.iter().for_each(|column| pixels.extend_from_slice(image.pixel(*column, row)));
    }
    Image::new(width, height, channels, pixels).expect("sizes fit")
}

/// Returns for each of `to` new pixels the old one, of `from`, under its center. Steps are added up as in Pillow,
/// because rounding decides where a center lies on an edge.
fn places(from: usize, to: usize) -> impl Iterator<Item = usize> {
    let scale = from as f64 / to as f64;
    let middles = std::iter::successors(Some(scale * 0.5), move |middle| Some(middle + scale));
    middles.take(to).map(move |middle| (middle as usize).min(from - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_image_stays_flat() {
        let image = Image::filled(17, 5, [0, 128, 255]);
        for filter in [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic] {
            for (w, h) in [(1, 1), (17, 9), (40, 5), (3, 30)] {
                assert_eq!(resize(&image, w, h, filter), Image::filled(w, h, [0, 128, 255]), "{filter:?}");
            }
        }
    }
}
