//! Occlusion: how much the probability of a class drops if a part of the image is covered.
//!
//! Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2: a gray square
//! slides over the image, and the probability of the class is a function of its position.

use striate_predict::Classifier;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, zeroed};

use crate::heat::Heat;
use crate::probabilities::Probabilities;

/// Images that run at once.
const BATCH: usize = 16;
/// The most positions of the square.
const MOST_POSITIONS: usize = 1 << 16;

/// The square that covers a part of the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Occlusion {
    /// Its side, in pixels of the network's input.
    pub side: usize,
    /// The distance between its positions, in pixels. The last row and column of positions touch the edges.
    pub stride: usize,
    /// Its color: a value of the network's input for each channel.
    pub fill: Vec<f32>,
}

/// The result of covering parts of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Occluded {
    /// The probability of the class without the square.
    pub probability: f32,
    /// By how much it drops for each position of the square.
    pub drops: Heat,
    /// For each pixel of the input, the mean drop of the positions that cover it.
    pub pixels: Heat,
}

impl Occlusion {
    /// A square of an eighth of the shorter side that moves by half its side, rounded down to whole pixels, for inputs
    /// of `[C, H, W]`.
    pub fn new([_, height, width]: [usize; 3], fill: Vec<f32>) -> Occlusion {
        let side = (height.min(width) / 8).max(1);
        Occlusion { side, stride: (side / 2).max(1), fill }
    }

    /// The positions of the square's upper left corner in rows and columns.
    fn positions(&self, [c, height, width]: [usize; 3]) -> Result<[Vec<usize>; 2]> {
        let shortest = height.min(width);
        if self.side == 0 || self.stride == 0 || self.side > shortest {
            return Err(Error::input(format!(
                "a square of side {} and stride {} does not slide over {height}x{width} pixels; choose a side from 1 \
                 to {shortest} and a stride of at least 1",
                self.side, self.stride
            )));
        }
        if self.fill.len() != c {
            let (values, channels) = (counted(self.fill.len(), "value"), counted(c, "channel"));
            return Err(Error::input(format!("the square has {values}, but the input has {channels}")));
        }
        let along = |length: usize| {
            let last = length - self.side;
            let mut starts: Vec<usize> = (0..=last).step_by(self.stride).collect();
            if starts.last() != Some(&last) {
                starts.push(last);
            }
            starts
        };
        let positions = [along(height), along(width)];
        match positions[0].len() * positions[1].len() <= MOST_POSITIONS {
            true => Ok(positions),
            false => {
                let what = format!("a stride of {} gives more than {MOST_POSITIONS} positions", self.stride);
                Err(Error::input(format!("{what}; choose a larger stride")))
            }
        }
    }

    /// The number of positions of the square over inputs of `[C, H, W]`, in rows and columns.
    ///
    /// # Errors
    /// If the square does not fit the input.
    pub fn grid(&self, input: [usize; 3]) -> Result<[usize; 2]> {
        Ok(self.positions(input)?.map(|starts| starts.len()))
    }

    /// Covers an `input` of the network, `[C, H, W]`, or the pixels that lead to its features, at each position of the
    /// square, and measures by how much the probability of `class` drops. `progress` is called with the number of
    /// positions done.
    ///
    /// # Errors
    /// If the class does not exist, the square does not fit the input, or the input does not fit the network.
    pub fn map(
        &self,
        classifier: &Classifier,
        shape: [usize; 3],
        input: &[f32],
        class: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<Occluded> {
        let [rows, columns] = self.positions(shape)?;
        let [_, h, w] = shape;
        let probabilities = Probabilities::new(classifier, shape, input)?;
        let probability = probabilities.of_class(input, class)?[0];
        let all: Vec<[usize; 2]> = rows.iter().flat_map(|y| columns.iter().map(|x| [*y, *x])).collect();
        let batch = BATCH.min(all.len());
        let mut images = zeroed(batch * input.len()).map_err(|e| e.at("images to cover"))?;
        let mut values = Vec::with_capacity(all.len());
        for positions in all.chunks(batch) {
            let images = &mut images[..positions.len() * input.len()];
            for (image, position) in images.chunks_exact_mut(input.len()).zip(positions) {
                image.copy_from_slice(input);
                self.cover(image, [h, w], *position);
            }
            let covered = probabilities.of_class(images, class)?;
            values.extend(covered.into_iter().map(|covered| probability - covered));
            progress(values.len());
        }
        let pixels = self.spread(&values, &all, [h, w]);
        Ok(Occluded { probability, drops: Heat { height: rows.len(), width: columns.len(), values }, pixels })
    }

    /// Covers `image`, `[C, H, W]`, at `position`.
    fn cover(&self, image: &mut [f32], [h, w]: [usize; 2], [y, x]: [usize; 2]) {
        for (channel, fill) in image.chunks_exact_mut(h * w).zip(&self.fill) {
            for row in y..y + self.side {
                channel[row * w + x..][..self.side].fill(*fill);
            }
        }
    }

    /// The mean over the positions that cover each pixel.
    fn spread(&self, drops: &[f32], positions: &[[usize; 2]], [height, width]: [usize; 2]) -> Heat {
        let mut sums = vec![(0.0f64, 0u32); height * width];
        for (drop, [y, x]) in drops.iter().zip(positions) {
            for row in *y..y + self.side {
                for (sum, count) in &mut sums[row * width + x..][..self.side] {
                    *sum += f64::from(*drop);
                    *count += 1;
                }
            }
        }
        // With a stride beyond the side, some pixels are never covered.
        let mean = |(sum, count): (f64, u32)| if count == 0 { 0.0 } else { (sum / f64::from(count)) as f32 };
        Heat { height, width, values: sums.into_iter().map(mean).collect() }
    }
}
