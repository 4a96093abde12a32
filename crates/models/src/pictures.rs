//! How pictures become a network's input: for a person in a line, for a program in numbers.

use std::fmt;

/// How pictures become a network's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pictures {
    /// In the same way for all data.
    Fixed(Fixed),
    /// In a way that takes its numbers from the training data, as this line says.
    OfTheData(&'static str),
}

/// Color pictures, resized, cropped, and each channel x made (x − minus) / by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fixed {
    /// The size before the crop.
    pub size: Size,
    /// Side of the square that is cut from the middle.
    pub crop: usize,
    /// Whether resizing is bicubic, not bilinear.
    pub bicubic: bool,
    /// What black and white are.
    pub range: Range,
    /// Subtracted from red, green and blue.
    pub minus: [f32; 3],
    /// What red, green and blue are divided by after that.
    pub by: [f32; 3],
}

/// A size to resize to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// The shorter side to so many pixels.
    Shorter(usize),
    /// Both sides to so many pixels, whatever the aspect ratio.
    Square(usize),
}

/// What black and white are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// 0 and 1.
    Unit,
    /// −1 and 1.
    Symmetric,
    /// 0 and 255.
    Bytes,
}

impl Range {
    /// Black and white.
    pub fn ends(self) -> [f32; 2] {
        match self {
            Range::Unit => [0.0, 1.0],
            Range::Symmetric => [-1.0, 1.0],
            Range::Bytes => [0.0, 255.0],
        }
    }
}

impl Fixed {
    /// TensorFlow's: of −1 to 1, bilinear.
    pub(crate) const fn symmetric(size: Size, crop: usize) -> Fixed {
        Fixed { size, crop, bicubic: false, range: Range::Symmetric, minus: [0.0; 3], by: [1.0; 3] }
    }

    /// Caffe's: of 0 to 255, less the mean of the training pictures' colors.
    pub(crate) const fn caffe(size: Size) -> Fixed {
        let (minus, by) = ([123.0, 117.0, 104.0], [1.0; 3]);
        Fixed { size, crop: 224, bicubic: false, range: Range::Bytes, minus, by }
    }
}

impl fmt::Display for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Pictures::Fixed(fixed) => fixed.fmt(f),
            Pictures::OfTheData(line) => f.write_str(line),
        }
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ([black, white], crop) = (self.range.ends(), self.crop);
        write!(f, "RGB from {black} to {white}, ")?;
        match self.size {
            Size::Shorter(side) => write!(f, "shorter side {side}, center {crop}x{crop}")?,
            Size::Square(side) if side == crop => write!(f, "{side}x{side} without a crop")?,
            Size::Square(side) => write!(f, "{side}x{side}, center {crop}x{crop}")?,
        }
        for (word, channels, nothing) in [("minus", self.minus, 0.0), ("by", self.by, 1.0)] {
            match channels {
                _ if channels == [nothing; 3] => {}
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
    fn the_line_says_every_number() {
        for (name, line) in [
            ("googlenet", "RGB from -1 to 1, shorter side 256, center 224x224"),
            ("nin", "RGB from 0 to 255, shorter side 256, center 224x224, minus (123, 117, 104)"),
            ("googlenet-2014", "RGB from 0 to 255, 256x256, center 224x224, minus (123, 117, 104)"),
            ("resnet50-v1", "RGB from 0 to 255, shorter side 256, center 224x224, minus (123, 117, 104)"),
            ("resnet101-v1", "RGB from 0 to 255, shorter side 256, center 224x224, minus (123, 117, 104)"),
            ("resnet152-v1", "RGB from 0 to 255, shorter side 256, center 224x224, minus (123, 117, 104)"),
            (
                "vgg16-c",
                "RGB from 0 to 255, shorter side 256, center 224x224, minus (123.68, 116.779, 103.939)",
            ),
            (
                "vgg11-lrn",
                "RGB from 0 to 255, shorter side 256, center 224x224, minus (123.68, 116.779, 103.939)",
            ),
            ("efficientnet-lite0", "RGB from 0 to 255, 224x224 without a crop, minus 127, by 128"),
            (
                "resnet50",
                "RGB from 0 to 1, shorter side 256, center 224x224, minus (0.485, 0.456, 0.406), by (0.229, \
                 0.224, 0.225)",
            ),
        ] {
            assert_eq!(find(name).unwrap().preprocessing.to_string(), line, "{name}");
        }
    }
}
