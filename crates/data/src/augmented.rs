//! Images with random augmentation.

use std::fmt;
use std::sync::Arc;

use striate_sound::augment::shift_and_mask;
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Result};
use striate_vision::augment::{self, Compose};

use crate::Prepared;

/// Random augmentation of training images.
#[derive(Debug, Clone, PartialEq)]
pub enum Augmentation {
    /// None.
    None,
    /// Shifts by up to this many pixels.
    Shift(usize),
    /// Shifts by up to this many pixels, and mirrors every second image on average.
    ShiftFlip(usize),
    /// Rotates, scales, shears and shifts.
    Affine(augment::Affine),
    /// Shifts encoded sounds in time, and masks bands and times of spectrograms.
    ShiftAndMask,
    /// Transforms of images of bytes; those of files before they are resized to the size of the set.
    Transforms(Compose),
    /// A custom function.
    Custom(CustomAugmentation),
}

/// A function that changes a sample: its numbers `[C, H, W]` after preprocessing (features, if it has any), their
/// shape, and random numbers for this sample of this epoch. To get the same samples always, it must depend on nothing
/// else.
#[derive(Clone)]
pub struct CustomAugmentation(Arc<Change>);

type Change = dyn Fn(&mut [f32], [usize; 3], &mut Random) + Send + Sync;

impl CustomAugmentation {
    /// Augments samples by `change`, which several threads may call at once.
    pub fn new(
        change: impl Fn(&mut [f32], [usize; 3], &mut Random) + Send + Sync + 'static,
    ) -> CustomAugmentation {
        CustomAugmentation(Arc::new(change))
    }
}

/// Two are equal if one is a clone of the other.
impl PartialEq for CustomAugmentation {
    fn eq(&self, other: &CustomAugmentation) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for CustomAugmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomAugmentation")
    }
}

/// Prepared images with augmentation; a sample is a function of the seed, the epoch and its index.
pub struct Augmented {
    data: Arc<Prepared>,
    augmentation: Augmentation,
    seed: u64,
}

impl Augmented {
    /// Augments the images of `data`.
    pub fn new(data: Arc<Prepared>, augmentation: Augmentation, seed: u64) -> Augmented {
        Augmented { data, augmentation, seed }
    }

    /// The images without augmentation.
    pub fn data(&self) -> &Prepared {
        &self.data
    }

    /// Checks that the augmentation can be applied.
    ///
    /// # Errors
    /// As [`Prepared::check_transforms`], or if the augmentation is not for data of this kind.
    pub fn check(&self) -> Result<()> {
        match &self.augmentation {
            Augmentation::None | Augmentation::Custom(_) => Ok(()),
            _ if self.data.are_texts() => Err(Error::input(
                "data.augment and data.transforms do not apply to texts; use data.augment = none",
            )),
            Augmentation::Transforms(transforms) => self.data.check_transforms(transforms),
            Augmentation::ShiftAndMask if !self.data.are_sounds() => Err(Error::input(
                "data.augment = sounds applies only to sounds; use none or an augmentation of images",
            )),
            _ => Ok(()),
        }
    }

    /// Whether a sample takes so long that several should be loaded at once.
    pub(crate) fn is_slow(&self) -> bool {
        let is_slow = matches!(self.augmentation, Augmentation::Transforms(_) | Augmentation::Custom(_));
        self.data.is_slow() || is_slow
    }

    /// Writes the input for image number `index` as it is in `epoch`, `[C, H, W]`: features are those of the augmented
    /// image. `original` is memory for the image before augmentation.
    ///
    /// # Errors
    /// If the image's file cannot be read any more, or the image does not have the size that a transform needs.
    ///
    /// # Panics
    /// As [`Prepared::write`].
    pub fn write(&self, epoch: u64, index: usize, original: &mut Vec<f32>, to: &mut [f32]) -> Result<()> {
        if !self.data.has_features() {
            return self.write_pixels(epoch, index, original, to);
        }
        let mut pixels = vec![0.0; self.data.image_shape().iter().product()];
        self.write_pixels(epoch, index, original, &mut pixels)?;
        self.data.finish(&pixels, to)?;
        if let Augmentation::Custom(CustomAugmentation(change)) = &self.augmentation {
            change(to, self.data.shape(), &mut self.random(epoch, index));
        }
        Ok(())
    }

    /// The random numbers of a sample.
    fn random(&self, epoch: u64, index: usize) -> Random {
        Random::new(self.seed, Stream::Augmentation, epoch << 32 | index as u64)
    }

    /// As [`Augmented::write`], for the pixels as numbers `[C, H, W]`, before features.
    ///
    /// # Errors
    /// As [`Augmented::write`].
    ///
    /// # Panics
    /// As [`Prepared::write_pixels`].
    pub fn write_pixels(
        &self,
        epoch: u64,
        index: usize,
        original: &mut Vec<f32>,
        to: &mut [f32],
    ) -> Result<()> {
        let mut random = self.random(epoch, index);
        let (shape, fill) = (self.data.image_shape(), self.data.fill());
        let before = |original: &mut Vec<f32>| {
            original.resize(shape.iter().product(), 0.0);
            self.data.write_pixels(index, original)
        };
        match &self.augmentation {
            Augmentation::None => self.data.write_pixels(index, to)?,
            Augmentation::Custom(CustomAugmentation(change)) => {
                self.data.write_pixels(index, to)?;
                if !self.data.has_features() {
                    change(to, shape, &mut random);
                }
            }
            Augmentation::Transforms(transforms) => {
                self.data.write_transformed(index, transforms, &mut random, to)?;
            }
            Augmentation::Shift(most) => {
                before(original)?;
                augment::shift(&mut random, shape, *most, fill, original, to);
            }
            Augmentation::ShiftFlip(most) => {
                before(original)?;
                augment::shift_flip(&mut random, shape, *most, fill, original, to);
            }
            Augmentation::ShiftAndMask => {
                self.data.write(index, to)?;
                shift_and_mask(&mut random, shape, fill, to);
            }
            Augmentation::Affine(limits) => {
                before(original)?;
                augment::affine(&mut random, *limits, shape, fill, original, to);
            }
        }
        Ok(())
    }
}
