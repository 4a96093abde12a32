//! The probabilities that a classifier gives inputs of its network, or the pixels that lead to its features.

use striate_predict::Classifier;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};
use striate_vision::{Preprocessing, input_of_pixels};

/// Computes probabilities of images that differ from one image.
pub(crate) struct Probabilities<'a> {
    classifier: &'a Classifier,
    /// Channels, height and width of an image.
    shape: [usize; 3],
    /// What turns pixels into hand-made features, if the network takes them.
    form: Option<&'a Preprocessing>,
}

impl<'a> Probabilities<'a> {
    /// For images of `shape`, `[C, H, W]`; `image` is one of them.
    ///
    /// # Errors
    /// If `image` has another size.
    pub fn new(classifier: &'a Classifier, shape: [usize; 3], image: &[f32]) -> Result<Probabilities<'a>> {
        let [c, h, w] = shape;
        if image.len() != c * h * w {
            return Err(Error::input(format!(
                "the input of {} does not match its size {c}x{h}x{w}",
                counted(image.len(), "value")
            )));
        }
        let form = classifier.image_preprocessing().ok().filter(|form| form.features.is_some());
        Ok(Probabilities { classifier, shape, form })
    }

    /// Returns the probabilities of all classes for each of `images`, `[N, C, H, W]`.
    ///
    /// # Errors
    /// If the images do not fit the network.
    pub fn of(&self, images: &[f32]) -> Result<Vec<Vec<f32>>> {
        let [c, h, w] = self.shape;
        let count = images.len() / (c * h * w);
        let (inference, head) = (self.classifier.inference(), self.classifier.head()?);
        let (_, outputs) = match self.form {
            None => inference.run(&Shape::from([count, c, h, w]), images)?,
            Some(form) => {
                let ([c, h, w], features) = features(form, self.shape, images)?;
                inference.run(&Shape::from([count, c, h, w]), &features)?
            }
        };
        Ok(outputs.chunks_exact(outputs.len() / count).map(|row| head.probabilities(row).to_vec()).collect())
    }

    /// As [`Probabilities::of`], for one class.
    ///
    /// # Errors
    /// As [`Probabilities::of`], or if the class does not exist.
    pub fn of_class(&self, images: &[f32], class: usize) -> Result<Vec<f32>> {
        let own = |row: Vec<f32>| row.get(class).copied().ok_or_else(|| no_class(class));
        self.of(images)?.into_iter().map(own).collect()
    }
}

/// The features of `images`, `[N, C, H, W]`, with the shape of those of one.
fn features(form: &Preprocessing, shape: [usize; 3], images: &[f32]) -> Result<([usize; 3], Vec<f32>)> {
    let (mut all, mut of_one) = (Vec::new(), [0; 3]);
    for image in images.chunks_exact(shape.iter().product()) {
        let (shape, features) = input_of_pixels(form, shape, image)?;
        of_one = shape;
        all.extend(features);
    }
    Ok((of_one, all))
}

pub(crate) fn no_class(class: usize) -> Error {
    Error::input(format!("no class {class}"))
}
