//! The gradient of every operation, against finite differences in f64.

use std::collections::HashSet;

use striate_graph::ops::Op;
use striate_graph::{Loss, Optimizer, TrainingSpec, training_graph};
use striate_testkit::{Values, gradients, networks};

const BATCH: usize = 3;

fn spec() -> TrainingSpec {
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    TrainingSpec { loss: Loss::CrossEntropy { smoothing: 0.1 }, ..TrainingSpec::new(sgd) }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let mut seen: HashSet<&str> = HashSet::new();
    for network in networks::all() {
        let graph = training_graph(&networks::training_form(&network, BATCH), &spec()).unwrap();
        let mut given: Values = networks::variables(&network);
        let labels = networks::labels(BATCH, network.classes().unwrap());
        given.insert("input".into(), networks::images(&network, BATCH));
        given.insert("labels".into(), labels.iter().map(|label| *label as f64).collect());
        given.insert("seed".into(), vec![5.0]);
        let checked = gradients::check(&graph, &given);
        assert!(checked > 60, "{}: only {checked} elements were checked", network.name);
        seen.extend(graph.nodes.iter().map(|node| node.op.name()));
    }
    // Every layer, and every gradient that the compiler can make.
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
        "spread_kernels_gradient",
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
        "pad_gradient",
        "reduce_mean_gradient",
        "clip_gradient",
        "log_softmax_gradient",
    ] {
        assert!(seen.contains(name), "no gradient uses {name}");
    }
}
