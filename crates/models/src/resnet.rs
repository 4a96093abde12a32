//! ResNet and its plain counterparts for ImageNet: He, Zhang, Ren and Sun, "Deep residual learning for
//! image recognition", CVPR 2016; its table 1. Layers are named as in torchvision.
//!
//! Shortcuts that change the shape are projections (option B). `resnet50`, `resnet101` and `resnet152` have the
//! stride in the 3×3 convolution, as in torchvision ("v1.5"); the `-v1` variants have it in the first 1×1
//! convolution, as in the paper. These are the authors' Caffe models, whose first max pool is not padded but rounds
//! its output size up; the other networks pad it, as torchvision does.

use striate_graph::{Builder, Init, Network, Tensor};
use striate_tensor::Result;

use crate::Model;
use crate::preprocessing::{CAFFE, IMAGENET};

pub(crate) const RESNET: Model = Model {
    year: 2015,
    paper: "He, Zhang, Ren and Sun: Deep residual learning for image recognition, CVPR 2016",
    link: "https://arxiv.org/abs/1512.03385",
    preprocessing: IMAGENET,
    recipe: "batch-norm",
    ..Model::TEMPLATE
};

pub(crate) const PLAIN18: Model =
    Model { name: "plain18", build: || resnet("plain18", Block::Plain, [2, 2, 2, 2]), ..RESNET };
pub(crate) const PLAIN34: Model = Model {
    name: "plain34",
    build: || resnet("plain34", Block::Plain, [3, 4, 6, 3]),
    recipe: "plain",
    ..RESNET
};
pub(crate) const RESNET18: Model =
    Model { name: "resnet18", build: || resnet("resnet18", Block::Basic, [2, 2, 2, 2]), ..RESNET };
pub(crate) const RESNET34: Model =
    Model { name: "resnet34", build: || resnet("resnet34", Block::Basic, [3, 4, 6, 3]), ..RESNET };
pub(crate) const RESNET50: Model =
    Model { name: "resnet50", build: || resnet("resnet50", Block::BOTTLENECK, [3, 4, 6, 3]), ..RESNET };
pub(crate) const RESNET101: Model =
    Model { name: "resnet101", build: || resnet("resnet101", Block::BOTTLENECK, [3, 4, 23, 3]), ..RESNET };
pub(crate) const RESNET152: Model =
    Model { name: "resnet152", build: || resnet("resnet152", Block::BOTTLENECK, [3, 8, 36, 3]), ..RESNET };

/// The authors' own models. Caffe's mean color replaces their mean image.
const V1: Model = Model { preprocessing: CAFFE, ..RESNET };

pub(crate) const RESNET50_V1: Model =
    Model { name: "resnet50-v1", build: || resnet("resnet50-v1", Block::BOTTLENECK_V1, [3, 4, 6, 3]), ..V1 };
pub(crate) const RESNET101_V1: Model = Model {
    name: "resnet101-v1",
    build: || resnet("resnet101-v1", Block::BOTTLENECK_V1, [3, 4, 23, 3]),
    ..V1
};
pub(crate) const RESNET152_V1: Model = Model {
    name: "resnet152-v1",
    build: || resnet("resnet152-v1", Block::BOTTLENECK_V1, [3, 8, 36, 3]),
    ..V1
};

/// The kind of block that a stage repeats.
#[derive(Clone, Copy)]
enum Block {
    /// Two 3×3 convolutions.
    Plain,
    /// Two 3×3 convolutions and a shortcut.
    Basic,
    /// 1×1, 3×3 and 1×1 with four times the channels, and a shortcut.
    Bottleneck {
        /// Whether the first 1×1 convolution has the stride, rather than the 3×3.
        first_strides: bool,
    },
}

impl Block {
    const BOTTLENECK: Block = Block::Bottleneck { first_strides: false };
    const BOTTLENECK_V1: Block = Block::Bottleneck { first_strides: true };
}

fn resnet(name: &str, block: Block, blocks: [usize; 4]) -> Result<Network> {
    let net = Builder::new(name, [3, 224, 224]).init(Init::Kaiming);
    let x = net.input().conv(64, 7).stride(2).pad(3).no_bias().named("conv1");
    let x = x.batch_norm().named("bn1").relu().named("relu");
    let mut x = match block {
        Block::Bottleneck { first_strides: true } => x.max_pool(3, 2).ceil(),
        _ => x.max_pool(3, 2).pad(1),
    }
    .named("maxpool");
    for (stage, (channels, count)) in [64, 128, 256, 512].into_iter().zip(blocks).enumerate() {
        for index in 0..count {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let part = Part { x, name: format!("layer{}.{index}", stage + 1), channels, stride };
            x = match block {
                Block::Plain => part.two_convolutions().relu().named(&part.name),
                Block::Basic => part.basic(index == 0 && stage > 0),
                Block::Bottleneck { first_strides } => part.bottleneck(first_strides, index == 0),
            };
        }
    }
    x.global_average_pool().named("avgpool").flatten().linear(1000).named("fc").finish()
}

/// A block applied to `x`.
struct Part<'b> {
    x: Tensor<'b>,
    name: String,
    channels: usize,
    stride: usize,
}

impl<'b> Part<'b> {
    fn two_convolutions(&self) -> Tensor<'b> {
        let x = self.x.conv(self.channels, 3).stride(self.stride).pad(1).no_bias();
        let x = self.normalized(x, 1).relu().named(self.layer("relu1"));
        self.normalized(x.conv(self.channels, 3).pad(1).no_bias(), 2)
    }

    fn basic(&self, projects: bool) -> Tensor<'b> {
        let x = self.two_convolutions();
        self.joined(x, projects.then_some(self.channels))
    }

    fn bottleneck(&self, first_strides: bool, projects: bool) -> Tensor<'b> {
        let (first, second) = if first_strides { (self.stride, 1) } else { (1, self.stride) };
        let x = self.normalized(self.x.conv(self.channels, 1).stride(first).no_bias(), 1);
        let x = x.relu().named(self.layer("relu1"));
        let x = self.normalized(x.conv(self.channels, 3).stride(second).pad(1).no_bias(), 2);
        let x = x.relu().named(self.layer("relu2"));
        let x = self.normalized(x.conv(4 * self.channels, 1).no_bias(), 3);
        self.joined(x, projects.then_some(4 * self.channels))
    }

    /// Names the convolution `x` and adds its batch norm.
    fn normalized(&self, x: Tensor<'b>, number: usize) -> Tensor<'b> {
        x.named(self.layer(&format!("conv{number}"))).batch_norm().named(self.layer(&format!("bn{number}")))
    }

    /// Adds the shortcut: a projection to `projection` channels, or the input itself.
    fn joined(&self, x: Tensor<'b>, projection: Option<usize>) -> Tensor<'b> {
        let shortcut = match projection {
            Some(channels) => {
                let shortcut = self.x.conv(channels, 1).stride(self.stride).no_bias();
                shortcut.named(self.layer("downsample.0")).batch_norm().named(self.layer("downsample.1"))
            }
            None => self.x,
        };
        (x + shortcut).named(self.layer("add")).relu().named(&self.name)
    }

    fn layer(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }
}
