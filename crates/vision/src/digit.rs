//! From a drawing or photograph of one digit to the form of the digit data sets.
//!
//! MNIST was made so (LeCun et al., 1998, section III A): ink is bright on black, the digit fits a box
//! of 20×20 pixels with its aspect ratio kept, and its centre of mass lies in the middle of 28×28.

use crate::{Filter, Image, resize};

/// The digit in `image`, bright on black: its ink fits `ink` × `ink` pixels and its centre of mass lies in
/// the middle of `width` × `height`. An image without ink becomes black.
pub(crate) fn centre_digit(image: &Image, ink: usize, width: usize, height: usize) -> Image {
    let grey = bright_on_black(&image.to_grey());
    let Some([left, top, right, bottom]) = bounds(&grey) else {
        return Image::new(width, height, 1, vec![0; width * height]).expect("sizes fit");
    };
    let (w, h) = (right - left, bottom - top);
    let digit = grey.window(left as isize, top as isize, w, h, 0);
    let scale = ink as f64 / w.max(h) as f64;
    let scaled = |side: usize| ((side as f64 * scale).round() as usize).clamp(1, ink);
    let digit = resize(&digit, scaled(w), scaled(h), Filter::Bilinear);
    let [x, y] = centre_of_mass(&digit);
    let offset = |centre: f64, side: usize| (centre - (side as f64 - 1.0) / 2.0).round() as isize;
    digit.window(offset(x, width), offset(y, height), width, height, 0)
}

/// Inverts when the border is bright, and stretches so that background is 0 and full ink 255.
fn bright_on_black(grey: &Image) -> Image {
    let (w, h) = (grey.width(), grey.height());
    let edge = |x: usize, y: usize| x == 0 || y == 0 || x == w - 1 || y == h - 1;
    let mut border: Vec<u8> = (0..h)
        .flat_map(|y| (0..w).map(move |x| (x, y)))
        .filter(|(x, y)| edge(*x, *y))
        .map(|(x, y)| grey.pixel(x, y)[0])
        .collect();
    border.sort_unstable();
    let background = border[border.len() / 2];
    let mut result = if background > 127 { grey.inverted() } else { grey.clone() };
    let background = background.min(255 - background);
    let brightest = result.pixels().iter().copied().max().unwrap_or(0);
    // Noise of the background, such as a JPEG's, stays below an eighth of the contrast.
    let floor = f32::from(background) + f32::from(brightest - background.min(brightest)) / 8.0;
    let range = (f32::from(brightest) - floor).max(1.0);
    for x in result.pixels_mut() {
        *x = ((f32::from(*x) - floor) / range * 255.0).clamp(0.0, 255.0).round() as u8;
    }
    result
}

/// Left, top, right and bottom of what is not black.
fn bounds(grey: &Image) -> Option<[usize; 4]> {
    let mut found: Option<[usize; 4]> = None;
    for y in 0..grey.height() {
        for x in (0..grey.width()).filter(|x| grey.pixel(*x, y)[0] > 0) {
            let [l, t, r, b] = found.unwrap_or([x, y, x + 1, y + 1]);
            found = Some([l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)]);
        }
    }
    found
}

fn centre_of_mass(grey: &Image) -> [f64; 2] {
    let (mut mass, mut sums) = (0.0, [0.0; 2]);
    for y in 0..grey.height() {
        for x in 0..grey.width() {
            let ink = f64::from(grey.pixel(x, y)[0]);
            mass += ink;
            sums[0] += ink * x as f64;
            sums[1] += ink * y as f64;
        }
    }
    sums.map(|sum| sum / mass.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dark_stroke_on_white_is_centred_and_bright() {
        let mut image = Image::filled(300, 200, [250, 250, 250]);
        for y in 20..120 {
            for x in 30..50 {
                let at = (y * 300 + x) * 3;
                image.pixels_mut()[at..at + 3].fill(10);
            }
        }
        let digit = centre_digit(&image, 20, 28, 28);
        assert_eq!(bounds(&digit), Some([12, 4, 16, 24]));
        assert_eq!(digit.pixel(13, 14), [255]);
    }

    #[test]
    fn an_empty_sheet_is_black() {
        let digit = centre_digit(&Image::filled(30, 30, [255; 3]), 20, 28, 28);
        assert!(digit.pixels().iter().all(|x| *x == 0));
    }
}
