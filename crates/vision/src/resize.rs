//! Resizing with Pillow's antialiased filters, in Pillow's own arithmetic: each axis by itself, first
//! the rows' pixels, then the columns', with coefficients of 22 bits and rounding to bytes in between.

use serde::{Deserialize, Serialize};

use crate::Image;

/// A filter of resizing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Mean over the covered area.
    Box,
    /// A triangle.
    Bilinear,
    /// Keys' cubic with a = −1/2.
    Bicubic,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Filter::Box => 0.5,
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Filter::Box if x > -0.5 && x <= 0.5 => 1.0,
            Filter::Bilinear if distance < 1.0 => 1.0 - distance,
            Filter::Bicubic if distance < 1.0 => (1.5 * distance - 2.5) * distance * distance + 1.0,
            Filter::Bicubic if distance < 2.0 => ((distance - 5.0) * distance + 8.0) * distance * -0.5 + 2.0,
            _ => 0.0,
        }
    }
}

const PRECISION: u32 = 22;

/// The pixels that one new pixel is made of: the first, and their coefficients.
struct Taps {
    first: usize,
    coefficients: Vec<i32>,
}

/// The image with `width` × `height` pixels.
///
/// # Panics
/// If a side is zero.
#[must_use]
pub fn resize(image: &Image, width: usize, height: usize, filter: Filter) -> Image {
    assert!(width > 0 && height > 0, "an image has pixels");
    let channels = image.channels();
    let mut current = image.clone();
    if width != image.width() {
        let taps = taps(image.width(), width, filter);
        let mut pixels = Vec::with_capacity(width * image.height() * channels);
        for row in current.pixels().chunks_exact(image.width() * channels) {
            for taps in &taps {
                for channel in 0..channels {
                    pixels.push(weigh(taps, |at| row[at * channels + channel]));
                }
            }
        }
        current = Image::new(width, image.height(), channels, pixels).expect("sizes fit");
    }
    if height != image.height() {
        let line = width * channels;
        let mut pixels = Vec::with_capacity(height * line);
        for taps in taps(image.height(), height, filter) {
            pixels.extend((0..line).map(|x| weigh(&taps, |at| current.pixels()[at * line + x])));
        }
        current = Image::new(width, height, channels, pixels).expect("sizes fit");
    }
    current
}

fn weigh(taps: &Taps, value: impl Fn(usize) -> u8) -> u8 {
    let start = 1i64 << (PRECISION - 1);
    let products = taps.coefficients.iter().enumerate();
    let sum = products.fold(start, |sum, (i, c)| sum + i64::from(value(taps.first + i)) * i64::from(*c));
    (sum >> PRECISION).clamp(0, 255) as u8
}

fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let one = |at: usize| {
        let centre = (at as f64 + 0.5) * scale;
        let first = ((centre - support + 0.5) as isize).max(0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weights: Vec<f64> =
            (first..end).map(|x| filter.weight((x as f64 - centre + 0.5) / stretch)).collect();
        let total: f64 = weights.iter().sum();
        let fixed = |weight: &f64| (weight / total * f64::from(1 << PRECISION)).round() as i32;
        Taps { first, coefficients: weights.iter().map(fixed).collect() }
    };
    (0..to).map(one).collect()
}
