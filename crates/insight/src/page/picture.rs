//! Images inside a page.

use striate_tensor::{Error, Result};
use striate_vision::{Filter, Image, encode_jpeg, encode_png, resize};

use super::escaped;
use crate::enlarged;

/// The quality of JPEG files, of 100.
const QUALITY: u8 = 82;
/// Longer sides of images that are stored losslessly if the file is not larger than this.
const SMALL_PNG: usize = 6 << 10;

/// The color between the images of a mosaic, neither a gray nor one of a color map.
const BEHIND: [u8; 3] = [196, 160, 148];

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns bytes in Base64 (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            match digit <= group.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

/// Returns an image as the address of an inline file: PNG if that is small or smaller, else JPEG.
///
/// # Errors
/// If the image cannot be encoded.
pub fn data_uri(image: &Image) -> Result<String> {
    let png = encode_png(image)?;
    if png.len() <= SMALL_PNG {
        return Ok(format!("data:image/png;base64,{}", base64(&png)));
    }
    let jpeg = encode_jpeg(image, QUALITY)?;
    Ok(match png.len() <= jpeg.len() {
        true => format!("data:image/png;base64,{}", base64(&png)),
        false => format!("data:image/jpeg;base64,{}", base64(&jpeg)),
    })
}

/// Enlarges an image by an integer factor up to `side`, or reduces it to that.
fn fitted(image: &Image, side: usize) -> Image {
    let longest = image.width().max(image.height());
    if longest <= side {
        return enlarged(image, side);
    }
    let length = |own: usize| (own * side / longest).max(1);
    resize(image, length(image.width()), length(image.height()), Filter::Bicubic)
}

/// An image of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The address of the inline file.
    uri: String,
    width: usize,
    height: usize,
    /// Whether its pixels should stay visible when it is enlarged.
    is_pixels: bool,
    /// What it shows, for those who do not see it.
    alt: String,
}

impl Picture {
    /// Takes an image whose sides are at most `side` pixels long when shown: a larger one is reduced, a smaller one
    /// enlarged by the browser, by an integer factor.
    ///
    /// # Errors
    /// If the image cannot be encoded.
    pub fn new(image: &Image, side: usize, alt: impl Into<String>) -> Result<Picture> {
        let longest = image.width().max(image.height());
        let (reduced, times) = match longest > side {
            true => {
                let length = |own: usize| (own * side / longest).max(1);
                (Some(resize(image, length(image.width()), length(image.height()), Filter::Bicubic)), 1)
            }
            false => (None, side / longest),
        };
        let shown = reduced.as_ref().unwrap_or(image);
        let (width, height) = (shown.width() * times, shown.height() * times);
        Ok(Picture { uri: data_uri(shown)?, width, height, is_pixels: times > 1, alt: alt.into() })
    }

    /// Takes small images of one size side by side, in rows of `columns`, each enlarged by the integer factor that
    /// brings its longer side closest to `side` from below, or reduced to it.
    ///
    /// # Errors
    /// As [`Picture::new`], or if `images` is empty.
    pub fn mosaic(images: &[Image], columns: usize, side: usize, alt: impl Into<String>) -> Result<Picture> {
        const GAP: usize = 2;
        let tiles: Vec<Image> = images.iter().map(|image| fitted(image, side).to_rgb()).collect();
        let first = tiles.first().ok_or_else(|| Error::failed("no images to show"))?;
        let (across, down) = (first.width() + GAP, first.height() + GAP);
        let columns = columns.clamp(1, tiles.len());
        let (width, height) = (columns * across - GAP, tiles.len().div_ceil(columns) * down - GAP);
        let mut all = Image::filled(width, height, BEHIND);
        for (index, tile) in tiles.iter().enumerate() {
            let (left, top) = (index % columns * across, index / columns * down);
            for row in 0..tile.height().min(height - top) {
                let count = 3 * tile.width().min(width - left);
                let to = 3 * ((top + row) * width + left);
                let from = 3 * row * tile.width();
                all.pixels_mut()[to..to + count].copy_from_slice(&tile.pixels()[from..from + count]);
            }
        }
        Picture::new(&all, width.max(height), alt)
    }

    /// Returns the element.
    pub fn html(&self) -> String {
        let Picture { uri, width, height, is_pixels, alt } = self;
        let class = if *is_pixels { " class=\"pixels\"" } else { "" };
        format!("<img src=\"{uri}\" width=\"{width}\" height=\"{height}\"{class} alt=\"{}\">", escaped(alt))
    }

    /// The bytes that it takes in the page, roughly.
    pub fn bytes(&self) -> usize {
        self.uri.len() + self.alt.len() + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648.
    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn mosaic_shows_all_images() {
        let images: Vec<Image> = (0..5).map(|i| Image::filled(3, 2, [i, 0, 0])).collect();
        let html = Picture::mosaic(&images, 3, 9, "five").unwrap().html();
        assert!(html.contains("width=\"31\" height=\"14\" alt=\"five\""), "{html}");
        assert!(Picture::mosaic(&[], 3, 9, "none").is_err());
        let large = Picture::mosaic(&[Image::filled(300, 200, [9; 3])], 3, 30, "one").unwrap().html();
        assert!(large.contains("width=\"30\" height=\"20\""), "{large}");
    }

    #[test]
    fn pictures_keep_pixels_and_bound_their_size() {
        let small = Picture::new(&Image::filled(8, 8, [1, 2, 3]), 100, "<a>").unwrap().html();
        assert!(
            small.contains("width=\"96\"")
                && small.contains("class=\"pixels\"")
                && small.contains("alt=\"&lt;a&gt;\"")
        );
        let noise: Vec<u8> = (0..600 * 400 * 3).map(|i: usize| (i * i % 251) as u8).collect();
        let large = Image::new(600, 400, 3, noise).unwrap();
        let large = Picture::new(&large, 160, "b").unwrap();
        assert!(large.bytes() < 40 << 10 && large.html().contains("width=\"160\" height=\"106\""));
    }
}
