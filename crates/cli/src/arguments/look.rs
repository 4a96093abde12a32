//! The flags of `look`.

use std::path::PathBuf;

use clap::Args;

use super::{Compute, data_sets};
use crate::reading::{Cache, Images};

#[derive(Debug, Args)]
#[command(after_help = concat!(
    "\
For an image, it draws into the folder of --out:
  seen         the image as the network sees it
  grad-cam     where a layer's maps speak for the class (Selvaraju et al. 2017)
  saliency     pixels that change its score most (Simonyan et al. 2014)
  occlusion    drop of its probability where a gray square covers the image
               (Zeiler and Fergus 2014)
  overview     these side by side
  shifts       the probability if the image moves, up to the distance --shifts
               (Fukushima 1980)
  features-1   what layers compute from the image: their maps
  kernels      the first layer's weights, if it reads the image itself
The maps are also written as arrays (.npy). With --data, it draws the patches
of a data set's images that excite the units of a layer most (patches).

",
    data_sets!(),
    "

Examples:
  striate look runs/lenet5-digits-1/last.safetensors seven.png
  striate look model.safetensors photo.jpg --class \"tabby cat\" --layer conv5
  striate look model.safetensors seven.png --shifts 4
  striate look model.safetensors --data FOLDER --layer conv2 --unit 7"
))]
pub struct Look {
    /// Model file, ONNX file, or weights with --model
    pub model: PathBuf,
    /// Image to explain
    #[arg(required_unless_present = "data")]
    pub image: Option<PathBuf>,
    /// New or empty folder [default: look-IMAGE]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Layer to explain [default: the last convolution]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// Class, or its number [default: the best guess]
    #[arg(long, value_name = "NAME", requires = "image")]
    pub class: Option<String>,
    /// Also move the image by up to N pixels of the input
    #[arg(long, value_name = "N", requires = "image")]
    pub shifts: Option<usize>,
    /// Data set to search for patches (see below)
    #[arg(long, value_name = "SPEC", requires = "layer")]
    pub data: Option<String>,
    /// Unit of the layer [default: the 16 most excited]
    #[arg(long, value_name = "N", requires = "data")]
    pub unit: Option<usize>,
    #[command(flatten)]
    pub cache: Cache,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub compute: Compute,
}
