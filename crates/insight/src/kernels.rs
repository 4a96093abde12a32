//! The kernels of the first convolution as images.

use striate_engine::Variables;
use striate_graph::{INPUT, Network, Op};
use striate_vision::{Image, Preprocessing, draw, in_color_order};

/// The kernels of the first convolution of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstKernels {
    /// The name of the layer.
    pub layer: String,
    /// A picture of each kernel: middle gray is zero, and the weight of largest magnitude in the kernel is black or
    /// white, or full or no red, green or blue.
    pub images: Vec<Image>,
}

impl FirstKernels {
    /// Draws the kernels of the first layer of `network` if that is a convolution of all channels of a gray or color
    /// image. `form` is the preprocessing, which knows the order of colors.
    pub fn of(network: &Network, weights: &Variables, form: Option<&Preprocessing>) -> Option<FirstKernels> {
        let is_first = |layer: &&striate_graph::Layer| matches!(layer.op, Op::Conv(_));
        let layer = network.layers.iter().find(is_first)?;
        let keeps_channels = |name: &str| {
            let before = network.layers.iter().find(|layer| layer.name == name);
            before.is_none_or(|layer| layer.inputs.iter().all(|name| name == INPUT))
        };
        let (shape, values) = weights.get(&format!("{}.weight", layer.name))?;
        let channels = *network.input.first()?;
        let [_, inner, height, width] = **shape else { return None };
        if !layer.inputs.iter().all(|name| keeps_channels(name))
            || inner != channels
            || !matches!(inner, 1 | 3)
        {
            return None;
        }
        let picture = |kernel: &[f32]| {
            let image = draw::kernel(kernel, [inner, height, width], draw::largest_weight(kernel));
            match form {
                Some(form) => in_color_order(form, image),
                None => image,
            }
        };
        let images = values.chunks_exact(inner * height * width).map(picture).collect();
        Some(FirstKernels { layer: layer.name.clone(), images })
    }
}
