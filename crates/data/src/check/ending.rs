//! Names that end otherwise than their format suggests.

use striate_vision::{ImageKind, Readable};

use super::finding::{Finding, FindingKind};

/// Reports content of the kind `found` in a file whose name ends in `extension` (in lower case), if that belongs to
/// another format. Unknown extensions and none at all claim nothing.
pub(super) fn wrong_ending(found: ImageKind, extension: &str) -> Option<Finding> {
    let name = match found {
        ImageKind::Readable(kind) => kind.name(),
        ImageKind::Other(name) => name,
    };
    let claimed = match (Readable::by_extension(extension), extension) {
        (Some(kind), _) => kind.name(),
        (None, "heic") => "HEIC",
        // HEIF is the container of HEIC and AVIF.
        (None, "heif") if !["HEIC", "AVIF"].contains(&name) => "HEIF",
        (None, "avif" | "avifs") => "AVIF",
        (None, "jp2" | "j2k" | "jpf" | "jpx" | "j2c" | "jpc") => "JPEG 2000",
        (None, "jxl") => "JPEG XL",
        (None, "psd") => "Photoshop",
        (None, "dds") => "DDS",
        (None, "exr") => "OpenEXR",
        (None, "qoi") => "QOI",
        _ => return None,
    };
    let what = || format!("has the content of a {name} image, but is called .{extension}");
    (name != claimed).then(|| Finding::warning(FindingKind::WrongEnding, what()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_endings_of_other_formats_are_wrong() {
        let found = |kind, extension| wrong_ending(kind, extension).map(|finding| finding.message);
        let png = ImageKind::Readable(Readable::Png);
        assert_eq!(found(png, "jpg").unwrap(), "has the content of a PNG image, but is called .jpg");
        assert!(found(png, "heic").unwrap().contains("PNG"));
        assert!(found(ImageKind::Other("AVIF"), "png").unwrap().contains("AVIF"));
        for (kind, extension) in [
            (png, "png"),
            (png, ""),
            (png, "bin"),
            (ImageKind::Readable(Readable::Jpeg), "jfif"),
            (ImageKind::Other("HEIC"), "heif"),
            (ImageKind::Other("HEIC"), "heic"),
        ] {
            assert_eq!(found(kind, extension), None, "{extension}");
        }
    }
}
