//! Network in network: Lin, Chen and Yan, ICLR 2014. Layers are named as in the authors' Caffe models.
//!
//! The paper does not state the layer sizes of the ImageNet network; they are taken from the authors' model and
//! give 1,100,188,800 multiply-adds for a 224×224 image.

use striate_graph::{Builder, Init, Network, Tensor};
use striate_tensor::Result;

use crate::preprocessing::CAFFE;
use crate::{ImagePreprocessing, Model};

const PAPER: Model = Model {
    year: 2013,
    paper: "Lin, Chen and Yan: Network in network, ICLR 2014",
    link: "https://arxiv.org/abs/1312.4400",
    ..Model::TEMPLATE
};

/// The ImageNet network.
pub(crate) const NIN: Model =
    Model { name: "nin", preprocessing: CAFFE, recipe: "no-batch-norm", build: nin, ..PAPER };

/// The CIFAR-10 network.
pub(crate) const NIN_CIFAR: Model = Model {
    name: "nin-cifar",
    preprocessing: ImagePreprocessing::FromData(
        "RGB, 32x32, global contrast normalization and ZCA whitening",
    ),
    recipe: "no-batch-norm",
    build: nin_cifar,
    ..PAPER
};

fn nin() -> Result<Network> {
    let net = Builder::new("nin", [3, 224, 224]).init(Init::Kaiming);
    let x = net.input();
    let x = x.conv(96, 11).stride(4).named("conv1").relu().named("relu0");
    let x = cccp(cccp(x, 1, 96), 2, 96).max_pool(3, 2).ceil().named("pool0");
    let x = x.conv(256, 5).pad(2).named("conv2").relu().named("relu3");
    let x = cccp(cccp(x, 3, 256), 4, 256).max_pool(3, 2).ceil().named("pool2");
    let x = x.conv(384, 3).pad(1).named("conv3").relu().named("relu6");
    let x = cccp(cccp(x, 5, 384), 6, 384).max_pool(3, 2).ceil().named("pool3");
    let x = x.dropout(0.5).named("drop");
    let x = x.conv(1024, 3).pad(1).named("conv4-1024").relu().named("relu9");
    let x = x.conv(1024, 1).named("cccp7-1024").relu().named("relu10");
    let x = x.conv(1000, 1).named("cccp8-1024").relu().named("relu11");
    x.global_average_pool().named("pool4").flatten().finish()
}

fn nin_cifar() -> Result<Network> {
    let net = Builder::new("nin-cifar", [3, 32, 32]).init(Init::Normal { deviation: 0.05 });
    let x = net.input();
    let x = x.conv(192, 5).pad(2).named("conv1").relu().named("relu1");
    let x = cccp(cccp(x, 1, 160), 2, 96).max_pool(3, 2).ceil().named("pool1");
    let x = x.dropout(0.5).named("drop3");
    let x = x.conv(192, 5).pad(2).named("conv2").relu().named("relu2");
    let x = cccp(cccp(x, 3, 192), 4, 192).average_pool(3, 2).ceil().named("pool2");
    let x = x.dropout(0.5).named("drop6");
    let x = x.conv(192, 3).pad(1).named("conv3").relu().named("relu3");
    let x = cccp(cccp(x, 5, 192), 6, 10);
    x.global_average_pool().named("pool3").flatten().finish()
}

/// Cascaded cross-channel parametric pooling: a 1×1 convolution with ReLU.
fn cccp<'b>(x: Tensor<'b>, number: usize, channels: usize) -> Tensor<'b> {
    x.conv(channels, 1).named(format!("cccp{number}")).relu().named(format!("relu_cccp{number}"))
}
