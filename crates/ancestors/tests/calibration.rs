//! Calibrations match scikit-learn's. The figures are from `scripts/reference/svm_liblinear.py`.

use serde::Deserialize;
use striate_ancestors::platt::Sigmoid;

#[derive(Deserialize)]
struct Figures {
    calibrations: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    scores: Vec<f32>,
    positive: Vec<bool>,
    slope: f64,
    offset: f64,
}

#[test]
fn sigmoids_match_scikit_learn() {
    let figures: Figures = serde_json::from_str(include_str!("liblinear.json")).unwrap();
    assert!(figures.calibrations.len() >= 8);
    for case in figures.calibrations {
        let sigmoid = Sigmoid::fit(&case.scores, &case.positive).unwrap();
        let expected = Sigmoid { slope: case.slope, offset: case.offset };
        for score in &case.scores {
            let [found, expected] = [sigmoid, expected].map(|sigmoid| sigmoid.probability(f64::from(*score)));
            assert!((found - expected).abs() < 1e-5, "{sigmoid:?} instead of {expected:?}");
        }
        assert!((sigmoid.slope - expected.slope).abs() < 1e-4 * (1.0 + expected.slope.abs()), "{sigmoid:?}");
    }
}

#[test]
fn each_class_has_its_sigmoid() {
    let scores = [2.0, -1.0, 1.5, -2.0, -1.0, 1.0, -0.5, 2.0];
    let sigmoids = Sigmoid::fit_each(&scores, &[0, 0, 1, 1], 2).unwrap();
    assert_eq!(sigmoids[1], Sigmoid::fit(&[-1.0, -2.0, 1.0, 2.0], &[false, false, true, true]).unwrap());
    assert!(sigmoids.iter().all(|sigmoid| sigmoid.slope < 0.0 && sigmoid.probability(3.0) > 0.5));
    assert!((sigmoids[0].probability(1e300), sigmoids[0].probability(-1e300)) == (1.0, 0.0));
}

#[test]
fn scores_without_labels_and_infinite_scores_are_refused() {
    assert!(Sigmoid::fit(&[], &[]).unwrap_err().is_input());
    assert!(Sigmoid::fit(&[1.0, 2.0], &[true]).unwrap_err().is_input());
    assert!(Sigmoid::fit(&[f32::NAN], &[true]).unwrap_err().is_input());
    // One class only, and scores of any size.
    for scores in [[3e38, -3e38, 1.0], [1e-38, 2e-38, 0.0], [0.0; 3]] {
        for members in [[true; 3], [false; 3], [true, false, true]] {
            let sigmoid = Sigmoid::fit(&scores, &members).unwrap();
            assert!(sigmoid.slope.is_finite() && sigmoid.offset.is_finite(), "{sigmoid:?}");
        }
    }
}
