//! An image of bytes and its basic transformations.

use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

/// An image: rows of pixels, top row first, with 1 (gray) or 3 (red, green, blue) bytes per pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

impl Image {
    /// Creates an image from its pixels.
    ///
    /// # Errors
    /// If a side is zero, the number of channels is not 1 or 3, or the number of bytes does not match.
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> Result<Image> {
        let wanted = width.checked_mul(height).and_then(|area| area.checked_mul(channels));
        if width == 0 || height == 0 || !matches!(channels, 1 | 3) || wanted != Some(pixels.len()) {
            let count = pixels.len();
            let what = format!(
                "{} cannot be an image of {width}x{height} pixels with {}",
                counted(count, "byte"),
                counted(channels, "channel")
            );
            return Err(Error::input(what));
        }
        Ok(Image { width, height, channels, pixels })
    }

    /// Creates an image of one color.
    ///
    /// # Panics
    /// If a side is zero.
    pub fn filled(width: usize, height: usize, color: [u8; 3]) -> Image {
        assert!(width > 0 && height > 0, "the sides must not be zero");
        Image { width, height, channels: 3, pixels: color.repeat(width * height) }
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the number of channels, 1 or 3.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the bytes, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Returns the bytes, row by row.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Returns the bytes for writing, row by row.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// Returns the bytes of the pixel in `column` and `row`.
    ///
    /// # Panics
    /// If it is outside the image.
    pub fn pixel(&self, column: usize, row: usize) -> &[u8] {
        let start = (row * self.width + column) * self.channels;
        &self.pixels[start..start + self.channels]
    }

    /// Converts to gray by the luma of ITU-R 601, rounded as by Pillow.
    #[must_use]
    pub fn to_gray(&self) -> Image {
        let pixels = match self.channels {
            1 => self.pixels.clone(),
            _ => self.pixels.as_chunks::<3>().0.iter().map(|rgb| luma(*rgb)).collect(),
        };
        Image { channels: 1, pixels, ..*self }
    }

    /// Converts to color; gray is repeated three times.
    #[must_use]
    pub fn to_rgb(&self) -> Image {
        let pixels = match self.channels {
            3 => self.pixels.clone(),
            _ => self.pixels.iter().flat_map(|gray| [*gray; 3]).collect(),
        };
        Image { channels: 3, pixels, ..*self }
    }

    /// Inverts the brightness.
    #[must_use]
    pub fn inverted(&self) -> Image {
        Image { pixels: self.pixels.iter().map(|x| 255 - x).collect(), ..*self }
    }

    /// Mirrors left to right.
    #[must_use]
    pub fn mirrored(&self) -> Image {
        let mut image = self.clone();
        image.mirror();
        image
    }

    /// Mirrors left to right, in place.
    pub fn mirror(&mut self) {
        let line = self.width * self.channels;
        for row in self.pixels.chunks_exact_mut(line) {
            match self.channels {
                1 => row.reverse(),
                _ => row.as_chunks_mut::<3>().0.reverse(),
            }
        }
    }

    /// Turns upside down, in place.
    pub fn flip(&mut self) {
        let line = self.width * self.channels;
        let (upper, rest) = self.pixels.split_at_mut(self.height / 2 * line);
        for (above, below) in upper.chunks_exact_mut(line).zip(rest.chunks_exact_mut(line).rev()) {
            above.swap_with_slice(below);
        }
    }

    /// Cuts out `width` × `height` pixels, the upper left of which is (`left`, `top`); pixels outside the
    /// image have the value `fill`.
    ///
    /// # Panics
    /// If a side is zero.
    #[must_use]
    pub fn window(&self, left: isize, top: isize, width: usize, height: usize, fill: u8) -> Image {
        self.window_on(left, top, width, height, [fill; 3])
    }

    /// Like [`Image::window`]; pixels outside the image have the color `fill`, of which a gray image takes the first
    /// value.
    ///
    /// # Panics
    /// If a side is zero.
    #[must_use]
    pub fn window_on(&self, left: isize, top: isize, width: usize, height: usize, fill: [u8; 3]) -> Image {
        assert!(width > 0 && height > 0, "the sides must not be zero");
        let mut pixels = match fill {
            [red, green, blue] if self.channels == 1 || (red == green && green == blue) => {
                vec![red; width * height * self.channels]
            }
            _ => fill.repeat(width * height),
        };
        for row in 0..height {
            let Some(y) = top.checked_add_unsigned(row).and_then(|y| usize::try_from(y).ok()) else {
                continue;
            };
            if y >= self.height {
                break;
            }
            let skipped = left.min(0).unsigned_abs();
            let first = left.max(0) as usize;
            if skipped >= width || first >= self.width {
                continue;
            }
            let count = (width - skipped).min(self.width - first);
            let from = (y * self.width + first) * self.channels;
            let to = (row * width + skipped) * self.channels;
            let length = count * self.channels;
            pixels[to..to + length].copy_from_slice(&self.pixels[from..from + length]);
        }
        Image { width, height, channels: self.channels, pixels }
    }

    /// Cuts out the center `width` × `height` pixels, with `fill` where the image is smaller. Odd differences
    /// are halved as in torchvision's `CenterCrop`: the offset of a crop is rounded to even, a border is
    /// narrower at the left and top.
    ///
    /// # Panics
    /// If a side is zero.
    #[must_use]
    pub fn centered(&self, width: usize, height: usize, fill: u8) -> Image {
        let offset = |whole: usize, part: usize| match whole.checked_sub(part) {
            Some(cut) => (cut / 2 + (cut % 4 == 3) as usize) as isize,
            None => -(((part - whole) / 2) as isize),
        };
        self.window(offset(self.width, width), offset(self.height, height), width, height, fill)
    }
}

/// Returns the luma of ITU-R 601 of a color, rounded as by Pillow.
pub(crate) fn luma(rgb: [u8; 3]) -> u8 {
    let [r, g, b] = rgb.map(u32::from);
    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Image {
        Image::new(width, height, 1, (0..width * height).map(|i| i as u8).collect()).unwrap()
    }

    #[test]
    fn wrong_number_of_bytes_is_refused() {
        assert!(Image::new(2, 2, 3, vec![0; 12]).is_ok());
        for (w, h, c, bytes) in [(2, 2, 3, 11), (0, 2, 1, 0), (2, 2, 2, 8), (usize::MAX, 2, 3, 6)] {
            assert!(Image::new(w, h, c, vec![0; bytes]).unwrap_err().is_input());
        }
    }

    #[test]
    fn windows_may_extend_beyond_the_image() {
        let image = ramp(3, 2);
        assert_eq!(image.window(1, 0, 2, 2, 9).pixels(), [1, 2, 4, 5]);
        assert_eq!(image.window(-1, -1, 3, 3, 9).pixels(), [9, 9, 9, 9, 0, 1, 9, 3, 4]);
        assert_eq!(image.window(2, 1, 2, 2, 9).pixels(), [5, 9, 9, 9]);
        for (left, top) in [(isize::MIN, 0), (0, isize::MIN), (isize::MAX, 0), (0, isize::MAX), (3, 2)] {
            assert_eq!(image.window(left, top, 1, 1, 9).pixels(), [9]);
        }
    }

    /// `torchvision.transforms.functional.center_crop` of a row of pixels.
    #[test]
    fn center_crop_matches_torchvision() {
        for (width, wanted, first) in [(5, 4, 0), (7, 4, 2), (9, 4, 2), (11, 4, 4), (8, 4, 2), (4, 4, 0)] {
            assert_eq!(ramp(width, 1).centered(wanted, 1, 99).pixels()[0], first, "{width} to {wanted}");
        }
        assert_eq!(ramp(2, 1).centered(5, 1, 99).pixels(), [99, 0, 1, 99, 99]);
    }

    #[test]
    fn mirroring_and_inverting_twice_is_identity() {
        let image = Image::new(3, 2, 3, (0..18).collect()).unwrap();
        assert_ne!(image.mirrored(), image);
        assert_eq!(image.mirrored().mirrored(), image);
        assert_eq!(image.mirrored().pixel(0, 1), image.pixel(2, 1));
        assert_eq!(image.inverted().inverted(), image);
        assert_eq!(image.to_gray().to_rgb().to_gray(), image.to_gray());
    }
}
