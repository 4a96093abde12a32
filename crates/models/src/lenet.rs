//! LeNet-1: LeCun, Boser, Denker, Henderson, Howard, Hubbard and Jackel, "Handwritten digit recognition with a
//! back-propagation network", NIPS 1989. LeNet-5: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied
//! to document recognition", Proceedings of the IEEE 86(11), 1998.

use striate_graph::{Builder, Init, Loss, Network};
use striate_tensor::Result;

use crate::{ImagePreprocessing, Model};

/// LeNet-1, with the 2,578 parameters and 98,442 connections that the paper counts. Digits of 16×16 pixels are centered
/// in its input. The paper trains ten squashed outputs on the mean squared error; here, they are scores.
pub(crate) const LENET1: Model = Model {
    name: "lenet1",
    year: 1989,
    paper: "LeCun, Boser, Denker, Henderson, Howard, Hubbard and Jackel: Handwritten digit recognition with a \
            back-propagation network, NIPS 1989",
    link: "https://papers.nips.cc/paper/1989/hash/53c3bce66e43be4f209556518c2fcb54-Abstract.html",
    preprocessing: ImagePreprocessing::FromData("gray, 28x28, from -1 to 1"),
    recipe: "small",
    build: lenet1,
};

/// LeNet-5 as it is usually taught: every map of C3 is connected to all of S2, subsampling is average pooling,
/// the output layer is linear.
pub(crate) const LENET5: Model = Model {
    name: "lenet5",
    year: 1998,
    paper: "LeCun, Bottou, Bengio and Haffner: Gradient-based learning applied to document recognition, \
            Proceedings of the IEEE 86(11)",
    link: "https://doi.org/10.1109/5.726791",
    preprocessing: ImagePreprocessing::FromData(
        "gray, 32x32, normalized to mean 0 and std 1 over the training data",
    ),
    recipe: "small",
    build: lenet5,
};

/// LeNet-5 as in the paper: a table connects C3 to S2, subsampling has a trainable coefficient and bias per
/// map, activations are 1.7159·tanh(2x/3), and ten RBF units compare F6 with bitmaps of the digits. It has
/// 60,000 trainable parameters and 340,908 connections.
pub(crate) const LENET5_1998: Model = Model {
    name: "lenet5-1998",
    preprocessing: ImagePreprocessing::FromData("gray, 32x32, background -0.1, foreground 1.175"),
    recipe: "rbf",
    build: lenet5_1998,
    ..LENET5
};

/// The maps of H2 to which each map of H3 is connected. The paper's counts require twenty connections, and its text one
/// or two for each map; which ones are paired is our reading of its table.
const H3: [&[usize]; 12] =
    [&[0], &[0, 1], &[0, 1], &[1], &[0, 1], &[0, 1], &[2], &[2, 3], &[2, 3], &[3], &[2, 3], &[2, 3]];

/// Table I: the maps of S2 to which each map of C3 is connected.
const C3: [&[usize]; 16] = [
    &[0, 1, 2],
    &[1, 2, 3],
    &[2, 3, 4],
    &[3, 4, 5],
    &[0, 4, 5],
    &[0, 1, 5],
    &[0, 1, 2, 3],
    &[1, 2, 3, 4],
    &[2, 3, 4, 5],
    &[0, 3, 4, 5],
    &[0, 1, 4, 5],
    &[0, 1, 2, 5],
    &[0, 1, 3, 4],
    &[1, 2, 4, 5],
    &[0, 2, 3, 5],
    &[0, 1, 2, 3, 4, 5],
];

fn lenet1() -> Result<Network> {
    let net = Builder::new("lenet1", [1, 28, 28]).init(Init::Lecun);
    let x = net.input();
    let x = x.conv(4, 5).named("H1").scaled_tanh();
    let x = x.average_pool(2, 2).scale().named("H2").scaled_tanh();
    let x = x.conv(12, 5).connections(&H3).named("H3").scaled_tanh();
    let x = x.average_pool(2, 2).scale().named("H4").scaled_tanh();
    x.flatten().linear(10).named("output").finish()
}

fn lenet5_1998() -> Result<Network> {
    let net = Builder::new("lenet5-1998", [1, 32, 32]).init(Init::Lecun).loss(Loss::Rbf { j: 1.0 });
    let x = net.input();
    let x = x.conv(6, 5).named("C1").scaled_tanh();
    let x = x.average_pool(2, 2).scale().named("S2").scaled_tanh();
    let x = x.conv(16, 5).connections(&C3).named("C3").scaled_tanh();
    let x = x.average_pool(2, 2).scale().named("S4").scaled_tanh();
    let x = x.conv(120, 5).named("C5").scaled_tanh();
    let x = x.flatten().linear(84).named("F6").scaled_tanh();
    x.rbf(10).named("output").finish()
}

fn lenet5() -> Result<Network> {
    let net = Builder::new("lenet5", [1, 32, 32]).init(Init::Xavier { gain: 5.0 / 3.0 });
    let x = net.input();
    let x = x.conv(6, 5).named("conv1").tanh().average_pool(2, 2);
    let x = x.conv(16, 5).named("conv2").tanh().average_pool(2, 2);
    let x = x.flatten();
    let x = x.linear(120).named("fc1").tanh();
    let x = x.linear(84).named("fc2").tanh();
    x.linear(10).named("fc3").finish()
}
