//! Image files: PNG, JPEG, WebP, BMP, GIF, TIFF and PNM are decoded, PNG is encoded.

use std::io::Cursor;
use std::panic::{UnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ExtendedColorType, GrayImage, ImageDecoder, ImageError, ImageFormat,
    ImageReader, Limits, RgbImage,
};
use striate_tensor::{Error, Result};

use crate::jpeg::{self, Extent};
use crate::kind::{HEAD_BYTES, ImageKind, Readable};
use crate::{Fault, FaultKind, Image, Region, tiff};

/// Default limit of pixels per image: 64 Mi.
pub const MAX_PIXELS: u64 = 64 << 20;
/// Limit of memory for decoding, in bytes per pixel: four channels of 16 bits, twice.
const MEMORY_PER_PIXEL: u64 = 16;
/// Additional memory for decoding, in bytes, for metadata and tables.
const MEMORY: u64 = 16 << 20;

/// Decodes the image in `bytes`, whose content decides its kind, if it has at most [`MAX_PIXELS`] pixels.
///
/// The EXIF orientation is applied, transparency is composited on white, 16 bits are reduced to 8, CMYK is converted
/// to RGB, and of an animation, the first frame is used.
///
/// # Errors
/// If the bytes are not an image, or one that is not supported, truncated, damaged or too large.
pub fn decode(bytes: &[u8]) -> Result<Image> {
    decode_limited(bytes, MAX_PIXELS)
}

/// Decodes the image in `bytes` as [`decode`] does, if it has at most `max_pixels` pixels.
///
/// # Errors
/// As [`decode`].
pub fn decode_limited(bytes: &[u8], max_pixels: u64) -> Result<Image> {
    let decoded = guarded(|| decode_guarded(bytes, max_pixels));
    decoded.map(|examined| examined.image).map_err(|fault| fault.error)
}

/// An image and what was converted while decoding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The image, as [`decode`] returns it.
    pub image: Image,
    /// Whether the file has CMYK colors.
    pub is_cmyk: bool,
    /// Whether the file has 16 bits per channel.
    pub is_deep: bool,
    /// Whether the file has an EXIF orientation that turns or mirrors the image.
    pub is_turned: bool,
    /// Whether coded data of a JPEG file is missing before its end marker, so that a part of the image is plain.
    pub is_partial: bool,
}

/// Decodes the image in `bytes` as [`decode_limited`] does, and reports what was converted.
///
/// # Errors
/// As [`decode`], with the kind of the reason.
pub fn examine(bytes: &[u8], max_pixels: u64) -> Result<Examined, Fault> {
    guarded(|| {
        let examined = decode_guarded(bytes, max_pixels)?;
        Ok(Examined { is_partial: is_partial(bytes, &examined.image, max_pixels), ..examined })
    })
}

/// Calls a function of decoders, which are third-party code: a panic in them is reported as damage to the file.
fn guarded<T>(job: impl FnOnce() -> Result<T, Fault> + UnwindSafe) -> Result<T, Fault> {
    catch_unwind(job).unwrap_or_else(|_| Err(Fault::damaged("its decoder failed")))
}

/// Returns whether the coded data of a JPEG file with an end marker ends before the last block of pixels: then the
/// image depends on data inserted before the marker. Such files result from repairing truncated ones.
fn is_partial(bytes: &[u8], image: &Image, max_pixels: u64) -> bool {
    if readable(bytes).ok() != Some(Readable::Jpeg) {
        return false;
    }
    let Extent::Whole(length) = jpeg::extent(bytes) else { return false };
    let [_, tail, _] = jpeg::TAILS;
    let other = decode_whole(&[&bytes[..length], tail].concat(), Readable::Jpeg, max_pixels);
    other.is_ok_and(|other| other.image != *image)
}

/// Returns the height and width that [`decode`] would yield, from the header alone; the rest of the file is
/// ignored, and the size is not limited.
///
/// # Errors
/// If the bytes are not an image, or one that is not supported.
pub fn dimensions(bytes: &[u8]) -> Result<[usize; 2]> {
    let head = || {
        let kind = readable(bytes)?;
        if kind == Readable::Tiff {
            tiff::check(bytes)?;
        }
        let mut decoder = open(bytes, kind, u64::MAX)?;
        let (width, height) = decoder.dimensions();
        let (width, height) = (width as usize, height as usize);
        Ok(match orientation(&mut decoder)?.to_exif() {
            5.. => [width, height],
            _ => [height, width],
        })
    };
    guarded(head).map_err(|fault| fault.error)
}

/// Returns width and height of a JPEG file of which regions can be decoded: it is complete, and is not turned.
pub(crate) fn upright_jpeg(bytes: &[u8], max_pixels: u64) -> Option<[usize; 2]> {
    let head = || {
        if readable(bytes)? != Readable::Jpeg || !matches!(jpeg::extent(bytes), Extent::Whole(_)) {
            return Ok(None);
        }
        let mut decoder = open(bytes, Readable::Jpeg, max_pixels)?;
        let (width, height) = decoder.dimensions();
        let is_upright = orientation(&mut decoder)? == Orientation::NoTransforms;
        Ok(is_upright.then_some([width as usize, height as usize]))
    };
    guarded(head).ok().flatten()
}

/// Decodes a region of an [`upright_jpeg`]; `None` if the file must be decoded as a whole.
pub(crate) fn decode_region(bytes: &[u8], region: Region) -> Option<Image> {
    jpeg::decode(bytes, Some(region))
}

fn decode_guarded(bytes: &[u8], max_pixels: u64) -> Result<Examined, Fault> {
    let kind = readable(bytes)?;
    if kind != Readable::Jpeg {
        return decode_whole(bytes, kind, max_pixels);
    }
    match jpeg::extent(bytes) {
        Extent::Whole(_) => decode_whole(bytes, kind, max_pixels),
        Extent::Cut => Err(Fault::truncated()),
        Extent::WithoutEnd(length) => {
            // Bytes after the last block of pixels do not change the image; bytes in place of a block do.
            let ended = |tail: &[u8]| decode_whole(&[&bytes[..length], tail].concat(), kind, max_pixels);
            let [first, others @ ..] = jpeg::TAILS;
            let image = ended(first)?;
            let same = others.into_iter().all(|tail| ended(tail).is_ok_and(|other| other == image));
            if same { Ok(image) } else { Err(Fault::truncated()) }
        }
    }
}

fn decode_whole(bytes: &[u8], kind: Readable, max_pixels: u64) -> Result<Examined, Fault> {
    let is_multiplied = kind == Readable::Tiff && tiff::check(bytes)?;
    let mut decoder = open(bytes, kind, max_pixels)?;
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(Fault::new(
            FaultKind::Unsupported,
            "image of floating-point pixels, whose range is unknown; save it with 8 bits",
        ));
    }
    let orientation = orientation(&mut decoder)?;
    let is_deep = decoder.color_type().bytes_per_pixel() > decoder.color_type().channel_count();
    let in_cmyk =
        matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16);
    let own = if kind == Readable::Jpeg { jpeg::decode(bytes, None) } else { None };
    let mut decoded = match own.and_then(dynamic) {
        Some(decoded) => decoded,
        None => DynamicImage::from_decoder(decoder).map_err(unreadable)?,
    };
    decoded.apply_orientation(orientation);
    Ok(Examined {
        image: flatten(decoded, is_multiplied)?,
        is_cmyk: in_cmyk || kind == Readable::Jpeg && jpeg::components(bytes) == Some(4),
        is_deep,
        is_turned: orientation != Orientation::NoTransforms,
        is_partial: false,
    })
}

/// The image as one of the crate `image`.
fn dynamic(image: Image) -> Option<DynamicImage> {
    let (width, height, channels) = (image.width() as u32, image.height() as u32, image.channels());
    let pixels = image.into_pixels();
    match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    }
}

/// Returns the EXIF orientation of the image.
fn orientation(decoder: &mut impl ImageDecoder) -> Result<Orientation, Fault> {
    // Some writers of WebP prefix the EXIF data as JPEG requires.
    let exif = decoder.exif_metadata().ok().flatten();
    let prefixed = exif.as_ref().and_then(|exif| exif.strip_prefix(b"Exif\0\0"));
    match prefixed.and_then(Orientation::from_exif_chunk) {
        Some(orientation) => Ok(orientation),
        None => decoder.orientation().map_err(unreadable),
    }
}

/// Returns the kind of the image in `bytes` if it is supported.
fn readable(bytes: &[u8]) -> Result<Readable, Fault> {
    let (kind, message) = match ImageKind::of(&bytes[..bytes.len().min(HEAD_BYTES)]) {
        Some(ImageKind::Readable(kind)) => return Ok(kind),
        Some(ImageKind::Other(name)) => {
            (FaultKind::Unsupported, format!("{name} images are not supported; convert it to PNG or JPEG"))
        }
        None if bytes.is_empty() => {
            (FaultKind::Empty, "the file is empty; copy or export the image again".to_owned())
        }
        None => {
            let what = format!("not an image (unknown content); supported formats are {SUPPORTED}");
            (FaultKind::Unknown, what)
        }
    };
    Err(Fault::new(kind, message))
}

const SUPPORTED: &str = "PNG, JPEG, WebP, BMP, GIF, TIFF and PNM";

/// Opens a decoder with a memory limit proportional to the number of pixels, which is at most `max_pixels`.
fn open(bytes: &[u8], kind: Readable, max_pixels: u64) -> Result<impl ImageDecoder + '_, Fault> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind.format());
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > max_pixels {
        let what = format!(
            "image of {width}x{height} pixels, above the limit of {max_pixels}; shrink it or raise --max-pixels"
        );
        return Err(Fault::new(FaultKind::TooLarge, what));
    }
    limits.max_alloc = Some(pixels.saturating_mul(MEMORY_PER_PIXEL).saturating_add(MEMORY));
    decoder.set_limits(limits).map_err(unreadable)?;
    Ok(decoder)
}

/// Reduces to 8 bits and composites transparency on white; gray stays gray. `is_multiplied`: whether colors are
/// premultiplied by opacity.
fn flatten(decoded: DynamicImage, is_multiplied: bool) -> Result<Image, Fault> {
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let blend = if is_multiplied { blend_multiplied } else { blend };
    let (channels, pixels) = match (decoded.color().has_color(), decoded.color().has_alpha()) {
        (false, false) => (1, decoded.into_luma8().into_raw()),
        (true, false) => (3, decoded.into_rgb8().into_raw()),
        (false, true) => (1, on_white::<2>(decoded.into_luma_alpha8().as_raw(), blend)),
        (true, true) => (3, on_white::<4>(decoded.into_rgba8().as_raw(), blend)),
    };
    Image::new(width, height, channels, pixels).map_err(|error| Fault { kind: FaultKind::Damaged, error })
}

/// Composites pixels of `N` bytes, the last of which is opacity, on a white background.
fn on_white<const N: usize>(pixels: &[u8], blend: fn(u8, u8) -> u8) -> Vec<u8> {
    let pixels = pixels.chunks_exact(N);
    pixels.flat_map(|pixel| (0..N - 1).map(|i| blend(pixel[i], pixel[N - 1]))).collect()
}

fn blend(color: u8, alpha: u8) -> u8 {
    let (color, alpha) = (u32::from(color), u32::from(alpha));
    ((color * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn blend_multiplied(color: u8, alpha: u8) -> u8 {
    color.saturating_add(255 - alpha)
}

fn unreadable(cause: ImageError) -> Fault {
    match cause {
        ImageError::Unsupported(_) => {
            Fault::new(FaultKind::Unsupported, "an uncommon variant of its format; convert it to PNG")
        }
        ImageError::Limits(_) => {
            Fault::new(FaultKind::TooLarge, "decoding the image takes too much memory; shrink it")
        }
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Fault::truncated(),
        // The decoders describe their own internals.
        _ => Fault::damaged("its content is invalid"),
    }
}

/// Encodes the image as a PNG file.
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
        .map_err(|e| Error::failed(format!("the image cannot be encoded as PNG: {e}")))?;
    Ok(bytes.into_inner())
}

/// Encodes the image as a JPEG file of a quality from 1 to 100, without subsampling of colors.
///
/// # Errors
/// If the image is too large for the format.
pub fn encode_jpeg(image: &Image, quality: u8) -> Result<Vec<u8>> {
    let color =
        if image.channels() == 1 { image::ExtendedColorType::L8 } else { image::ExtendedColorType::Rgb8 };
    let side = |length: usize| {
        let fits = u16::try_from(length).map(u32::from);
        fits.map_err(|_| Error::failed("the image is too large for JPEG"))
    };
    let (width, height) = (side(image.width())?, side(image.height())?);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(image.pixels(), width, height, color)
        .map_err(|e| Error::failed(format!("the image cannot be encoded as JPEG: {e}")))?;
    Ok(bytes)
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

    const FORMATS: [ImageFormat; 7] = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Gif,
        ImageFormat::Tiff,
        ImageFormat::Pnm,
    ];

    #[test]
    fn png_round_trip_is_exact() {
        let image = Image::new(3, 2, 3, (0..18).map(|i| i * 14).collect()).unwrap();
        assert_eq!(decode(&encode_png(&image).unwrap()).unwrap(), image);
        assert_eq!(decode(&encode_png(&image.to_gray()).unwrap()).unwrap(), image.to_gray());
    }

    #[test]
    fn every_format_is_read() {
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
    fn other_files_are_refused_on_one_line() {
        for (bytes, why) in [
            (&b""[..], "the file is empty"),
            (
                b"hello, I am a text",
                "not an image (unknown content); supported formats are PNG, JPEG, WebP, BMP, GIF",
            ),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC images are not supported; convert it to PNG or JPEG"),
            (b"GIF89a\x01\x00\x01\x00\x00\x00\x00", "damaged image"),
        ] {
            let error = decode(bytes).unwrap_err();
            let text = error.to_string();
            assert!(error.is_input() && text.contains(why) && !text.contains('\n'), "{text}");
        }
    }

    /// Truncated before the last 24 bytes: a file with all its pixels may lack its end marker.
    #[test]
    fn truncated_files_are_refused() {
        for format in FORMATS {
            let whole = file(&pattern(), format);
            for cut in (0..whole.len().min(60)).chain((60..whole.len() - 24).step_by(7)) {
                let error = decode(&whole[..cut]).map(|_| format!("{format:?} cut at {cut}")).unwrap_err();
                assert!(error.is_input() && !error.to_string().contains('\n'), "{error}");
            }
        }
    }

    /// Memory grows with the pixels: 32 MiB of pixels with transparency where the kind allows it.
    #[test]
    fn large_images_are_read() {
        let color = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(2900, 2900, image::Rgb([9, 8, 7])));
        let clear = image::RgbaImage::from_pixel(2900, 2900, image::Rgba([9, 8, 7, 255]));
        for format in FORMATS {
            let has_alpha = matches!(format, ImageFormat::Png | ImageFormat::Tiff | ImageFormat::Gif);
            let picture = if has_alpha { &DynamicImage::ImageRgba8(clear.clone()) } else { &color };
            let image = decode(&file(picture, format)).unwrap_or_else(|e| panic!("{format:?}: {e}"));
            assert_eq!((image.width(), image.height()), (2900, 2900), "{format:?}");
        }
    }

    /// A PNG file of a few bytes that claims to be enormous.
    #[test]
    fn images_above_the_pixel_limit_are_refused() {
        let mut png = encode_png(&Image::filled(1, 1, [1, 2, 3])).unwrap();
        png[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        png[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let sum = png_checksum(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        let error = decode(&png).unwrap_err().to_string();
        assert!(error.contains("60000x60000") && error.contains("--max-pixels"), "{error}");
        let small = encode_png(&Image::filled(8, 4, [1, 2, 3])).unwrap();
        assert!(decode_limited(&small, 32).is_ok());
        let error = decode_limited(&small, 31).unwrap_err().to_string();
        assert!(error.contains("8x4 pixels, above the limit of 31"), "{error}");
        assert_eq!(dimensions(&png).unwrap(), [60_000, 60_000]);
    }

    /// CRC-32 of a PNG chunk.
    fn png_checksum(bytes: &[u8]) -> u32 {
        let step = |sum: u32| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
    }

    /// A file without its end marker is complete if appending the marker yields the same image; after real truncation,
    /// it yields another.
    #[test]
    fn jpeg_without_its_end_marker_is_complete() {
        for file in [jpeg(30, 21), include_bytes!("../tests/progressive.jpg").to_vec()] {
            let whole = decode(&file).unwrap();
            for cut in [1, 2] {
                assert_eq!(decode(&file[..file.len() - cut]).unwrap(), whole, "without {cut} bytes");
            }
            for cut in 4..file.len() {
                let ended = [&file[..file.len() - cut], &[0xff, 0xd9]].concat();
                if decode(&file[..file.len() - cut]).is_ok() {
                    assert_eq!(decode(&ended).unwrap(), whole, "without {cut} bytes");
                    assert!(cut < 8, "{cut} bytes are image data");
                }
            }
        }
    }

    #[test]
    fn jpeg_of_four_components_is_cmyk() {
        let cmyk = b"\xff\xd8\xff\xe0\0\x04\xff\xc0\xff\xff\xc2\0\x14\x08\0\x01\0\x01\x04";
        assert_eq!(jpeg::components(cmyk), Some(4));
        assert_eq!(jpeg::components(include_bytes!("../tests/progressive.jpg")), Some(3));
        assert_eq!(jpeg::components(&cmyk[..16]), None);
    }

    /// Cut and given an end marker, as by a tool for repair.
    #[test]
    fn jpeg_with_missing_data_before_its_end_marker_is_partial() {
        let flat = image::RgbImage::from_pixel(40, 24, image::Rgb([200, 30, 90]));
        let flat = file(&DynamicImage::ImageRgb8(flat), ImageFormat::Jpeg);
        for file in [jpeg(30, 21), jpeg(33, 17), flat, include_bytes!("../tests/progressive.jpg").to_vec()] {
            assert!(!examine(&file, MAX_PIXELS).unwrap().is_partial);
            let scan = file.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap() + 14;
            let half = [&file[..(scan + file.len()) / 2], &[0xff, 0xd9]].concat();
            assert!(examine(&half, MAX_PIXELS).unwrap().is_partial, "{scan} of {}", file.len());
        }
    }

    /// Noise, whose last block needs all of its data.
    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let noise = |x: u32, y: u32| (x * 7919 + y * 104_729 + x * y * 31) as u8;
        let image =
            image::RgbImage::from_fn(width, height, |x, y| image::Rgb([noise(x, y), noise(y, x), 90]));
        file(&DynamicImage::ImageRgb8(image), ImageFormat::Jpeg)
    }

    /// An EXIF chunk as Pillow and as libwebp's tools write it.
    #[test]
    fn webp_exif_orientation_is_applied() {
        let plain = file(&pattern(), ImageFormat::WebP);
        let upright = decode(&plain).unwrap();
        let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        for exif in [[&b"Exif\0\0"[..], tiff].concat(), tiff.to_vec()] {
            let mut chunks = b"WEBPVP8X\x0a\0\0\0\x08\0\0\0\x27\0\0\x1d\0\0".to_vec();
            chunks.extend(&plain[12..]);
            chunks.extend(b"EXIF");
            chunks.extend((exif.len() as u32).to_le_bytes());
            chunks.extend(&exif);
            let file = [&b"RIFF"[..], &(chunks.len() as u32).to_le_bytes(), &chunks].concat();
            let turned = decode(&file).unwrap();
            assert_eq!((turned.width(), turned.height()), (30, 40));
            assert_eq!(dimensions(&file).unwrap(), [40, 30]);
            assert_eq!(turned.pixel(29, 5), upright.pixel(5, 0));
        }
    }
}
