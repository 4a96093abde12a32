//! Inception V2: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
//! internal covariate shift", ICML 2015; its figure 5, in the variant of TensorFlow's slim, whose published
//! weights it loads: a separable first convolution without batch norm, "same" padding for maps of even size, pool
//! projections of 96 channels in 4d and 4e. Layers are named as in slim.
//!
//! It has 11,188,224 parameters, 9,888 of them the γ of the batch norms, which slim omits. Without the last layer
//! (1,025,000) and γ, but with the running statistics, this gives the 10,173,112 values of slim's own test. The
//! "11.3 M" of the literature are the 11,295,240 of the Caffe variant, which follows the paper's table: a full 7×7
//! convolution (9,408 weights), projections of 128 channels, and a bias in addition to γ and β.

use striate_graph::{Builder, Init, Network, Tensor, concat};
use striate_tensor::Result;
use striate_tensor::preprocessing::Filter;

use crate::preprocessing::{both_sides, symmetric};
use crate::unit::{Window, halving_same, same, tensorflow_same, unit};
use crate::{ImagePreprocessing, Model};

pub(crate) const INCEPTION_V2: Model = Model {
    name: "inception-v2",
    year: 2015,
    paper: "Ioffe and Szegedy: Batch normalization: accelerating deep network training by reducing internal \
            covariate shift, ICML 2015",
    link: "https://arxiv.org/abs/1502.03167",
    preprocessing: ImagePreprocessing::Fixed(|| symmetric(both_sides(256, 224, Filter::Bilinear))),
    recipe: "batch-norm",
    build: inception_v2,
};

fn inception_v2() -> Result<Network> {
    // The classifier is a convolution, whose initial scores `Kaiming` would scale by the inverse of the number of
    // classes.
    let net = Builder::new("inception-v2", [3, 224, 224]).init(Init::He);
    let x = separable(net.input(), "Conv2d_1a_7x7").max_pool(3, 2).ceil().named("MaxPool_2a_3x3");
    let x = unit(x, "Conv2d_2b_1x1", 64, same(1));
    let x = unit(x, "Conv2d_2c_3x3", 192, same(3)).max_pool(3, 2).ceil().named("MaxPool_3a_3x3");
    let x = mixed(x, "Mixed_3b", 64, [64, 64], [64, 96], Pool::Average(32));
    let x = mixed(x, "Mixed_3c", 64, [64, 96], [64, 96], Pool::Average(64));
    let x = reduction(x, "Mixed_4a", [128, 160], [64, 96]);
    let x = mixed(x, "Mixed_4b", 224, [64, 96], [96, 128], Pool::Average(128));
    let x = mixed(x, "Mixed_4c", 192, [96, 128], [96, 128], Pool::Average(128));
    let x = mixed(x, "Mixed_4d", 160, [128, 160], [128, 160], Pool::Average(96));
    let x = mixed(x, "Mixed_4e", 96, [128, 192], [160, 192], Pool::Average(96));
    let x = reduction(x, "Mixed_5a", [128, 192], [192, 256]);
    let x = mixed(x, "Mixed_5b", 352, [192, 320], [160, 224], Pool::Average(128));
    let x = mixed(x, "Mixed_5c", 352, [192, 320], [192, 224], Pool::Max(128));
    let x = x.global_average_pool().named("AvgPool_1a").dropout(0.2).named("Dropout_1b");
    x.conv(1000, 1).named("Logits.Conv2d_1c_1x1").flatten().finish()
}

/// The pooling of a module, and the number of channels that it is projected to.
#[derive(Clone, Copy)]
enum Pool {
    Average(usize),
    Max(usize),
}

/// Eight 7×7 kernels per color channel, then a 1×1 convolution across them.
fn separable<'b>(x: Tensor<'b>, name: &str) -> Tensor<'b> {
    let x = x.conv(24, 7).stride(2).pad(tensorflow_same(7, 2)).groups(3).no_bias();
    let x = x.named(format!("{name}.depthwise"));
    x.conv(64, 1).named(format!("{name}.pointwise")).relu().named(format!("{name}.relu"))
}

/// 1×1, 3×3, two 3×3 and pool: a module that keeps the map's size. The pairs are the channels of the reduction
/// and of the output.
fn mixed<'b>(
    x: Tensor<'b>,
    name: &str,
    one: usize,
    three: [usize; 2],
    double: [usize; 2],
    pool: Pool,
) -> Tensor<'b> {
    let (pooled, projection) = match pool {
        Pool::Average(maps) => (x.average_pool(3, 1).pad(1).exclude_padding(), maps),
        Pool::Max(maps) => (x.max_pool(3, 1).pad(1), maps),
    };
    let pooled = pooled.named(format!("{name}.Branch_3.Pool_0a_3x3"));
    concat([
        unit(x, &format!("{name}.Branch_0.Conv2d_0a_1x1"), one, same(1)),
        single(x, &format!("{name}.Branch_1"), three, "0b", same(3)),
        twice(x, &format!("{name}.Branch_2"), double, "0c", same(3)),
        unit(pooled, &format!("{name}.Branch_3.Conv2d_0b_1x1"), projection, same(1)),
    ])
    .named(name)
}

/// 3×3, two 3×3 and max pool: a module that halves the map's size.
fn reduction<'b>(x: Tensor<'b>, name: &str, three: [usize; 2], double: [usize; 2]) -> Tensor<'b> {
    concat([
        single(x, &format!("{name}.Branch_0"), three, "1a", halving_same(3)),
        twice(x, &format!("{name}.Branch_1"), double, "1a", halving_same(3)),
        x.max_pool(3, 2).ceil().named(format!("{name}.Branch_2.MaxPool_1a_3x3")),
    ])
    .named(name)
}

fn single<'b>(x: Tensor<'b>, name: &str, maps: [usize; 2], last: &str, window: Window) -> Tensor<'b> {
    let x = unit(x, &format!("{name}.Conv2d_0a_1x1"), maps[0], same(1));
    unit(x, &format!("{name}.Conv2d_{last}_3x3"), maps[1], window)
}

fn twice<'b>(x: Tensor<'b>, name: &str, maps: [usize; 2], last: &str, window: Window) -> Tensor<'b> {
    let x = single(x, name, maps, "0b", same(3));
    unit(x, &format!("{name}.Conv2d_{last}_3x3"), maps[1], window)
}
