//! Inception V3: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for
//! computer vision", CVPR 2016; its table 1. Layers are named as in torchvision.

use striate_graph::{Builder, Init, Network, Tensor, concat};
use striate_tensor::Result;
use striate_tensor::preprocessing::Filter;

use crate::preprocessing::{shorter_side, symmetric};
use crate::unit::{chain, halving, same, unit, valid};
use crate::{ImagePreprocessing, Model};

pub(crate) const INCEPTION_V3: Model = Model {
    name: "inception-v3",
    year: 2015,
    paper: "Szegedy, Vanhoucke, Ioffe, Shlens and Wojna: Rethinking the Inception architecture for computer \
            vision, CVPR 2016",
    link: "https://arxiv.org/abs/1512.00567",
    preprocessing: ImagePreprocessing::Fixed(|| symmetric(shorter_side(342, 299, Filter::Bilinear))),
    recipe: "batch-norm",
    build: inception_v3,
};

fn inception_v3() -> Result<Network> {
    let net = Builder::new("inception-v3", [3, 299, 299]).init(Init::Kaiming);
    let x = unit(net.input(), "Conv2d_1a_3x3", 32, halving(3));
    let x = unit(x, "Conv2d_2a_3x3", 32, valid(3));
    let x = unit(x, "Conv2d_2b_3x3", 64, same(3)).max_pool(3, 2).named("maxpool1");
    let x = unit(x, "Conv2d_3b_1x1", 80, valid(1));
    let x = unit(x, "Conv2d_4a_3x3", 192, valid(3)).max_pool(3, 2).named("maxpool2");
    let x = module_a(x, "Mixed_5b", 32);
    let x = module_a(x, "Mixed_5c", 64);
    let x = module_a(x, "Mixed_5d", 64);
    let x = reduction_b(x, "Mixed_6a");
    let x = module_c(x, "Mixed_6b", 128);
    let x = module_c(x, "Mixed_6c", 160);
    let x = module_c(x, "Mixed_6d", 160);
    let x = module_c(x, "Mixed_6e", 192);
    auxiliary(x, "AuxLogits");
    let x = reduction_d(x, "Mixed_7a");
    let x = module_e(x, "Mixed_7b");
    let x = module_e(x, "Mixed_7c");
    let x = x.global_average_pool().named("avgpool").dropout(0.5).named("dropout").flatten();
    x.linear(1000).named("fc").finish()
}

/// Figure 5: 1×1, 5×5, two 3×3, pool.
fn module_a<'b>(x: Tensor<'b>, name: &str, pool: usize) -> Tensor<'b> {
    let branch = |branch: &str| format!("{name}.branch{branch}");
    let one = unit(x, &branch("1x1"), 64, same(1));
    let five = chain(x, &branch("5x5_"), 1, &[(48, same(1)), (64, same(5))]);
    let double = chain(x, &branch("3x3dbl_"), 1, &[(64, same(1)), (96, same(3)), (96, same(3))]);
    concat([one, five, double, pooled(x, name, pool)]).named(name)
}

/// Figure 10: from 35×35 to 17×17.
fn reduction_b<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let branch = |branch: &str| format!("{name}.branch{branch}");
    let three = unit(x, &branch("3x3"), 384, halving(3));
    let double = chain(x, &branch("3x3dbl_"), 1, &[(64, same(1)), (96, same(3)), (96, halving(3))]);
    concat([three, double, x.max_pool(3, 2).named(branch("_pool"))]).named(name)
}

/// Figure 6: 7×7 factorized into 1×7 and 7×1.
fn module_c<'b>(x: Tensor<'b>, name: &str, width: usize) -> Tensor<'b> {
    let branch = |branch: &str| format!("{name}.branch{branch}");
    let (row, column) = (same((1, 7)), same((7, 1)));
    let one = unit(x, &branch("1x1"), 192, same(1));
    let seven = chain(x, &branch("7x7_"), 1, &[(width, same(1)), (width, row), (192, column)]);
    let double = [(width, same(1)), (width, column), (width, row), (width, column), (192, row)];
    let double = chain(x, &branch("7x7dbl_"), 1, &double);
    concat([one, seven, double, pooled(x, name, 192)]).named(name)
}

/// From 17×17 to 8×8.
fn reduction_d<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let branch = |branch: &str| format!("{name}.branch{branch}");
    let three = chain(x, &branch("3x3_"), 1, &[(192, same(1)), (320, halving(3))]);
    let seven = [(192, same(1)), (192, same((1, 7))), (192, same((7, 1))), (192, halving(3))];
    let seven = chain(x, &branch("7x7x3_"), 1, &seven);
    concat([three, seven, x.max_pool(3, 2).named(branch("_pool"))]).named(name)
}

/// Figure 7: 3×3 expanded into 1×3 and 3×1 in parallel.
fn module_e<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let branch = |branch: &str| format!("{name}.branch{branch}");
    let expanded = |x: Tensor<'b>, stem: &str| {
        let row = unit(x, &format!("{stem}a"), 384, same((1, 3)));
        concat([row, unit(x, &format!("{stem}b"), 384, same((3, 1)))]).named(stem)
    };
    let one = unit(x, &branch("1x1"), 320, same(1));
    let three = expanded(unit(x, &branch("3x3_1"), 384, same(1)), &branch("3x3_2"));
    let double = chain(x, &branch("3x3dbl_"), 1, &[(448, same(1)), (384, same(3))]);
    let double = expanded(double, &branch("3x3dbl_3"));
    concat([one, three, double, pooled(x, name, 192)]).named(name)
}

/// A 3×3 average pool and a 1×1 unit.
fn pooled<'b>(x: Tensor<'b>, name: &str, channels: usize) -> Tensor<'b> {
    let x = x.average_pool(3, 1).pad(1).named(format!("{name}.avgpool"));
    unit(x, &format!("{name}.branch_pool"), channels, same(1))
}

/// An auxiliary head, used only in training, with TensorFlow's loss weight of 0.4.
fn auxiliary<'b>(x: Tensor<'b>, name: &str) {
    let x = x.average_pool(5, 3).named(format!("{name}.avgpool"));
    let x = unit(x, &format!("{name}.conv0"), 128, same(1));
    let x = unit(x, &format!("{name}.conv1"), 768, valid(5));
    let x = x.global_average_pool().named(format!("{name}.pool")).flatten().named(format!("{name}.flatten"));
    x.linear(1000).named(format!("{name}.fc")).auxiliary(0.4);
}
