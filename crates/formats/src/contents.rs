//! Recognizes the contents of model and weights files by their first bytes.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use striate_tensor::file::open;

use crate::header::LARGEST_HEADER;
use crate::kind::{self, Kind};
use crate::load::extension;

/// The contents of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// A network with its weights, written by Striate.
    Model,
    /// An ONNX graph.
    Onnx,
    /// Tensors without a network.
    Weights,
}

/// Number of bytes that determine the kind of a file.
const HEAD: u64 = 512;

/// Returns the contents of the file at `path`, without reading its tensors; `None` for a file that cannot be read or
/// has another kind, since its reader reports that.
pub fn contents(path: &Path) -> Option<Contents> {
    let (mut file, _) = open(path).ok()?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head).ok()?;
    match kind::of(&head, &extension(path)) {
        Kind::Onnx => Some(Contents::Onnx),
        Kind::PyTorch | Kind::Caffe => Some(Contents::Weights),
        Kind::Safetensors => {
            let length = u64::from_le_bytes(*head.first_chunk()?).min(LARGEST_HEADER as u64);
            file.take((length + 8).saturating_sub(head.len() as u64)).read_to_end(&mut head).ok()?;
            let text = head.get(8..8 + usize::try_from(length).ok()?)?;
            let Header { metadata } = serde_json::from_slice(text).ok()?;
            Some(if metadata.contains_key("striate") { Contents::Model } else { Contents::Weights })
        }
        Kind::Other(_) | Kind::Unknown => None,
    }
}

/// The metadata in the header of a safetensors file.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__", default)]
    metadata: HashMap<String, IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Weights, pytorch_bytes, safetensors_bytes};

    #[test]
    fn contents_are_recognized_by_the_first_bytes() {
        let folder = std::env::temp_dir().join(format!("striate-contents-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let weights = Weights::from([("striate".into(), ([300].into(), vec![0.5; 300]))]);
        let own = HashMap::from([("striate".to_owned(), "1".to_owned())]);
        for (name, bytes, expected) in [
            ("a.safetensors", safetensors_bytes(&weights, HashMap::new()).unwrap(), Some(Contents::Weights)),
            ("b.pth", safetensors_bytes(&weights, own).unwrap(), Some(Contents::Model)),
            ("c.pth", pytorch_bytes(&weights).unwrap(), Some(Contents::Weights)),
            ("d.bin", b"\x08\x07\x12\x07pytorch".to_vec(), Some(Contents::Onnx)),
            ("e.caffemodel", b"\x0a\x03vgg".to_vec(), Some(Contents::Weights)),
            ("f.safetensors", [&u64::MAX.to_le_bytes()[..], b"{}"].concat(), None),
            ("g.safetensors", b"\x40\0\0\0\0\0\0\0{}".to_vec(), None),
            ("h.txt", b"words".to_vec(), None),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(contents(&path), expected, "{name}");
        }
        assert_eq!(contents(&folder), None);
        assert_eq!(contents(&folder.join("missing")), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
