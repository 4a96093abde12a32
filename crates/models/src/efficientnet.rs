//! EfficientNet-Lite0: Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural
//! networks", ICML 2019, in the variant for mobile processors that Google published in 2020: ReLU6, no
//! squeeze-and-excitation. Layers are named as in the PyTorch port of its weights.
//!
//! Where the stride is 2, the padding is TensorFlow's "same" for maps of even size: one more row at the bottom and
//! one more column on the right. The published training also uses stochastic depth.

use striate_graph::{Builder, Init, Network, Tensor};
use striate_tensor::Result;
use striate_tensor::preprocessing::{Filter, Step};

use crate::preprocessing::bytes;
use crate::unit::tensorflow_same;
use crate::{ImagePreprocessing, Model};

pub(crate) const EFFICIENTNET_LITE0: Model = Model {
    name: "efficientnet-lite0",
    year: 2020,
    paper: "Tan and Le: EfficientNet: rethinking model scaling for convolutional neural networks, ICML 2019; \
            Lite form of 2020",
    link: "https://arxiv.org/abs/1905.11946",
    preprocessing: ImagePreprocessing::Fixed(|| {
        let resize = Step::Resize { height: 224, width: 224, filter: Filter::Bicubic };
        bytes(vec![resize], [127.0; 3], [128.0; 3])
    }),
    recipe: "batch-norm",
    build: efficientnet_lite0,
};

fn efficientnet_lite0() -> Result<Network> {
    let net = Builder::new("efficientnet-lite0", [3, 224, 224]).init(Init::Kaiming);
    let x = net.input();
    let x = x.conv(32, 3).stride(2).pad(tensorflow_same(3, 2)).no_bias().named("_conv_stem");
    let x = x.batch_norm().epsilon(1e-3).named("_bn0").relu6().named("_swish0");
    let mut blocks = Blocks { x, channels: 32, count: 0 };
    // Repeats, kernel, stride, expansion, channels.
    blocks.stage(1, 3, 1, 1, 16);
    blocks.stage(2, 3, 2, 6, 24);
    blocks.stage(2, 5, 2, 6, 40);
    blocks.stage(3, 3, 2, 6, 80);
    blocks.stage(3, 5, 1, 6, 112);
    blocks.stage(4, 5, 2, 6, 192);
    blocks.stage(1, 3, 1, 6, 320);
    let x = blocks.x.conv(1280, 1).no_bias().named("_conv_head");
    let x = x.batch_norm().epsilon(1e-3).named("_bn1").relu6().named("_swish1");
    let x = x.global_average_pool().named("_avg_pooling").flatten().dropout(0.2).named("_dropout");
    x.linear(1000).named("_fc").finish()
}

/// A sequence of inverted residual blocks.
struct Blocks<'b> {
    x: Tensor<'b>,
    channels: usize,
    count: usize,
}

impl Blocks<'_> {
    /// Adds `repeats` blocks, the first of them with the stride.
    fn stage(&mut self, repeats: usize, kernel: usize, stride: usize, expansion: usize, channels: usize) {
        for repeat in 0..repeats {
            self.block(kernel, if repeat == 0 { stride } else { 1 }, expansion, channels);
        }
    }

    /// Sandler et al., "MobileNetV2", CVPR 2018: expand, depthwise, project, and a shortcut where the shapes agree.
    fn block(&mut self, kernel: usize, stride: usize, expansion: usize, channels: usize) {
        let name = |part: &str| format!("_blocks.{}.{part}", self.count);
        let (start, wide) = (self.x, self.channels * expansion);
        let mut x = start;
        if expansion != 1 {
            x = x.conv(wide, 1).no_bias().named(name("_expand_conv"));
            x = x.batch_norm().epsilon(1e-3).named(name("_bn0")).relu6().named(name("_swish0"));
        }
        x = x.conv(wide, kernel).stride(stride).pad(tensorflow_same(kernel, stride)).groups(wide).no_bias();
        x = x.named(name("_depthwise_conv"));
        x = x.batch_norm().epsilon(1e-3).named(name("_bn1")).relu6().named(name("_swish1"));
        x = x.conv(channels, 1).no_bias().named(name("_project_conv"));
        x = x.batch_norm().epsilon(1e-3).named(name("_bn2"));
        if stride == 1 && self.channels == channels {
            x = (x + start).named(name("add"));
        }
        *self = Blocks { x, channels, count: self.count + 1 };
    }
}
