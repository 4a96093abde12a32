//! Named tensors in canonical order, and their checksum.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use striate_tensor::Shape;

use crate::fit::COUNTER;

/// Tensors by name, sorted bytewise, in canonical order (`[O, I, KH, KW]`, row-major).
pub type Weights = BTreeMap<String, (Shape, Vec<f32>)>;

/// Returns SHA-256, in hexadecimal, of the raw bytes of all parameters and buffers: names sorted bytewise,
/// little-endian `f32`, without `num_batches_tracked`.
pub fn weights_sha256(weights: &Weights) -> String {
    weights_sha256_of(weights.iter().map(|(name, (_, values))| (name.as_str(), values.as_slice())))
}

/// Returns [`weights_sha256`] of borrowed tensors, in any order, without copying their values.
pub fn weights_sha256_of<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a [f32])>) -> String {
    let mut sorted: Vec<_> = tensors.into_iter().filter(|(name, _)| is_hashed(name)).collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut hash = Sha256::new();
    sorted.into_iter().for_each(|(_, values)| hash.update(little_endian(values)));
    hexadecimal(&hash.finalize())
}

/// Whether [`weights_sha256`] covers the tensor `name`.
pub(crate) fn is_hashed(name: &str) -> bool {
    !name.ends_with(COUNTER)
}

/// Returns SHA-256 of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Returns the bytes of `values` as stored in files; copied only on big-endian machines.
pub(crate) fn little_endian(values: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(values))
    } else {
        Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_matches_published_example() {
        // FIPS 180-4, the example "abc".
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), expected);
    }

    #[test]
    fn checksum_covers_sorted_names_without_counters() {
        let tensor = |value: f32| (Shape::from([1]), vec![value]);
        let mut weights = Weights::from([("b".into(), tensor(2.0)), ("a".into(), tensor(1.0))]);
        let expected = sha256(&[0, 0, 128, 63, 0, 0, 0, 64]);
        assert_eq!(weights_sha256(&weights), expected);
        weights.insert("a.num_batches_tracked".into(), tensor(9.0));
        assert_eq!(weights_sha256(&weights), expected);
    }

    #[test]
    fn tensors_in_any_order_are_sorted_by_bytes_of_names() {
        // Bytewise: "B" < "a" < "a.b" < "a_b" < "é".
        let values: Vec<[f32; 1]> = (0..5).map(|i| [i as f32]).collect();
        let names = ["B", "a", "a.b", "a_b", "é"];
        let expected = sha256(&values.concat().iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
        for rotation in 0..names.len() {
            let mut tensors: Vec<(&str, &[f32])> =
                names.into_iter().zip(values.iter().map(|v| &v[..])).collect();
            tensors.rotate_left(rotation);
            assert_eq!(weights_sha256_of(tensors), expected, "rotation {rotation}");
        }
    }
}
