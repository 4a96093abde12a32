//! Checks the gradient of every operation against finite differences in f64.

use std::collections::HashSet;
use std::sync::Mutex;

use striate_graph::ops::Op;
use striate_graph::{Loss, Network, Optimizer, TrainingSpec, training_graph};
use striate_testkit::{Values, each_of, gradients, networks};

const BATCH: usize = 3;

fn spec() -> TrainingSpec {
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    TrainingSpec { loss: Some(Loss::CrossEntropy { smoothing: 0.1 }), ..TrainingSpec::new(sgd) }
}

fn given(network: &Network) -> Values {
    let mut given: Values = networks::variables(network);
    let labels = networks::labels(BATCH, network.classes().unwrap());
    given.insert("input".into(), networks::images(network, BATCH));
    given.insert("labels".into(), labels.iter().map(|label| *label as f64).collect());
    given.insert("seed".into(), vec![5.0]);
    given
}

#[test]
fn gradients_of_every_loss_match_finite_differences() {
    let all = networks::all();
    let network = |name: &str| all.iter().find(|network| network.name == name).unwrap();
    for (name, loss) in [
        ("residual", Loss::BinaryCrossEntropy {}),
        ("auxiliary-heads", Loss::MeanSquared {}),
        ("residual", Loss::Hinge { margin: 1.0, power: 1 }),
        ("residual", Loss::Hinge { margin: 2.0, power: 2 }),
        ("residual", Loss::Perceptron {}),
        ("lenet5-1998-like", Loss::Rbf { j: 0.5 }),
    ] {
        let network = network(name);
        let spec = TrainingSpec { loss: Some(loss), ..spec() };
        let graph = training_graph(&networks::training_form(network, BATCH), &spec).unwrap();
        assert!(graph.nodes.iter().any(|node| node.op.name() == "class_loss_gradient"));
        let checked = gradients::check(&graph, &given(network));
        assert!(checked > 60, "{}: only {checked} elements were checked", loss.name());
    }
}

#[test]
fn gradients_for_soft_targets_match_finite_differences() {
    let all = networks::all();
    let network = all.iter().find(|network| network.name == "auxiliary-heads").unwrap();
    let mut given = given(network);
    // The targets of an image do not add up to 1: its class has a weight.
    let targets = [0.7, 0.2, 0.1, 0.0, 1.6, 0.4, 0.3, 0.3, 0.3];
    given.insert("targets".into(), targets.to_vec());
    let graph = training_graph(
        &networks::training_form(network, BATCH),
        &TrainingSpec { soft_targets: true, ..spec() },
    );
    let checked = gradients::check(&graph.unwrap(), &given);
    assert!(checked > 60, "only {checked} elements were checked");
}

/// Frozen batch norms in the middle of a network pass gradients on, and frozen parameters have none.
#[test]
fn gradients_through_frozen_layers_match_finite_differences() {
    let all = networks::all();
    let network = all.iter().find(|network| network.name == "residual").unwrap();
    let frozen: Vec<String> = ["batch_norm*", "linear1.bias", "conv2"].map(str::to_owned).into();
    let graph = training_graph(&networks::training_form(network, BATCH), &TrainingSpec { frozen, ..spec() });
    let graph = graph.unwrap();
    let has = |name: &str| graph.nodes.iter().any(|node| node.op.name() == name);
    assert!(has("batch_norm") && !has("batch_norm_training") && !has("batch_norm_gradient"));
    let trained: Vec<&str> = graph.gradients.iter().map(|(id, _)| &*graph.value(*id).name).collect();
    assert!(trained.iter().all(|name| name.starts_with("conv") || *name == "linear1.weight"), "{trained:?}");
    assert!(trained.contains(&"conv1.weight") && !trained.contains(&"conv2.weight"), "{trained:?}");
    let checked = gradients::check(&graph, &given(network));
    assert!(checked > 60, "only {checked} elements were checked");
}

#[test]
fn gradients_match_finite_differences() {
    let networks = networks::all();
    let seen: Mutex<HashSet<&str>> = Mutex::default();
    each_of(&networks, 2, |network| {
        let graph = training_graph(&networks::training_form(network, BATCH), &spec()).unwrap();
        let checked = gradients::check(&graph, &given(network));
        assert!(checked > 60, "{}: only {checked} elements were checked", network.name);
        seen.lock().unwrap().extend(graph.nodes.iter().map(|node| node.op.name()));
    });
    let seen = seen.into_inner().unwrap();
    // Every layer, and every gradient that the gradient rules generate.
    for name in Op::LAYERS.iter().filter(|name| **name != "batch_norm") {
        assert!(seen.contains(name), "no network uses {name}");
    }
    for name in [
        "conv_data_gradient",
        "conv_weight_gradient",
        "linear_data_gradient",
        "linear_weight_gradient",
        "channel_sum",
        "channel_product_sum",
        "lrn_gradient",
        "rbf_gradient",
        "locally_connected_data_gradient",
        "locally_connected_weight_gradient",
        "scatter_kernels_gradient",
        "pad_channels_gradient",
        "max_pool_gradient",
        "average_pool_gradient",
        "activation_gradient",
        "batch_norm_gradient",
        "concat_gradient",
        "softmax_gradient",
        "cross_entropy_gradient",
        "reshape",
        "sum_to",
        "slice_gradient",
        "gather_gradient",
        "function_gradient",
        "extremum_gradient",
        "pad_gradient",
        "reduce_mean_gradient",
        "clip_gradient",
        "log_softmax_gradient",
    ] {
        assert!(seen.contains(name), "no gradient uses {name}");
    }
}
