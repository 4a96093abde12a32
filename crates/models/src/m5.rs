//! M5: Dai, Dai, Qu, Li and Das, "Very deep convolutional neural networks for raw waveforms", ICASSP 2017, table 1.
//!
//! | layer | kernel, stride | output for 4 s at 8,000 Hz |
//! |---|---|---|
//! | convolution | 80, 4 | 128 × 8000 |
//! | max pooling | 4, 4 | 128 × 2000 |
//! | convolution, max pooling | 3, 1; 4, 4 | 128 × 500 |
//! | convolution, max pooling | 3, 1; 4, 4 | 256 × 125 |
//! | convolution, max pooling | 3, 1; 4, 4 | 512 × 32 |
//! | global average pooling, softmax | | 10 |
//!
//! Every convolution is followed by batch norm and ReLU. Convolutions are padded so that the outputs are those of the
//! table. The layers are named as in PyTorch's tutorial on M5, which has fewer channels.

use striate_graph::{Builder, Init, Network};
use striate_tensor::Result;

use crate::{ImagePreprocessing, Model};

pub(crate) const M5: Model = Model {
    name: "m5",
    year: 2016,
    paper: "Dai, Dai, Qu, Li and Das: Very deep convolutional neural networks for raw waveforms, ICASSP 2017",
    link: "https://arxiv.org/abs/1610.00087",
    preprocessing: ImagePreprocessing::FromData("sound, waveform at 8000 Hz"),
    recipe: "batch-norm",
    build: m5,
};

fn m5() -> Result<Network> {
    let net = Builder::new("m5", [1, 32_000]).init(Init::Xavier { gain: 1.0 });
    let x = net.input();
    let x = x.conv(128, 80).stride(4).pad(38).no_bias().named("conv1").batch_norm().named("bn1").relu();
    let mut x = x.max_pool(4, 4).named("pool1");
    for (number, channels) in [(2, 128), (3, 256), (4, 512)] {
        let name = |part: &str| format!("{part}{number}");
        x = x.conv(channels, 3).pad(1).no_bias().named(name("conv")).batch_norm().named(name("bn")).relu();
        x = x.max_pool(4, 4).ceil().named(name("pool"));
    }
    x.global_average_pool().named("avgpool").flatten().linear(10).named("fc1").finish()
}
