//! Tests of the transforms: against torchvision, and by properties.

mod properties;
mod recipes;
mod torchvision;

use striate_tensor::random::{Random, Stream};

use crate::Image;

/// The random numbers of sample `sequence`.
fn random(sequence: u64) -> Random {
    Random::new(3, Stream::Augmentation, sequence)
}

/// Source images, as in `scripts/reference/augment_torchvision.py`.
fn source(width: usize, height: usize, channels: usize, kind: &str) -> Image {
    let byte = |i: usize| {
        let noise = (i * 89 + i * i * 7) % 256;
        match kind {
            "noise" => noise,
            "dim" => noise % 100 + 60,
            "two" => noise % 2 * 200 + 20,
            "flat" => 77,
            "smooth" => (i / channels % width * 255 / width) ^ (i % 3),
            "colors" => ((i / 3) >> (8 * (2 - i % 3))) & 255,
            other => panic!("{other}"),
        }
    };
    let pixels = (0..width * height * channels).map(|i| byte(i) as u8).collect();
    Image::new(width, height, channels, pixels).unwrap()
}
