//! Brightness, contrast, saturation and sharpness by a fixed factor: an image is mixed with a degenerate one, as in
//! Pillow's `ImageEnhance`, with the same bytes.
//!
//! A factor of 1 keeps the image, 0 gives the degenerate one, and a factor above 1 exaggerates the difference. The idea
//! is that of Haeberli and Voorhies, "Image processing by interpolation and extrapolation", IRIS Universe 28, 1994.

use super::tone::map;
use crate::Image;
use crate::image::luma;

/// Returns `from + factor * (to - from)`, rounded down and limited to a byte, in the arithmetic of Pillow's `blend`.
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let (from, to) = (f32::from(from), f32::from(to));
    // The conversion of an `f32` to a byte rounds towards zero and limits.
    (from + factor * (to - from)) as u8
}

/// Multiplies every byte by `factor`.
pub fn adjust_brightness(image: &mut Image, factor: f64) {
    map(image, |byte| blend(0, byte, factor as f32));
}

/// Scales the distance of every byte from the mean gray of the image by `factor`.
pub fn adjust_contrast(image: &mut Image, factor: f64) {
    let count = image.width() * image.height();
    let sum: u64 = match image.channels() {
        1 => image.pixels().iter().map(|byte| u64::from(*byte)).sum(),
        _ => image.pixels().as_chunks::<3>().0.iter().map(|rgb| u64::from(luma(*rgb))).sum(),
    };
    let mean = (sum as f64 / count as f64 + 0.5) as u8;
    map(image, |byte| blend(mean, byte, factor as f32));
}

/// Scales the distance of every pixel from its gray by `factor`; does not change a gray image.
pub fn adjust_saturation(image: &mut Image, factor: f64) {
    if image.channels() == 1 {
        return;
    }
    for pixel in image.pixels_mut().as_chunks_mut::<3>().0 {
        let gray = luma(*pixel);
        *pixel = pixel.map(|byte| blend(gray, byte, factor as f32));
    }
}

/// Scales the distance of every pixel from the weighted mean of its 3 × 3 neighbors by `factor`. The weights are 5 in
/// the center and 1 elsewhere; the border of the image is not changed.
pub fn adjust_sharpness(image: &mut Image, factor: f64) {
    let (width, height, channels) = (image.width(), image.height(), image.channels());
    if width < 3 || height < 3 {
        return;
    }
    let line = width * channels;
    // Rows are changed in place, so the old row above is kept, as is the old one itself.
    let mut above = image.pixels()[..line].to_vec();
    let mut old = vec![0; line];
    for row in 1..height - 1 {
        let (before, below) = image.pixels_mut().split_at_mut((row + 1) * line);
        let current = &mut before[row * line..];
        old.copy_from_slice(current);
        for at in channels..line - channels {
            let around = [at - channels, at, at + channels];
            let sum = |row: &[u8]| around.iter().map(|at| u32::from(row[*at])).sum::<u32>();
            let sum = sum(&above) + sum(&old) + sum(below) + 4 * u32::from(old[at]);
            // 13 is odd, so a sum never falls halfway between two integers, and Pillow's floats round to the same one.
            let smooth = (2 * sum + 13) / 26;
            current[at] = blend(smooth as u8, old[at], factor as f32);
        }
        std::mem::swap(&mut above, &mut old);
    }
}
