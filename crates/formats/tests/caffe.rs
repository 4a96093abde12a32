//! Caffe's `.caffemodel`: both layer formats, batch norm with its scale, BGR to RGB. The files are written field by
//! field, with the field numbers of `caffe.proto`.

use striate_formats::{CaffeModel, Loaded, Weights, fit, fit_constants, read_caffemodel_bytes};
use striate_graph::{Builder, Network};
use striate_tensor::Shape;
use striate_testkit::protobuf::{Message, blob, legacy_blob};

/// Returns a `LayerParameter`.
fn layer(name: &str, kind: &str, bottom: &str, top: &str, blobs: &[Message]) -> Message {
    let start = Message::new().text(1, name).text(2, kind).text(3, bottom).text(4, top);
    blobs.iter().fold(start, |layer, blob| layer.message(7, blob))
}

fn counted(count: usize) -> Vec<f32> {
    (0..count).map(|i| i as f32).collect()
}

fn tensor<const N: usize>(shape: [usize; N], values: &[f32]) -> (Shape, Vec<f32>) {
    (Shape::from(shape), values.to_vec())
}

fn current_format() -> Message {
    let transform = Message::new().float(5, 104.0).float(5, 117.0).float(5, 124.0);
    let convolution = [blob(&[2, 3, 1, 1], &counted(6)), blob(&[2], &[0.5, 0.25])];
    let constants = Message::new().integer(1, 5).float(2, 1e-4).float(3, 0.75).float(5, 2.0);
    let norm = [blob(&[2], &[2.0, 4.0]), blob(&[2], &[6.0, 8.0]), blob(&[1], &[2.0])];
    Message::new()
        .text(1, "net")
        .message(100, &layer("data", "Data", "", "data", &[]).message(100, &transform))
        .message(100, &layer("conv1", "Convolution", "data", "conv1", &convolution))
        .message(100, &layer("bn1", "BatchNorm", "conv1", "conv1", &norm))
        .message(
            100,
            &layer("scale1", "Scale", "conv1", "conv1", &[blob(&[2], &[3.0, 5.0]), blob(&[2], &[7.0, 9.0])]),
        )
        .message(100, &layer("relu1", "ReLU", "conv1", "conv1", &[]))
        .message(100, &layer("bn2", "BatchNorm", "conv1", "bn2", &norm))
        .message(100, &layer("relu2", "ReLU", "bn2", "bn2", &[]))
        .message(100, &layer("scale2", "Scale", "bn2", "bn2", &[blob(&[2], &[1.5, 2.5])]))
        .message(100, &layer("pool", "Pooling", "bn2", "pool", &[]))
        .message(100, &layer("norm", "LRN", "pool", "norm", &[]).message(118, &constants))
        .message(100, &layer("fc", "InnerProduct", "norm", "fc", &[blob(&[2, 3], &counted(6))]))
}

#[test]
fn current_layer_format_is_read() {
    let read = read_caffemodel_bytes(&current_format().bytes).unwrap();
    let expected = Weights::from([
        // BGR to RGB.
        ("conv1.weight".into(), tensor([2, 3, 1, 1], &[2., 1., 0., 5., 4., 3.])),
        ("conv1.bias".into(), tensor([2], &[0.5, 0.25])),
        // Sums divided by their factor; γ and β of the scale after it.
        ("bn1.running_mean".into(), tensor([2], &[1.0, 2.0])),
        ("bn1.running_var".into(), tensor([2], &[3.0, 4.0])),
        ("bn1.weight".into(), tensor([2], &[3.0, 5.0])),
        ("bn1.bias".into(), tensor([2], &[7.0, 9.0])),
        // With a ReLU in between, they remain two layers.
        ("bn2.running_mean".into(), tensor([2], &[1.0, 2.0])),
        ("bn2.running_var".into(), tensor([2], &[3.0, 4.0])),
        ("bn2.weight".into(), tensor([2], &[1.0, 1.0])),
        ("bn2.bias".into(), tensor([2], &[0.0, 0.0])),
        ("scale2.weight".into(), tensor([2], &[1.5, 2.5])),
        ("fc.weight".into(), tensor([2, 3], &counted(6))),
    ]);
    assert_eq!(read.weights, expected);
    assert_eq!(read.mean, Some([124.0, 117.0, 104.0]));
    let images = "its images have values from 0 to 255, minus the mean 124, 117, 104 of red, green, blue";
    assert_eq!(read.notes, ["conv1.weight was converted from BGR to RGB", images]);
    assert_eq!(read.normalizations.len(), 1);
}

#[test]
fn v1_layer_format_is_read_with_four_extents() {
    let layer = |name: &str, kind: u64, blobs: &[Message]| {
        let start = Message::new().text(4, name).integer(5, kind).text(2, "a").text(3, "b");
        blobs.iter().fold(start, |layer, blob| layer.message(6, blob))
    };
    let convolution = [legacy_blob([2, 1, 1, 2], &counted(4)), legacy_blob([1, 1, 1, 2], &[0.5, 0.25])];
    let linear = [legacy_blob([1, 1, 2, 3], &counted(6)), legacy_blob([1, 1, 1, 2], &[1.0, 2.0])];
    let net = Message::new()
        .message(2, &layer("data", 5, &[]))
        .message(2, &layer("conv/1", 4, &convolution))
        .message(2, &layer("fc", 14, &linear));
    let read = read_caffemodel_bytes(&net.bytes).unwrap();
    let expected = Weights::from([
        ("conv/1.weight".into(), tensor([2, 1, 1, 2], &counted(4))),
        ("conv/1.bias".into(), tensor([2], &[0.5, 0.25])),
        ("fc.weight".into(), tensor([2, 3], &counted(6))),
        ("fc.bias".into(), tensor([2], &[1.0, 2.0])),
    ]);
    assert_eq!((read.weights, read.mean, read.notes.len()), (expected, None, 0));
}

#[test]
fn values_may_be_doubles_or_unpacked() {
    let doubles: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let double = Message::new().message(7, &Message::new().packed(1, &[2])).bytes(8, &doubles);
    let single = Message::new().message(7, &Message::new().integer(1, 2)).float(5, 1.5).float(5, -2.0);
    for blob in [double, single] {
        let net = Message::new().message(100, &layer("s", "Scale", "a", "b", &[blob]));
        let read = read_caffemodel_bytes(&net.bytes).unwrap();
        assert_eq!(read.weights["s.weight"], tensor([2], &[1.5, -2.0]));
    }
}

/// Returns a file with one batch norm of two channels and `epsilon` as Caffe writes it.
fn norm_file(name: &str, epsilon: Option<f32>) -> Vec<u8> {
    let parameter = epsilon.map(|value| Message::new().integer(1, 1).float(3, value));
    let blobs = [blob(&[2], &[0.5, 1.0]), blob(&[2], &[2.0, 3.0]), blob(&[1], &[1.0])];
    let norm = layer(name, "BatchNorm", "data", "bn", &blobs);
    let norm = parameter.iter().fold(norm, |norm, parameter| norm.message(139, parameter));
    Message::new().message(100, &norm).bytes
}

#[test]
fn different_epsilon_of_a_batch_norm_is_refused() {
    let named = |network: &str, layer: &str| {
        let net = Builder::new(network, [2, 4, 4]);
        net.input().batch_norm().named(layer).global_average_pool().flatten().finish().unwrap()
    };
    let fitting = |network: &Network, file: &[u8]| {
        let CaffeModel { epsilons, .. } = read_caffemodel_bytes(file).unwrap();
        fit_constants(network, &mut Loaded { epsilons, ..Loaded::default() })
    };
    for (network, file_has) in
        [(named("n", "bn1"), "bn1"), (named("resnet18", "layer1.0.bn1"), "bn2a_branch2a")]
    {
        fitting(&network, &norm_file(file_has, None)).unwrap();
        fitting(&network, &norm_file(file_has, Some(1e-5))).unwrap();
        let error = fitting(&network, &norm_file(file_has, Some(0.001))).unwrap_err();
        assert!(
            error.is_input() && error.to_string().contains("ε = 0.001 in the file, 0.00001 in the network"),
            "{error}"
        );
    }
    assert!(read_caffemodel_bytes(&norm_file("bn1", None)).unwrap().notes.is_empty());
    let notes = read_caffemodel_bytes(&norm_file("bn1", Some(0.001))).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].contains("bn1 has ε = 0.001"), "{notes:?}");
}

/// Caffe's names of SqueezeNet's layers, for a network with torchvision's names.
#[test]
fn caffe_names_are_translated_to_torchvision_names() {
    let net = Builder::new("squeezenet1_1", [3, 8, 8]);
    let x = net.input().conv(2, 3).named("features.0").relu();
    let network = x.conv(2, 1).named("features.3.squeeze").conv(5, 1).named("classifier.1").finish().unwrap();
    let weights: Weights = [
        ("conv1.weight", Shape::from([2, 3, 3, 3])),
        ("conv1.bias", Shape::from([2])),
        ("fire2/squeeze1x1.weight", Shape::from([2, 2, 1, 1])),
        ("fire2/squeeze1x1.bias", Shape::from([2])),
        ("conv10.weight", Shape::from([5, 2, 1, 1])),
        ("conv10.bias", Shape::from([5])),
    ]
    .map(|(name, shape)| (name.to_owned(), (shape.clone(), counted(shape.numel()))))
    .into();
    let fitted = fit(&network, weights).unwrap();
    let names: Vec<&str> = fitted.weights.keys().map(String::as_str).collect();
    let expected = [
        "classifier.1.bias",
        "classifier.1.weight",
        "features.0.bias",
        "features.0.weight",
        "features.3.squeeze.bias",
        "features.3.squeeze.weight",
    ];
    assert_eq!(names, expected);
    assert_eq!(fitted.notes, ["Caffe's layer names were translated to torchvision's"]);
}
