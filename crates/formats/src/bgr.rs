//! Converts first convolutions that were trained on BGR images to RGB.

use striate_graph::Network;
use striate_tensor::{Error, Result, Shape};

use crate::Weights;

/// Converts the first convolution of `weights` from BGR to RGB and returns its name: the first in `network`'s order,
/// or without a network the only one of three input channels.
///
/// # Errors
/// If there is none, or the first one cannot be determined.
pub fn first_convolution_to_rgb(network: Option<&Network>, weights: &mut Weights) -> Result<String> {
    let is_color = |(shape, _): &(Shape, Vec<f32>)| shape.len() >= 3 && shape[1] == 3;
    let found: Vec<String> = match network {
        Some(network) => {
            let names = network.layers.iter().map(|layer| format!("{}.weight", layer.name));
            names.filter(|name| weights.get(name).is_some_and(is_color)).take(1).collect()
        }
        None => weights.iter().filter(|(_, tensor)| is_color(tensor)).map(|(name, _)| name.clone()).collect(),
    };
    let name = match (&found[..], network) {
        ([name], _) => name,
        ([], None) => {
            return Err(Error::input(
                "no convolution has three input channels, so there is no BGR to convert",
            ));
        }
        ([], Some(network)) => {
            let name = &network.name;
            let what =
                format!("no convolution of {name} has three input channels, so there is no BGR to convert");
            return Err(Error::input(what));
        }
        (several, _) => {
            let count = several.len();
            let what =
                format!("{count} convolutions have three input channels; specify the network with --model");
            return Err(Error::input(what));
        }
    };
    let (shape, values) = weights.get_mut(name).expect("it was found there");
    swap_red_and_blue(shape, values);
    Ok(name.clone())
}

/// Reverses a kernel `[O, 3, …]` along its second axis; returns whether it is such a kernel.
pub(crate) fn swap_red_and_blue(shape: &Shape, values: &mut [f32]) -> bool {
    let is_color = shape.len() >= 3 && shape[1] == 3;
    let plane: usize = shape.iter().skip(2).product();
    if is_color && plane > 0 {
        for kernel in values.chunks_exact_mut(3 * plane) {
            let (first, rest) = kernel.split_at_mut(plane);
            first.swap_with_slice(&mut rest[plane..]);
        }
    }
    is_color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn red_and_blue_are_swapped_and_green_stays() {
        let mut values: Vec<f32> = (0..12).map(|i| i as f32).collect();
        assert!(swap_red_and_blue(&Shape::from([2, 3, 1, 2]), &mut values));
        assert_eq!(values, [4., 5., 2., 3., 0., 1., 10., 11., 8., 9., 6., 7.]);
        for shape in [Shape::from([4, 1, 1, 3]), Shape::from([12])] {
            assert!(!swap_red_and_blue(&shape, &mut values));
        }
        assert_eq!(values[0], 4.0);
    }
}
