//! What a batch is trained towards: classes, or a share of each class.

use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use crate::device::Data;

/// What the images of a batch are trained towards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Targets<'a> {
    /// The class of each image.
    Classes(&'a [i64]),
    /// The share of each class for each image, `[N, K]`; the shares of an image need not add up to 1.
    Soft(&'a [f32]),
}

impl<'a> From<&'a [i64]> for Targets<'a> {
    fn from(classes: &'a [i64]) -> Targets<'a> {
        Targets::Classes(classes)
    }
}

impl<'a> From<&'a Vec<i64>> for Targets<'a> {
    fn from(classes: &'a Vec<i64>) -> Targets<'a> {
        Targets::Classes(classes)
    }
}

impl<'a, const N: usize> From<&'a [i64; N]> for Targets<'a> {
    fn from(classes: &'a [i64; N]) -> Targets<'a> {
        Targets::Classes(classes)
    }
}

impl<'a> Targets<'a> {
    pub(crate) fn data(self) -> Data<'a> {
        match self {
            Targets::Classes(classes) => Data::I64(classes),
            Targets::Soft(shares) => Data::F32(shares),
        }
    }
}

/// Checks a batch for a network with this many classes.
///
/// # Errors
/// If images, targets and `shape` do not match, a label is not a class, or a share is not finite.
pub(crate) fn check_batch(classes: usize, shape: &Shape, images: &[f32], targets: Targets) -> Result<()> {
    let (given, wanted, kind) = match targets {
        Targets::Classes(labels) => (labels.len(), shape[0], "label"),
        Targets::Soft(shares) => (shares.len(), shape[0] * classes, "target"),
    };
    if images.len() != shape.numel() || given != wanted {
        return Err(Error::input(format!(
            "a batch of {shape} does not match {} and {}",
            counted(images.len(), "value"),
            counted(given, kind)
        )));
    }
    match targets {
        Targets::Classes(labels) => check_labels(classes, labels),
        Targets::Soft(shares) if shares.iter().all(|share| share.is_finite()) => Ok(()),
        Targets::Soft(_) => Err(Error::input("a target is not finite")),
    }
}

fn check_labels(classes: usize, labels: &[i64]) -> Result<()> {
    match labels.iter().find(|label| !(0..classes as i64).contains(*label)) {
        Some(label) => Err(Error::input(format!(
            "label {label} is not a class; the network has {classes}, numbered from 0"
        ))),
        None => Ok(()),
    }
}
