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
//!
//! `char-cnn-short` is for a few thousand sentences, from which the linear layers would learn too little: the same
//! convolutions with half of the features, each with batch norm, on 204 characters; then the mean of each feature over
//! the sentence, dropout and one linear layer.

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
    recipe: "no-batch-norm",
    build: char_cnn,
    ..TEXTS
};

pub(crate) const CHAR_CNN_SHORT: Model = Model {
    name: "char-cnn-short",
    preprocessing: ImagePreprocessing::FromData("text, 204 characters"),
    recipe: "texts",
    build: char_cnn_short,
    ..TEXTS
};

/// Kernel size of each convolution.
const KERNELS: [usize; 6] = [7, 7, 3, 3, 3, 3];

fn char_cnn() -> Result<Network> {
    let net = Builder::new("char-cnn", [ALPHABET, 1014]).init(Init::Normal { deviation: 0.05 });
    let mut x = net.input();
    for (number, kernel) in (1..).zip(KERNELS) {
        x = x.conv(256, kernel).named(format!("conv{number}")).relu();
        if [1, 2, 6].contains(&number) {
            x = x.max_pool(3, 3);
        }
    }
    x = x.flatten();
    for number in 1..=2 {
        x = x.linear(1024).named(format!("fc{number}")).relu().dropout(0.5);
    }
    x.linear(CLASSES).named("fc3").finish()
}

fn char_cnn_short() -> Result<Network> {
    let net = Builder::new("char-cnn-short", [ALPHABET, 204]).init(Init::He);
    let mut x = net.input();
    for (number, kernel) in (1..).zip(KERNELS) {
        x = x.conv(128, kernel).no_bias().named(format!("conv{number}"));
        x = x.batch_norm().named(format!("bn{number}")).relu();
        if number <= 2 {
            x = x.max_pool(3, 3);
        }
    }
    x.global_average_pool().flatten().dropout(0.5).linear(CLASSES).named("fc").finish()
}
