//! What came before learned features: hand-made ones, and linear support vector machines.
//!
//! The features take the place of the pixels in preprocessing, as the recipe of a network states them.

use striate_graph::ops::{Clip, ReduceMean, Unary, UnaryFunction};
use striate_graph::{Builder, Network, concat};
use striate_tensor::Result;

use crate::{ImagePreprocessing, Model};

/// Histograms of oriented gradients and support vector machines, one class against the rest. The paper's are for
/// windows of 64×128 pixels, with cells of 8×8; these are for small images, with cells of 4×4 and blocks of 2×2.
pub(crate) const HOG_SVM: Model = Model {
    name: "hog-svm",
    year: 2005,
    paper: "Dalal and Triggs: Histograms of oriented gradients for human detection, CVPR 2005",
    link: "https://doi.org/10.1109/CVPR.2005.177",
    preprocessing: ImagePreprocessing::FromData(
        "gray, 32x32, histograms of 9 oriented gradients in cells of 4x4 pixels and blocks of 2x2 cells",
    ),
    recipe: "hog-svm",
    build: hog_svm,
};

fn hog_svm() -> Result<Network> {
    let net = Builder::new("hog-svm", [36, 7, 7]);
    let x = net.input();
    x.flatten().linear(10).named("svm").finish()
}

/// A bag of visual words in a spatial pyramid, and support vector machines, one class against the rest. The words are
/// found by k-means; as in van Gemert et al., "Kernel codebooks for scene categorization", ECCV 2008, each descriptor
/// is shared among near words instead of given to the nearest one. The square roots of the shares have norm 1.
pub(crate) const SIFT_SVM: Model = Model {
    name: "sift-svm",
    year: 2006,
    paper: "Lazebnik, Schmid and Ponce: Beyond bags of features: spatial pyramid matching for recognizing natural scene \
            categories, CVPR 2006",
    link: "https://doi.org/10.1109/CVPR.2006.68",
    preprocessing: ImagePreprocessing::FromData(
        "gray, 32x32, RootSIFT descriptors of 16 pixels every 4 pixels",
    ),
    recipe: "sift-svm",
    build: sift_svm,
};

/// Visual words.
const WORDS: usize = 200;
/// The share of a word falls by a factor of e with every 1 / 20 of the squared distance.
const SHARPNESS: f32 = 40.0;
/// Largest magnitude of an exponent. Those of descriptors of norm 1 and their means are at most 20.
const LARGEST: f32 = 30.0;
/// Cells of the pyramid: the whole image, its quarters and their quarters.
const CELLS: usize = 1 + 4 + 16;

fn sift_svm() -> Result<Network> {
    let net = Builder::new("sift-svm", [128, 8, 8]);
    let x = net.input().conv(WORDS, 1).named("words");
    // The shares of the words in each place, times their number: a softmax over channels.
    let x = x.multiply_by(SHARPNESS).then(Clip { min: -LARGEST, max: LARGEST });
    let x = x.then(Unary { function: UnaryFunction::Exp });
    let x = x / x.then(ReduceMean { axes: vec![1] });
    let cells = [x.global_average_pool(), x.average_pool(4, 4), x.average_pool(2, 2)];
    let x = concat(cells.map(|level| level.flatten()));
    let x = x.multiply_by(1.0 / (WORDS * CELLS) as f32).then(Unary { function: UnaryFunction::Sqrt });
    x.linear(10).named("svm").finish()
}
