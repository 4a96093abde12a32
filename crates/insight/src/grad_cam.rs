//! Grad-CAM: the maps of a layer, weighted by how much each matters for a class.
//!
//! Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV 2017,
//! equations 1 and 2: α\[k\] is the mean gradient of the class's score with respect to map k, and the heat map is
//! ReLU(Σ α\[k\]·A\[k\]).
//!
//! In a network without convolutions on hand-made features, the maps are these features, each weighted by its own
//! gradient: ReLU(Σ ∂score/∂A\[k\]·A\[k\]), the share of each place in the score of a linear network. Source: Draelos
//! and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks", 2020.

use striate_engine::Sensitivity;
use striate_graph::INPUT;
use striate_predict::{Classifier, Head};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};
use striate_vision::{Image, network_input};

use crate::heat::Heat;
use crate::layers::{MapLayer, last_maps, map_layer};

/// Grad-CAM of one layer of a model, for inputs of one size; computes the heat map of any class of any image.
pub struct GradCam {
    head: Head,
    classes: usize,
    layer: MapLayer,
    /// Whether the layer is the input, of hand-made features.
    is_input: bool,
    sensitivity: Sensitivity,
}

impl GradCam {
    /// Prepares Grad-CAM of the `layer` of `classifier`, by default the maps that the last convolution leads to (see
    /// [`last_maps`]) or else hand-made features, for inputs of `[C, H, W]`.
    ///
    /// # Errors
    /// If the network has no such layer, the class scores do not depend on it, or the size does not fit the network.
    pub fn new(classifier: &Classifier, input: [usize; 3], layer: Option<&str>) -> Result<GradCam> {
        let head = classifier.head()?;
        let inference = classifier.inference();
        let shape = one(input);
        let graph = inference.network().graph_for(&shape)?;
        let layer = match layer {
            Some(name) => map_layer(&graph, name)?,
            None => last_maps(&graph).or_else(|error| hand_made(classifier, input).ok_or(error))?,
        };
        let is_input = layer.name == INPUT;
        let sensitivity = inference.sensitivity(&shape, &[&layer.name])?;
        Ok(GradCam { head, classes: classifier.classes().len(), layer, is_input, sensitivity })
    }

    /// The layer.
    pub fn layer(&self) -> &MapLayer {
        &self.layer
    }

    /// The name of the layer that computes the scores whose gradients are used: those before a final softmax or
    /// sigmoid.
    pub fn scores(&self) -> &str {
        self.sensitivity.scores()
    }

    /// Returns the heat map of `class` for an `input` of the network, `[C, H, W]`, at the size of the layer's maps.
    ///
    /// # Errors
    /// If the class does not exist, or the input has the wrong size.
    pub fn map(&self, input: &[f32], class: usize) -> Result<Heat> {
        let direction = direction(self.head, class, self.classes, self.sensitivity.direction())?;
        let (_, mut sensitive) = self.sensitivity.run(input, &direction)?;
        let maps = sensitive.pop().expect("one layer is wanted");
        let [_, height, width] = self.layer.maps;
        let area = height * width;
        let mut sums = vec![0.0f64; area];
        if self.is_input {
            for (at, (x, gradient)) in input.iter().zip(&maps.gradient).enumerate() {
                sums[at % area] += f64::from(*x) * f64::from(*gradient);
            }
        }
        for (map, gradient) in maps.value.chunks_exact(area).zip(maps.gradient.chunks_exact(area)) {
            let weight = gradient.iter().map(|x| f64::from(*x)).sum::<f64>() / area as f64;
            sums.iter_mut().zip(map).for_each(|(sum, x)| *sum += weight * f64::from(*x));
        }
        Ok(Heat { height, width, values: sums.into_iter().map(|sum| sum.max(0.0) as f32).collect() })
    }
}

/// The input of a network on hand-made features, as a layer.
fn hand_made(classifier: &Classifier, input: [usize; 3]) -> Option<MapLayer> {
    let form = classifier.image_preprocessing().ok()?;
    form.features.as_ref().map(|_| MapLayer { name: INPUT.into(), maps: input })
}

/// Computes Grad-CAM of `class` for an image, at the `layer` of the model or by default the maps that its last
/// convolution leads to (see [`last_maps`]); the heat map has the size of the layer's maps. For several images, prepare
/// a [`GradCam`] once.
///
/// # Errors
/// As [`GradCam::new`] and [`GradCam::map`], or if the model does not state the preprocessing of images.
pub fn grad_cam(classifier: &Classifier, image: &Image, class: usize, layer: Option<&str>) -> Result<Heat> {
    let (shape, input) = network_input(classifier.image_preprocessing()?, image)?;
    GradCam::new(classifier, shape, layer)?.map(&input, class)
}

/// The shape of a batch of one input.
pub(crate) fn one([c, h, w]: [usize; 3]) -> Shape {
    Shape::from([1, c, h, w])
}

/// The direction that selects the score of `class`. With a single score for two classes, that of the first class is
/// its negative.
pub(crate) fn direction(head: Head, class: usize, classes: usize, scores: &Shape) -> Result<Vec<f32>> {
    if class >= classes {
        return Err(Error::input(format!("no class {class}; the model has {}", counted(classes, "class"))));
    }
    let mut direction = vec![0.0; scores.numel()];
    match head {
        Head::OneScore | Head::OneProbability => direction[0] = if class == 1 { 1.0 } else { -1.0 },
        Head::Scores | Head::Probabilities | Head::Independent => direction[class] = 1.0,
    }
    Ok(direction)
}
