//! What came before learned features: hand-made ones, and linear support vector machines.
//!
//! The features take the place of the pixels in preprocessing, as the recipe of a network states them.

use striate_graph::{Builder, Network};
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
