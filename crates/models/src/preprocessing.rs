//! The preprocessing that published weights expect.

use std::fmt;

use striate_tensor::preprocessing::{Filter, Preprocessing, Step};

/// The preprocessing of a network's images.
#[derive(Debug, Clone, Copy)]
pub enum ImagePreprocessing {
    /// With constants that do not depend on the data.
    Fixed(fn() -> Preprocessing),
    /// With constants computed from the training data, as this line describes.
    FromData(&'static str),
}

impl ImagePreprocessing {
    /// Returns the preprocessing with which the published weights were trained; `None` if its constants come from the
    /// training data.
    pub fn fixed(&self) -> Option<Preprocessing> {
        match self {
            ImagePreprocessing::Fixed(form) => Some(form()),
            ImagePreprocessing::FromData(_) => None,
        }
    }
}

impl fmt::Display for ImagePreprocessing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ImagePreprocessing::Fixed(form) => form().fmt(f),
            ImagePreprocessing::FromData(line) => f.write_str(line),
        }
    }
}

/// The shorter side is resized to `size`, the aspect ratio kept, and a square cropped from the center.
pub(crate) fn shorter_side(size: usize, crop: usize, filter: Filter) -> Vec<Step> {
    vec![Step::ResizeShorter { size, filter }, Step::CenterCrop { height: crop, width: crop }]
}

/// Both sides are resized to `side`, ignoring the aspect ratio, and a square is cropped from the center.
pub(crate) fn both_sides(side: usize, crop: usize, filter: Filter) -> Vec<Step> {
    let resize = Step::Resize { height: side, width: side, filter };
    vec![resize, Step::CenterCrop { height: crop, width: crop }]
}

/// RGB images with values in [0, 1], minus `mean`, divided by `std`.
fn normalized(steps: Vec<Step>, mean: [f32; 3], std: [f32; 3]) -> Preprocessing {
    Preprocessing { channels: 3, steps, mean: mean.to_vec(), std: std.to_vec(), features: None }
}

/// RGB images with values in [0, 255], minus `mean`, divided by `std`.
pub(crate) fn bytes(steps: Vec<Step>, mean: [f32; 3], std: [f32; 3]) -> Preprocessing {
    normalized(steps, mean.map(|mean| mean / 255.0), std.map(|std| std / 255.0))
}

/// TensorFlow's preprocessing: values in [−1, 1].
pub(crate) fn symmetric(steps: Vec<Step>) -> Preprocessing {
    normalized(steps, [0.5; 3], [0.5; 3])
}

/// Caffe's preprocessing: values in [0, 255] minus the mean color of the training images.
pub(crate) fn caffe(steps: Vec<Step>) -> Preprocessing {
    bytes(steps, [123.0, 117.0, 104.0], [1.0; 3])
}

/// The preprocessing of torchvision's ImageNet weights.
pub(crate) const IMAGENET: ImagePreprocessing = ImagePreprocessing::Fixed(|| {
    normalized(shorter_side(256, 224, Filter::Bilinear), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
});

/// Caffe's preprocessing with the shorter side resized to 256.
pub(crate) const CAFFE: ImagePreprocessing =
    ImagePreprocessing::Fixed(|| caffe(shorter_side(256, 224, Filter::Bilinear)));

#[cfg(test)]
mod tests {
    use crate::find;

    #[test]
    fn line_states_every_number() {
        for (name, line) in [
            ("googlenet", "RGB in [-1, 1], shorter side resized to 256 (bilinear), center crop 224x224"),
            (
                "nin",
                "RGB in [0, 255], shorter side resized to 256 (bilinear), center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "googlenet-2014",
                "RGB in [0, 255], resized to 256x256 (bilinear), center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "resnet50-v1",
                "RGB in [0, 255], shorter side resized to 256 (bilinear), center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "resnet101-v1",
                "RGB in [0, 255], shorter side resized to 256 (bilinear), center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "resnet152-v1",
                "RGB in [0, 255], shorter side resized to 256 (bilinear), center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "vgg16-c",
                "RGB in [0, 255], shorter side resized to 256 (bilinear), center crop 224x224, mean (123.68, 116.779, 103.939)",
            ),
            (
                "vgg11-lrn",
                "RGB in [0, 255], shorter side resized to 256 (bilinear), center crop 224x224, mean (123.68, 116.779, 103.939)",
            ),
            ("efficientnet-lite0", "RGB in [0, 255], resized to 224x224 (bicubic), mean 127, std 128"),
            (
                "resnet50",
                "RGB in [0, 1], shorter side resized to 256 (bilinear), center crop 224x224, mean (0.485, 0.456, 0.406), std (0.229, \
                 0.224, 0.225)",
            ),
        ] {
            assert_eq!(find(name).unwrap().preprocessing.to_string(), line, "{name}");
        }
    }
}
