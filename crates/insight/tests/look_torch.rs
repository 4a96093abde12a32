//! Grad-CAM, saliency and occlusion of a small network against PyTorch's hooks and autograd in float64, on the CPU and
//! on the reference device. The expected maps come from `scripts/reference/look_torch.py`, which also compares real
//! networks on photographs.

use std::sync::Arc;

use serde_json::Value;
use striate_engine::passes::{Disabled, run_neutral};
use striate_engine::{Cpu, Device, Reference, Variables};
use striate_formats::ModelFile;
use striate_graph::{Builder, INPUT, Network, concat, score_gradients};
use striate_insight::{GradCam, Heat, Occlusion, Saliency, last_maps, representative_layers};
use striate_predict::Classifier;
use striate_testkit::formula;

const SIZE: [usize; 3] = [3, 12, 10];
/// The largest difference, relative to the largest number of a map. Ours are computed in f32, and terms of either sign
/// nearly cancel: 1.8e-5 was seen with AVX2.
const TOLERANCE: f32 = 5e-5;

/// Batch norm, residual addition, concatenation and dropout; with one output, also a sigmoid.
fn small(outputs: usize) -> Network {
    let net = Builder::new("small", SIZE);
    let x = net.input().conv(6, 3).pad(1).no_bias().named("conv1").batch_norm().named("norm1").relu();
    let y = x.conv(6, 3).pad(1).no_bias().named("conv2").batch_norm().named("norm2");
    let x = (y + x).relu().named("added").max_pool(2, 2);
    let left = x.conv(5, 1).named("left").relu();
    let right = x.conv(4, 3).pad(1).named("right").tanh();
    let x = concat([left, right]).named("joined").global_average_pool().flatten().dropout(0.4);
    let scores = x.linear(outputs).named("fc");
    let end = if outputs == 1 { scores.sigmoid() } else { scores };
    end.finish().unwrap()
}

/// All variables by formula, numbered in the order of their names, as in the script.
fn model(outputs: usize) -> ModelFile {
    let network = small(outputs);
    let mut variables = network.variables().unwrap();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    let weights: Variables = variables
        .into_iter()
        .enumerate()
        .map(|(number, (name, shape))| {
            let is_scale = name.contains("norm") && (name.contains("weight") || name.contains("var"));
            let (low, high) = if is_scale { (0.5, 1.5) } else { (-0.6, 0.6) };
            let values = formula::uniform(number as u32, shape.numel(), low, high);
            (name, (shape, values.into_iter().map(|x| x as f32).collect()))
        })
        .collect();
    ModelFile::bare(network, weights).unwrap()
}

fn devices() -> [Arc<dyn Device>; 2] {
    [Cpu::new(2).unwrap().into(), Reference::default().into()]
}

fn close(heat: &Heat, expected: &Value, place: &str) {
    let expected: Vec<f32> =
        expected.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    assert_eq!(heat.values.len(), expected.len(), "{place}");
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
    for (i, (got, expected)) in heat.values.iter().zip(&expected).enumerate() {
        assert!((got - expected).abs() <= TOLERANCE * largest, "{place}[{i}]: {got}, not {expected}");
    }
}

#[test]
fn maps_match_pytorch_on_every_device() {
    let expected = formula::reference("look");
    let input: Vec<f32> =
        formula::uniform(1000, SIZE.iter().product(), 0.0, 1.0).iter().map(|x| *x as f32).collect();
    for (name, outputs, classes) in [("classes", 10, [3, 8]), ("sigmoid", 1, [0, 1])] {
        for device in devices() {
            let on = device.name();
            let classifier = Classifier::new(model(outputs), device).unwrap();
            let saliency = Saliency::new(&classifier, SIZE).unwrap();
            assert_eq!(saliency.scores(), "fc");
            for class in classes {
                let expected = &expected[format!("{name}-{class}")];
                let place = |what: &str| format!("{what} of {name} {class} on {on}");
                for layer in ["added", "joined"] {
                    let cam = GradCam::new(&classifier, SIZE, Some(layer)).unwrap();
                    close(&cam.map(&input, class).unwrap(), &expected[layer], &place(layer));
                }
                close(&saliency.map(&input, class).unwrap(), &expected["saliency"], &place("saliency"));
                let square = Occlusion::new(SIZE, vec![0.5; 3]);
                let mut done = 0;
                let found = square.map(&classifier, SIZE, &input, class, |count| done = count).unwrap();
                assert_eq!(done, found.drops.values.len());
                close(&found.drops, &expected["occlusion"], &place("occlusion"));
            }
        }
    }
}

#[test]
fn last_maps_are_where_the_last_unit_meets() {
    let classifier = Classifier::new(model(10), Cpu::new(1).unwrap()).unwrap();
    let cam = GradCam::new(&classifier, SIZE, None).unwrap();
    assert_eq!((cam.layer().name.as_str(), cam.layer().maps), ("joined", [9, 6, 5]));
}

/// The maps that are explained by default, before they are pooled or flattened.
#[test]
fn every_network_has_maps_to_explain() {
    let expected = [
        ("lenet5", [16, 10, 10]),
        ("lenet5-1998", [16, 10, 10]),
        ("vgg16", [512, 14, 14]),
        ("googlenet", [1024, 7, 7]),
        ("inception-v3", [2048, 8, 8]),
        ("resnet50", [2048, 7, 7]),
        ("resnet20", [64, 8, 8]),
    ];
    for entry in striate_models::all() {
        let graph = (entry.build)().unwrap().graph(1).unwrap();
        // Networks without maps: linear ones, and those for signals.
        let without = ["hog-svm", "perceptron", "perceptron-pixels", "m5", "char-cnn", "char-cnn-short"];
        if without.contains(&entry.name) {
            assert!(last_maps(&graph).is_err());
            continue;
        }
        let layer = last_maps(&graph).unwrap();
        if let Some((_, maps)) = expected.iter().find(|(name, _)| *name == entry.name) {
            assert_eq!(layer.maps, *maps, "{}: {}", entry.name, layer.name);
        }
        assert!((1..=3).contains(&representative_layers(&graph).len()), "{}", entry.name);
        let mut derived = score_gradients(&graph, &[&layer.name, INPUT]).unwrap().graph;
        run_neutral(&mut derived, &Disabled::none());
        Cpu::new(1).unwrap().plan(derived).unwrap();
    }
}

#[test]
fn what_does_not_exist_is_refused() {
    let classifier = Classifier::new(model(10), Cpu::new(1).unwrap()).unwrap();
    let refusal = |layer| GradCam::new(&classifier, SIZE, Some(layer)).err().unwrap().to_string();
    assert!(refusal("conv3").contains("no layer conv3; did you mean conv"), "{}", refusal("conv3"));
    assert!(refusal("fc").contains("layer fc has no maps: its output is [1, 10]"), "{}", refusal("fc"));
    let cam = GradCam::new(&classifier, SIZE, None).unwrap();
    assert!(
        cam.map(&[0.0; 360], 10).unwrap_err().to_string().contains("no class 10; the model has 10 classes")
    );
    assert!(cam.map(&[0.0; 12], 0).unwrap_err().is_input());
    let square = Occlusion { side: 11, stride: 1, fill: vec![0.0; 3] };
    assert!(square.grid(SIZE).unwrap_err().to_string().contains("choose a side from 1 to 10"));
}
