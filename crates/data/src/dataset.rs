//! A data set in memory: images of one size, labels, class names.

use sha2::{Digest, Sha256};
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Result};
use striate_vision::{Image, Preprocessing};

/// The pixels of a split.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// Bytes, `[N, C, H, W]`; preprocessing makes numbers of them.
    Bytes(Vec<u8>),
    /// Numbers, `[N, C, H, W]`, used as they are.
    Numbers(Vec<f32>),
}

/// Images with labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Channels, height, width of every image.
    pub shape: [usize; 3],
    /// The images.
    pub pixels: Pixels,
    /// A class for each image.
    pub labels: Vec<i64>,
}

/// Images of each class.
pub type ClassCounts = Vec<usize>;

/// A data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// As it was asked for, such as `mnist`.
    pub name: String,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// What is learned from.
    pub train: Split,
    /// What training is watched on, if the set has such a part.
    pub validation: Option<Split>,
    /// What is measured on, if the set has such a part.
    pub test: Option<Split>,
    /// How one of its own images becomes a network's input; `None` if they are used as they are.
    pub preprocessing: Option<Preprocessing>,
    /// How any other picture is brought into the set's form.
    pub predict: Option<Preprocessing>,
}

impl Split {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Checks that pixels and labels fit each other and the number of classes.
    ///
    /// # Errors
    /// If they do not.
    pub fn check(&self, classes: usize) -> Result<()> {
        let size: usize = self.shape.iter().product();
        let present = match &self.pixels {
            Pixels::Bytes(bytes) => bytes.len(),
            Pixels::Numbers(numbers) => numbers.len(),
        };
        if size * self.len() != present {
            let (images, labels) = (present / size.max(1), self.len());
            return Err(Error::input(format!("there are {images} images but {labels} labels")));
        }
        match self.labels.iter().position(|label| !(0..classes as i64).contains(label)) {
            Some(at) => {
                let label = self.labels[at];
                Err(Error::input(format!(
                    "image {at} has the label {label}, but there are {classes} classes"
                )))
            }
            None => Ok(()),
        }
    }

    /// The images at `indices`, in that order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Split {
        let size: usize = self.shape.iter().product();
        fn pick<T: Copy>(all: &[T], size: usize, indices: &[usize]) -> Vec<T> {
            indices.iter().flat_map(|i| all[i * size..(i + 1) * size].iter().copied()).collect()
        }
        let pixels = match &self.pixels {
            Pixels::Bytes(bytes) => Pixels::Bytes(pick(bytes, size, indices)),
            Pixels::Numbers(numbers) => Pixels::Numbers(pick(numbers, size, indices)),
        };
        Split { shape: self.shape, pixels, labels: indices.iter().map(|i| self.labels[*i]).collect() }
    }

    /// Two parts with the same shares of every class: `share` of each class goes to the second, chosen
    /// by `seed`.
    pub fn stratified(&self, share: f64, seed: u64) -> (Split, Split) {
        let classes = self.labels.iter().max().map_or(0, |label| *label as usize + 1);
        let mut second = vec![false; self.len()];
        for class in 0..classes {
            let mut members: Vec<usize> =
                (0..self.len()).filter(|i| self.labels[*i] == class as i64).collect();
            Random::new(seed, Stream::Split, class as u64).shuffle(&mut members);
            let count = (members.len() as f64 * share).round() as usize;
            members[..count].iter().for_each(|i| second[*i] = true);
        }
        let side = |wanted: bool| (0..self.len()).filter(|i| second[*i] == wanted).collect::<Vec<_>>();
        (self.select(&side(false)), self.select(&side(true)))
    }

    /// Images of each class.
    pub fn counts(&self, classes: usize) -> ClassCounts {
        let mut counts = vec![0; classes];
        self.labels.iter().for_each(|label| counts[*label as usize] += 1);
        counts
    }

    /// Image number `index`, if pixels are bytes.
    pub fn image(&self, index: usize) -> Option<Image> {
        let Pixels::Bytes(bytes) = &self.pixels else { return None };
        let [c, h, w] = self.shape;
        let planar = &bytes[index * c * h * w..(index + 1) * c * h * w];
        let interleaved = (0..h * w).flat_map(|i| (0..c).map(move |k| planar[k * h * w + i])).collect();
        Image::new(w, h, c, interleaved).ok()
    }

    /// Mean and deviation of each channel, bytes counting from 0 to 1.
    pub fn moments(&self) -> (Vec<f32>, Vec<f32>) {
        let [c, h, w] = self.shape;
        let mut sums = vec![(0.0f64, 0.0f64); c];
        let mut add = |index: usize, value: f64| {
            let (sum, squares) = &mut sums[index / (h * w) % c];
            *sum += value;
            *squares += value * value;
        };
        match &self.pixels {
            Pixels::Bytes(bytes) => {
                bytes.iter().enumerate().for_each(|(i, x)| add(i, f64::from(*x) / 255.0));
            }
            Pixels::Numbers(numbers) => numbers.iter().enumerate().for_each(|(i, x)| add(i, f64::from(*x))),
        }
        let count = (self.len() * h * w).max(1) as f64;
        let mean = |(sum, _): &(f64, f64)| sum / count;
        let deviation = |all: &(f64, f64)| (all.1 / count - mean(all).powi(2)).max(0.0).sqrt();
        (sums.iter().map(|s| mean(s) as f32).collect(), sums.iter().map(|s| deviation(s) as f32).collect())
    }
}

impl Dataset {
    /// What `eval` measures on: the test part, else validation, else everything; and its name.
    pub fn evaluation(&self) -> (&'static str, &Split) {
        match (&self.test, &self.validation) {
            (Some(test), _) => ("test", test),
            (None, Some(validation)) => ("validation", validation),
            (None, None) => ("all", &self.train),
        }
    }

    /// A fingerprint of classes, sizes, pixels and labels: SHA-256 in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for class in &self.classes {
            hash.update((class.len() as u64).to_le_bytes());
            hash.update(class);
        }
        for split in [Some(&self.train), self.validation.as_ref(), self.test.as_ref()] {
            let Some(split) = split else {
                hash.update([0]);
                continue;
            };
            split.shape.iter().for_each(|side| hash.update((*side as u64).to_le_bytes()));
            match &split.pixels {
                Pixels::Bytes(bytes) => hash.update(bytes),
                Pixels::Numbers(numbers) => hash.update(bytemuck::cast_slice::<f32, u8>(numbers)),
            }
            hash.update(bytemuck::cast_slice::<i64, u8>(&split.labels));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Refuses a data set whose classes are not a model's, in the same order.
///
/// # Errors
/// If they differ; the message shows both lists.
pub fn align_classes(model: &[String], data: &[String]) -> Result<()> {
    if model == data {
        return Ok(());
    }
    let list = |names: &[String]| {
        let first: Vec<&str> = names.iter().take(12).map(String::as_str).collect();
        let more = if names.len() > 12 { format!(" … ({} in all)", names.len()) } else { String::new() };
        format!("[{}{more}]", first.join(", "))
    };
    let (model, data) = (list(model), list(data));
    Err(Error::input(format!(
        "the model's classes {model} are not the data's {data}; use the data it was trained on"
    )))
}
