//! An image file that is decoded when its pixels are needed.

use striate_tensor::Result;

use crate::codec::{decode_region, upright_jpeg};
use crate::{Image, Region, decode_limited};

/// An image file of known size. Of most JPEG files, a region can be decoded without the rest, which takes less time.
#[derive(Debug, Clone)]
pub struct LazyImage<'a> {
    width: usize,
    height: usize,
    content: Content<'a>,
}

#[derive(Debug, Clone)]
enum Content<'a> {
    Decoded(Image),
    /// A complete file without an EXIF orientation.
    Jpeg {
        bytes: &'a [u8],
        max_pixels: u64,
    },
}

impl<'a> LazyImage<'a> {
    /// Reads the header; files of which no region can be decoded by itself are decoded.
    ///
    /// # Errors
    /// As [`decode_limited`], but of a JPEG file, the image may turn out to be damaged only later.
    pub fn open(bytes: &'a [u8], max_pixels: u64) -> Result<LazyImage<'a>> {
        match upright_jpeg(bytes, max_pixels) {
            Some([width, height]) => {
                Ok(LazyImage { width, height, content: Content::Jpeg { bytes, max_pixels } })
            }
            None => {
                let image = decode_limited(bytes, max_pixels)?;
                Ok(LazyImage {
                    width: image.width(),
                    height: image.height(),
                    content: Content::Decoded(image),
                })
            }
        }
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Decodes the whole image.
    ///
    /// # Errors
    /// As [`decode_limited`].
    pub fn decode(self) -> Result<Image> {
        match self.content {
            Content::Decoded(image) => Ok(image),
            Content::Jpeg { bytes, max_pixels } => decode_limited(bytes, max_pixels),
        }
    }

    /// Decodes a part of the image: the pixels of the whole image, cropped. Damage below the part is not noticed.
    ///
    /// # Errors
    /// As [`decode_limited`].
    ///
    /// # Panics
    /// If a side of the region is zero, or it extends beyond the image.
    pub fn region(self, region: Region) -> Result<Image> {
        let Region { left, top, width, height } = region;
        let is_inside = |first: usize, count: usize, side: usize| first < side && count <= side - first;
        let is_inside = is_inside(left, width, self.width) && is_inside(top, height, self.height);
        assert!(width > 0 && height > 0 && is_inside, "the region must lie in the image");
        if let Content::Jpeg { bytes, .. } = self.content
            && let Some(image) = decode_region(bytes, region)
        {
            return Ok(image);
        }
        let image = self.decode()?;
        if (width, height) == (image.width(), image.height()) {
            return Ok(image);
        }
        Ok(image.window(left as isize, top as isize, width, height, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_PIXELS, decode, encode_jpeg, encode_png};

    fn image() -> Image {
        Image::new(37, 29, 3, (0..37 * 29 * 3).map(|i| (i * 89 + i * i * 7) as u8).collect()).unwrap()
    }

    #[test]
    fn region_is_a_crop_of_every_kind_of_file() {
        let files = [encode_jpeg(&image(), 90).unwrap(), encode_png(&image()).unwrap()];
        for bytes in files {
            let whole = decode(&bytes).unwrap();
            for (left, top, width, height) in [(0, 0, 37, 29), (36, 28, 1, 1), (5, 9, 20, 11), (0, 20, 37, 9)]
            {
                let lazy = LazyImage::open(&bytes, MAX_PIXELS).unwrap();
                assert_eq!((lazy.width(), lazy.height()), (37, 29));
                let part = lazy.region(Region { left, top, width, height }).unwrap();
                assert_eq!(part, whole.window(left as isize, top as isize, width, height, 0));
            }
        }
    }

    /// An EXIF chunk that says that the image must be turned by a quarter.
    #[test]
    fn turned_images_are_turned_first() {
        let plain = encode_jpeg(&image(), 90).unwrap();
        let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let exif = [&b"\xff\xd8\xff\xe1\0\x22Exif\0\0"[..], tiff, &plain[2..]].concat();
        let turned = decode(&exif).unwrap();
        let lazy = LazyImage::open(&exif, MAX_PIXELS).unwrap();
        assert_eq!((lazy.width(), lazy.height()), (29, 37));
        let part = lazy.region(Region { left: 3, top: 20, width: 9, height: 17 }).unwrap();
        assert_eq!(part, turned.window(3, 20, 9, 17, 0));
    }

    #[test]
    fn errors_are_those_of_decoding() {
        let jpeg = encode_jpeg(&image(), 90).unwrap();
        for (bytes, max_pixels) in [(&jpeg[..100], MAX_PIXELS), (&jpeg[..], 100), (&jpeg[..1], MAX_PIXELS)] {
            let expected = decode_limited(bytes, max_pixels).unwrap_err().to_string();
            let lazy = LazyImage::open(bytes, max_pixels);
            assert_eq!(lazy.unwrap_err().to_string(), expected);
        }
    }
}
