//! SqueezeNet: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB
//! model size", 2016. Version 1.1 downsamples earlier and costs 2.4 times less. Layers are named as in
//! torchvision.

use striate_graph::{Builder, Init, Network, Tensor, concat};
use striate_tensor::Result;

use crate::Model;
use crate::preprocessing::IMAGENET;

pub(crate) const SQUEEZENET1_1: Model = Model {
    name: "squeezenet1_1",
    year: 2016,
    paper: "Iandola, Han, Moskewicz, Ashraf, Dally and Keutzer: SqueezeNet: AlexNet-level accuracy with \
            50x fewer parameters and <0.5MB model size",
    link: "https://arxiv.org/abs/1602.07360",
    preprocessing: IMAGENET,
    recipe: "no-batch-norm",
    build: squeezenet1_1,
};

fn squeezenet1_1() -> Result<Network> {
    let net = Builder::new("squeezenet1_1", [3, 224, 224]).init(Init::Kaiming);
    let x = net.input();
    let x = x.conv(64, 3).stride(2).named("features.0").relu().named("features.1");
    let x = x.max_pool(3, 2).ceil().named("features.2");
    let x = fire(fire(x, 3, 16, 64), 4, 16, 64);
    let x = x.max_pool(3, 2).ceil().named("features.5");
    let x = fire(fire(x, 6, 32, 128), 7, 32, 128);
    let x = x.max_pool(3, 2).ceil().named("features.8");
    let x = fire(fire(x, 9, 48, 192), 10, 48, 192);
    let x = fire(fire(x, 11, 64, 256), 12, 64, 256);
    let x = x.dropout(0.5).named("classifier.0");
    let x = x.conv(1000, 1).named("classifier.1").relu().named("classifier.2");
    x.global_average_pool().named("classifier.3").flatten().finish()
}

/// A fire module: a 1×1 convolution to `squeeze` channels, then 1×1 and 3×3 convolutions to `expand` channels each.
fn fire<'b>(x: Tensor<'b>, number: usize, squeeze: usize, expand: usize) -> Tensor<'b> {
    let name = |part: &str| format!("features.{number}.{part}");
    let x = x.conv(squeeze, 1).named(name("squeeze")).relu().named(name("squeeze_activation"));
    let one = x.conv(expand, 1).named(name("expand1x1")).relu().named(name("expand1x1_activation"));
    let three = x.conv(expand, 3).pad(1).named(name("expand3x3")).relu().named(name("expand3x3_activation"));
    concat([one, three]).named(format!("features.{number}"))
}
