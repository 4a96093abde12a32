//! The kind of a weights or model file, recognized by its content, not its name.

use crate::pytorch::is_pytorch;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    PyTorch,
    /// A weights or model file.
    Safetensors,
    Onnx,
    Caffe,
    /// A known but unsupported kind, with advice.
    Other(&'static str),
    Unknown,
}

/// The first bytes of files that are mistaken for weights.
const OTHERS: [(&[u8], &str); 12] = [
    (b"\x89HDF", "is an HDF5 file, as Keras writes them; convert it to ONNX first"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
    (b"BZh", "is compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "is compressed with xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first"),
    (b"<!", "is a web page, not a weights file; download it again"),
    (b"<html", "is a web page, not a weights file; download it again"),
    (b"version https://git-lfs", "is a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (b"\x93NUMPY", "is a NumPy array, not a weights file"),
    (b"GGUF", "is a GGUF file, which is not supported; convert it to safetensors first"),
    (b"\x89PNG", "is an image, not a weights file"),
    (b"\xff\xd8\xff", "is an image, not a weights file"),
];

/// Returns the kind of the file with the content `bytes`. The first few bytes decide, or else the `extension` of
/// its name.
pub(crate) fn of(bytes: &[u8], extension: &str) -> Kind {
    match extension.to_ascii_lowercase().as_str() {
        _ if is_pytorch(bytes) => Kind::PyTorch,
        _ if is_safetensors(bytes) => Kind::Safetensors,
        _ if let Some((_, what)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) => {
            Kind::Other(what)
        }
        "onnx" => Kind::Onnx,
        "caffemodel" => Kind::Caffe,
        _ if is_onnx(bytes) => Kind::Onnx,
        _ if is_caffe(bytes) => Kind::Caffe,
        "pth" | "pt" => Kind::PyTorch,
        "safetensors" => Kind::Safetensors,
        _ => Kind::Unknown,
    }
}

/// Whether the bytes start with a length below 4 GB and a JSON header.
fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(4..9) == Some(b"\0\0\0\0{")
}

/// Whether the bytes start with a small format version, then another field of ONNX's `ModelProto`.
fn is_onnx(bytes: &[u8]) -> bool {
    const NEXT: [u8; 6] = [0x12, 0x1a, 0x22, 0x28, 0x3a, 0x42];
    matches!(bytes, [0x08, 1..=30, next, ..] if NEXT.contains(next))
}

/// Whether the bytes start with a name, then a layer or an input of Caffe's `NetParameter`.
fn is_caffe(bytes: &[u8]) -> bool {
    let [0x0a, length @ 0..=0x7f, ..] = bytes else { return false };
    let next = bytes.get(2 + usize::from(*length)..).unwrap_or_default();
    next.starts_with(&[0x12]) || next.starts_with(&[0x1a]) || next.starts_with(&[0xa2, 0x06])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_regardless_of_name() {
        let safetensors = b"\x02\0\0\0\0\0\0\0{}";
        for extension in ["pth", "safetensors", "ckpt", "onnx", ""] {
            assert_eq!(of(safetensors, extension), Kind::Safetensors, "{extension}");
            assert_eq!(of(b"PK\x03\x04", extension), Kind::PyTorch, "{extension}");
            assert!(matches!(of(b"\x89HDF\r\n", extension), Kind::Other(_)), "{extension}");
        }
        assert_eq!(of(b"\x08\x07\x12\x07pytorch", "bin"), Kind::Onnx);
        assert_eq!(of(b"\x0a\x03vgg\xa2\x06\x00", "bin"), Kind::Caffe);
        assert_eq!(of(b"\x0a\x03vgg", "caffemodel"), Kind::Caffe);
        assert_eq!(of(b"words", "pth"), Kind::PyTorch);
        assert_eq!(of(b"words", "txt"), Kind::Unknown);
    }
}
