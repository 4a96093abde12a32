//! Resizing, conversion to gray and decoding match Pillow byte by byte. The figures are from
//! `scripts/reference/pillow_resize.py`.

use std::collections::BTreeMap;

use serde::Deserialize;
use striate_vision::{Filter, Image, decode, dimensions, resize};

#[derive(Deserialize)]
struct Figures {
    resized: Vec<Case>,
    hashes: Vec<Case>,
    gray: u64,
    cmyk: Cmyk,
    turned: BTreeMap<u8, Vec<u8>>,
    transparent: Vec<Transparent>,
}

#[derive(Deserialize)]
struct Case {
    channels: usize,
    source: [usize; 2],
    target: [usize; 2],
    filter: Filter,
    #[serde(default)]
    bytes: Vec<u8>,
    #[serde(default)]
    hash: u64,
}

#[derive(Deserialize)]
struct Transparent {
    file: Vec<u8>,
    resized: Vec<Case>,
}

#[derive(Deserialize)]
struct Cmyk {
    file: Vec<u8>,
    color: [u8; 3],
}

fn figures() -> Figures {
    serde_json::from_str(include_str!("pillow.json")).unwrap()
}

fn source([width, height]: [usize; 2], channels: usize) -> Image {
    let bytes = (0..width * height * channels).map(|i| ((i * 89 + i * i * 7) % 256) as u8).collect();
    Image::new(width, height, channels, bytes).unwrap()
}

fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

impl Case {
    fn resized(&self) -> Image {
        resize(&source(self.source, self.channels), self.target[0], self.target[1], self.filter)
    }
}

#[test]
fn resizing_matches_pillow() {
    let Figures { resized, hashes, .. } = figures();
    assert_eq!((resized.len(), hashes.len()), (88, 160));
    for case in resized {
        let most = case.resized().pixels().iter().zip(&case.bytes).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(most, Some(0), "{:?} to {:?}, {:?}", case.source, case.target, case.filter);
    }
    for case in hashes {
        let hash = fnv(case.resized().pixels());
        assert_eq!(hash, case.hash, "{:?} to {:?}, {:?}", case.source, case.target, case.filter);
    }
}

/// Images with transparency are composited on white, as viewers show them.
#[test]
fn transparent_images_are_resized_on_white_like_pillow() {
    for Transparent { file, resized } in figures().transparent {
        let image = decode(&file).unwrap();
        assert_eq!(resized.len(), 4);
        for case in resized {
            assert_eq!(image.channels(), case.channels);
            let found = resize(&image, case.target[0], case.target[1], case.filter);
            assert_eq!(found.pixels().len(), case.bytes.len());
            let most = found.pixels().iter().zip(&case.bytes).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(most <= Some(1), "{:?}, {:?}: {most:?}", case.target, case.filter);
        }
    }
}

#[test]
fn gray_matches_pillow() {
    assert_eq!(fnv(source([40, 30], 3).to_gray().pixels()), figures().gray);
}

#[test]
fn cmyk_matches_pillow() {
    let Cmyk { file, color } = figures().cmyk;
    let image = decode(&file).unwrap();
    let found = image.pixel(4, 4);
    assert!(found.iter().zip(color).all(|(a, b)| a.abs_diff(b) <= 6), "{found:?} for {color:?}");
}

/// Orientations as EXIF 2.3 numbers them, of an image whose left half is dark.
#[test]
fn exif_orientation_is_applied() {
    for (orientation, file) in figures().turned {
        let image = decode(&file).unwrap();
        let (w, h) = (image.width(), image.height());
        assert_eq!(dimensions(&file).unwrap(), [h, w]);
        assert_eq!((w, h), if orientation > 4 { (8, 16) } else { (16, 8) }, "{orientation}");
        // A pixel in the middle of the side that is then dark.
        let dark = match orientation {
            1 | 4 => (1, h / 2),
            2 | 3 => (w - 2, h / 2),
            5 | 6 => (w / 2, 1),
            _ => (w / 2, h - 2),
        };
        let bright = (w - 1 - dark.0, h - 1 - dark.1);
        let (dark, bright) = (image.pixel(dark.0, dark.1)[0], image.pixel(bright.0, bright.1)[0]);
        assert!(dark < 40 && bright > 215, "{orientation}: {dark} {bright}");
    }
}
