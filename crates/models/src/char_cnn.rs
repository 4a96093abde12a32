//! Networks for texts: Zhang, Zhao and LeCun, "Character-level convolutional networks for text classification", NIPS
//! 2015, tables 1 and 2, the small network.
//!
//! | layer | kernel, pooling | output for 1014 characters |
//! |---|---|---|
//! | convolution, max pooling | 7, 3 | 256 × 336 |
//! | convolution, max pooling | 7, 3 | 256 × 110 |
//! | convolution | 3 | 256 × 108 |
//! | convolution | 3 | 256 × 106 |
//! | convolution | 3 | 256 × 104 |
//! | convolution, max pooling | 3, 3 | 256 × 34 |
//! | linear, dropout | | 1024 |
//! | linear, dropout | | 1024 |
//! | linear | | 14, the classes of DBpedia |
//!
//! Every layer but the last is followed by ReLU. The input has a plane for each of the 70 characters of the paper's
//! alphabet; it gets as many as the alphabet of the data.

use striate_graph::{Builder, Init, Network};
use striate_tensor::Result;

use crate::{ImagePreprocessing, Model};

/// Planes of the input, for the paper's alphabet.
const ALPHABET: usize = 70;
/// Classes of DBpedia, one of the paper's data sets.
const CLASSES: usize = 14;

const TEXTS: Model = Model {
    year: 2015,
    paper: "Zhang, Zhao and LeCun: Character-level convolutional networks for text classification, NIPS 2015",
    link: "https://arxiv.org/abs/1509.01626",
    ..Model::TEMPLATE
};

pub(crate) const CHAR_CNN: Model = Model {
    name: "char-cnn",
    preprocessing: ImagePreprocessing::FromData("text, 1014 characters"),
    recipe: "texts",
    build: || char_cnn("char-cnn", 1014, 256, 1024, Init::Normal { deviation: 0.05 }),
    ..TEXTS
};

/// For sentences: a fifth of the length, half of the features, a quarter of the linear units, and He's initialization.
pub(crate) const CHAR_CNN_SHORT: Model = Model {
    name: "char-cnn-short",
    preprocessing: ImagePreprocessing::FromData("text, 204 characters"),
    recipe: "texts",
    build: || char_cnn("char-cnn-short", 204, 128, 256, Init::He),
    ..TEXTS
};

fn char_cnn(name: &str, length: usize, features: usize, units: usize, init: Init) -> Result<Network> {
    let net = Builder::new(name, [ALPHABET, length]).init(init);
    let mut x = net.input();
    for (number, (kernel, is_pooled)) in
        [(7, true), (7, true), (3, false), (3, false), (3, false), (3, true)].into_iter().enumerate()
    {
        x = x.conv(features, kernel).named(format!("conv{}", number + 1)).relu();
        if is_pooled {
            x = x.max_pool(3, 3);
        }
    }
    x = x.flatten();
    for number in 1..=2 {
        x = x.linear(units).named(format!("fc{number}")).relu().dropout(0.5);
    }
    x.linear(CLASSES).named("fc3").finish()
}
