//! Files of images: PNG, JPEG and WebP are read, PNG is written.

use std::io::Cursor;
use std::panic::catch_unwind;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use striate_tensor::{Error, Result};

use crate::Image;

/// Pixels beyond this are a mistake, or an attack.
const MOST_PIXELS: u64 = 1 << 28;
/// Bytes that decoding one image may take.
const MOST_MEMORY: u64 = 1 << 30;

/// The image in `bytes`, of whatever name: the content decides. It is turned as its EXIF orientation
/// says, transparency lies on white, 16 bits become 8, CMYK becomes RGB; of an animation the first frame.
///
/// # Errors
/// If the bytes are no image, of another kind, cut off, damaged or absurdly large.
pub fn decode(bytes: &[u8]) -> Result<Image> {
    // The decoders are other people's: should one give up in panic, it was the file's fault.
    catch_unwind(|| decode_guarded(bytes)).unwrap_or_else(|_| Err(damaged("it upset the decoder")))
}

/// Height and width that [`decode`] would give, from the file's head alone; what follows is not looked at.
///
/// # Errors
/// If the bytes are no image, of another kind or absurdly large.
pub fn dimensions(bytes: &[u8]) -> Result<[usize; 2]> {
    let head = || {
        let mut decoder = open(bytes)?;
        let (width, height) = decoder.dimensions();
        let (width, height) = (width as usize, height as usize);
        Ok(match decoder.orientation().map_err(unreadable)?.to_exif() {
            5.. => [width, height],
            _ => [height, width],
        })
    };
    catch_unwind(head).unwrap_or_else(|_| Err(damaged("it upset the decoder")))
}

fn decode_guarded(bytes: &[u8]) -> Result<Image> {
    let is_jpeg = image::guess_format(bytes).is_ok_and(|format| format == ImageFormat::Jpeg);
    if is_jpeg && !jpeg_is_whole(bytes) {
        return Err(damaged("it is cut off"));
    }
    let mut decoder = open(bytes)?;
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    decoded.apply_orientation(orientation);
    flatten(decoded)
}

/// A decoder for the bytes, if they are of a kind that is read and of a sane size.
fn open(bytes: &[u8]) -> Result<impl ImageDecoder + '_> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| Error::input(format!("cannot be read ({e})")))?;
    match reader.format() {
        Some(ImageFormat::Png | ImageFormat::WebP | ImageFormat::Jpeg) => {}
        Some(other) => return Err(not_readable(&format!("it is {}", name(other)))),
        None if bytes.is_empty() => return Err(not_readable("it is empty")),
        None => return Err(not_readable("its first bytes are of no known kind")),
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS || decoder.total_bytes() > MOST_MEMORY {
        return Err(Error::input(format!(
            "has {width}x{height} pixels, more than striate reads (2^28); make it smaller first"
        )));
    }
    Ok(decoder)
}

/// To 8 bits without transparency; what is gray stays gray.
fn flatten(decoded: DynamicImage) -> Result<Image> {
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    match (decoded.color().has_color(), decoded.color().has_alpha()) {
        (false, false) => Image::new(width, height, 1, decoded.into_luma8().into_raw()),
        (true, false) => Image::new(width, height, 3, decoded.into_rgb8().into_raw()),
        (false, true) => Image::new(width, height, 1, on_white::<2>(decoded.into_luma_alpha8().as_raw())),
        (true, true) => Image::new(width, height, 3, on_white::<4>(decoded.into_rgba8().as_raw())),
    }
}

/// Pixels of `N` bytes, the last of which is opacity, on a white ground.
fn on_white<const N: usize>(pixels: &[u8]) -> Vec<u8> {
    let blend = |color: u8, alpha: u8| {
        let (color, alpha) = (u32::from(color), u32::from(alpha));
        ((color * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let pixels = pixels.chunks_exact(N);
    pixels.flat_map(|pixel| (0..N - 1).map(|i| blend(pixel[i], pixel[N - 1]))).collect()
}

fn not_readable(why: &str) -> Error {
    Error::input(format!("is not an image striate can read: {why}; give a PNG, JPEG or WebP file"))
}

fn damaged(why: &str) -> Error {
    Error::input(format!("is a damaged image: {why}; copy or export it again"))
}

fn name(format: ImageFormat) -> String {
    format!("{format:?}").to_uppercase()
}

fn unreadable(cause: ImageError) -> Error {
    let text = cause.to_string().replace('\n', " ");
    match cause {
        ImageError::Unsupported(_) => not_readable(&text),
        ImageError::Limits(_) => Error::input(format!("is too large an image ({text}); make it smaller")),
        _ => damaged(&text),
    }
}

/// Whether a JPEG file reaches its end marker. Decoders fill what is missing with gray instead of
/// refusing it. Source: ITU-T T.81, annex B.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
    let mut at = 2;
    loop {
        // A marker is a byte 0xff, as often as it likes, and one that is neither that nor zero. Between
        // markers lie coded pixels, in which 0xff is followed by zero or a restart.
        let Some(next) = bytes[at.min(bytes.len())..].iter().position(|byte| *byte == 0xff) else {
            return false;
        };
        at += next + 1;
        match bytes.get(at) {
            None => return false,
            Some(0xd9) => return true,
            Some(0xff) => {}
            Some(0 | 1 | 0xd8) => at += 1,
            Some(marker) if RESTARTS.contains(marker) => at += 1,
            Some(_) => match bytes.get(at + 1..at + 3) {
                Some(length) => at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
        }
    }
}

/// The image as a PNG file.
///
/// # Errors
/// If the image is too large for the format.
pub fn encode_png(image: &Image) -> Result<Vec<u8>> {
    let color = if image.channels() == 1 { image::ColorType::L8 } else { image::ColorType::Rgb8 };
    let mut bytes = Cursor::new(Vec::new());
    let side =
        |length: usize| u32::try_from(length).map_err(|_| Error::failed("the image is too large for PNG"));
    let (width, height) = (side(image.width())?, side(image.height())?);
    image::write_buffer_with_format(&mut bytes, image.pixels(), width, height, color, ImageFormat::Png)
        .map_err(|e| Error::failed(format!("the image cannot be written as PNG: {e}")))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn pattern() -> DynamicImage {
        DynamicImage::ImageRgb8(image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8, y as u8, 7])))
    }

    const FORMATS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];

    #[test]
    fn what_is_written_is_read() {
        let image = Image::new(3, 2, 3, (0..18).map(|i| i * 14).collect()).unwrap();
        assert_eq!(decode(&encode_png(&image).unwrap()).unwrap(), image);
        assert_eq!(decode(&encode_png(&image.to_gray()).unwrap()).unwrap(), image.to_gray());
    }

    #[test]
    fn all_three_kinds_are_read() {
        for format in FORMATS {
            let image = decode(&file(&pattern(), format)).unwrap();
            assert_eq!((image.width(), image.height(), image.channels()), (40, 30, 3), "{format:?}");
            let [r, g, _] = image.pixel(35, 20) else { panic!("three channels") };
            assert!(r.abs_diff(35) < 12 && g.abs_diff(20) < 12, "{format:?}: {r} {g}");
        }
    }

    #[test]
    fn depth_and_transparency_become_plain_bytes() {
        let deep = image::ImageBuffer::from_pixel(2, 2, image::Luma([0x80ffu16]));
        let image = decode(&file(&DynamicImage::ImageLuma16(deep), ImageFormat::Png)).unwrap();
        assert_eq!((image.channels(), image.pixel(1, 1)), (1, &[0x80u8][..]));
        let clear = image::RgbaImage::from_fn(2, 1, |x, _| image::Rgba([10, 20, 30, [0, 255][x as usize]]));
        let image = decode(&file(&DynamicImage::ImageRgba8(clear), ImageFormat::Png)).unwrap();
        assert_eq!(image.pixels(), [255, 255, 255, 10, 20, 30]);
        let half = image::GrayAlphaImage::from_pixel(1, 1, image::LumaA([0, 51]));
        let image = decode(&file(&DynamicImage::ImageLumaA8(half), ImageFormat::Png)).unwrap();
        assert_eq!((image.channels(), image.pixels()), (1, &[204u8][..]));
    }

    #[test]
    fn what_is_no_image_is_refused_in_one_line() {
        for (bytes, why) in [
            (&b""[..], "empty"),
            (b"hello, I am a text", "no known kind"),
            (b"GIF89a\x01\x00\x01\x00\x00\x00\x00", "GIF"),
        ] {
            let error = decode(bytes).unwrap_err();
            let text = error.to_string();
            assert!(error.is_input() && text.contains(why) && text.contains("PNG, JPEG or WebP"), "{text}");
            assert!(!text.contains('\n'));
        }
    }

    /// Without the last 24 bytes: a PNG file whose pixels are whole may lack its end mark.
    #[test]
    fn files_that_are_cut_off_are_refused() {
        for format in FORMATS {
            let whole = file(&pattern(), format);
            for cut in (0..whole.len().min(60)).chain((60..whole.len() - 24).step_by(7)) {
                let error = decode(&whole[..cut]).map(|_| format!("{format:?} cut at {cut}")).unwrap_err();
                assert!(error.is_input() && !error.to_string().contains('\n'), "{error}");
            }
        }
    }

    /// A PNG file of a few bytes that claims to be enormous.
    #[test]
    fn absurd_sizes_are_refused_before_memory_is_taken() {
        let mut png = encode_png(&Image::filled(1, 1, [1, 2, 3])).unwrap();
        png[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        png[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let sum = png_checksum(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        let error = decode(&png).unwrap_err().to_string();
        assert!(error.contains("60000x60000"), "{error}");
    }

    /// CRC-32 of a PNG chunk.
    fn png_checksum(bytes: &[u8]) -> u32 {
        let step = |sum: u32| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
    }
}
