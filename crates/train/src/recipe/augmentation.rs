//! Augmentations by name, for tasks.

use striate_data::Augmentation;
use striate_tensor::Result;
use striate_vision::Filter;
use striate_vision::augment::{Affine, Compose, RandomHorizontalFlip, RandomResizedCrop, Size, Transform};

use super::unknown;

pub(crate) const NONE: &str = "none";
pub(crate) const PHOTOGRAPHS: &str = "photographs";
pub(crate) const TUNING: &str = "fine-tuning";
pub(crate) const SOUNDS: &str = "sounds";
const NAMES: [&str; 7] = [NONE, "shift", "affine", "small-images", PHOTOGRAPHS, TUNING, SOUNDS];

/// The augmentation called `name` for images of height and width `size`.
///
/// # Errors
/// If there is none.
pub(super) fn named(name: &str, size: [usize; 2]) -> Result<Augmentation> {
    Ok(match name {
        NONE => Augmentation::None,
        "shift" => Augmentation::Shift(2),
        "affine" => Augmentation::Affine(Affine { rotation: 10.0, scale: 0.1, shear: 0.1, shift: 2.0 }),
        // He et al., CVPR 2016, section 4.2.
        "small-images" => Augmentation::ShiftFlip(4),
        // Szegedy et al., CVPR 2015, section 6.
        PHOTOGRAPHS => transforms([resized_crop(size, [0.08, 1.0]), flip()]),
        // Milder, because pretrained features are kept.
        TUNING => transforms([resized_crop(size, [0.35, 1.0]), flip()]),
        SOUNDS => Augmentation::ShiftAndMask,
        other => return Err(unknown("data.augment", other, &NAMES)),
    })
}

fn transforms(list: [Transform; 2]) -> Augmentation {
    Augmentation::Transforms(Compose(list.into()))
}

fn flip() -> Transform {
    Transform::RandomHorizontalFlip(RandomHorizontalFlip { p: 0.5 })
}

fn resized_crop(size: [usize; 2], scale: [f64; 2]) -> Transform {
    let (ratio, interpolation) = ([3.0 / 4.0, 4.0 / 3.0], Filter::Bilinear);
    Transform::RandomResizedCrop(RandomResizedCrop { size: Size::Sides(size), scale, ratio, interpolation })
}
