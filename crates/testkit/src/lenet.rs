//! LeNet-5 with weights and batches by formula, as `scripts/reference/lenet5_pytorch.py` makes them.

use striate_engine::Variables;
use striate_graph::Network;
use striate_tensor::Shape;

use crate::formula::{unit, weights};

/// Initial weights of `network`, LeNet-5, by formula, numbered in the order of the layers.
///
/// # Panics
/// If the network is invalid.
pub fn variables(network: &Network) -> Variables {
    let tensor = |(index, (name, shape)): (usize, (String, Shape))| {
        let layer = name.split('.').next().unwrap();
        let fan_in = match layer {
            "conv1" => 25.0,
            "conv2" => 150.0,
            "fc1" => 400.0,
            "fc2" => 120.0,
            _ => 84.0f64,
        };
        let values = weights(index as u32, shape.numel(), 1.0 / fan_in.sqrt());
        (name, (shape, values.iter().map(|x| *x as f32).collect()))
    };
    network.variables().unwrap().into_iter().enumerate().map(tensor).collect()
}

/// The values in `f64`.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}

/// Batch number `number` of `size` images: shape, images and labels.
pub fn batch(number: usize, size: usize) -> (Shape, Vec<f32>, Vec<i64>) {
    let images = (0..size * 1024).map(|i| unit(100 + number as u32, i as u32) as f32).collect();
    let labels = (0..size).map(|i| ((7 * i + 3 + number) % 10) as i64).collect();
    (Shape::from([size, 1, 32, 32]), images, labels)
}
