//! The parts of a preprocessing that protocols replace: how an image is resized, and what is cut out.

use striate_tensor::{Error, Result};
use striate_vision::{Filter, Image, Preprocessing, Step, preprocess};

/// A preprocessing that resizes an image and cuts out a square.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Framing {
    /// Number of channels.
    channels: usize,
    /// Resizes an image for crops of one scale.
    resize: Step,
    filter: Filter,
    /// Steps after the crop, which act on each pixel alone.
    after: Vec<Step>,
    /// The side of the crop: that of the network's input.
    pub side: usize,
    /// The shorter side of the resized image.
    pub scale: usize,
}

impl Framing {
    /// Takes `form` apart. An image that it does not resize larger than the crop is resized to 8/7 of the crop, as 256
    /// is of 224 in the papers.
    ///
    /// # Errors
    /// If it does more than resize, crop a square and exchange colors.
    pub fn of(form: &Preprocessing) -> Result<Framing> {
        let refuse = || {
            let steps = form.step_words().join(", ");
            Err(Error::input(format!(
                "protocols with several views need preprocessing that resizes images and crops a square, but this \
                 model's is: {steps}; use --protocol center, or --preprocessing FILE.json"
            )))
        };
        let mut steps: Vec<Step> = form.steps.clone();
        let is_color = |step: &Step| matches!(step, Step::SwapRedBlue);
        let after: Vec<Step> = steps.iter().filter(|step| is_color(step)).cloned().collect();
        steps.retain(|step| !is_color(step));
        let (resize, crop) = match &steps[..] {
            [
                resize @ (Step::Resize { .. } | Step::ResizeShorter { .. }),
                Step::CenterCrop { height, width },
            ] => (resize.clone(), [*height, *width]),
            [resize @ Step::Resize { height, width, .. }] => (resize.clone(), [*height, *width]),
            _ => return refuse(),
        };
        let (filter, least) = match resize {
            Step::Resize { height, width, filter } => (filter, height.min(width)),
            Step::ResizeShorter { size, filter } => (filter, size),
            _ => return refuse(),
        };
        let [side, width] = crop;
        if side != width {
            return refuse();
        }
        let (resize, scale) = match least > side {
            true => (resize, least),
            false => {
                let size = (side * 8 + 3) / 7;
                (Step::ResizeShorter { size, filter }, size)
            }
        };
        Ok(Framing { channels: form.channels, resize, filter, after, side, scale })
    }

    /// The image resized for crops of one scale.
    pub fn resized(&self, image: &Image) -> Image {
        self.apply(image, self.resize.clone())
    }

    /// The whole image with a shorter side of `scale` pixels.
    pub fn scaled(&self, image: &Image, scale: usize) -> Image {
        self.apply(image, Step::ResizeShorter { size: scale, filter: self.filter })
    }

    /// The image resized to the side of the crop, whatever its aspect ratio.
    pub fn squeezed(&self, image: &Image) -> Image {
        let (height, width) = (self.side, self.side);
        self.apply(image, Step::Resize { height, width, filter: self.filter })
    }

    /// The image after the steps that follow the crop.
    pub fn finished(&self, image: &Image) -> Image {
        preprocess(&self.with(self.after.clone()), image)
    }

    fn apply(&self, image: &Image, step: Step) -> Image {
        preprocess(&self.with(vec![step]), image)
    }

    fn with(&self, steps: Vec<Step>) -> Preprocessing {
        Preprocessing { channels: self.channels, steps, mean: Vec::new(), std: Vec::new(), features: None }
    }

    /// A side of the papers, whose networks take 224×224 pixels, in proportion for this network.
    pub fn in_proportion(&self, side: usize) -> usize {
        (side * self.side + 112) / 224
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(steps: Vec<Step>) -> Result<Framing> {
        Framing::of(&Preprocessing {
            channels: 3,
            steps,
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
            features: None,
        })
    }

    #[test]
    fn preprocessing_is_taken_apart() {
        let filter = Filter::Bicubic;
        let shorter = |size| Step::ResizeShorter { size, filter };
        let both = |side| Step::Resize { height: side, width: side, filter };
        let crop = |side| Step::CenterCrop { height: side, width: side };
        for (steps, side, scale) in [
            (vec![shorter(256), crop(224)], 224, 256),
            (vec![shorter(342), crop(299), Step::SwapRedBlue], 299, 342),
            (vec![both(256), crop(227)], 227, 256),
            (vec![both(227)], 227, 259),
            (vec![both(224), crop(224)], 224, 256),
            (vec![shorter(64), crop(64)], 64, 73),
        ] {
            let found = framing(steps.clone()).unwrap();
            assert_eq!((found.side, found.scale), (side, scale), "{steps:?}");
        }
        let wide = Step::Resize { height: 32, width: 64, filter };
        for steps in [vec![], vec![wide], vec![shorter(256)], vec![Step::DarkBackground, shorter(9), crop(8)]]
        {
            let error = framing(steps).unwrap_err();
            assert!(error.is_input() && error.to_string().contains("--protocol center"), "{error}");
        }
    }

    #[test]
    fn scales_of_papers_follow_the_input_size() {
        let filter = Filter::Bilinear;
        let found = framing(vec![Step::Resize { height: 299, width: 299, filter }]).unwrap();
        assert_eq!([256, 288, 320, 352].map(|side| found.in_proportion(side)), [342, 384, 427, 470]);
    }
}
