//! Named tensors in canonical order, and their fingerprint.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use striate_tensor::Shape;

/// Tensors by name, sorted bytewise, in canonical order (`[O, I, KH, KW]`, row-major).
pub type Weights = BTreeMap<String, (Shape, Vec<f32>)>;

/// SHA-256 of the raw bytes of all parameters and buffers: names sorted bytewise, little-endian `f32`,
/// without `num_batches_tracked`.
pub fn weights_sha256(weights: &Weights) -> String {
    let mut hash = Sha256::new();
    for (name, (_, values)) in weights {
        if !name.ends_with("num_batches_tracked") {
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
    }
    hexadecimal(&hash.finalize())
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_that_of_the_sorted_bytes() {
        let tensor = |value: f32| (Shape::from([1]), vec![value]);
        let mut weights = Weights::from([("b".into(), tensor(2.0)), ("a".into(), tensor(1.0))]);
        let expected = sha256(&[0, 0, 128, 63, 0, 0, 0, 64]);
        assert_eq!(weights_sha256(&weights), expected);
        weights.insert("a.num_batches_tracked".into(), tensor(9.0));
        assert_eq!(weights_sha256(&weights), expected);
    }
}
