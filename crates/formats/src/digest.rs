//! The digest of a model file: one checksum over all its content.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use striate_tensor::Shape;

use crate::Weights;
use crate::model::Golden;
use crate::weights::{hexadecimal, is_hashed, little_endian};

/// The key of the digest in the metadata.
pub(crate) const DIGEST: &str = "digest";
/// The metadata that it covers, including absent ones. The values of the weights are covered by their own
/// checksum, which is one of these.
const COVERED: [&str; 10] = [
    "striate",
    "program",
    "network",
    "classes",
    "preprocessing",
    "predict",
    "evaluation",
    "data",
    "recipe",
    "weights_sha256",
];

/// Metadata that earlier versions do not have; absent ones are not covered, so that their digests remain valid.
const ADDED: [&str; 1] = ["encoding"];

/// Returns SHA-256, in hexadecimal, of the texts of `metadata` exactly as stored, the names and shapes of
/// `weights`, and the golden pair. Every part is preceded by its length, so that different contents never give
/// the same bytes.
pub(crate) fn digest(
    metadata: &HashMap<String, String>,
    weights: &Weights,
    golden: Option<&Golden>,
) -> String {
    let mut hash = Sha256::new();
    for key in COVERED {
        part(&mut hash, key.as_bytes());
        match metadata.get(key) {
            Some(text) => part(&mut hash, text.as_bytes()),
            None => hash.update(u64::MAX.to_le_bytes()),
        }
    }
    for key in ADDED {
        if let Some(text) = metadata.get(key) {
            part(&mut hash, key.as_bytes());
            part(&mut hash, text.as_bytes());
        }
    }
    let named: Vec<_> = weights.iter().filter(|(name, _)| is_hashed(name)).collect();
    number(&mut hash, named.len());
    for (name, (shape, _)) in named {
        part(&mut hash, name.as_bytes());
        extents(&mut hash, shape);
    }
    for (shape, values) in golden.into_iter().flat_map(|golden| [&golden.input, &golden.output]) {
        extents(&mut hash, shape);
        part(&mut hash, &little_endian(values));
    }
    hexadecimal(&hash.finalize())
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    number(hash, bytes.len());
    hash.update(bytes);
}

fn extents(hash: &mut Sha256, shape: &Shape) {
    number(hash, shape.len());
    shape.iter().for_each(|extent| number(hash, *extent));
}

fn number(hash: &mut Sha256, number: usize) {
    hash.update((number as u64).to_le_bytes());
}
