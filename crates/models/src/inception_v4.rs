//! Inception V4: Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the impact of
//! residual connections on learning", AAAI 2017; its figures 3 to 9. Layers are named as in timm.
//!
//! It has 42,679,816 parameters and 12,253,974,624 multiply-adds, as PyTorch counts them in timm's module.

use striate_graph::{Builder, Init, Network, Tensor, concat};
use striate_tensor::Result;
use striate_tensor::preprocessing::Filter;

use crate::preprocessing::{shorter_side, symmetric};
use crate::unit::{Window, chain, halving, same, unit, valid};
use crate::{ImagePreprocessing, Model};

pub(crate) const INCEPTION_V4: Model = Model {
    name: "inception-v4",
    year: 2016,
    paper: "Szegedy, Ioffe, Vanhoucke and Alemi: Inception-v4, Inception-ResNet and the impact of residual \
            connections on learning, AAAI 2017",
    link: "https://arxiv.org/abs/1602.07261",
    // timm's preprocessing.
    preprocessing: ImagePreprocessing::Fixed(|| symmetric(shorter_side(341, 299, Filter::Bicubic))),
    recipe: "batch-norm",
    build: inception_v4,
};

const ROW: (usize, usize) = (1, 7);
const COLUMN: (usize, usize) = (7, 1);

fn inception_v4() -> Result<Network> {
    let net = Builder::new("inception-v4", [3, 299, 299]).init(Init::Kaiming);
    let mut x = stem(net.input());
    for number in 6..10 {
        x = module_a(x, &format!("features.{number}"));
    }
    x = reduction_a(x, "features.10");
    for number in 11..18 {
        x = module_b(x, &format!("features.{number}"));
    }
    x = reduction_b(x, "features.18");
    for number in 19..22 {
        x = module_c(x, &format!("features.{number}"));
    }
    let x = x.global_average_pool().named("global_pool").flatten().dropout(0.2).named("head_drop");
    x.linear(1000).named("last_linear").finish()
}

/// Figure 3: from 299×299 to 384 channels of 35×35.
fn stem<'b>(x: Tensor<'b>) -> Tensor<'b> {
    let x = chain(x, "features.", 0, &[(32, halving(3)), (32, valid(3)), (64, same(3))]);
    let pool = x.max_pool(3, 2).named("features.3.maxpool");
    let x = concat([pool, unit(x, "features.3.conv", 96, halving(3))]).named("features.3");
    let short = chain(x, "features.4.branch0.", 0, &[(64, same(1)), (96, valid(3))]);
    let long = [(64, same(1)), (64, same(ROW)), (64, same(COLUMN)), (96, valid(3))];
    let x = concat([short, chain(x, "features.4.branch1.", 0, &long)]).named("features.4");
    let conv = unit(x, "features.5.conv", 192, halving(3));
    concat([conv, x.max_pool(3, 2).named("features.5.maxpool")]).named("features.5")
}

/// Figure 4: 35×35.
fn module_a<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    concat([
        unit(x, &format!("{name}.branch0"), 96, same(1)),
        branch(x, name, 1, &[(64, same(1)), (96, same(3))]),
        branch(x, name, 2, &[(64, same(1)), (96, same(3)), (96, same(3))]),
        pooled(x, name, 96),
    ])
    .named(name)
}

/// Figure 7 with k = 192, l = 224, m = 256, n = 384: from 35×35 to 17×17.
fn reduction_a<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    concat([
        unit(x, &format!("{name}.branch0"), 384, halving(3)),
        branch(x, name, 1, &[(192, same(1)), (224, same(3)), (256, halving(3))]),
        x.max_pool(3, 2).named(format!("{name}.branch2")),
    ])
    .named(name)
}

/// Figure 5: 17×17.
fn module_b<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let double =
        [(192, same(1)), (192, same(COLUMN)), (224, same(ROW)), (224, same(COLUMN)), (256, same(ROW))];
    concat([
        unit(x, &format!("{name}.branch0"), 384, same(1)),
        branch(x, name, 1, &[(192, same(1)), (224, same(ROW)), (256, same(COLUMN))]),
        branch(x, name, 2, &double),
        pooled(x, name, 128),
    ])
    .named(name)
}

/// Figure 8: from 17×17 to 8×8.
fn reduction_b<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    concat([
        branch(x, name, 0, &[(192, same(1)), (192, halving(3))]),
        branch(x, name, 1, &[(256, same(1)), (256, same(ROW)), (320, same(COLUMN)), (320, halving(3))]),
        x.max_pool(3, 2).named(format!("{name}.branch2")),
    ])
    .named(name)
}

/// Figure 6: 8×8.
fn module_c<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let (row, column) = (same((1, 3)), same((3, 1)));
    let expanded = |x: Tensor<'b>, stem: &str| {
        let a = unit(x, &format!("{name}.{stem}a"), 256, row);
        concat([a, unit(x, &format!("{name}.{stem}b"), 256, column)]).named(format!("{name}.{stem}"))
    };
    let single = unit(x, &format!("{name}.branch1_0"), 384, same(1));
    let double = chain(x, &format!("{name}.branch2_"), 0, &[(384, same(1)), (448, column), (512, row)]);
    concat([
        unit(x, &format!("{name}.branch0"), 256, same(1)),
        expanded(single, "branch1_1"),
        expanded(double, "branch2_3"),
        pooled(x, name, 256),
    ])
    .named(name)
}

fn branch<'b>(x: Tensor<'b>, name: &str, number: usize, units: &[(usize, Window)]) -> Tensor<'b> {
    chain(x, &format!("{name}.branch{number}."), 0, units)
}

/// A 3×3 average pool that excludes the padding, and a 1×1 unit.
fn pooled<'b>(x: Tensor<'b>, name: &str, channels: usize) -> Tensor<'b> {
    let x = x.average_pool(3, 1).pad(1).exclude_padding().named(format!("{name}.branch3.0"));
    unit(x, &format!("{name}.branch3.1"), channels, same(1))
}
