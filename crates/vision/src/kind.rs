//! Recognizes images by their first bytes, regardless of the file's name.

use image::ImageFormat;

/// Bytes of a file that [`ImageKind::of`] needs.
pub const HEAD_BYTES: usize = 64;

/// The kind of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// A kind supported by [`decode`](crate::decode).
    Readable(Readable),
    /// The name of a known but unsupported kind, such as `HEIC`.
    Other(&'static str),
}

/// The supported kinds of image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// Portable Network Graphics.
    Png,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// WebP, lossy or lossless.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// GIF.
    Gif,
    /// TIFF.
    Tiff,
    /// Netpbm: PBM, PGM, PPM, PAM.
    Pnm,
}

impl Readable {
    /// Returns the usual name of the format.
    pub fn name(self) -> &'static str {
        match self {
            Readable::Png => "PNG",
            Readable::Jpeg => "JPEG",
            Readable::WebP => "WebP",
            Readable::Bmp => "BMP",
            Readable::Gif => "GIF",
            Readable::Tiff => "TIFF",
            Readable::Pnm => "PNM",
        }
    }

    /// Returns the usual extension of a file.
    pub fn extension(self) -> &'static str {
        match self {
            Readable::Png => "png",
            Readable::Jpeg => "jpg",
            Readable::WebP => "webp",
            Readable::Bmp => "bmp",
            Readable::Gif => "gif",
            Readable::Tiff => "tif",
            Readable::Pnm => "pnm",
        }
    }

    /// Returns the kind that a file whose name ends in `extension` (in lower case) should have.
    pub fn by_extension(extension: &str) -> Option<Readable> {
        match extension {
            "png" | "apng" => Some(Readable::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" | "mpo" => Some(Readable::Jpeg),
            "webp" => Some(Readable::WebP),
            "bmp" => Some(Readable::Bmp),
            "gif" => Some(Readable::Gif),
            "tif" | "tiff" => Some(Readable::Tiff),
            "pbm" | "pgm" | "ppm" | "pnm" | "pam" => Some(Readable::Pnm),
            _ => None,
        }
    }

    pub(crate) fn format(self) -> ImageFormat {
        match self {
            Readable::Png => ImageFormat::Png,
            Readable::Jpeg => ImageFormat::Jpeg,
            Readable::WebP => ImageFormat::WebP,
            Readable::Bmp => ImageFormat::Bmp,
            Readable::Gif => ImageFormat::Gif,
            Readable::Tiff => ImageFormat::Tiff,
            Readable::Pnm => ImageFormat::Pnm,
        }
    }
}

/// Kinds with unmistakable first bytes.
const MAGIC: [(&[u8], ImageKind); 18] = [
    (b"\x89PNG\r\n\x1a\n", ImageKind::Readable(Readable::Png)),
    (b"\xff\xd8\xff", ImageKind::Readable(Readable::Jpeg)),
    (b"GIF87a", ImageKind::Readable(Readable::Gif)),
    (b"GIF89a", ImageKind::Readable(Readable::Gif)),
    (b"II*\0", ImageKind::Readable(Readable::Tiff)),
    (b"MM\0*", ImageKind::Readable(Readable::Tiff)),
    (b"II+\0", ImageKind::Readable(Readable::Tiff)),
    (b"MM\0+", ImageKind::Readable(Readable::Tiff)),
    (b"8BPS", ImageKind::Other("Photoshop")),
    (b"\xff\x0a", ImageKind::Other("JPEG XL")),
    (b"\0\0\0\x0cJXL \r\n", ImageKind::Other("JPEG XL")),
    (b"\0\0\0\x0cjP  \r\n", ImageKind::Other("JPEG 2000")),
    (b"\xff\x4f\xff\x51", ImageKind::Other("JPEG 2000")),
    (b"\x76\x2f\x31\x01", ImageKind::Other("OpenEXR")),
    (b"#?RADIANCE", ImageKind::Other("Radiance HDR")),
    (b"qoif", ImageKind::Other("QOI")),
    (b"DDS ", ImageKind::Other("DDS")),
    (b"farbfeld", ImageKind::Other("farbfeld")),
];

/// Brands of the ISO base media format that are images.
const BRANDS: [(&[u8], &str); 8] = [
    (b"heic", "HEIC"),
    (b"heix", "HEIC"),
    (b"hevc", "HEIC"),
    (b"hevx", "HEIC"),
    (b"mif1", "HEIF"),
    (b"msf1", "HEIF"),
    (b"avif", "AVIF"),
    (b"avis", "AVIF"),
];

/// Lengths of the second header of a BMP file.
const BMP_HEADERS: [u32; 9] = [12, 16, 40, 52, 56, 64, 108, 124, 128];

impl ImageKind {
    /// Returns the kind of the image that begins with `head`, [`HEAD_BYTES`] bytes or all there are; `None`
    /// if it is not an image of a known kind.
    pub fn of(head: &[u8]) -> Option<ImageKind> {
        if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Some(*kind);
        }
        if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
            return Some(ImageKind::Readable(Readable::WebP));
        }
        if head.get(4..8) == Some(b"ftyp") {
            let brand = head.get(8..12)?;
            return BRANDS.iter().find(|(known, _)| *known == brand).map(|(_, name)| ImageKind::Other(name));
        }
        // Two letters are not enough: text may also start with them.
        if is_bmp(head) {
            return Some(ImageKind::Readable(Readable::Bmp));
        }
        is_pnm(head).then_some(ImageKind::Readable(Readable::Pnm))
    }
}

fn is_bmp(head: &[u8]) -> bool {
    let header = head.get(14..18).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    head.starts_with(b"BM") && header.is_some_and(|header| BMP_HEADERS.contains(&header))
}

/// Returns whether `head` begins with `P1` to `P7`, white space, and the start of a header.
fn is_pnm(head: &[u8]) -> bool {
    let [b'P', digit @ b'1'..=b'7', rest @ ..] = head else { return false };
    let first = rest.iter().position(|byte| !byte.is_ascii_whitespace());
    match first {
        None | Some(0) => false,
        Some(at) if *digit == b'7' => rest[at] == b'#' || rest[at].is_ascii_uppercase(),
        Some(at) => rest[at] == b'#' || rest[at].is_ascii_digit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_starting_like_an_image_is_not_an_image() {
        for text in [
            &b"BMW, Audi and Porsche are classes"[..],
            b"P1 is the first point",
            b"P5",
            b"P62",
            b"Points",
            b"GIF is a format",
            b"\0\0\0\x20ftypisom\0\0\x02\0",
            b"RIFF\0\0\0\0WAVEfmt ",
            b"",
        ] {
            assert_eq!(ImageKind::of(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn unsupported_formats_are_named() {
        for (head, name) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "HEIC"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
            (b"8BPS\0\x01", "Photoshop"),
        ] {
            assert_eq!(ImageKind::of(head), Some(ImageKind::Other(name)));
        }
        assert_eq!(ImageKind::of(b"P6 # wide\n640 480"), Some(ImageKind::Readable(Readable::Pnm)));
        assert_eq!(ImageKind::of(b"P7\nWIDTH 3"), Some(ImageKind::Readable(Readable::Pnm)));
    }
}
