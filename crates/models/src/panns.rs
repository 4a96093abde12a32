//! CNN6 of the PANNs for spectrograms: Kong, Cao, Iqbal, Wang, Wang and Plumbley, "PANNs: Large-scale pretrained audio
//! neural networks for audio pattern recognition", IEEE/ACM Transactions on Audio, Speech, and Language Processing 28,
//! 2020, table 1. Layers are named as in the authors' code.
//!
//! The input is 64 mel bands × frames. Four 5×5 convolutions of 64, 128, 256 and 512 channels, each with batch norm
//! and ReLU, the first three followed by 2×2 average pooling; then global pooling and two linear layers. Two things
//! differ from the authors' code: it has a batch norm over mel bands, whose 128 parameters make it 4,837,455, where the
//! encoding of sounds has one mean and deviation here; and its global pooling adds the maximum over time to the mean.

use striate_graph::{Builder, Init, Network};
use striate_tensor::Result;

use crate::{ImagePreprocessing, Model};

/// Share of the values that dropout removes after a convolution, and before a linear layer.
const DROPOUT: [f32; 2] = [0.2, 0.5];

const PANNS: Model = Model {
    year: 2020,
    paper: "Kong, Cao, Iqbal, Wang, Wang and Plumbley: PANNs, large-scale pretrained audio neural networks for audio \
            pattern recognition, IEEE/ACM TASLP 28",
    link: "https://arxiv.org/abs/1912.10211",
    preprocessing: ImagePreprocessing::FromData("sound, log-mel spectrogram of 64 bands"),
    recipe: "batch-norm",
    ..Model::TEMPLATE
};

pub(crate) const CNN6: Model = Model { name: "panns-cnn6", build: || cnn6("panns-cnn6", 64), ..PANNS };

/// A quarter of the channels, for small data sets.
pub(crate) const CNN6_QUARTER: Model =
    Model { name: "panns-cnn6-quarter", build: || cnn6("panns-cnn6-quarter", 16), ..PANNS };

fn cnn6(name: &str, width: usize) -> Result<Network> {
    let net = Builder::new(name, [1, 64, 101]).init(Init::Xavier { gain: 1.0 });
    let mut x = net.input();
    for (block, channels) in [width, 2 * width, 4 * width, 8 * width].into_iter().enumerate() {
        let part = |part: &str| format!("conv_block{}.{part}", block + 1);
        x = x.conv(channels, 5).pad(2).no_bias().named(part("conv1")).batch_norm().named(part("bn1")).relu();
        if block < 3 {
            x = x.average_pool(2, 2).named(part("pool"));
        }
        x = x.dropout(DROPOUT[0]);
    }
    let x = x.global_average_pool().named("pool").flatten().dropout(DROPOUT[1]);
    let x = x.linear(8 * width).named("fc1").relu().dropout(DROPOUT[1]);
    x.linear(527).named("fc_audioset").finish()
}
