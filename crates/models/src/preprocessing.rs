//! The preprocessing that published weights expect: in numbers, and as one line of text.

use std::fmt;

/// The preprocessing of a network's images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ImagePreprocessing {
    /// With constants that do not depend on the data.
    Fixed(FixedPreprocessing),
    /// With constants computed from the training data, as this line describes.
    FromData(&'static str),
}

/// RGB images are resized and center-cropped; each channel x becomes (x − mean) / std.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedPreprocessing {
    /// How images are resized before the crop.
    pub resize: Resize,
    /// Side of the square center crop.
    pub crop: usize,
    /// Whether resizing is bicubic rather than bilinear.
    pub bicubic: bool,
    /// Range of pixel values before normalization.
    pub range: PixelRange,
    /// Mean of red, green and blue, which is subtracted.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue, which is the divisor.
    pub std: [f32; 3],
}

/// How images are resized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resize {
    /// The shorter side becomes this many pixels; the aspect ratio is kept.
    ShorterSide(usize),
    /// Both sides become this many pixels, ignoring the aspect ratio.
    BothSides(usize),
}

/// The values of black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelRange {
    /// 0 and 1.
    Unit,
    /// −1 and 1.
    Symmetric,
    /// 0 and 255.
    Bytes,
}

impl PixelRange {
    /// Returns the values of black and white.
    pub fn ends(self) -> [f32; 2] {
        match self {
            PixelRange::Unit => [0.0, 1.0],
            PixelRange::Symmetric => [-1.0, 1.0],
            PixelRange::Bytes => [0.0, 255.0],
        }
    }
}

impl FixedPreprocessing {
    /// TensorFlow's preprocessing: values in [−1, 1], bilinear.
    pub(crate) const fn symmetric(resize: Resize, crop: usize) -> FixedPreprocessing {
        FixedPreprocessing {
            resize,
            crop,
            bicubic: false,
            range: PixelRange::Symmetric,
            mean: [0.0; 3],
            std: [1.0; 3],
        }
    }

    /// Caffe's preprocessing: values in [0, 255] minus the mean color of the training images.
    pub(crate) const fn caffe(resize: Resize) -> FixedPreprocessing {
        let (mean, std) = ([123.0, 117.0, 104.0], [1.0; 3]);
        FixedPreprocessing { resize, crop: 224, bicubic: false, range: PixelRange::Bytes, mean, std }
    }
}

impl fmt::Display for ImagePreprocessing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ImagePreprocessing::Fixed(fixed) => fixed.fmt(f),
            ImagePreprocessing::FromData(line) => f.write_str(line),
        }
    }
}

impl fmt::Display for FixedPreprocessing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ([black, white], crop) = (self.range.ends(), self.crop);
        write!(f, "RGB in [{black}, {white}], ")?;
        match self.resize {
            Resize::ShorterSide(side) => {
                write!(f, "shorter side resized to {side}, center crop {crop}x{crop}")?
            }
            Resize::BothSides(side) if side == crop => write!(f, "resized to {side}x{side}")?,
            Resize::BothSides(side) => write!(f, "resized to {side}x{side}, center crop {crop}x{crop}")?,
        }
        for (word, channels, neutral) in [("mean", self.mean, 0.0), ("std", self.std, 1.0)] {
            match channels {
                _ if channels == [neutral; 3] => {}
                [red, green, blue] if red == green && green == blue => write!(f, ", {word} {red}")?,
                [red, green, blue] => write!(f, ", {word} ({red}, {green}, {blue})")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::find;

    #[test]
    fn line_states_every_number() {
        for (name, line) in [
            ("googlenet", "RGB in [-1, 1], shorter side resized to 256, center crop 224x224"),
            (
                "nin",
                "RGB in [0, 255], shorter side resized to 256, center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "googlenet-2014",
                "RGB in [0, 255], resized to 256x256, center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "resnet50-v1",
                "RGB in [0, 255], shorter side resized to 256, center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "resnet101-v1",
                "RGB in [0, 255], shorter side resized to 256, center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "resnet152-v1",
                "RGB in [0, 255], shorter side resized to 256, center crop 224x224, mean (123, 117, 104)",
            ),
            (
                "vgg16-c",
                "RGB in [0, 255], shorter side resized to 256, center crop 224x224, mean (123.68, 116.779, 103.939)",
            ),
            (
                "vgg11-lrn",
                "RGB in [0, 255], shorter side resized to 256, center crop 224x224, mean (123.68, 116.779, 103.939)",
            ),
            ("efficientnet-lite0", "RGB in [0, 255], resized to 224x224, mean 127, std 128"),
            (
                "resnet50",
                "RGB in [0, 1], shorter side resized to 256, center crop 224x224, mean (0.485, 0.456, 0.406), std (0.229, \
                 0.224, 0.225)",
            ),
        ] {
            assert_eq!(find(name).unwrap().preprocessing.to_string(), line, "{name}");
        }
    }
}
