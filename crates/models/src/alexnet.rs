//! AlexNet: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
//! networks", NIPS 2012; and its single-GPU variant, Krizhevsky, "One weird trick for parallelizing
//! convolutional neural networks", 2014.

use striate_graph::{Builder, Init, Network, Tensor};
use striate_tensor::Result;

use crate::preprocessing::IMAGENET;
use crate::{ImagePreprocessing, Model};

/// The network of the paper: two groups that meet in conv3 and in the fully connected layers, local response
/// normalization, overlapping pooling, 227×227 inputs. Layers are named as in Caffe's model, whose
/// normalization uses different constants (k = 1, and α divided by the window's five channels), so its weights
/// are rescaled when they are loaded. The biases of conv2, conv4, conv5 and the hidden fully connected layers
/// are initialized to 1 (section 5).
pub(crate) const ALEXNET_2012: Model = Model {
    name: "alexnet-2012",
    year: 2012,
    paper: "Krizhevsky, Sutskever and Hinton: ImageNet classification with deep convolutional neural networks, \
            NIPS 2012",
    link: "https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
    preprocessing: ImagePreprocessing::FromData(
        "RGB in [0, 255], resized to 256x256, minus the training images' mean, center crop 227x227",
    ),
    recipe: "no-batch-norm",
    build: alexnet_2012,
};

/// The variant of 2014 as in torchvision: narrower, without groups and local response normalization.
pub(crate) const ALEXNET: Model = Model {
    name: "alexnet",
    year: 2014,
    paper: "Krizhevsky: One weird trick for parallelizing convolutional neural networks",
    link: "https://arxiv.org/abs/1404.5997",
    preprocessing: IMAGENET,
    recipe: "no-batch-norm",
    build: alexnet,
};

fn alexnet_2012() -> Result<Network> {
    let net = Builder::new("alexnet-2012", [3, 227, 227]).init(Init::Normal { deviation: 0.01 });
    let x = net.input();
    let x = normalized(x.conv(96, 11).stride(4).named("conv1").relu().named("relu1"), 1);
    let x =
        normalized(x.conv(256, 5).pad(2).groups(2).bias_init(1.0).named("conv2").relu().named("relu2"), 2);
    let x = x.conv(384, 3).pad(1).named("conv3").relu().named("relu3");
    let x = x.conv(384, 3).pad(1).groups(2).bias_init(1.0).named("conv4").relu().named("relu4");
    let x = x.conv(256, 3).pad(1).groups(2).bias_init(1.0).named("conv5").relu().named("relu5");
    let x = x.max_pool(3, 2).named("pool5").flatten();
    let x = x.linear(4096).bias_init(1.0).named("fc6").relu().named("relu6").dropout(0.5).named("drop6");
    let x = x.linear(4096).bias_init(1.0).named("fc7").relu().named("relu7").dropout(0.5).named("drop7");
    x.linear(1000).named("fc8").finish()
}

/// Local response normalization with k = 2, n = 5, α = 1e-4, β = 0.75 (section 3.3), and a max pool (section
/// 3.4).
fn normalized<'b>(x: Tensor<'b>, number: usize) -> Tensor<'b> {
    let x = x.lrn(5, 5e-4, 0.75, 2.0).named(format!("norm{number}"));
    x.max_pool(3, 2).named(format!("pool{number}"))
}

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
