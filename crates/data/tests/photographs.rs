//! Real photographs, if downloaded, are decoded and resized as by Pillow. The figures are from
//! `scripts/reference/pillow_resize.py`.

use serde::Deserialize;
use striate_vision::{Filter, Image, decode, resize};

#[derive(Deserialize)]
struct Photograph {
    file: String,
    size: [usize; 2],
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    target: [usize; 2],
    filter: Filter,
    /// Of red, green and blue: the mean, and the mean differences to the right and down.
    means: [f64; 9],
}

/// Returns the values of [`Case::means`] for `image`.
fn means(image: &Image) -> [f64; 9] {
    let (w, h) = (image.width(), image.height());
    let mut sums = [0.0; 9];
    for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
        for channel in 0..3 {
            let value = |x: usize, y: usize| f64::from(image.pixel(x, y)[channel]);
            sums[channel] += value(x, y) / (w * h) as f64;
            if x > 0 {
                sums[3 + channel] += (value(x, y) - value(x - 1, y)).abs() / ((w - 1) * h) as f64;
            }
            if y > 0 {
                sums[6 + channel] += (value(x, y) - value(x, y - 1)).abs() / (w * (h - 1)) as f64;
            }
        }
    }
    sums
}

#[test]
fn photographs_are_resized_like_pillow() {
    let photographs: Vec<Photograph> = serde_json::from_str(include_str!("photographs.json")).unwrap();
    assert_eq!(photographs.len(), 8);
    let folder = striate_data::data_folder().unwrap().join("weights/photographs");
    for Photograph { file, size, cases } in photographs {
        let Ok(bytes) = std::fs::read(folder.join(&file)) else {
            let what = format!("{file} is missing; run scripts/fetch-weights.sh");
            return striate_testkit::missing_data("photographs_are_resized_like_pillow", &what);
        };
        let image = decode(&bytes).unwrap();
        assert_eq!([image.width(), image.height()], size, "{file}");
        for Case { target: [width, height], filter, means: expected } in cases {
            let found = means(&resize(&image, width, height, filter));
            // The figures have three decimals.
            let all_near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.000_51);
            assert!(all_near, "{file} to {width}x{height}, {filter:?}: {found:.3?}, not {expected:?}");
        }
    }
}
