//! Built-in networks as `.caffemodel`: writing and reading preserves every name and every bit.

use striate::formats::{Loaded, Weights, caffemodel_bytes, fit, fit_constants, read_caffemodel_bytes};
use striate::graph::{Builder, Network};

/// Returns weights with distinct values.
fn numbered(network: &Network) -> Weights {
    let variables = network.variables().unwrap().into_iter().zip(1..);
    let weights = variables.map(|((name, shape), number)| {
        let values = (0..shape.numel()).map(|index| (index % 1013) as f32 / 7.0 + number as f32).collect();
        (name, (shape, values))
    });
    weights.collect()
}

/// Returns the network `name` for small images and few classes.
fn small(name: &str, side: usize) -> Network {
    let mut network = (striate::models::find(name).unwrap().build)().unwrap();
    network.set_input([3, side, side]);
    network.set_classes(3).unwrap();
    network
}

#[test]
fn written_weights_are_read_back() {
    // Each with a layer of Caffe's published network, or with our own name if there is none.
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
        assert!(holds(&bytes, layer), "{name} has no {layer}");
        assert!(notes.iter().any(|note| note.ends_with("converted from RGB to BGR")), "{name}: {notes:?}");
        let (again, notes) = read_again(&network, &bytes);
        match notes[..] {
            [] => assert!(again == weights, "{name}"),
            // Weights around normalizations were rescaled for Caffe's constants and back.
            _ => assert_close(&again, &weights),
        }
    }
}

/// Returns the weights for `network` in a file, and the notes about them.
fn read_again(network: &Network, bytes: &[u8]) -> (Weights, Vec<String>) {
    let read = read_caffemodel_bytes(bytes).unwrap();
    let (weights, normalizations, epsilons) = (read.weights, read.normalizations, read.epsilons);
    let mut read = Loaded { weights, normalizations, epsilons, ..Loaded::default() };
    fit_constants(network, &mut read).unwrap();
    (fit(network, read.weights).unwrap().weights, read.notes)
}

/// Returns whether a file contains a text.
fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// The ε of a batch norm is written, and its scale gets a unique name.
#[test]
fn batch_norms_are_written_with_epsilon_and_named_scale() {
    let net = Builder::new("norms", [3, 8, 8]);
    let x = net.input().conv(4, 3).named("conv1").batch_norm().named("bn1").epsilon(1e-3);
    let network = x.scale().named("scale1").flatten().linear(2).named("fc").finish().unwrap();
    let weights = numbered(&network);
    let (bytes, _) = caffemodel_bytes(&network, weights.clone()).unwrap();
    assert!(holds(&bytes, "bn1/scale") && holds(&bytes, "data") && !holds(&bytes, "input"));
    assert_eq!(read_again(&network, &bytes).0, weights);

    let net = Builder::new("norms", [3, 8, 8]);
    let network = net.input().batch_norm().named("bn1").scale().named("bn1/scale").finish().unwrap();
    assert!(refusal(&network, |_| ()).starts_with("layer bn1/scale: its name"));
}

/// Returns the error of writing `network` with weights modified by `change`.
fn refusal(network: &Network, change: impl FnOnce(&mut Weights)) -> String {
    let mut weights = numbered(network);
    change(&mut weights);
    let error = caffemodel_bytes(network, weights).unwrap_err();
    assert!(error.is_input());
    error.to_string()
}

fn assert_close(found: &Weights, expected: &Weights) {
    for ((name, (shape, values)), (found_name, (found_shape, found))) in expected.iter().zip(found) {
        assert_eq!((found_name, found_shape), (name, shape));
        let is_close =
            |(found, value): (&f32, &f32)| (found - value).abs() <= 4.0 * f32::EPSILON * value.abs();
        assert!(found.iter().zip(values).all(is_close), "{name}");
    }
}

/// The `.prototxt` published for ResNet-50 expects a bias in the first convolution.
#[test]
fn first_convolution_of_resnet50_gets_a_zero_bias() {
    for (name, count) in [("resnet50-v1", 2), ("resnet101-v1", 1)] {
        let network = small(name, 64);
        let (bytes, _) = caffemodel_bytes(&network, numbered(&network)).unwrap();
        let read = read_caffemodel_bytes(&bytes).unwrap().weights;
        assert_eq!(read.keys().filter(|name| name.starts_with("conv1.")).count(), count, "{name}");
    }
}

#[test]
fn layers_missing_in_caffe_are_refused() {
    let network = (striate::models::find("lenet5-1998").unwrap().build)().unwrap();
    let line = refusal(&network, |_| ());
    assert!(line.contains("layer C3: Caffe has no layer for the weights of conv"), "{line}");
    let net = Builder::new("n", [3, 8, 8]);
    let shifted = net.input() + net.constant([3, 1, 1], true).named("shift");
    let coded = net.input().flatten().rbf(10).named("codes");
    for (last, layer, op) in [(shifted, "shift", "constant"), (coded, "codes", "rbf")] {
        let line = refusal(&last.finish().unwrap(), |_| ());
        assert_eq!(line, format!("layer {layer}: Caffe has no layer for the weights of {op}"));
    }
}

#[test]
fn only_complete_layers_of_auxiliary_heads_may_be_absent() {
    let net = Builder::new("two", [3, 8, 8]);
    let x = net.input().conv(4, 3).named("conv");
    x.flatten().linear(3).named("aux").auxiliary(0.3);
    let network = x.flatten().linear(3).named("fc").finish().unwrap();
    let heads = network.auxiliary_variables().unwrap();
    let mut weights = numbered(&network);
    assert!(!holds(&caffemodel_bytes(&network, weights.clone()).unwrap().0, "aux"));
    weights
        .extend(heads.iter().map(|(name, shape)| (name.clone(), (shape.clone(), vec![0.5; shape.numel()]))));
    assert!(holds(&caffemodel_bytes(&network, weights.clone()).unwrap().0, "aux"));

    let half = refusal(&network, |held| {
        held.insert("aux.bias".into(), weights["aux.bias"].clone());
    });
    assert_eq!(half, "network two: no weights for aux.weight");
    let missing = refusal(&network, |held| drop(held.remove("fc.weight")));
    assert_eq!(missing, "1 parameter missing, first fc.weight");
}
