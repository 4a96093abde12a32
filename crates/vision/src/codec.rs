//! Files of images: PNG, JPEG and WebP are read, PNG is written.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use striate_tensor::{Error, Result};

use crate::Image;

/// Sides beyond this are a mistake, or an attack.
const LARGEST_SIDE: u32 = 1 << 16;
/// Bytes that decoding one image may take.
const LARGEST_MEMORY: u64 = 1 << 30;

/// The image in `bytes`: turned as its EXIF orientation says, transparency on white, 8 bits, grey or
/// colour.
///
/// # Errors
/// If the bytes are no image, of another kind, damaged or absurdly large.
pub fn decode(bytes: &[u8]) -> Result<Image> {
    let unreadable = |cause: image::ImageError| {
        let cause = cause.to_string().replace('\n', " ");
        Error::input(format!("is no readable image ({cause}); give a PNG, JPEG or WebP file"))
    };
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| Error::input(format!("cannot be read ({e})")))?;
    if reader.format().is_none() {
        return Err(Error::input("is no image; give a PNG, JPEG or WebP file"));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(LARGEST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    decoded.apply_orientation(orientation);
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    if decoded.color().has_alpha() {
        return Image::new(width, height, 3, on_white(&decoded.to_rgba8()));
    }
    match decoded {
        DynamicImage::ImageLuma8(grey) => Image::new(width, height, 1, grey.into_raw()),
        DynamicImage::ImageLuma16(_) => Image::new(width, height, 1, decoded.to_luma8().into_raw()),
        other => Image::new(width, height, 3, other.to_rgb8().into_raw()),
    }
}

fn on_white(rgba: &image::RgbaImage) -> Vec<u8> {
    let blend = |colour: u8, alpha: u8| {
        let (colour, alpha) = (u32::from(colour), u32::from(alpha));
        ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    rgba.pixels()
        .flat_map(|p| [blend(p.0[0], p.0[3]), blend(p.0[1], p.0[3]), blend(p.0[2], p.0[3])])
        .collect()
}

/// The image as a PNG file.
///
/// # Errors
/// If the image is too large for the format.
pub fn encode_png(image: &Image) -> Result<Vec<u8>> {
    let colour = if image.channels() == 1 { image::ColorType::L8 } else { image::ColorType::Rgb8 };
    let mut bytes = Cursor::new(Vec::new());
    let side =
        |length: usize| u32::try_from(length).map_err(|_| Error::failed("the image is too large for PNG"));
    let (width, height) = (side(image.width())?, side(image.height())?);
    image::write_buffer_with_format(&mut bytes, image.pixels(), width, height, colour, ImageFormat::Png)
        .map_err(|e| Error::failed(format!("the image cannot be written as PNG: {e}")))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let image = Image::new(3, 2, 3, (0..18).map(|i| i * 14).collect()).unwrap();
        assert_eq!(decode(&encode_png(&image).unwrap()).unwrap(), image);
        assert_eq!(decode(&encode_png(&image.to_grey()).unwrap()).unwrap(), image.to_grey());
    }

    #[test]
    fn what_is_no_image_is_refused_in_one_line() {
        let png = encode_png(&Image::filled(40, 40, [1, 2, 3])).unwrap();
        for bytes in [&b""[..], b"hello, I am a text", &png[..20], &png[..png.len() / 2]] {
            let error = decode(bytes).unwrap_err();
            assert!(error.is_input() && !error.to_string().contains('\n'), "{error}");
        }
    }
}
