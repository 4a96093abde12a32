//! Images: wrong sizes, decompression bombs, missing parts, unsupported formats.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

use super::{Case, bad, good};

/// Returns a color image of 5×4 pixels.
fn sample() -> DynamicImage {
    RgbImage::from_fn(5, 4, |x, y| image::Rgb([x as u8 * 50, y as u8 * 60, 99])).into()
}

fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("writing to memory cannot fail");
    bytes.into_inner()
}

/// Overwrites `bytes` with `patch` at `offset`.
fn with(mut bytes: Vec<u8>, offset: usize, patch: &[u8]) -> Vec<u8> {
    bytes[offset..offset + patch.len()].copy_from_slice(patch);
    bytes
}

fn cut(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes[..length].to_vec()
}

/// Returns the offset of `pattern` in `bytes`.
fn find(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes.windows(pattern.len()).position(|window| window == pattern).expect("the pattern occurs")
}

/// Returns a PNG file with `width` and `height` in its header.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = file(&sample(), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32fast::hash(&bytes[12..29]);
    with(bytes, 29, &sum.to_be_bytes())
}

/// Returns a JPEG file with `height` and `width` in its frame.
fn jpeg(height: u16, width: u16) -> Vec<u8> {
    let bytes = file(&sample(), ImageFormat::Jpeg);
    let frame = find(&bytes, &[0xff, 0xc0]);
    with(with(bytes, frame + 5, &height.to_be_bytes()), frame + 7, &width.to_be_bytes())
}

/// Returns a TIFF file with `entries`: tag, type, count, value.
fn tiff(entries: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    bytes
}

/// Returns the entries of a gray TIFF image of `width`×`height` in one strip.
fn gray(width: u32, height: u32) -> Vec<(u16, u16, u32, u32)> {
    vec![
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, width.saturating_mul(height)),
    ]
}

/// Returns a WebP animation with a canvas of `width`×`height` and without frames.
fn animation(width: u32, height: u32) -> Vec<u8> {
    let side = |length: u32| (length - 1).to_le_bytes()[..3].to_vec();
    let canvas = [&[0x02, 0, 0, 0][..], &side(width), &side(height)].concat();
    let chunks = [b"WEBPVP8X\x0a\0\0\0", &canvas[..], b"ANIM\x06\0\0\0\0\0\0\0\0\0"].concat();
    [b"RIFF", &(chunks.len() as u32).to_le_bytes()[..], &chunks].concat()
}

pub(super) fn cases() -> Vec<Case> {
    let base = |format| file(&sample(), format);
    let [bmp, gif, pnm, webp] =
        [ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::Pnm, ImageFormat::WebP].map(base);
    let whole = jpeg(4, 5);
    let scan = find(&whole, &[0xff, 0xda]);
    let gray_image = DynamicImage::ImageLuma8(GrayImage::from_fn(3, 2, |x, y| image::Luma([(x * y) as u8])));
    let preview = [gray(2, 1), vec![(254, 4, 1, 1)]].concat();
    let mut cases = vec![
        good("a PNG file", base(ImageFormat::Png)),
        good("a gray PNG file", file(&gray_image, ImageFormat::Png)),
        good("a JPEG file", whole.clone()),
        good("a JPEG file without its end marker", cut(&whole, whole.len() - 2)),
        good("a WebP file", webp.clone()),
        good("a BMP file", bmp.clone()),
        good("a GIF file", gif.clone()),
        good("a TIFF file", base(ImageFormat::Tiff)),
        good("a PNM file", pnm.clone()),
        good("a plain PGM file", "P2 # a remark\n2 1 255\n7 200"),
        bad("an empty file", "", "the file is empty"),
        bad("plain text", "a few words", "not an image (unknown content)"),
        bad("text that starts like BMP", "BMW, Audi", "not an image (unknown content)"),
        bad("text that starts like PNM", "P6 is a word", "not an image (unknown content)"),
        bad("HEIC", "\0\0\0\x18ftypheic\0\0\0\0", "HEIC images are not supported"),
        bad("AVIF", "\0\0\0\x1cftypavif\0\0\0\0", "AVIF images are not supported"),
        bad("Photoshop", "8BPS\0\x01", "Photoshop images are not supported"),
        bad("PNG, only the signature", cut(&png(5, 4), 8), "damaged image"),
        bad("PNG, half", cut(&png(5, 4), 50), "damaged image"),
        bad("PNG without pixels", png(0, 4), "damaged image"),
        bad("PNG with a wrong checksum", with(png(5, 4), 29, &[0]), "damaged image"),
        bad("PNG that lacks rows", png(5, 400), "damaged image"),
        bad("PNG of 2^31 columns", png(1 << 31, 1), "too much memory"),
        bad("PNG of 60000x60000", png(60_000, 60_000), "60000x60000 pixels, above the limit"),
        bad("JPEG, the start alone", [0xff, 0xd8, 0xff], "damaged image"),
        bad("JPEG cut in its scan", cut(&whole, scan + 12), "damaged image"),
        bad("JPEG without its last byte of data", cut(&whole, whole.len() - 4), "truncated"),
        bad("JPEG of no columns", jpeg(4, 0), "damaged image"),
        bad("JPEG of 65535x65535", jpeg(65_535, 65_535), "65535x65535 pixels, above the limit"),
        bad("WebP, half", cut(&webp, webp.len() / 2), "damaged image"),
        bad("WebP animation of 16384x16384", animation(1 << 14, 1 << 14), "damaged image"),
        bad("WebP animation without frames", animation(9, 9), "damaged image"),
        bad("BMP, the header alone", cut(&bmp, 54), "damaged image"),
        bad("BMP of a million rows", with(bmp.clone(), 22, &1_000_000u32.to_le_bytes()), "damaged image"),
        bad("BMP of -2^31 columns", with(bmp.clone(), 18, &(1u32 << 31).to_le_bytes()), "damaged image"),
        bad("BMP of 7 bits", with(bmp.clone(), 28, &[7]), "image"),
        bad("GIF, the header alone", cut(&gif, 13), "damaged image"),
        bad("GIF of 65535x65535", with(gif.clone(), 6, &[0xff; 4]), "65535x65535 pixels, above the limit"),
        bad("GIF, half", cut(&gif, gif.len() / 2), "damaged image"),
        bad("PNM without its last byte", cut(&pnm, pnm.len() - 1), "damaged image"),
        bad("PNM of 99999x99999", "P6 99999 99999 255\n", "99999x99999 pixels, above the limit"),
        bad("PNM of 2^64 columns", "P5 18446744073709551616 1 255\n", "damaged image"),
        bad("PNM whose largest value is 0", "P5 1 1 0\n\0", "damaged image"),
        bad("PAM without an end of its header", "P7\nWIDTH 3\n", "damaged image"),
        bad("TIFF, the header alone", "II*\0\x08\0\0\0", "damaged image"),
        bad("TIFF without entries", tiff(&[]), "damaged image"),
        bad("TIFF of 2^32 - 1 columns", tiff(&gray(u32::MAX, 1)), "above the limit"),
        bad("TIFF that claims a megabyte", tiff(&gray(200, 200)), "damaged image"),
        bad("TIFF of a preview", tiff(&preview), "only a preview"),
    ];
    let mut frame = gif;
    let descriptor = find(&frame, &[0x2c, 0, 0, 0, 0]);
    frame[descriptor + 5..descriptor + 9].copy_from_slice(&[0xff; 4]);
    cases.push(bad("GIF whose frame has 65535x65535 pixels", frame, "image"));
    cases
}
