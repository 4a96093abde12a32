//! Soft targets of a batch: mixed images, label smoothing, class weights.

use striate_data::Batch;
use striate_graph::Loss;
use striate_tensor::random::{Random, Stream};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};
use striate_vision::augment::{Mixing, mix, partners};

use crate::Recipe;
use crate::recipe::ClassWeights;

/// Mixes the images of a batch and makes its targets.
pub(crate) struct Mixer {
    kinds: Vec<Mixing>,
    smoothing: f32,
    /// The weight of each class.
    weights: Option<Vec<f32>>,
    classes: usize,
    seed: u64,
}

impl Mixer {
    /// The mixer of a recipe for training images with these labels; `None` if plain labels suffice.
    ///
    /// # Errors
    /// If the recipe has another number of class weights.
    pub fn new(recipe: &Recipe, labels: &[i64], classes: usize) -> Result<Option<Mixer>> {
        if !recipe.has_soft_targets() {
            return Ok(None);
        }
        let smoothing = match recipe.loss.as_ref().map(|part| part.loss) {
            Some(Loss::CrossEntropy { smoothing }) => smoothing,
            _ => 0.0,
        };
        let weights = recipe.loss.as_ref().and_then(|part| part.class_weights.as_ref());
        let weights = weights.map(|weights| class_weights(weights, labels, classes)).transpose()?;
        Ok(Some(Mixer { kinds: recipe.mixings(), smoothing, weights, classes, seed: recipe.train.seed }))
    }

    /// Mixes the images of `batch`, of this shape, and returns the targets `[N, K]`. What is drawn depends on the seed
    /// and on `draw`, the batch's number.
    pub fn mix(&self, batch: &mut Batch, shape: [usize; 3], draw: u64) -> Vec<f32> {
        let mut targets = self.mix_shares(batch, shape, draw);
        self.weigh(&mut targets);
        targets
    }

    /// Mixes the images of `batch` as [`Mixer::mix`] does, and returns the share of each class in each, `[N, K]`.
    pub fn mix_shares(&self, batch: &mut Batch, shape: [usize; 3], draw: u64) -> Vec<f32> {
        let mut targets = vec![0.0; batch.labels.len() * self.classes];
        for (row, label) in targets.chunks_exact_mut(self.classes).zip(&batch.labels) {
            row[*label as usize] = 1.0;
        }
        if !self.kinds.is_empty() {
            self.mix_images(batch, shape, draw, &mut targets);
        }
        targets
    }

    fn mix_images(&self, batch: &mut Batch, shape: [usize; 3], draw: u64, targets: &mut [f32]) {
        let mut random = Random::new(self.seed, Stream::Mixing, draw);
        let kind = &self.kinds[random.below(self.kinds.len())];
        let [_, height, width] = shape;
        let drawn = kind.draw(height, width, &mut random);
        let weight = drawn.weight(height, width);
        let (images, labels) = (batch.images.clone(), targets.to_vec());
        let size: usize = shape.iter().product();
        for (index, other) in partners(batch.labels.len(), &mut random).into_iter().enumerate() {
            let [image, target] = [size, self.classes].map(|size| index * size..(index + 1) * size);
            drawn.apply(shape, &mut batch.images[image], &images[other * size..][..size]);
            mix(weight, &mut targets[target], &labels[other * self.classes..][..self.classes]);
        }
    }

    /// Smooths the targets, and multiplies them by the weights of the classes. The mean weight over the targets of the
    /// batch becomes 1, which is PyTorch's mean for labels; for mixed images, PyTorch divides by their number.
    fn weigh(&self, targets: &mut [f32]) {
        let rows = targets.len() / self.classes;
        let total = self.weights.as_ref().map(|weights| {
            let rows = targets.chunks_exact(self.classes);
            let of_row = |row: &[f32]| row.iter().zip(weights).map(|(t, w)| f64::from(t * w)).sum::<f64>();
            rows.map(of_row).sum::<f64>()
        });
        let factor = total.filter(|total| *total > 0.0).map_or(1.0, |total| rows as f64 / total) as f32;
        let share = self.smoothing / self.classes as f32;
        for row in targets.chunks_exact_mut(self.classes) {
            for (class, target) in row.iter_mut().enumerate() {
                let weight = self.weights.as_ref().map_or(1.0, |weights| factor * weights[class]);
                *target = weight * (*target * (1.0 - self.smoothing) + share);
            }
        }
    }
}

/// The weights of `classes` classes. Balanced ones are n / (K · n of the class), so that all classes count the same.
fn class_weights(weights: &ClassWeights, labels: &[i64], classes: usize) -> Result<Vec<f32>> {
    match weights {
        ClassWeights::Listed(listed) if listed.len() != classes => Err(Error::input(format!(
            "loss.class_weights has {}, but the data has {}",
            counted(listed.len(), "number"),
            if classes == 1 { "1 class".into() } else { format!("{classes} classes") }
        ))),
        ClassWeights::Listed(listed) => Ok(listed.clone()),
        ClassWeights::Named(_) => {
            let mut counts = vec![0usize; classes];
            labels.iter().for_each(|label| counts[*label as usize] += 1);
            let weight = |count: usize| match count {
                0 => 0.0,
                count => (labels.len() as f64 / (classes * count) as f64) as f32,
            };
            Ok(counts.into_iter().map(weight).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(sets: &[&str]) -> Recipe {
        sets.iter().fold(Recipe::default(), |recipe, set| recipe.with(set).unwrap())
    }

    fn mixer(sets: &[&str], labels: &[i64], classes: usize) -> Mixer {
        Mixer::new(&recipe(sets), labels, classes).unwrap().unwrap()
    }

    fn batch(labels: &[i64]) -> Batch {
        let images = labels.iter().enumerate().flat_map(|(i, _)| vec![i as f32; 16]).collect();
        Batch { images, labels: labels.to_vec() }
    }

    #[test]
    fn plain_labels_need_no_mixer() {
        assert!(Mixer::new(&recipe(&["loss.smoothing=0.1"]), &[0, 1], 2).unwrap().is_none());
    }

    #[test]
    fn targets_follow_the_mixed_images() {
        for set in ["data.mixup=1.0", "data.cutmix=1.0"] {
            let mixer = mixer(&[set], &[], 3);
            for draw in 0..50 {
                let mut mixed = batch(&[0, 1, 2]);
                let targets = mixer.mix(&mut mixed, [1, 4, 4], draw);
                for (image, target) in mixed.images.chunks(16).zip(targets.chunks(3)) {
                    // Image number i is i everywhere, so that the mean of a mixture is that of the classes.
                    let mean = image.iter().sum::<f32>() / 16.0;
                    assert!((mean - (target[1] + 2.0 * target[2])).abs() < 1e-5, "{set} {draw}");
                    assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{set} {draw}");
                }
                let mut again = batch(&[0, 1, 2]);
                assert_eq!((mixer.mix(&mut again, [1, 4, 4], draw), again), (targets, mixed));
            }
        }
        let both = mixer(&["data.mixup=1.0", "data.cutmix=1.0"], &[], 3);
        let is_cut = |draw: u64| {
            let mut mixed = batch(&[0, 1, 2]);
            both.mix(&mut mixed, [1, 4, 4], draw);
            mixed.images.iter().all(|value| value.fract() == 0.0)
        };
        let cut = (0..200).filter(|draw| is_cut(*draw)).count();
        assert!((70..130).contains(&cut), "{cut} of 200");
    }

    /// `torch.nn.functional.cross_entropy` with weights [1, 3] and label smoothing 0.2: the factors of the class's
    /// negative log-probabilities.
    #[test]
    fn class_weights_are_those_of_pytorch() {
        let mixer = mixer(&["loss.class_weights=[1.0, 3.0]", "loss.smoothing=0.2"], &[], 2);
        let targets = mixer.mix(&mut batch(&[0, 1]), [1, 4, 4], 0);
        for (target, expected) in targets.iter().zip([0.9, 0.3, 0.1, 2.7]) {
            assert!((target - expected / 2.0).abs() < 1e-6, "{targets:?}");
        }
    }

    #[test]
    fn balanced_weights_give_every_class_the_same_total() {
        let weights = ClassWeights::Named("balanced".into());
        assert_eq!(class_weights(&weights, &[0, 0, 0, 1], 2).unwrap(), [2.0 / 3.0, 2.0]);
        assert_eq!(class_weights(&weights, &[0, 0], 2).unwrap(), [0.5, 0.0]);
        let error = class_weights(&ClassWeights::Listed(vec![1.0]), &[0], 2).unwrap_err();
        assert!(error.to_string().contains("has 1 number, but the data has 2 classes"), "{error}");
    }
}
