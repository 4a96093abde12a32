//! Key points and descriptors match OpenCV's. The figures are from `scripts/reference/sift_opencv.py`.

use serde::Deserialize;
use striate_vision::Image;
use striate_vision::features::{DESCRIPTOR, KeyPoint, Sift};

#[derive(Deserialize)]
struct Figures {
    size: [usize; 2],
    /// x, y, size, angle.
    points: Vec<[f32; 4]>,
    /// Of the first points, in whole numbers.
    descriptors: Vec<Vec<f32>>,
}

/// The image of the script: waves in two directions, which become shorter to the lower right.
fn waves(width: usize, height: usize) -> Image {
    let value = |i: usize| {
        let (x, y) = (i % width, i / width);
        let wave = |phase: usize| if phase % 512 < 256 { phase % 512 } else { 511 - phase % 512 };
        (wave((3 * x * x + x * y) / 30 + 20 * x) * wave((2 * y * y + x * y) / 25 + 15 * y) / 256) as u8
    };
    Image::new(width, height, 1, (0..width * height).map(value).collect()).unwrap()
}

/// Whether two points agree within 1 pixel and a factor 1.2 of the scale. OpenCV's coordinates are a quarter larger.
fn is_same(point: &KeyPoint, [x, y, size, _]: &[f32; 4]) -> bool {
    (point.x + 0.25 - x).hypot(point.y + 0.25 - y) < 1.0 && (point.size / size).ln().abs() < 1.2f32.ln()
}

#[test]
fn key_points_and_descriptors_match_opencv() {
    let figures: Figures = serde_json::from_str(include_str!("sift.json")).unwrap();
    let image = waves(figures.size[0], figures.size[1]);
    let sift = Sift::default();
    let points = sift.key_points(&image).unwrap();
    let descriptors = sift.descriptors(&image, &points).unwrap();
    let is_found = |expected: &&[f32; 4]| points.iter().any(|point| is_same(point, expected));
    let found = figures.points.iter().filter(is_found).count();
    assert!(figures.points.len() >= 20 && found * 100 >= figures.points.len() * 95, "{found}");
    assert!(points.len() * 100 <= figures.points.len() * 110, "{} key points", points.len());
    let mut distances = Vec::new();
    for (expected, values) in figures.points.iter().zip(&figures.descriptors) {
        let turn = |angle: f32| ((angle - expected[3] + 540.0) % 360.0 - 180.0).abs();
        let same = points.iter().position(|point| is_same(point, expected) && turn(point.angle) < 10.0);
        let Some(index) = same else { continue };
        let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        let pairs = descriptors[index * DESCRIPTOR..][..DESCRIPTOR].iter().zip(values);
        distances.push(pairs.map(|(found, value)| (found - value / norm).powi(2)).sum::<f32>().sqrt());
    }
    distances.sort_by(f32::total_cmp);
    assert!(distances.len() * 10 >= figures.descriptors.len() * 9, "{} pairs", distances.len());
    assert!(distances[distances.len() / 2] < 0.12, "{distances:?}");
}

#[test]
fn blob_is_found_in_its_place_and_size() {
    for (x, y, sigma) in [(40.3, 31.8, 4.0), (60.0, 50.5, 7.0)] {
        let value = |i: usize| {
            let (dx, dy) = ((i % 120) as f64 - x, (i / 120) as f64 - y);
            (30.0 + 200.0 * (-(dx * dx + dy * dy) / (2.0 * sigma * sigma)).exp()).round() as u8
        };
        let image = Image::new(120, 100, 1, (0..12_000).map(value).collect()).unwrap();
        let points = Sift::default().key_points(&image).unwrap();
        let strongest = points.iter().max_by(|a, b| a.response.total_cmp(&b.response)).unwrap();
        let distance = (f64::from(strongest.x) - x).hypot(f64::from(strongest.y) - y);
        assert!(distance < 0.15, "{strongest:?}");
        assert!((f64::from(strongest.size) / (2.0 * sigma)).ln().abs() < 0.25, "{strongest:?}");
    }
}

#[test]
fn number_of_key_points_is_limited_to_the_strongest() {
    let image = waves(128, 96);
    let all = Sift::default().key_points(&image).unwrap();
    let some = Sift { most: 10, ..Sift::default() }.key_points(&image).unwrap();
    assert_eq!(some.len(), 10);
    let least = some.iter().map(|point| point.response).fold(f32::INFINITY, f32::min);
    let stronger = all.iter().filter(|point| point.response > least);
    assert!(stronger.clone().count() <= 10 && stronger.clone().all(|point| some.contains(point)));
}

#[test]
fn any_image_and_point_is_accepted() {
    let sift = Sift::default();
    let points = [[5.0, 5.0, 4.0], [-1e30, 1e30, 1e30], [0.0, 0.0, 0.0], [1.0, 1.0, -3.0], [9.0, 2.0, 1e9]];
    let points = points.map(|[x, y, size]| KeyPoint { x, y, size, angle: -700.0, response: 0.0 });
    for (width, height) in [(1, 1), (1, 300), (5, 5), (300, 2), (64, 48)] {
        for image in [waves(width, height), Image::filled(width, height, [7; 3])] {
            let found = sift.key_points(&image).unwrap();
            assert!(image.channels() == 1 || found.is_empty());
            let descriptors = sift.descriptors(&image, &points).unwrap();
            assert!(descriptors.len() == 5 * DESCRIPTOR && descriptors.iter().all(|value| value.is_finite()));
        }
    }
    let bad = [KeyPoint { x: f32::NAN, ..points[0] }];
    assert!(sift.descriptors(&waves(9, 9), &bad).unwrap_err().is_input());
    let large = Image::new(1 << 13, 1 << 11, 1, vec![0; 1 << 24]).unwrap();
    assert!(sift.key_points(&large).unwrap_err().to_string().contains("2^25"));
}

#[test]
fn parameters_out_of_range_are_refused() {
    let good = Sift::default();
    for bad in [
        Sift { intervals: 0, ..good.clone() },
        Sift { intervals: 9, ..good.clone() },
        Sift { sigma: f32::NAN, ..good.clone() },
        Sift { contrast: -0.1, ..good.clone() },
        Sift { edge_ratio: 0.5, ..good.clone() },
        Sift { most: 0, ..good.clone() },
    ] {
        assert!(bad.key_points(&waves(9, 9)).unwrap_err().is_input(), "{bad:?}");
    }
    assert!(serde_json::from_str::<Sift>(r#"{"octaves": 3}"#).is_err());
}
