//! Feature maps: the output of a layer for an image.

use striate_graph::INPUT;
use striate_predict::Classifier;
use striate_tensor::Result;
use striate_vision::Image;

use crate::colors::viridis;
use crate::grad_cam::one;
use crate::layers::{MapLayer, map_layer};

/// The maps of a layer for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMaps {
    /// The layer.
    pub layer: MapLayer,
    /// Its output, `[C, H, W]`.
    pub values: Vec<f32>,
}

impl FeatureMaps {
    /// Runs `classifier` up to the layer `name` on an `input` of the network, `[C, H, W]`.
    ///
    /// # Errors
    /// If no layer with maps has this name, or the input does not fit the network.
    pub fn of(
        classifier: &Classifier,
        input_shape: [usize; 3],
        input: &[f32],
        name: &str,
    ) -> Result<FeatureMaps> {
        let shape = one(input_shape);
        let layer = map_layer(&classifier.inference().network().graph_for(&shape)?, name)?;
        let (_, values) = classifier.inference().until(name)?.run(&shape, input)?;
        Ok(FeatureMaps { layer, values })
    }

    /// The hand-made features that are an `input` of the network.
    pub fn hand_made(shape: [usize; 3], input: &[f32]) -> FeatureMaps {
        FeatureMaps { layer: MapLayer { name: INPUT.into(), maps: shape }, values: input.to_vec() }
    }

    /// The first `most` maps as pictures, each colored from its own smallest value to its own largest.
    pub fn pictures(&self, most: usize) -> Vec<Image> {
        let [_, height, width] = self.layer.maps;
        self.values.chunks_exact(height * width).take(most).map(|map| picture(map, height, width)).collect()
    }
}

fn picture(map: &[f32], height: usize, width: usize) -> Image {
    let finite = || map.iter().copied().filter(|x| x.is_finite());
    let low = finite().reduce(f32::min).unwrap_or(0.0);
    let high = finite().reduce(f32::max).unwrap_or(0.0);
    let share = |x: &f32| if high > low { (x - low) / (high - low) } else { 0.0 };
    let pixels = map.iter().flat_map(|x| viridis(share(x))).collect();
    Image::new(width, height, 3, pixels).expect("maps have at least one element")
}
