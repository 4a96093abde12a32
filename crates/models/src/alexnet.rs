//! AlexNet: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
//! networks", NIPS 2012; and its form for one processor, Krizhevsky, "One weird trick for parallelizing
//! convolutional neural networks", 2014.

use striate_graph::{Builder, Init, Network};
use striate_tensor::Result;

use crate::{IMAGENET, Model};

/// The form of 2014 as torchvision has it: narrower, without groups and local response normalisation.
pub(crate) const ALEXNET: Model = Model {
    name: "alexnet",
    year: 2014,
    paper: "Krizhevsky: One weird trick for parallelizing convolutional neural networks",
    link: "https://arxiv.org/abs/1404.5997",
    preprocessing: IMAGENET,
    recipe: "alexnet-imagenet",
    build: alexnet,
};

fn alexnet() -> Result<Network> {
    let net = Builder::new("alexnet", [3, 224, 224]).init(Init::Uniform);
    let x = net.input();
    let x = x.conv(64, 11).stride(4).pad(2).named("features.0").relu().named("features.1");
    let x = x.max_pool(3, 2).named("features.2");
    let x = x.conv(192, 5).pad(2).named("features.3").relu().named("features.4");
    let x = x.max_pool(3, 2).named("features.5");
    let x = x.conv(384, 3).pad(1).named("features.6").relu().named("features.7");
    let x = x.conv(256, 3).pad(1).named("features.8").relu().named("features.9");
    let x = x.conv(256, 3).pad(1).named("features.10").relu().named("features.11");
    let x = x.max_pool(3, 2).named("features.12");
    let x = x.flatten().dropout(0.5).named("classifier.0");
    let x = x.linear(4096).named("classifier.1").relu().named("classifier.2");
    let x = x.dropout(0.5).named("classifier.3");
    let x = x.linear(4096).named("classifier.4").relu().named("classifier.5");
    x.linear(1000).named("classifier.6").finish()
}
