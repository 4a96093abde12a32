//! A part of a data set: samples of one size with their labels.

use std::borrow::Cow;

use striate_tensor::random::{Random, Stream};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};
use striate_text::one_hot;
use striate_vision::Image;

use crate::Files;

/// The pixels of a split.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// Bytes, `[N, C, H, W]`, to be normalized by preprocessing.
    Bytes(Vec<u8>),
    /// Numbers, `[N, C, H, W]`, used unchanged.
    Numbers(Vec<f32>),
    /// The characters of texts, `[N, W]`, each by its place in an alphabet of C characters, from 1, or 0 for none. They
    /// become planes `[C, 1, W]` whenever they are needed ([`striate_text::one_hot`]).
    Characters(Vec<u8>),
    /// The files of the split, each decoded to bytes whenever it is needed.
    Files,
}

/// Images with labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Channels, height, width of every image.
    pub shape: [usize; 3],
    /// The images.
    pub pixels: Pixels,
    /// The class of each image.
    pub labels: Vec<i64>,
    /// Where each image was read from; `None` unless they were image files.
    pub files: Option<Files>,
}

/// Number of images of each class.
pub type ClassCounts = Vec<usize>;

impl Split {
    /// Takes the images out, and leaves none; the fingerprint of the data set must be computed before.
    #[must_use]
    pub fn take(&mut self) -> Split {
        let pixels = Pixels::Bytes(Vec::new());
        std::mem::replace(self, Split { shape: self.shape, pixels, labels: Vec::new(), files: None })
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Checks that pixels and labels match each other and the number of classes.
    ///
    /// # Errors
    /// If they do not match.
    pub fn check(&self, classes: usize) -> Result<()> {
        let size: usize = self.shape.iter().product();
        let present = match &self.pixels {
            Pixels::Bytes(bytes) => bytes.len(),
            Pixels::Numbers(numbers) => numbers.len(),
            Pixels::Characters(places) => places.len() * self.shape[0],
            Pixels::Files => self.files.as_ref().map_or(0, Files::len) * size,
        };
        if size * self.len() != present {
            let (images, labels) = (present / size.max(1), self.len());
            return Err(Error::input(format!(
                "{} but {}",
                counted(images, "image"),
                counted(labels, "label")
            )));
        }
        match self.labels.iter().position(|label| !(0..classes as i64).contains(label)) {
            Some(at) => {
                let label = self.labels[at];
                Err(Error::input(format!(
                    "image {at} has the label {label}, but there are only {classes} classes"
                )))
            }
            None => Ok(()),
        }
    }

    /// Returns the images at `indices`, in that order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Split {
        let size: usize = self.shape.iter().product();
        fn pick<T: Copy>(all: &[T], size: usize, indices: &[usize]) -> Vec<T> {
            indices.iter().flat_map(|i| all[i * size..(i + 1) * size].iter().copied()).collect()
        }
        let pixels = match &self.pixels {
            Pixels::Bytes(bytes) => Pixels::Bytes(pick(bytes, size, indices)),
            Pixels::Numbers(numbers) => Pixels::Numbers(pick(numbers, size, indices)),
            Pixels::Characters(places) => Pixels::Characters(pick(places, self.shape[2], indices)),
            Pixels::Files => Pixels::Files,
        };
        let labels = indices.iter().map(|i| self.labels[*i]).collect();
        let files = self.files.as_ref().map(|files| files.select(indices));
        Split { shape: self.shape, pixels, labels, files }
    }

    /// Splits into two parts: `share` of each class, chosen by `seed`, goes to the second.
    pub fn stratified(&self, share: f64, seed: u64) -> (Split, Split) {
        let classes = self.labels.iter().max().map_or(0, |label| *label as usize + 1);
        let mut second = vec![false; self.len()];
        for class in 0..classes {
            let mut members: Vec<usize> =
                (0..self.len()).filter(|i| self.labels[*i] == class as i64).collect();
            Random::new(seed, Stream::Split, class as u64).shuffle(&mut members);
            let count = (members.len() as f64 * share.clamp(0.0, 1.0)).round() as usize;
            members[..count].iter().for_each(|i| second[*i] = true);
        }
        let side = |wanted: bool| (0..self.len()).filter(|i| second[*i] == wanted).collect::<Vec<_>>();
        (self.select(&side(false)), self.select(&side(true)))
    }

    /// Counts the images of each class.
    pub fn counts(&self, classes: usize) -> ClassCounts {
        let mut counts = vec![0; classes];
        self.labels.iter().for_each(|label| counts[*label as usize] += 1);
        counts
    }

    /// Returns image number `index`.
    ///
    /// # Errors
    /// If the pixels are numbers, or the image's file cannot be read any more.
    pub fn image(&self, index: usize) -> Result<Image> {
        let bytes = match &self.pixels {
            Pixels::Bytes(bytes) => bytes,
            Pixels::Files => return self.listed().image(index),
            Pixels::Numbers(_) => return Err(Error::input("arrays of numbers are not images")),
            Pixels::Characters(_) => return Err(Error::input("texts are not images")),
        };
        let [c, h, w] = self.shape;
        from_planar(self.shape, &bytes[index * c * h * w..(index + 1) * c * h * w])
    }

    /// Returns sample number `index` as the input of a network, `[C, H, W]`; `None` for images, which need
    /// preprocessing.
    pub fn input(&self, index: usize) -> Option<Cow<'_, [f32]>> {
        let [c, h, w] = self.shape;
        match &self.pixels {
            Pixels::Bytes(_) | Pixels::Files => None,
            Pixels::Numbers(numbers) => Some(Cow::Borrowed(&numbers[index * c * h * w..][..c * h * w])),
            Pixels::Characters(places) => {
                let mut planes = vec![0.0; c * w];
                one_hot(&places[index * w..][..w], &mut planes);
                Some(Cow::Owned(planes))
            }
        }
    }

    /// The files of the images.
    ///
    /// # Panics
    /// If there are none.
    pub(crate) fn listed(&self) -> &Files {
        self.files.as_ref().expect("images that are decoded when needed have files")
    }

    /// Mean and standard deviation of each channel, with bytes scaled to [0, 1].
    ///
    /// # Errors
    /// If the file of an image cannot be read any more.
    pub fn moments(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let [c, h, w] = self.shape;
        let mut sums = Sums::new(c);
        match &self.pixels {
            Pixels::Bytes(bytes) => bytes.chunks_exact((c * h * w).max(1)).for_each(|image| sums.add(image)),
            Pixels::Files => self.listed().each(|image| sums.add(image))?,
            Pixels::Numbers(numbers) => {
                let count = (self.len() * h * w).max(1) as f64;
                let each = (0..c).map(|channel| sums_of_numbers(numbers, self.shape, channel));
                return Ok(moments(each, count));
            }
            Pixels::Characters(places) => {
                let mut found = vec![0u64; c + 1];
                places.iter().for_each(|place| found[usize::from(*place)] += 1);
                // Ones and zeros are their own squares.
                let each = found[1..].iter().map(|count| [*count as f64; 2]);
                return Ok(moments(each, places.len().max(1) as f64));
            }
        }
        Ok(sums.moments())
    }
}

/// Sums of the bytes of each channel, and of their squares; exact for any number of images.
pub(crate) struct Sums {
    sums: Vec<[u64; 2]>,
    /// Pixels of a channel.
    pixels: u64,
}

impl Sums {
    pub fn new(channels: usize) -> Sums {
        Sums { sums: vec![[0; 2]; channels], pixels: 0 }
    }

    /// Adds an image, `[C, H, W]`.
    pub fn add(&mut self, image: &[u8]) {
        let area = image.len() / self.sums.len();
        for (sums, map) in self.sums.iter_mut().zip(image.chunks_exact(area.max(1))) {
            for byte in map.iter().map(|byte| u64::from(*byte)) {
                *sums = [sums[0] + byte, sums[1] + byte * byte];
            }
        }
        self.pixels += area as u64;
    }

    /// Mean and standard deviation of each channel, with bytes scaled to [0, 1].
    pub fn moments(&self) -> (Vec<f32>, Vec<f32>) {
        let scaled = |[sum, squares]: &[u64; 2]| [*sum as f64 / 255.0, *squares as f64 / (255.0 * 255.0)];
        moments(self.sums.iter().map(scaled), self.pixels.max(1) as f64)
    }
}

/// Sum and sum of squares of one channel.
fn sums_of_numbers(numbers: &[f32], [c, h, w]: [usize; 3], channel: usize) -> [f64; 2] {
    let maps = numbers.chunks_exact((h * w).max(1)).skip(channel).step_by(c.max(1));
    let values = maps.flatten().map(|number| f64::from(*number));
    values.fold([0.0; 2], |[sum, squares], number| [sum + number, squares + number * number])
}

/// Mean and standard deviation from sums over `count` values.
fn moments(sums: impl Iterator<Item = [f64; 2]>, count: f64) -> (Vec<f32>, Vec<f32>) {
    let deviation = |[sum, squares]: [f64; 2]| (squares / count - (sum / count).powi(2)).max(0.0).sqrt();
    sums.map(|sums| ((sums[0] / count) as f32, deviation(sums) as f32)).unzip()
}

/// The image with these bytes, channel by channel, `[C, H, W]`.
pub(crate) fn from_planar([c, h, w]: [usize; 3], planar: &[u8]) -> Result<Image> {
    let interleaved = (0..h * w).flat_map(|i| (0..c).map(move |k| planar[k * h * w + i])).collect();
    Image::new(w, h, c, interleaved)
}

/// Writes the bytes of an image channel by channel, `[C, H, W]`.
pub(crate) fn write_planar(image: &Image, to: &mut [u8]) {
    let c = image.channels();
    let area = image.width() * image.height();
    for (channel, map) in to.chunks_exact_mut(area).enumerate() {
        let bytes = image.pixels().iter().skip(channel).step_by(c);
        map.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(labels: Vec<i64>) -> Split {
        let pixels = Pixels::Numbers((0..labels.len()).map(|i| i as f32).collect());
        Split { shape: [1, 1, 1], pixels, labels, files: None }
    }

    fn numbers(split: &Split) -> &[f32] {
        let Pixels::Numbers(numbers) = &split.pixels else { panic!("the pixels are numbers") };
        numbers
    }

    proptest! {
        #[test]
        fn stratified_split_shares_every_class(
            labels in prop::collection::vec(0i64..5, 0..120), share in 0.0f64..=1.0, seed in 0u64..50,
        ) {
            let whole = split(labels);
            let (first, second) = whole.stratified(share, seed);
            let mut all: Vec<f32> = numbers(&first).iter().chain(numbers(&second)).copied().collect();
            all.sort_by(f32::total_cmp);
            prop_assert_eq!(&all[..], numbers(&whole));
            for (total, part) in whole.counts(5).into_iter().zip(second.counts(5)) {
                prop_assert!((total as f64 * share - part as f64).abs() <= 0.5 + 1e-9);
            }
            for part in [&first, &second] {
                prop_assert!(numbers(part).is_sorted());
                prop_assert!(numbers(part).iter().zip(&part.labels).all(|(i, l)| whole.labels[*i as usize] == *l));
            }
            prop_assert_eq!(whole.stratified(share, seed), (first, second));
        }
    }

    #[test]
    fn other_seed_chooses_other_images() {
        let whole = split((0..100).map(|i| i % 3).collect());
        assert_ne!(whole.stratified(0.2, 0), whole.stratified(0.2, 1));
    }

    #[test]
    fn mismatched_labels_are_refused() {
        split(vec![0, 4]).check(5).unwrap();
        assert!(split(vec![0, 5]).check(5).unwrap_err().to_string().contains("image 1 has the label 5"));
        assert!(split(vec![-1]).check(5).is_err());
        let short = Split { shape: [2, 1, 1], ..split(vec![0, 1]) };
        assert!(short.check(5).unwrap_err().to_string().contains("1 image but 2 labels"));
    }

    #[test]
    fn moments_are_those_of_each_channel() {
        let pixels = Pixels::Bytes(vec![0, 255, 51, 51, 255, 0, 51, 51]);
        let bytes = Split { shape: [2, 1, 2], pixels, labels: vec![0, 0], files: None };
        assert_eq!(bytes.moments().unwrap(), (vec![0.5, 0.2], vec![0.5, 0.0]));
        let numbers = Split {
            shape: [1, 1, 1],
            pixels: Pixels::Numbers(vec![-3.0, 5.0]),
            labels: vec![0, 0],
            files: None,
        };
        assert_eq!(numbers.moments().unwrap(), (vec![1.0], vec![4.0]));
    }

    #[test]
    fn characters_become_planes() {
        let pixels = Pixels::Characters(vec![2, 0, 1, 1]);
        let texts = Split { shape: [2, 1, 2], pixels, labels: vec![0, 1], files: None };
        texts.check(2).unwrap();
        assert_eq!(texts.input(0).unwrap()[..], [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(texts.select(&[1]).input(0).unwrap()[..], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(texts.moments().unwrap().0, [0.5, 0.25]);
        assert!(Split { pixels: Pixels::Characters(vec![1, 2]), ..texts }.check(2).is_err());
    }

    #[test]
    fn image_round_trip_is_exact() {
        let image = Image::new(3, 2, 3, (0..18).collect()).unwrap();
        let mut bytes = vec![0; 36];
        write_planar(&image, &mut bytes[18..]);
        let split = Split { shape: [3, 2, 3], pixels: Pixels::Bytes(bytes), labels: vec![0, 0], files: None };
        assert_eq!(split.image(1).unwrap(), image);
    }
}
