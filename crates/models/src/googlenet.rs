//! GoogLeNet (Inception V1): Szegedy et al., "Going deeper with convolutions", CVPR 2015; its table 1.

use striate_graph::{Builder, Init, Network, Tensor, concat};
use striate_tensor::Result;
use striate_tensor::preprocessing::Filter;

use crate::preprocessing::{both_sides, caffe, shorter_side, symmetric};
use crate::unit::{chain, same, unit};
use crate::{ImagePreprocessing, Model};

const PAPER: Model = Model {
    year: 2014,
    paper: "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich: Going deeper with \
            convolutions, CVPR 2015",
    link: "https://arxiv.org/abs/1409.4842",
    ..Model::TEMPLATE
};

/// torchvision's port, with its layer names: batch norm, and 3×3 kernels where the paper has 5×5. Its weights
/// were trained with TensorFlow's preprocessing; torchvision converts to it with `transform_input`.
pub(crate) const GOOGLENET: Model = Model {
    name: "googlenet",
    preprocessing: ImagePreprocessing::Fixed(|| symmetric(shorter_side(256, 224, Filter::Bilinear))),
    recipe: "batch-norm",
    build: googlenet,
    ..PAPER
};

/// The network of the paper, with the layer names and constants of Caffe's model: 5×5 kernels, local response
/// normalization.
pub(crate) const GOOGLENET_2014: Model = Model {
    name: "googlenet-2014",
    preprocessing: ImagePreprocessing::Fixed(|| caffe(both_sides(256, 224, Filter::Bilinear))),
    recipe: "no-batch-norm",
    build: googlenet_2014,
    ..PAPER
};

/// Channels of a module: 1×1, 3×3 reduction, 3×3, 5×5 reduction, 5×5, pool projection.
type Widths = [usize; 6];

/// Table 1 of the paper, modules 3a to 5b.
const WIDTHS: [(&str, Widths); 9] = [
    ("3a", [64, 96, 128, 16, 32, 32]),
    ("3b", [128, 128, 192, 32, 96, 64]),
    ("4a", [192, 96, 208, 16, 48, 64]),
    ("4b", [160, 112, 224, 24, 64, 64]),
    ("4c", [128, 128, 256, 24, 64, 64]),
    ("4d", [112, 144, 288, 32, 64, 64]),
    ("4e", [256, 160, 320, 32, 128, 128]),
    ("5a", [256, 160, 320, 32, 128, 128]),
    ("5b", [384, 192, 384, 48, 128, 128]),
];

/// The modules that are followed by an auxiliary head.
const HEADS: [&str; 2] = ["4a", "4d"];

fn googlenet() -> Result<Network> {
    let net = Builder::new("googlenet", [3, 224, 224]).init(Init::Kaiming);
    let x = net.input().conv(64, 7).stride(2).pad(3).no_bias().named("conv1.conv");
    let x = x.batch_norm().epsilon(1e-3).named("conv1.bn").relu().named("conv1.relu");
    let x = x.max_pool(3, 2).ceil().named("maxpool1");
    let x = unit(x, "conv2", 64, same(1));
    let mut x = unit(x, "conv3", 192, same(3)).max_pool(3, 2).ceil().named("maxpool2");
    for (module, widths) in WIDTHS {
        x = ported(x, &format!("inception{module}"), widths);
        if let Some(head) = HEADS.iter().position(|after| *after == module) {
            ported_head(x, &format!("aux{}", head + 1));
        }
        x = match module {
            "3b" => x.max_pool(3, 2).ceil().named("maxpool3"),
            "4e" => x.max_pool(2, 2).ceil().named("maxpool4"),
            _ => x,
        };
    }
    let x = x.global_average_pool().named("avgpool").flatten().dropout(0.2).named("dropout");
    x.linear(1000).named("fc").finish()
}

fn ported<'b>(x: Tensor<'b>, name: &str, widths: Widths) -> Tensor<'b> {
    let [one, reduce3, three, reduce5, five, projection] = widths;
    let branch = |branch: &str| format!("{name}.branch{branch}");
    let pooled = x.max_pool(3, 1).pad(1).ceil().named(branch("4.0"));
    concat([
        unit(x, &branch("1"), one, same(1)),
        chain(x, &branch("2."), 0, &[(reduce3, same(1)), (three, same(3))]),
        chain(x, &branch("3."), 0, &[(reduce5, same(1)), (five, same(3))]),
        unit(pooled, &branch("4.1"), projection, same(1)),
    ])
    .named(name)
}

/// An auxiliary head, used only in training. torchvision pools to 4×4 adaptively; this is the paper's 5×5
/// average pool with stride 3, which also gives 4×4 from 14×14.
fn ported_head<'b>(x: Tensor<'b>, name: &str) {
    let x = x.average_pool(5, 3).named(format!("{name}.avgpool"));
    let x = unit(x, &format!("{name}.conv"), 128, same(1)).flatten().named(format!("{name}.flatten"));
    let x = x.linear(1024).named(format!("{name}.fc1")).relu().named(format!("{name}.relu"));
    let x = x.dropout(0.7).named(format!("{name}.dropout"));
    x.linear(1000).named(format!("{name}.fc2")).auxiliary(0.3);
}

fn googlenet_2014() -> Result<Network> {
    let net = Builder::new("googlenet-2014", [3, 224, 224]).init(Init::Xavier { gain: 1.0 });
    let x = net.input().conv(64, 7).stride(2).pad(3).named("conv1/7x7_s2").relu().named("conv1/relu_7x7");
    let x = lrn(x.max_pool(3, 2).ceil().named("pool1/3x3_s2"), "pool1/norm1");
    let x = rectified(x.conv(64, 1), "conv2", "3x3_reduce");
    let x = lrn(rectified(x.conv(192, 3).pad(1), "conv2", "3x3"), "conv2/norm2");
    let mut x = x.max_pool(3, 2).ceil().named("pool2/3x3_s2");
    for (module, widths) in WIDTHS {
        x = inception(x, &format!("inception_{module}"), widths);
        if let Some(head) = HEADS.iter().position(|after| *after == module) {
            auxiliary(x, &format!("loss{}", head + 1));
        }
        x = match module {
            "3b" => x.max_pool(3, 2).ceil().named("pool3/3x3_s2"),
            "4e" => x.max_pool(3, 2).ceil().named("pool4/3x3_s2"),
            _ => x,
        };
    }
    let x = x.global_average_pool().named("pool5/7x7_s1").flatten().dropout(0.4).named("pool5/drop_7x7_s1");
    x.linear(1000).named("loss3/classifier").finish()
}

/// Figure 2b.
fn inception<'b>(x: Tensor<'b>, name: &str, widths: Widths) -> Tensor<'b> {
    let [one, reduce3, three, reduce5, five, projection] = widths;
    let pooled = x.max_pool(3, 1).pad(1).named(format!("{name}/pool"));
    let reduced3 = rectified(x.conv(reduce3, 1), name, "3x3_reduce");
    let reduced5 = rectified(x.conv(reduce5, 1), name, "5x5_reduce");
    concat([
        rectified(x.conv(one, 1), name, "1x1"),
        rectified(reduced3.conv(three, 3).pad(1), name, "3x3"),
        rectified(reduced5.conv(five, 5).pad(2), name, "5x5"),
        rectified(pooled.conv(projection, 1), name, "pool_proj"),
    ])
    .named(format!("{name}/output"))
}

/// Section 5: an auxiliary head, used only in training.
fn auxiliary<'b>(x: Tensor<'b>, name: &str) {
    let x = x.average_pool(5, 3).named(format!("{name}/ave_pool"));
    let x = rectified(x.conv(128, 1), name, "conv").flatten().named(format!("{name}/flatten"));
    let x = rectified(x.linear(1024), name, "fc").dropout(0.7).named(format!("{name}/drop_fc"));
    x.linear(1000).named(format!("{name}/classifier")).auxiliary(0.3);
}

fn rectified<'b>(x: Tensor<'b>, name: &str, part: &str) -> Tensor<'b> {
    x.named(format!("{name}/{part}")).relu().named(format!("{name}/relu_{part}"))
}

/// Local response normalization with Caffe's constants; the paper does not state them.
fn lrn<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    x.lrn(5, 1e-4, 0.75, 1.0).named(name)
}
