//! The weights of the first layer as images.

use striate_engine::Variables;
use striate_graph::{INPUT, Layer, Network, Op};
use striate_vision::{Image, Preprocessing, draw, in_color_order};

/// The weights of the first layer of a network that reads a gray or color image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstKernels {
    /// The name of the layer.
    pub layer: String,
    /// What each image shows: `kernel`, or for a linear layer, whose units read all pixels, `weight image`.
    pub what: &'static str,
    /// The number of kernels or units.
    pub count: usize,
    /// Pictures of the first ones, at most [`FirstKernels::MOST`]: middle gray is zero, and the weight of largest
    /// magnitude is black or white, or full or no red, green or blue.
    pub images: Vec<Image>,
}

impl FirstKernels {
    /// The largest number of pictures.
    pub const MOST: usize = 100;

    /// Draws the weights of the first convolution or linear layer of `network` if it reads all channels of a gray or
    /// color image. `form` is the preprocessing, which knows the order of colors.
    pub fn of(network: &Network, weights: &Variables, form: Option<&Preprocessing>) -> Option<FirstKernels> {
        let is_first = |layer: &&Layer| matches!(layer.op, Op::Conv(_) | Op::Linear(_));
        let layer = network.layers.iter().find(is_first)?;
        let reads_input = |name: &String| name == INPUT || follows_input(network, name);
        let (shape, values) = weights.get(&format!("{}.weight", layer.name))?;
        let (what, size) = match (&**shape, &*network.input) {
            ([_, inner, height, width], [channels, ..]) if inner == channels => {
                ("kernel", [*channels, *height, *width])
            }
            ([_, inner], [channels, height, width]) if *inner == channels * height * width => {
                ("weight image", [*channels, *height, *width])
            }
            _ => return None,
        };
        if !layer.inputs.iter().all(reads_input) || !matches!(size[0], 1 | 3) {
            return None;
        }
        let picture = |kernel: &[f32]| {
            let image = draw::kernel(kernel, size, draw::largest_weight(kernel));
            match form {
                Some(form) => in_color_order(form, image),
                None => image,
            }
        };
        let kernels = values.chunks_exact(size.iter().product());
        let count = kernels.len();
        let images = kernels.take(Self::MOST).map(picture).collect();
        Some(FirstKernels { layer: layer.name.clone(), what, count, images })
    }
}

/// Whether the layer `name` reads nothing but the input.
fn follows_input(network: &Network, name: &str) -> bool {
    let layer = network.layers.iter().find(|layer| layer.name == name);
    layer.is_none_or(|layer| layer.inputs.iter().all(|name| name == INPUT))
}
