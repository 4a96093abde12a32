//! VGG: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
//! ICLR 2015; its table 1. Layers are named as in torchvision.

use striate_graph::{Builder, Init, Network};
use striate_tensor::Result;
use striate_tensor::preprocessing::Filter;

use crate::preprocessing::{IMAGENET, bytes, shorter_side};
use crate::{ImagePreprocessing, Model};

/// Kernel sizes of the five stages of 64, 128, 256, 512 and 512 channels; each ends with a 2×2 max pool.
type Stages = [&'static [usize]; 5];

const A: Stages = [&[3], &[3], &[3, 3], &[3, 3], &[3, 3]];
const B: Stages = [&[3, 3], &[3, 3], &[3, 3], &[3, 3], &[3, 3]];
const C: Stages = [&[3, 3], &[3, 3], &[3, 3, 1], &[3, 3, 1], &[3, 3, 1]];
const D: Stages = [&[3, 3], &[3, 3], &[3, 3, 3], &[3, 3, 3], &[3, 3, 3]];
const E: Stages = [&[3, 3], &[3, 3], &[3, 3, 3, 3], &[3, 3, 3, 3], &[3, 3, 3, 3]];

/// The normalization, if any.
#[derive(Clone, Copy, PartialEq)]
enum Norm {
    None,
    /// Batch norm after each convolution.
    Batch,
    /// Local response normalization after the ReLU of the first stage.
    LocalResponse,
}

const VGG: Model = Model {
    year: 2014,
    paper: "Simonyan and Zisserman: Very deep convolutional networks for large-scale image recognition, \
            ICLR 2015",
    link: "https://arxiv.org/abs/1409.1556",
    preprocessing: IMAGENET,
    recipe: "no-batch-norm",
    ..Model::TEMPLATE
};

/// Configurations that torchvision lacks, with the authors' preprocessing: only the mean color of the training
/// images is subtracted (section 2.1); its value is that of their Caffe models.
const PAPER: Model = Model {
    preprocessing: ImagePreprocessing::Fixed(|| {
        bytes(shorter_side(256, 224, Filter::Bilinear), [123.68, 116.779, 103.939], [1.0; 3])
    }),
    ..VGG
};

pub(crate) const VGG11: Model = Model { name: "vgg11", build: || vgg("vgg11", A, Norm::None), ..VGG };
pub(crate) const VGG13: Model = Model { name: "vgg13", build: || vgg("vgg13", B, Norm::None), ..VGG };
pub(crate) const VGG16_C: Model = Model { name: "vgg16-c", build: || vgg("vgg16-c", C, Norm::None), ..PAPER };
pub(crate) const VGG16: Model = Model { name: "vgg16", build: || vgg("vgg16", D, Norm::None), ..VGG };
pub(crate) const VGG19: Model = Model { name: "vgg19", build: || vgg("vgg19", E, Norm::None), ..VGG };

/// Configuration A-LRN: one local response normalization, with AlexNet's constants. It did not help.
pub(crate) const VGG11_LRN: Model =
    Model { name: "vgg11-lrn", build: || vgg("vgg11-lrn", A, Norm::LocalResponse), ..PAPER };

/// With batch norm, as in torchvision; batch norm appeared a year after the paper.
pub(crate) const VGG11_BN: Model =
    Model { name: "vgg11-bn", build: || vgg("vgg11-bn", A, Norm::Batch), recipe: "batch-norm", ..VGG };
pub(crate) const VGG13_BN: Model =
    Model { name: "vgg13-bn", build: || vgg("vgg13-bn", B, Norm::Batch), recipe: "batch-norm", ..VGG };
pub(crate) const VGG16_BN: Model =
    Model { name: "vgg16-bn", build: || vgg("vgg16-bn", D, Norm::Batch), recipe: "batch-norm", ..VGG };
pub(crate) const VGG19_BN: Model =
    Model { name: "vgg19-bn", build: || vgg("vgg19-bn", E, Norm::Batch), recipe: "batch-norm", ..VGG };

fn vgg(name: &str, stages: Stages, norm: Norm) -> Result<Network> {
    let net = Builder::new(name, [3, 224, 224]).init(Init::Kaiming);
    let mut count = 0..;
    let mut feature = || format!("features.{}", count.next().expect("the range has no end"));
    let mut x = net.input();
    for (channels, kernels) in [64, 128, 256, 512, 512].into_iter().zip(stages) {
        for kernel in kernels {
            x = x.conv(channels, *kernel).pad(kernel / 2).named(feature());
            if norm == Norm::Batch {
                x = x.batch_norm().named(feature());
            }
            x = x.relu().named(feature());
            if norm == Norm::LocalResponse && channels == 64 {
                x = x.lrn(5, 5e-4, 0.75, 2.0).named("lrn");
            }
        }
        x = x.max_pool(2, 2).named(feature());
    }
    let x = x.flatten();
    let x = x.linear(4096).named("classifier.0").relu().named("classifier.1");
    let x = x.dropout(0.5).named("classifier.2");
    let x = x.linear(4096).named("classifier.3").relu().named("classifier.4");
    let x = x.dropout(0.5).named("classifier.5");
    x.linear(1000).named("classifier.6").finish()
}
