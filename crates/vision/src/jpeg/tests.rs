//! Tests of the decoder: pixels like Pillow's, regions, and damaged files.

use proptest::prelude::*;
use serde::Deserialize;

use super::decode;
use crate::{Image, Region};

/// A file, and the Adler-32 checksum of the pixels that Pillow decodes; from `scripts/reference/jpeg_pillow.py`.
#[derive(Deserialize)]
struct Case {
    name: String,
    width: usize,
    height: usize,
    channels: usize,
    checksum: u32,
    /// The file in hexadecimal digits.
    file: String,
}

fn cases() -> Vec<(Case, Vec<u8>)> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/jpeg.json")).unwrap();
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes = |case: &Case| case.file.as_bytes().chunks(2).map(digits).collect();
    cases
        .into_iter()
        .map(|case| {
            let bytes = bytes(&case);
            (case, bytes)
        })
        .collect()
}

fn adler(bytes: &[u8]) -> u32 {
    let add = |sum: u32, value: u32| (sum + value) % 65_521;
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = add(low, (*byte).into());
        (low, add(high, low))
    });
    high << 16 | low
}

fn regions(image: &Image) -> impl Iterator<Item = Region> + use<> {
    let (width, height) = (image.width(), image.height());
    let sides = |side: usize| [(0, side), (side / 2, side - side / 2), (side / 3, 1), (side - 1, 1)];
    let pairs = sides(width).into_iter().flat_map(move |x| sides(height).map(|y| (x, y)));
    pairs.map(|((left, width), (top, height))| Region { left, top, width, height })
}

fn crop(image: &Image, region: Region) -> Image {
    image.window(region.left as isize, region.top as isize, region.width, region.height, 0)
}

#[test]
fn pixels_are_those_of_pillow() {
    let cases = cases();
    assert!(cases.len() > 20);
    for (case, bytes) in cases {
        let image = decode(&bytes, None).unwrap_or_else(|| panic!("{} is not decoded", case.name));
        let size = (image.width(), image.height(), image.channels());
        assert_eq!(size, (case.width, case.height, case.channels), "{}", case.name);
        assert_eq!(adler(image.pixels()), case.checksum, "{}", case.name);
        for region in regions(&image) {
            assert_eq!(decode(&bytes, Some(region)), Some(crop(&image, region)), "{}: {region:?}", case.name);
        }
    }
}

/// Any start of a file is decoded to pixels or to nothing; at the latest, the last byte of data completes the image.
#[test]
fn files_may_end_anywhere() {
    for (case, bytes) in cases() {
        let whole = decode(&bytes, None).unwrap();
        for length in 0..bytes.len() {
            let ended = [&bytes[..length], &[0xff, 0xd9]].concat();
            for file in [&bytes[..length], &ended] {
                if let Some(image) = decode(file, None) {
                    assert_eq!(image, whole, "{} cut to {length}", case.name);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn regions_of_any_file_are_crops(number: prop::sample::Index, x: [f64; 2], y: [f64; 2]) {
        let cases = cases();
        let (case, bytes) = &cases[number.index(cases.len())];
        let whole = decode(bytes, None).unwrap();
        let part = |[first, count]: [f64; 2], side: usize| {
            let share = |value: f64| if value.is_finite() { value.abs().fract() } else { 0.0 };
            let first = (share(first) * side as f64) as usize;
            (first, 1 + (share(count) * (side - first) as f64) as usize)
        };
        let ((left, width), (top, height)) = (part(x, case.width), part(y, case.height));
        let region = Region { left, top, width, height };
        prop_assert_eq!(decode(bytes, Some(region)), Some(crop(&whole, region)));
    }

    /// Other bytes in place of some.
    #[test]
    fn damaged_files_are_decoded_or_refused(
        number: prop::sample::Index,
        patches in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let cases = cases();
        let mut bytes = cases[number.index(cases.len())].1.clone();
        for (at, value) in patches {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // Sizes in the frame may be large.
        if crate::dimensions(&bytes).is_ok_and(|[height, width]| height * width < 1 << 22) {
            decode(&bytes, None);
        }
    }
}
