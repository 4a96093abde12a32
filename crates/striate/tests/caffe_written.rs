//! Networks of the history as `.caffemodel`: written and read again, every name and every bit comes back.

use striate::formats::{Loaded, Weights, caffemodel_bytes, fit, fit_normalisation, read_caffemodel_bytes};
use striate::graph::Network;

/// Another number for each place of each variable.
fn numbered(network: &Network) -> Weights {
    let variables = network.variables().unwrap().into_iter().zip(1..);
    let weights = variables.map(|((name, shape), number)| {
        let values = (0..shape.numel()).map(|place| (place % 1013) as f32 / 7.0 + number as f32).collect();
        (name, (shape, values))
    });
    weights.collect()
}

/// The network `name` for small images and few classes.
fn small(name: &str, side: usize) -> Network {
    let mut network = (striate::models::find(name).unwrap().build)().unwrap();
    network.set_input([3, side, side]);
    network.set_classes(3).unwrap();
    network
}

#[test]
fn what_is_written_is_read_again() {
    // With a layer that Caffe's published network has, or our own name where there is none.
    for (name, side, layer) in [
        ("alexnet-2012", 67, "norm2"),
        ("googlenet-2014", 96, "inception_4e/5x5_reduce"),
        ("vgg11", 32, "conv3_2"),
        ("vgg11-bn", 32, "features.1/scale"),
        ("resnet18", 64, "scale2b_branch2a"),
        ("resnet50-v1", 64, "res4f_branch2c"),
        ("resnet101-v1", 64, "bn4b22_branch2b"),
        ("squeezenet1_1", 64, "fire9/expand3x3"),
    ] {
        let network = small(name, side);
        let weights = numbered(&network);
        let (bytes, notes) = caffemodel_bytes(&network, weights.clone()).unwrap();
        assert!(bytes.windows(layer.len()).any(|part| part == layer.as_bytes()), "{name} has no {layer}");
        assert!(notes.iter().any(|note| note.ends_with("turned from RGB to BGR")), "{name}: {notes:?}");
        let read = read_caffemodel_bytes(&bytes).unwrap();
        let (weights_read, normalisations) = (read.weights, read.normalisations);
        let mut read = Loaded { weights: weights_read, normalisations, ..Loaded::default() };
        fit_normalisation(&network, &mut read).unwrap();
        let again = fit(&network, read.weights).unwrap().weights;
        match read.notes[..] {
            [] => assert!(again == weights, "{name}"),
            // Weights around normalisations were scaled to Caffe's constants and back.
            _ => assert_close(&again, &weights),
        }
    }
}

fn assert_close(found: &Weights, expected: &Weights) {
    for ((name, (shape, values)), (found_name, (found_shape, found))) in expected.iter().zip(found) {
        assert_eq!((found_name, found_shape), (name, shape));
        let is_close =
            |(found, value): (&f32, &f32)| (found - value).abs() <= 4.0 * f32::EPSILON * value.abs();
        assert!(found.iter().zip(values).all(is_close), "{name}");
    }
}

/// ResNet-50 was published with a bias of its first convolution, which its text therefore wants.
#[test]
fn the_first_convolution_of_resnet50_has_a_bias_of_zeros() {
    for (name, count) in [("resnet50-v1", 2), ("resnet101-v1", 1)] {
        let network = small(name, 64);
        let (bytes, _) = caffemodel_bytes(&network, numbered(&network)).unwrap();
        let read = read_caffemodel_bytes(&bytes).unwrap().weights;
        assert_eq!(read.keys().filter(|name| name.starts_with("conv1.")).count(), count, "{name}");
    }
}

#[test]
fn layers_that_caffe_lacks_are_named() {
    let network = (striate::models::find("lenet5-1998").unwrap().build)().unwrap();
    let error = caffemodel_bytes(&network, numbered(&network)).unwrap_err().to_string();
    assert!(error.contains("layer C3: Caffe has no layer for the weights of conv"), "{error}");
}
