//! Pseudo-random numbers that the reference scripts compute with the same formula, so that only results are
//! stored; and the files with these results.

use std::path::Path;

use serde_json::Value;

/// Element `index` of tensor number `tensor`: a hash of both, as a 24-bit number in [0, 1).
pub fn unit(tensor: u32, index: u32) -> f64 {
    let mut h =
        index.wrapping_mul(2_654_435_761).wrapping_add(tensor.wrapping_mul(40_503)).wrapping_add(12_345);
    h ^= h >> 16;
    h = h.wrapping_mul(2_246_822_519);
    h ^= h >> 13;
    h = h.wrapping_mul(3_266_489_917);
    h ^= h >> 16;
    f64::from(h >> 8) / 16_777_216.0
}

/// The `count` elements of tensor number `tensor`, scaled to ±`bound`.
pub fn weights(tensor: u32, count: usize, bound: f64) -> Vec<f64> {
    (0..count).map(|index| (2.0 * unit(tensor, index as u32) - 1.0) * bound).collect()
}

/// The `count` elements of tensor number `tensor`, scaled to the range from `low` to `high` and rounded to f32.
pub fn uniform(tensor: u32, count: usize, low: f64, high: f64) -> Vec<f64> {
    (0..count).map(|index| f64::from((low + (high - low) * unit(tensor, index as u32)) as f32)).collect()
}

/// Reads the results that a script in `scripts/reference` has written to `references/NAME.json`.
///
/// # Panics
/// If the file is missing or is not valid JSON.
pub fn reference(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("references").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
