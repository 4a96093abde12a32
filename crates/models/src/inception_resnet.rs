//! Inception-ResNet-v2: Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the impact of
//! residual connections on learning", AAAI 2017; its figures 15 to 19. Layers are named as in timm.
//!
//! It has 55,843,464 parameters and 13,155,794,016 multiply-adds, as PyTorch counts them in timm's module. Like the
//! authors' published weights, it differs from the figures: the stem is that of Inception V3, the first module has
//! four branches, and residuals are scaled down.

use striate_graph::{Builder, Init, Network, Tensor, concat};
use striate_tensor::Result;
use striate_tensor::preprocessing::Filter;

use crate::inception_v4::INCEPTION_V4;
use crate::preprocessing::{shorter_side, symmetric};
use crate::unit::{Window, chain, halving, same, unit, valid};
use crate::{ImagePreprocessing, Model};

pub(crate) const INCEPTION_RESNET_V2: Model = Model {
    name: "inception-resnet-v2",
    recipe: "batch-norm",
    build: inception_resnet_v2,
    // timm's preprocessing.
    preprocessing: ImagePreprocessing::Fixed(|| symmetric(shorter_side(333, 299, Filter::Bicubic))),
    ..INCEPTION_V4
};

fn inception_resnet_v2() -> Result<Network> {
    let net = Builder::new("inception-resnet-v2", [3, 299, 299]).init(Init::Kaiming);
    let x = unit(net.input(), "conv2d_1a", 32, halving(3));
    let x = unit(x, "conv2d_2a", 32, valid(3));
    let x = unit(x, "conv2d_2b", 64, same(3)).max_pool(3, 2).named("maxpool_3a");
    let x = unit(x, "conv2d_3b", 80, valid(1));
    let x = unit(x, "conv2d_4a", 192, valid(3)).max_pool(3, 2).named("maxpool_5a");
    let mut x = mixed_5b(x, "mixed_5b");
    for number in 0..10 {
        x = block35(x, &format!("repeat.{number}"));
    }
    x = mixed_6a(x, "mixed_6a");
    for number in 0..20 {
        x = block17(x, &format!("repeat_1.{number}"));
    }
    x = mixed_7a(x, "mixed_7a");
    for number in 0..9 {
        x = block8(x, &format!("repeat_2.{number}"), 0.2).relu().named(format!("repeat_2.{number}"));
    }
    let x = block8(x, "block8", 1.0);
    let x = unit(x, "conv2d_7b", 1536, same(1));
    let x = x.global_average_pool().named("global_pool").flatten().dropout(0.2).named("head_drop");
    x.linear(1000).named("classif").finish()
}

/// 35×35: 1×1, 5×5, two 3×3, pool.
fn mixed_5b<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let pooled = x.average_pool(3, 1).pad(1).exclude_padding().named(format!("{name}.branch3.0"));
    concat([
        unit(x, &format!("{name}.branch0"), 96, same(1)),
        branch(x, name, 1, &[(48, same(1)), (64, same(5))]),
        branch(x, name, 2, &[(64, same(1)), (96, same(3)), (96, same(3))]),
        unit(pooled, &format!("{name}.branch3.1"), 64, same(1)),
    ])
    .named(name)
}

/// Figure 16.
fn block35<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let parts = [
        unit(x, &format!("{name}.branch0"), 32, same(1)),
        branch(x, name, 1, &[(32, same(1)), (32, same(3))]),
        branch(x, name, 2, &[(32, same(1)), (48, same(3)), (64, same(3))]),
    ];
    residual(x, name, concat(parts), 320, 0.17).relu().named(name)
}

/// Figure 7 with k = 256, l = 256, m = 384, n = 384: from 35×35 to 17×17.
fn mixed_6a<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    concat([
        unit(x, &format!("{name}.branch0"), 384, halving(3)),
        branch(x, name, 1, &[(256, same(1)), (256, same(3)), (384, halving(3))]),
        x.max_pool(3, 2).named(format!("{name}.branch2")),
    ])
    .named(name)
}

/// Figure 17.
fn block17<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let parts = [
        unit(x, &format!("{name}.branch0"), 192, same(1)),
        branch(x, name, 1, &[(128, same(1)), (160, same((1, 7))), (192, same((7, 1)))]),
    ];
    residual(x, name, concat(parts), 1088, 0.1).relu().named(name)
}

/// Figure 18: from 17×17 to 8×8.
fn mixed_7a<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    concat([
        branch(x, name, 0, &[(256, same(1)), (384, halving(3))]),
        branch(x, name, 1, &[(256, same(1)), (288, halving(3))]),
        branch(x, name, 2, &[(256, same(1)), (288, same(3)), (320, halving(3))]),
        x.max_pool(3, 2).named(format!("{name}.branch3")),
    ])
    .named(name)
}

/// Figure 19, without the last ReLU.
fn block8<'b>(x: Tensor<'b>, name: &str, factor: f32) -> Tensor<'b> {
    let parts = [
        unit(x, &format!("{name}.branch0"), 192, same(1)),
        branch(x, name, 1, &[(192, same(1)), (224, same((1, 3))), (256, same((3, 1)))]),
    ];
    residual(x, name, concat(parts), 2080, factor)
}

/// Adds to `x` a linear 1×1 convolution of the concatenated `parts`, scaled by `factor` (section 3.3).
fn residual<'b>(x: Tensor<'b>, name: &str, parts: Tensor<'b>, channels: usize, factor: f32) -> Tensor<'b> {
    let parts = parts.named(format!("{name}.concat")).conv(channels, 1).named(format!("{name}.conv2d"));
    let scaled = if factor == 1.0 { parts } else { parts.multiply_by(factor).named(format!("{name}.scale")) };
    (scaled + x).named(format!("{name}.add"))
}

fn branch<'b>(x: Tensor<'b>, name: &str, number: usize, units: &[(usize, Window)]) -> Tensor<'b> {
    chain(x, &format!("{name}.branch{number}."), 0, units)
}
