//! Saliency: how much the score of a class changes with each pixel.
//!
//! Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", ICLR workshop 2014, section 3.1: the absolute
//! gradient of the score with respect to the pixel, the largest of its channels.

use striate_engine::Sensitivity;
use striate_graph::INPUT;
use striate_predict::{Classifier, Head};
use striate_tensor::Result;

use crate::grad_cam::{direction, one};
use crate::heat::Heat;

/// Saliency maps of a model, for inputs of one size.
pub struct Saliency {
    head: Head,
    classes: usize,
    input: [usize; 3],
    sensitivity: Sensitivity,
}

impl Saliency {
    /// Prepares saliency maps of `classifier` for inputs of `[C, H, W]`.
    ///
    /// # Errors
    /// If the size does not fit the network, or an operation has no gradient.
    pub fn new(classifier: &Classifier, input: [usize; 3]) -> Result<Saliency> {
        let head = classifier.head()?;
        let sensitivity = classifier.inference().sensitivity(&one(input), &[INPUT])?;
        Ok(Saliency { head, classes: classifier.classes().len(), input, sensitivity })
    }

    /// The name of the layer that computes the scores whose gradients are used: those before a final softmax or
    /// sigmoid.
    pub fn scores(&self) -> &str {
        self.sensitivity.scores()
    }

    /// Returns the saliency map of `class` for an `input` of the network, `[C, H, W]`, at its size. The gradient is
    /// taken with respect to normalized values, as the network reads them.
    ///
    /// # Errors
    /// If the class does not exist, or the input has the wrong size.
    pub fn map(&self, input: &[f32], class: usize) -> Result<Heat> {
        let direction = direction(self.head, class, self.classes, self.sensitivity.direction())?;
        let (_, sensitive) = self.sensitivity.run(input, &direction)?;
        let [_, height, width] = self.input;
        let mut values = vec![0.0f32; height * width];
        for channel in sensitive[0].gradient.chunks_exact(height * width) {
            values.iter_mut().zip(channel).for_each(|(most, x)| *most = most.max(x.abs()));
        }
        Ok(Heat { height, width, values })
    }
}
