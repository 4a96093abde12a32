//! Comparison with the results of reference scripts: single numbers, and tensors by sum, norm and first elements.

use serde_json::Value;

/// Asserts that `got` equals the stored number within `tolerance`, which is relative for numbers above 1.
///
/// # Panics
/// If it does not.
pub fn assert_close(got: f64, expected: &Value, tolerance: f64, place: &str) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{place}: the stored value is not a number"));
    let scale = expected.abs().max(1.0);
    assert!((got - expected).abs() <= tolerance * scale, "{place}: got {got}, expected {expected}");
}

/// Asserts that `values` have the stored sum, norm and first elements.
///
/// # Panics
/// If they do not.
pub fn assert_fingerprint(values: &[f64], expected: &Value, tolerance: f64, place: &str) {
    let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let count = (values.len() as f64).sqrt();
    assert_close(values.iter().sum(), &expected["sum"], tolerance * count, &format!("{place}, sum"));
    assert_close(norm, &expected["norm"], tolerance, &format!("{place}, norm"));
    for (i, (got, expected)) in values.iter().zip(expected["first"].as_array().unwrap()).enumerate() {
        assert_close(*got, expected, tolerance, &format!("{place}[{i}]"));
    }
}
