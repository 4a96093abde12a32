//! Resizing equals Pillow's, byte by byte. The figures are those of
//! `scripts/reference/pillow_resize.py`.

use serde::Deserialize;
use striate_vision::{Filter, Image, resize};

#[derive(Deserialize)]
struct Case {
    channels: usize,
    source: [usize; 2],
    target: [usize; 2],
    filter: Filter,
    bytes: Vec<u8>,
}

#[test]
fn resizing_is_pillows() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("pillow.json")).unwrap();
    assert_eq!(cases.len(), 30);
    for case in cases {
        let [w, h] = case.source;
        let bytes = (0..w * h * case.channels).map(|i| ((i * 89 + i * i * 7) % 256) as u8).collect();
        let image = Image::new(w, h, case.channels, bytes).unwrap();
        let resized = resize(&image, case.target[0], case.target[1], case.filter);
        let most = resized.pixels().iter().zip(&case.bytes).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(most, Some(0), "{w}x{h} to {:?}, {:?}", case.target, case.filter);
    }
}
