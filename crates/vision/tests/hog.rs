//! Histograms of oriented gradients match scikit-image's. The figures are from `scripts/reference/hog_skimage.py`.

use serde::Deserialize;
use striate_vision::Image;
use striate_vision::features::{Extract, Hog};

#[derive(Deserialize)]
struct Case {
    kind: String,
    size: [usize; 2],
    channels: usize,
    parameters: Hog,
    shape: [usize; 3],
    values: Vec<f32>,
}

/// The images of the script.
fn formula(kind: &str, [height, width]: [usize; 2], channels: usize) -> Image {
    let value = |i: usize| {
        let (y, x, c) = (i / (width * channels), i / channels % width, i % channels);
        let noise = ((i * 2_654_435_761 % 4_294_967_296) >> 24) as u8;
        match kind {
            "smooth" => ((x * x + 3 * y * x + 40 * c * y + 7 * y) / 8 % 256) as u8,
            "noisy" => noise,
            _ => [0, 1, 3, 4][usize::from(noise % 4)],
        }
    };
    Image::new(width, height, channels, (0..height * width * channels).map(value).collect()).unwrap()
}

#[test]
fn histograms_match_scikit_image() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("hog.json")).unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let image = formula(&case.kind, case.size, case.channels);
        let (shape, values) = case.parameters.features(&image).unwrap();
        assert_eq!(shape, case.shape);
        let pairs = values.iter().zip(&case.values);
        let worst = pairs.map(|(value, expected)| (value - expected).abs()).fold(0.0, f32::max);
        assert_eq!(values.len(), case.values.len());
        assert!(worst < 1e-5, "{} with {:?}: {worst}", case.kind, case.parameters);
    }
}

#[test]
fn parameters_out_of_range_are_refused() {
    let good = Hog::default();
    good.check().unwrap();
    for bad in [
        Hog { orientations: 1, ..good.clone() },
        Hog { orientations: 37, ..good.clone() },
        Hog { pixels_per_cell: [0, 8], ..good.clone() },
        Hog { pixels_per_cell: [8, 257], ..good.clone() },
        Hog { cells_per_block: [17, 1], ..good.clone() },
    ] {
        assert!(bad.check().unwrap_err().is_input(), "{bad:?}");
        assert!(bad.output_shape([64, 64]).is_err());
    }
    assert!(serde_json::from_str::<Hog>(r#"{"orientation": 9}"#).is_err());
    assert!(serde_json::from_str::<Hog>(r#"{"block_norm": "L3"}"#).is_err());
    assert_eq!(serde_json::from_str::<Hog>("{}").unwrap(), good);
    let text = good.output_shape([24, 23]).unwrap_err().to_string();
    assert!(text.contains("23x24") && text.contains("24x24"), "{text}");
    let dense = Hog { pixels_per_cell: [1, 1], cells_per_block: [16, 16], orientations: 36, ..good };
    assert!(dense.output_shape([1 << 13, 1 << 13]).unwrap_err().to_string().contains("2^26"));
}
