//! ResNet and its plain counterparts for CIFAR-10: He, Zhang, Ren and Sun, "Deep residual learning for
//! image recognition", CVPR 2016, section 4.2. Layers are named after torchvision's ResNet.

use striate_graph::{Builder, Init, Network};
use striate_tensor::Result;

use crate::Model;
use crate::resnet::RESNET;

const CIFAR: Model = Model {
    preprocessing: "RGB, 32x32, minus the mean image of the training data",
    recipe: "resnet-cifar10",
    ..RESNET
};

pub(crate) const PLAIN20: Model = Model { name: "plain20", build: || plain("plain20", 20), ..CIFAR };
pub(crate) const PLAIN56: Model = Model { name: "plain56", build: || plain("plain56", 56), ..CIFAR };

/// A 3×3 convolution, three stages of (depth − 2)/6 blocks of two 3×3 convolutions, a linear layer.
fn plain(name: &str, depth: usize) -> Result<Network> {
    let net = Builder::new(name, [3, 32, 32]).init(Init::Kaiming);
    let x = net.input().conv(16, 3).pad(1).no_bias().named("conv1").batch_norm().named("bn1");
    let mut x = x.relu().named("relu");
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..(depth - 2) / 6 {
            let name = |part: &str| format!("layer{}.{block}{part}", stage + 1);
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = x.conv(channels, 3).stride(stride).pad(1).no_bias().named(name(".conv1"));
            x = x.batch_norm().named(name(".bn1")).relu().named(name(".relu1"));
            x = x.conv(channels, 3).pad(1).no_bias().named(name(".conv2"));
            x = x.batch_norm().named(name(".bn2")).relu().named(name(""));
        }
    }
    x.global_average_pool().named("avgpool").flatten().linear(10).named("fc").finish()
}
