//! ResNet and its plain counterparts for CIFAR-10: He, Zhang, Ren and Sun, "Deep residual learning for
//! image recognition", CVPR 2016, section 4.2. Layers are named after torchvision's ResNet.

use striate_graph::{Builder, Init, Network, Tensor};
use striate_tensor::Result;

use crate::resnet::RESNET;
use crate::{ImagePreprocessing, Model};

const CIFAR: Model = Model {
    preprocessing: ImagePreprocessing::FromData("RGB, 32x32, minus the mean image of the training data"),
    recipe: "batch-norm",
    ..RESNET
};

pub(crate) const PLAIN20: Model = Model { name: "plain20", build: || cifar("plain20", 20, false), ..CIFAR };
pub(crate) const PLAIN56: Model =
    Model { name: "plain56", build: || cifar("plain56", 56, false), recipe: "plain", ..CIFAR };

pub(crate) const RESNET20: Model = Model { name: "resnet20", build: || cifar("resnet20", 20, true), ..CIFAR };
pub(crate) const RESNET32: Model = Model { name: "resnet32", build: || cifar("resnet32", 32, true), ..CIFAR };
pub(crate) const RESNET44: Model = Model { name: "resnet44", build: || cifar("resnet44", 44, true), ..CIFAR };
pub(crate) const RESNET56: Model = Model { name: "resnet56", build: || cifar("resnet56", 56, true), ..CIFAR };
pub(crate) const RESNET110: Model =
    Model { name: "resnet110", build: || cifar("resnet110", 110, true), ..CIFAR };

/// A 3×3 convolution, three stages of (depth − 2)/6 blocks with two 3×3 convolutions each, and a linear layer.
fn cifar(name: &str, depth: usize, is_residual: bool) -> Result<Network> {
    let net = Builder::new(name, [3, 32, 32]).init(Init::Kaiming);
    let x = net.input().conv(16, 3).pad(1).no_bias().named("conv1").batch_norm().named("bn1");
    let mut x = x.relu().named("relu");
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..(depth - 2) / 6 {
            let name = |part: &str| format!("layer{}.{block}{part}", stage + 1);
            let halves = stage > 0 && block == 0;
            let start = x;
            x = x.conv(channels, 3).stride(if halves { 2 } else { 1 }).pad(1).no_bias().named(name(".conv1"));
            x = x.batch_norm().named(name(".bn1")).relu().named(name(".relu1"));
            x = x.conv(channels, 3).pad(1).no_bias().named(name(".conv2")).batch_norm().named(name(".bn2"));
            if is_residual {
                let shortcut = if halves { shorten(start, channels, &name(".shortcut")) } else { start };
                x = (x + shortcut).named(name(".add"));
            }
            x = x.relu().named(name(""));
        }
    }
    x.global_average_pool().named("avgpool").flatten().linear(10).named("fc").finish()
}

/// Option A, without parameters: every other row and column, and zeros in the added channels.
fn shorten<'b>(x: Tensor<'b>, channels: usize, name: &str) -> Tensor<'b> {
    let x = x.average_pool(1, 2).named(format!("{name}.stride"));
    x.pad_channels(0, channels / 2).named(format!("{name}.zeros"))
}
