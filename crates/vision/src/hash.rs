//! A difference hash, by which near duplicates of an image are found: copies in another size or encoding.

use crate::{Filter, Image, resize};

const COLUMNS: usize = 9;
const ROWS: usize = 8;
/// Differences of gray levels up to this come from encoding.
const NOISE: u8 = 1;
/// The number of differences that an image needs to be recognized by them.
const FEWEST: u32 = 8;

/// The difference hash of an image: whether the brightness falls from each to the next of 9 × 8 gray pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DifferenceHash {
    /// One bit for each pair of neighbors in a row, the first row in the lowest byte.
    pub bits: u64,
    /// The gray pixels, row by row.
    pub pixels: [u8; COLUMNS * ROWS],
}

impl DifferenceHash {
    /// Computes the hash of `image`.
    pub fn of(image: &Image) -> DifferenceHash {
        let small = resize(&image.to_gray(), COLUMNS, ROWS, Filter::Box);
        let pixels: [u8; COLUMNS * ROWS] = small.pixels().try_into().expect("it has this size");
        let falls = pairs(&pixels).enumerate().filter(|(_, [a, b])| *a > b.saturating_add(NOISE));
        DifferenceHash { bits: falls.fold(0, |bits, (at, _)| bits | 1 << at), pixels }
    }

    /// Returns whether the image has enough structure to be recognized; plain areas all have the same hash.
    pub fn is_distinct(&self) -> bool {
        pairs(&self.pixels).filter(|[a, b]| a.abs_diff(*b) > NOISE).count() as u32 >= FEWEST
    }

    /// Returns the number of bits that differ.
    pub fn distance(&self, other: &DifferenceHash) -> u32 {
        (self.bits ^ other.bits).count_ones()
    }

    /// Returns the correlation of the gray pixels, from −1 to 1, which neither brightness nor contrast changes; 0 if an
    /// image is of one color.
    pub fn correlation(&self, other: &DifferenceHash) -> f64 {
        let count = self.pixels.len() as i64;
        let (mut a, mut b, mut aa, mut bb, mut ab) = (0i64, 0i64, 0i64, 0i64, 0i64);
        for (x, y) in self.pixels.iter().zip(&other.pixels) {
            let (x, y) = (i64::from(*x), i64::from(*y));
            (a, b, aa, bb, ab) = (a + x, b + y, aa + x * x, bb + y * y, ab + x * y);
        }
        let spread = ((count * aa - a * a) as f64 * (count * bb - b * b) as f64).sqrt();
        if spread > 0.0 { (count * ab - a * b) as f64 / spread } else { 0.0 }
    }
}

/// Returns the pairs of neighbors in each row.
fn pairs(pixels: &[u8; COLUMNS * ROWS]) -> impl Iterator<Item = [u8; 2]> + '_ {
    pixels.chunks_exact(COLUMNS).flat_map(|row| row.windows(2).map(|pair| [pair[0], pair[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smooth waves, different for every seed.
    fn waves(seed: usize, width: usize, height: usize) -> Image {
        let level = |at: usize| {
            let (x, y) = ((at % width) as f64 / width as f64, (at / width) as f64 / height as f64);
            let wave = |k: usize| ((x * (1 + k * seed % 7) as f64 + y * (k + seed % 5) as f64) * 2.5).sin();
            (127.0 + 30.0 * (1..5).map(wave).sum::<f64>()).clamp(0.0, 255.0) as u8
        };
        Image::new(width, height, 1, (0..width * height).map(level).collect()).unwrap()
    }

    #[test]
    fn bits_are_falls_between_neighbors() {
        let pixels = (0..72).map(|at| if at < 9 { 200 - 20 * at as u8 } else { at as u8 }).collect();
        let hash = DifferenceHash::of(&Image::new(9, 8, 1, pixels).unwrap());
        assert_eq!(hash.bits, 0xff);
        assert_eq!(hash.pixels[..3], [200, 180, 160]);
    }

    #[test]
    fn copies_are_near_and_other_images_are_far() {
        let one = DifferenceHash::of(&waves(3, 120, 90));
        let small = DifferenceHash::of(&resize(&waves(3, 120, 90), 40, 30, Filter::Bicubic));
        let dark = waves(3, 120, 90).pixels().iter().map(|level| level / 2 + 9).collect();
        let dark = DifferenceHash::of(&Image::new(120, 90, 1, dark).unwrap());
        for copy in [small, dark] {
            let (distance, correlation) = (one.distance(&copy), one.correlation(&copy));
            assert!(distance <= 4 && correlation > 0.99, "{distance} {correlation}");
        }
        for seed in [1, 2, 4, 5, 6] {
            let other = DifferenceHash::of(&waves(seed, 120, 90));
            assert!(one.distance(&other) > 10 && one.correlation(&other) < 0.9, "{seed}");
        }
    }

    #[test]
    fn plain_images_are_not_distinct() {
        assert!(!DifferenceHash::of(&Image::filled(30, 20, [9, 200, 7])).is_distinct());
        assert!(DifferenceHash::of(&waves(3, 30, 20)).is_distinct());
        let plain = DifferenceHash::of(&Image::filled(1, 1, [9, 9, 9]));
        assert_eq!((plain.bits, plain.correlation(&plain)), (0, 0.0));
    }
}
