//! The perceptron: Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the
//! brain", Psychological Review 65(6), 1958. Its weights change only after a wrong answer.

use striate_graph::ops::{Linear, Step};
use striate_graph::{Builder, Loss, Network};
use striate_tensor::Result;

use crate::{ImagePreprocessing, Model};

/// The perceptron with association units: each reads a few pixels, chosen at random, some with a weight of 1 and some
/// with -1, and is active if their sum is above a threshold. Only the weights of the responses are trained. The paper
/// leaves the numbers of units and connections open: 2,000 units and 20 connections are ours.
pub(crate) const PERCEPTRON: Model = Model {
    name: "perceptron",
    year: 1958,
    paper: "Rosenblatt: The perceptron, a probabilistic model for information storage and organization in the brain, \
            Psychological Review 65(6)",
    link: "https://doi.org/10.1037/h0042519",
    preprocessing: ImagePreprocessing::FromData(
        "gray, normalized to mean 0 and std 1 over the training data",
    ),
    recipe: "perceptron",
    build: perceptron,
};

/// The perceptron as it is usually taught: responses read the pixels.
pub(crate) const PERCEPTRON_PIXELS: Model =
    Model { name: "perceptron-pixels", build: perceptron_pixels, ..PERCEPTRON };

fn perceptron() -> Result<Network> {
    let net = Builder::new("perceptron", [1, 28, 28]).loss(Loss::Perceptron {});
    let association = Linear { bias: false, random_connections: Some(20), ..Linear::new(2_000) };
    let x = net.input().flatten().then(association).named("association").then(Step { threshold: 0.0 });
    x.linear(10).named("response").finish()
}

fn perceptron_pixels() -> Result<Network> {
    let net = Builder::new("perceptron-pixels", [1, 28, 28]).loss(Loss::Perceptron {});
    net.input().flatten().linear(10).named("response").finish()
}
