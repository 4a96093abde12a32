//! Training images as a recipe augments and mixes them, to look at.

use striate_data::{Batch, Dataset};
use striate_tensor::{Error, Result};
use striate_vision::{Image, input_image};

use crate::Settings;
use crate::fitting::{Parts, normalize};
use crate::mixing::Mixer;

/// A training image as the network sees it, before features.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The image.
    pub image: Image,
    /// The classes mixed into it with their shares, its own first; other classes only if their share is at least
    /// 0.005; empty if the recipe does not mix images.
    pub mixture: Vec<(String, f32)>,
}

/// A class with some of its training images.
#[derive(Debug, Clone)]
pub struct ClassSamples {
    /// The name of the class.
    pub class: String,
    /// The number of its training images.
    pub count: usize,
    /// Augmented images.
    pub samples: Vec<Sample>,
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
/// images in the first epoch, and again in later ones if there are fewer. If the recipe mixes images, the first ones of
/// all these classes are mixed as a batch, then the second ones, and so on.
///
/// # Errors
/// If data and recipe do not match, or the data set consists of arrays.
pub fn samples(settings: &Settings, mut dataset: Dataset, classes: usize, count: usize) -> Result<Samples> {
    let recipe = &settings.recipe;
    settings.check()?;
    normalize(&mut dataset, recipe)?;
    let Some(form) = dataset.preprocessing.clone() else {
        return Err(Error::input("arrays are used unchanged; there is nothing to show"));
    };
    let parts = Parts::new(&mut dataset, recipe)?;
    let shape = parts.train.image_shape();
    let size: usize = shape.iter().product();
    let train = parts.augmented(recipe)?;
    let mixer = match recipe.mixings().is_empty() {
        true => None,
        false => Mixer::new(recipe, parts.train.labels(), dataset.classes.len())?,
    };
    let mut shown: Vec<ClassSamples> =
        dataset.classes.iter().take(classes).map(|class| ClassSamples::none_of(class)).collect();
    let members: Vec<Vec<usize>> = (0..shown.len()).map(|label| members(&parts, label)).collect();
    let filled: Vec<usize> = (0..shown.len()).filter(|label| !members[*label].is_empty()).collect();
    shown.iter_mut().zip(&members).for_each(|(class, own)| class.count = own.len());
    let mut original = Vec::new();
    for number in 0..count {
        let labels = filled.iter().map(|label| *label as i64).collect();
        let mut batch = Batch { images: vec![0.0; size * filled.len()], labels };
        for (label, image) in filled.iter().zip(batch.images.chunks_exact_mut(size)) {
            let own = &members[*label];
            let (epoch, index) = ((number / own.len()) as u64, own[number % own.len()]);
            train.write_pixels(epoch, index, &mut original, image)?;
        }
        let shares = mixer.as_ref().map(|mixer| mixer.mix_shares(&mut batch, shape, number as u64));
        for (index, label) in filled.iter().enumerate() {
            let image = input_image(&form, shape, &batch.images[index * size..][..size])?;
            let row = |shares: &Vec<f32>| {
                mixture(*label, &shares[index * dataset.classes.len()..], &dataset.classes)
            };
            shown[*label].samples.push(Sample { image, mixture: shares.as_ref().map_or(vec![], row) });
        }
    }
    Ok(Samples { images: parts.train.len(), classes: shown })
}

impl ClassSamples {
    fn none_of(class: &str) -> ClassSamples {
        ClassSamples { class: class.to_owned(), count: 0, samples: vec![] }
    }
}

/// The training images of a class.
fn members(parts: &Parts, class: usize) -> Vec<usize> {
    let labels = parts.train.labels().iter().enumerate();
    labels.filter(|(_, label)| **label == class as i64).map(|(index, _)| index).collect()
}

/// The classes that have a share of at least half a percent, the image's `own` first.
fn mixture(own: usize, shares: &[f32], classes: &[String]) -> Vec<(String, f32)> {
    let others = (0..classes.len()).filter(|class| *class != own && shares[*class] >= 0.005);
    [own].into_iter().chain(others).map(|class| (classes[class].clone(), shares[class])).collect()
}

#[cfg(test)]
mod tests {
    use striate_data::{LoadOptions, Spec, load};

    use super::*;
    use crate::Recipe;

    fn shown(sets: &[&str]) -> Samples {
        let recipe = sets.iter().fold(Recipe::default(), |recipe, set| recipe.with(set).unwrap());
        let digits = load(&Spec::Digits, &LoadOptions::default()).unwrap();
        samples(&recipe.into(), digits, 4, 3).unwrap()
    }

    #[test]
    fn images_are_mixed_as_their_labels_say() {
        let plain = shown(&["data.augment=none"]);
        assert!(plain.classes.iter().all(|class| class.samples.iter().all(|own| own.mixture.is_empty())));
        let mixed = shown(&["data.augment=none", "data.mixup=1.0"]);
        let mut pairs = 0;
        for (label, class) in mixed.classes.iter().enumerate() {
            for (number, sample) in class.samples.iter().enumerate() {
                let (own, share) = &sample.mixture[0];
                let original = |label: usize| &plain.classes[label].samples[number].image;
                assert_eq!(own, &class.class);
                let (other, rest) = sample.mixture.get(1).map_or((label, 0.0), |(other, rest)| {
                    (mixed.classes.iter().position(|class| class.class == *other).unwrap(), *rest)
                });
                pairs += usize::from(other != label);
                assert!((share + rest - 1.0).abs() < 0.0051, "{:?}", sample.mixture);
                let bytes = original(label).pixels().iter().zip(original(other).pixels());
                for (byte, (a, b)) in sample.image.pixels().iter().zip(bytes) {
                    let expected = share * f32::from(*a) + rest * f32::from(*b);
                    assert!((f32::from(*byte) - expected).abs() <= 2.5, "{byte} instead of {expected}");
                }
            }
        }
        assert!(pairs > 4, "{pairs} of 12");
    }
}
