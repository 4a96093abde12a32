//! Resizing to a fixed and to a random size.

use serde::{Deserialize, Serialize};
use striate_tensor::Result;
use striate_tensor::random::Random;

use super::Operation;
use super::parameters::{LARGEST_SIDE, MOST_PIXELS, Size, require};
use crate::resize::by_shorter_side;
use crate::{Filter, Image, resize};

/// Resizes to a fixed size; torchvision's `Resize`, with the same bytes as for Pillow's images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// `[height, width]`, or the length of the shorter side, which keeps the aspect ratio.
    pub size: Size,
    /// The filter, which is stretched where the image shrinks to prevent aliasing.
    #[serde(default = "bilinear")]
    pub interpolation: Filter,
}

pub(super) fn bilinear() -> Filter {
    Filter::Bilinear
}

impl Operation for Resize {
    fn check(&self) -> Result<()> {
        self.size.check("Resize")
    }

    fn apply(&self, image: Image, _: &mut Random) -> Result<Image> {
        let (width, height) = match self.size {
            Size::Side(size) => by_shorter_side(image.width(), image.height(), size, MOST_PIXELS),
            Size::Sides([height, width]) => (width, height),
        };
        Ok(resized(image, width, height, self.interpolation))
    }

    fn output_size(&self, input: Option<[usize; 2]>) -> Option<[usize; 2]> {
        match self.size {
            Size::Side(size) => input.map(|[height, width]| {
                let (width, height) = by_shorter_side(width, height, size, MOST_PIXELS);
                [height, width]
            }),
            Size::Sides(sides) => Some(sides),
        }
    }
}

/// Resizes the shorter side to a random length, and keeps the aspect ratio: the scale jitter of Simonyan and Zisserman,
/// "Very deep convolutional networks for large-scale image recognition", ICLR 2015, section 3.1, where the length is
/// from 256 to 512; torchvision's `RandomResize`. A random crop follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomResize {
    /// Smallest length of the shorter side, in pixels.
    pub min_size: usize,
    /// Largest length, which is drawn as often as any other.
    pub max_size: usize,
    /// The filter.
    #[serde(default = "bilinear")]
    pub interpolation: Filter,
}

impl RandomResize {
    /// Draws the length of the shorter side.
    pub fn draw(&self, random: &mut Random) -> usize {
        self.min_size + random.below(self.max_size - self.min_size + 1)
    }
}

impl Operation for RandomResize {
    fn check(&self) -> Result<()> {
        let (least, most) = (self.min_size, self.max_size);
        require((1..=LARGEST_SIDE).contains(&least), "RandomResize", "min_size must be from 1 to 16384")?;
        let holds = (least..=LARGEST_SIDE).contains(&most) && most * most <= MOST_PIXELS;
        require(holds, "RandomResize", "max_size must be from min_size to 8192")
    }

    fn apply(&self, image: Image, random: &mut Random) -> Result<Image> {
        let size = self.draw(random);
        let (width, height) = by_shorter_side(image.width(), image.height(), size, MOST_PIXELS);
        Ok(resized(image, width, height, self.interpolation))
    }

    fn output_size(&self, _: Option<[usize; 2]>) -> Option<[usize; 2]> {
        None
    }
}

/// Resizes; an image of that size is not copied.
fn resized(image: Image, width: usize, height: usize, filter: Filter) -> Image {
    if (width, height) == (image.width(), image.height()) {
        return image;
    }
    resize(&image, width, height, filter)
}
