//! Images inside a page.

use striate_tensor::Result;
use striate_vision::{Filter, Image, encode_jpeg, encode_png, resize};

use super::escaped;

/// The quality of JPEG files, of 100.
const QUALITY: u8 = 82;
/// Longer sides of images that are stored losslessly if the file is not larger than this.
const SMALL_PNG: usize = 6 << 10;

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
