//! The list of transforms of a recipe, under torchvision's names and with its parameters.

use serde::{Deserialize, Serialize};
use striate_tensor::random::Random;
use striate_tensor::{Error, Result};

use super::{
    CenterCrop, ColorJitter, ElasticTransform, PcaNoise, RandAugment, RandomAffine, RandomCrop,
    RandomErasing, RandomHorizontalFlip, RandomResize, RandomResizedCrop, RandomRotation, RandomVerticalFlip,
    Resize, TrivialAugmentWide,
};
use crate::{Image, LazyImage};

/// An operation on one image.
pub trait Operation {
    /// Checks that the parameters are in range.
    ///
    /// # Errors
    /// If one is not; the message names the transform and the field.
    fn check(&self) -> Result<()>;

    /// Applies the operation; the result depends on the image and on `random` alone. Call [`Operation::check`] first.
    ///
    /// # Errors
    /// If the image does not have the size that the operation needs.
    ///
    /// # Panics
    /// If `check` refuses the parameters.
    fn apply(&self, image: Image, random: &mut Random) -> Result<Image>;

    /// Applies the operation to a file, with the same result as for its image; only what is needed of it is decoded.
    ///
    /// # Errors
    /// As [`Operation::apply`], or if the file is damaged.
    ///
    /// # Panics
    /// As [`Operation::apply`].
    fn apply_lazily(&self, image: LazyImage, random: &mut Random) -> Result<Image> {
        self.apply(image.decode()?, random)
    }

    /// Returns height and width of every result for images of height and width `input`; `None` if they differ.
    fn output_size(&self, input: Option<[usize; 2]>) -> Option<[usize; 2]> {
        input
    }
}

/// One transform, as a recipe contains it: a table with its `name` and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name")]
#[expect(missing_docs, reason = "each case is documented at its type")]
pub enum Transform {
    Resize(Resize),
    RandomResize(RandomResize),
    CenterCrop(CenterCrop),
    RandomCrop(RandomCrop),
    RandomResizedCrop(RandomResizedCrop),
    RandomHorizontalFlip(RandomHorizontalFlip),
    RandomVerticalFlip(RandomVerticalFlip),
    ColorJitter(ColorJitter),
    PcaNoise(PcaNoise),
    RandomRotation(RandomRotation),
    RandomAffine(RandomAffine),
    ElasticTransform(ElasticTransform),
    RandomErasing(RandomErasing),
    TrivialAugmentWide(TrivialAugmentWide),
    RandAugment(RandAugment),
}

impl Transform {
    /// The names of all transforms.
    pub const NAMES: [&str; 15] = [
        "Resize",
        "RandomResize",
        "CenterCrop",
        "RandomCrop",
        "RandomResizedCrop",
        "RandomHorizontalFlip",
        "RandomVerticalFlip",
        "ColorJitter",
        "PcaNoise",
        "RandomRotation",
        "RandomAffine",
        "ElasticTransform",
        "RandomErasing",
        "TrivialAugmentWide",
        "RandAugment",
    ];

    /// Returns the operation with its parameters.
    pub fn operation(&self) -> &dyn Operation {
        match self {
            Transform::Resize(operation) => operation,
            Transform::RandomResize(operation) => operation,
            Transform::CenterCrop(operation) => operation,
            Transform::RandomCrop(operation) => operation,
            Transform::RandomResizedCrop(operation) => operation,
            Transform::RandomHorizontalFlip(operation) => operation,
            Transform::RandomVerticalFlip(operation) => operation,
            Transform::ColorJitter(operation) => operation,
            Transform::PcaNoise(operation) => operation,
            Transform::RandomRotation(operation) => operation,
            Transform::RandomAffine(operation) => operation,
            Transform::ElasticTransform(operation) => operation,
            Transform::RandomErasing(operation) => operation,
            Transform::TrivialAugmentWide(operation) => operation,
            Transform::RandAugment(operation) => operation,
        }
    }
}

/// Largest number of transforms; more are taken for a mistake.
const MOST: usize = 32;

/// Transforms applied one after another; torchvision's `Compose`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Compose(pub Vec<Transform>);

impl Compose {
    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn apply_all(transforms: &[Transform], image: Image, random: &mut Random) -> Result<Image> {
    transforms.iter().try_fold(image, |image, transform| transform.operation().apply(image, random))
}

impl Operation for Compose {
    fn check(&self) -> Result<()> {
        if self.0.len() > MOST {
            return Err(Error::input("at most 32 transforms are allowed"));
        }
        self.0.iter().try_for_each(|transform| transform.operation().check())
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        apply_all(&self.0, image, random)
    }

    fn apply_lazily(&self, image: LazyImage, random: &mut Random) -> Result<Image> {
        let Some((first, others)) = self.0.split_first() else { return image.decode() };
        apply_all(others, first.operation().apply_lazily(image, random)?, random)
    }

    fn output_size(&self, input: Option<[usize; 2]>) -> Option<[usize; 2]> {
        self.0.iter().fold(input, |size, transform| transform.operation().output_size(size))
    }
}
