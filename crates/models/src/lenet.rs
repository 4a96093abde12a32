//! LeNet-5: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
//! recognition", Proceedings of the IEEE 86(11), 1998.

use striate_graph::{Builder, Init, Network};
use striate_tensor::Result;

use crate::Model;

/// LeNet-5 as it is mostly taught: every map of C3 sees all of S2, subsampling is a plain mean, the
/// output is linear.
pub(crate) const LENET5: Model = Model {
    name: "lenet5",
    year: 1998,
    paper: "LeCun, Bottou, Bengio and Haffner: Gradient-based learning applied to document recognition, \
            Proceedings of the IEEE 86(11)",
    link: "https://doi.org/10.1109/5.726791",
    preprocessing: "grey, 32x32, mean 0 and deviation 1 over the training data",
    recipe: "lenet5-digits",
    build: lenet5,
};

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
