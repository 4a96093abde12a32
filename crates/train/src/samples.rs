//! Training images as a recipe augments them, to look at.

use striate_data::Dataset;
use striate_tensor::{Error, Result};
use striate_vision::{Image, Preprocessing};

use crate::Settings;
use crate::fitting::{Parts, normalize};

/// A class with some of its training images.
#[derive(Debug, Clone)]
pub struct ClassSamples {
    /// The name of the class.
    pub class: String,
    /// The number of its training images.
    pub count: usize,
    /// Augmented images.
    pub images: Vec<Image>,
}

/// Training images of a data set.
#[derive(Debug, Clone)]
pub struct Samples {
    /// The number of training images.
    pub images: usize,
    /// The classes, with some of them.
    pub classes: Vec<ClassSamples>,
}

/// Returns `count` images of each of the first `classes` classes, as training with these settings sees them: its first
/// images in the first epoch, and again in later ones if there are fewer.
///
/// # Errors
/// If data and recipe do not match, or the data set consists of arrays.
pub fn samples(settings: &Settings, mut dataset: Dataset, classes: usize, count: usize) -> Result<Samples> {
    let recipe = &settings.recipe;
    recipe.check()?;
    normalize(&mut dataset, recipe)?;
    let Some(form) = dataset.preprocessing.clone() else {
        return Err(Error::input("arrays are used unchanged; there is nothing to show"));
    };
    let parts = Parts::new(&mut dataset, recipe)?;
    let [c, h, w] = parts.train.shape();
    let train = parts.augmented(recipe)?;
    let (mut original, mut values) = (Vec::new(), vec![0.0; c * h * w]);
    let mut image = |epoch: usize, index: usize| {
        train.write(epoch as u64, index, &mut original, &mut values)?;
        to_image(&values, [c, h, w], &form)
    };
    let names = dataset.classes.iter().take(classes).enumerate();
    let of_class = names.map(|(label, class)| {
        let labels = parts.train.labels().iter().enumerate();
        let own: Vec<usize> =
            labels.filter(|(_, own)| **own == label as i64).map(|(index, _)| index).collect();
        let shown = if own.is_empty() { 0 } else { count };
        let images = (0..shown).map(|number| image(number / own.len(), own[number % own.len()]));
        Ok(ClassSamples { class: class.clone(), count: own.len(), images: images.collect::<Result<_>>()? })
    });
    Ok(Samples { images: parts.train.len(), classes: of_class.collect::<Result<_>>()? })
}

/// The image whose normalized values are `values`.
pub(crate) fn to_image(values: &[f32], [c, h, w]: [usize; 3], form: &Preprocessing) -> Result<Image> {
    let byte = |pixel: usize, channel: usize| {
        let value = values[channel * h * w + pixel] * form.std[channel] + form.mean[channel];
        (value * 255.0).round().clamp(0.0, 255.0) as u8
    };
    Image::new(
        w,
        h,
        c,
        (0..h * w).flat_map(|pixel| (0..c).map(move |channel| byte(pixel, channel))).collect(),
    )
}
