//! Temperature scaling: one factor on the scores of all classes, whose softmax is then their probabilities.
//!
//! Source: Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2. The factor is what they call
//! 1 / T. Unlike a sigmoid for each class, it keeps the order of the classes, and it is part of a linear layer: a
//! factor on weights and biases. Similar to Platt's calibration, targets are not 1 and 0 but (N + 1) / (N + 2) for the
//! label of each of N examples, and equal shares of the rest for the other classes, so that the factor stays finite
//! where the classes are separated. The scores should be of examples that the classifier was not trained on.

use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

/// The factor lies between this and its inverse, in units of the largest score.
const LEAST: f64 = 1e-3;
/// Maximum number of iterations, each of which at least halves the interval of factors or is a step of Newton's method.
const MOST_ITERATIONS: usize = 200;
/// Ends when the factor changes by less than this share.
const TOLERANCE: f64 = 1e-12;

/// Returns the factor for `scores`, `[N, classes]`, with the labels of the rows: it minimizes the cross-entropy, which
/// is convex.
///
/// # Errors
/// If `labels` is empty, `classes` is below 2, `scores` does not have a row for each label, or a score is not finite.
pub fn factor(scores: &[f32], labels: &[usize], classes: usize) -> Result<f64> {
    let refuse = |what: String| Err(Error::input(format!("calibration: {what}")));
    if classes < 2 || labels.is_empty() || scores.len() != labels.len() * classes {
        let (scores, labels) = (counted(scores.len(), "score"), counted(labels.len(), "label"));
        return refuse(format!("{scores} and {labels} of {}", counted(classes, "class")));
    }
    if let Some(label) = labels.iter().find(|label| **label >= classes) {
        return refuse(format!("label {label} is out of range for {}", counted(classes, "class")));
    }
    let Some(scale) = scores.iter().map(|score| f64::from(score.abs())).reduce(f64::max) else {
        return Ok(1.0);
    };
    if !scores.iter().all(|score| score.is_finite()) {
        return refuse("a score is not finite".into());
    }
    if scale == 0.0 {
        return Ok(1.0);
    }
    let (mut low, mut high) = (LEAST / scale, 1.0 / (LEAST * scale));
    let mut factor = 1.0 / scale;
    for _ in 0..MOST_ITERATIONS {
        let [slope, curvature] = derivatives(factor, scores, labels, classes);
        if slope > 0.0 {
            high = factor;
        } else {
            low = factor;
        }
        let newton = factor - slope / curvature;
        let next = if newton > low && newton < high { newton } else { low.midpoint(high) };
        let change = (next - factor).abs();
        factor = next;
        if change <= TOLERANCE * factor {
            break;
        }
    }
    Ok(factor)
}

/// The first two derivatives of the cross-entropy by the factor.
fn derivatives(factor: f64, scores: &[f32], labels: &[usize], classes: usize) -> [f64; 2] {
    let count = labels.len() as f64;
    let target = (count + 1.0) / (count + 2.0);
    let (mut slope, mut curvature) = (0.0, 0.0);
    for (row, label) in scores.chunks_exact(classes).zip(labels) {
        let largest = row.iter().copied().fold(f32::MIN, f32::max);
        let [mut sum, mut first, mut second] = [0.0; 3];
        for score in row.iter().map(|score| f64::from(*score)) {
            let weight = (factor * (score - f64::from(largest))).exp();
            (sum, first, second) = (sum + weight, first + weight * score, second + weight * score * score);
        }
        let mean = first / sum;
        let total: f64 = row.iter().map(|score| f64::from(*score)).sum();
        let own = f64::from(row[*label]);
        slope += mean - target * own - (1.0 - target) * (total - own) / (classes - 1) as f64;
        curvature += second / sum - mean * mean;
    }
    [slope, curvature]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scores of `scripts/reference/hog_svm_sklearn.py`, which gives the factor by SciPy's `minimize_scalar`.
    #[test]
    fn factor_is_that_of_scipy() {
        let (rows, classes) = (40, 4);
        let label = |row: usize| row * row % classes;
        let score = |row: usize, class: usize| {
            let noise = ((row * classes + class) * 7919 % 101) as f32 / 50.0 - 1.0;
            noise + if class == label(row) { 0.75 } else { -0.5 }
        };
        let scores: Vec<f32> = (0..rows * classes).map(|i| score(i / classes, i % classes)).collect();
        let labels: Vec<usize> = (0..rows).map(label).collect();
        let found = factor(&scores, &labels, classes).unwrap();
        assert!((found - EXPECTED).abs() < 1e-5 * EXPECTED, "{found}");
    }

    const EXPECTED: f64 = 3.400_472_6;

    #[test]
    fn separated_and_useless_scores_give_finite_factors() {
        let separated = factor(&[5.0, -5.0, -5.0, 5.0], &[0, 1], 2).unwrap();
        assert!(separated > 0.0 && separated < 1.0, "{separated}");
        let useless = factor(&[-1.0, 1.0, 1.0, -1.0], &[0, 1], 2).unwrap();
        assert!(useless > 0.0 && useless < 0.01, "{useless}");
        assert_eq!(factor(&[0.0; 4], &[0, 1], 2).unwrap(), 1.0);
    }

    #[test]
    fn scores_that_do_not_fit_are_refused() {
        for (scores, labels, classes) in [
            (&[][..], &[][..], 2),
            (&[1.0, 2.0], &[0, 1], 2),
            (&[1.0, 2.0], &[2], 2),
            (&[1.0, f32::NAN], &[0], 2),
        ] {
            assert!(factor(scores, labels, classes).unwrap_err().is_input());
        }
    }
}
