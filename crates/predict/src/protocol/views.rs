//! The views of an image that a model classifies under a protocol.

use striate_tensor::{Error, Result};
use striate_vision::{Image, Preprocessing, preprocess};

use super::Protocol;
use super::crops::{five, squares};
use super::framing::Framing;

/// The shorter sides of GoogLeNet's protocol.
const GOOGLENET: [usize; 4] = [256, 288, 320, 352];
/// The shorter sides of ResNet's protocol.
const RESNET: [usize; 5] = [224, 256, 384, 480, 640];
/// How far VGG's scales lie from the scale of training.
const VGG: usize = 32;

/// How a network classifies whole images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// By a mean over the map before the last layers, which accepts any size.
    Pooled,
    /// By fully connected layers, which see windows of the network's input size.
    Windows,
}

/// The views of an image that a model classifies.
#[derive(Debug, Clone, PartialEq)]
pub struct Views {
    kind: Kind,
    mirror: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// The image after this preprocessing.
    Center(Preprocessing),
    TenCrop(Framing),
    Crops144(Framing, Vec<usize>),
    /// The whole image at each of these scales.
    Whole(Framing, Vec<usize>),
}

impl Views {
    /// Returns the views under `protocol` for a model with this preprocessing; with `mirror`, each also as its mirror
    /// image. `whole` is how the model classifies whole images. `jitter` is the range of shorter sides that the model
    /// was trained with, if they were random.
    ///
    /// # Errors
    /// If the preprocessing does not fit the protocol, a scale is smaller than the network's input, or the protocol
    /// already includes mirror images.
    pub fn new(
        protocol: Protocol,
        mirror: bool,
        form: &Preprocessing,
        whole: Whole,
        jitter: Option<[usize; 2]>,
    ) -> Result<Views> {
        if mirror && protocol.is_mirrored() {
            let what =
                format!("--mirror has no effect: {protocol} already includes each crop's mirror image");
            return Err(Error::input(format!("{what}; omit it")));
        }
        if form.features.is_some() && protocol.is_whole() {
            let what =
                "the model's images become features, which are computed at one size; use --protocol center";
            return Err(Error::input(format!("{protocol}: {what}")));
        }
        let kind = match protocol {
            Protocol::Center => Kind::Center(form.clone()),
            Protocol::TenCrop => Kind::TenCrop(Framing::of(form)?),
            Protocol::Crops144 => {
                let framing = Framing::of(form)?;
                let scales = GOOGLENET.map(|scale| framing.in_proportion(scale)).to_vec();
                Kind::Crops144(framing, scales)
            }
            Protocol::Dense => {
                let framing = Framing::of(form)?;
                let scales = vec![framing.scale];
                Kind::Whole(framing, scales)
            }
            Protocol::MultiScale => {
                let framing = Framing::of(form)?;
                let scales = several(&framing, whole, jitter)?;
                Kind::Whole(framing, scales)
            }
        };
        Ok(Views { kind, mirror: mirror || protocol.is_mirrored() })
    }

    /// Returns the number of views of an image.
    pub fn count(&self) -> usize {
        let crops = match &self.kind {
            Kind::Center(_) => 1,
            Kind::TenCrop(_) => 5,
            Kind::Crops144(_, scales) => scales.len() * 3 * 6,
            Kind::Whole(_, scales) => scales.len(),
        };
        if self.mirror { crops * 2 } else { crops }
    }

    /// Returns the shorter sides to which an image is resized; none if the preprocessing alone decides.
    pub fn scales(&self) -> Vec<usize> {
        match &self.kind {
            Kind::Center(_) => vec![],
            Kind::TenCrop(framing) => vec![framing.scale],
            Kind::Crops144(_, scales) | Kind::Whole(_, scales) => scales.clone(),
        }
    }

    /// Passes the views of an image to `take`, in a fixed order.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn each(&self, image: &Image, mut take: impl FnMut(Image) -> Result<()>) -> Result<()> {
        let mut both = |view: Image| {
            let mirrored = self.mirror.then(|| view.mirrored());
            take(view)?;
            mirrored.map_or(Ok(()), &mut take)
        };
        match &self.kind {
            Kind::Center(form) => both(preprocess(form, image)),
            Kind::TenCrop(framing) => {
                let crops = five(&framing.resized(image), framing.side);
                crops.iter().try_for_each(|crop| both(framing.finished(crop)))
            }
            Kind::Crops144(framing, scales) => scales.iter().try_for_each(|scale| {
                squares(&framing.scaled(image, *scale)).iter().try_for_each(|square| {
                    let crops = five(square, framing.side).into_iter().chain([framing.squeezed(square)]);
                    crops.into_iter().try_for_each(|crop| both(framing.finished(&crop)))
                })
            }),
            Kind::Whole(framing, scales) => {
                scales.iter().try_for_each(|scale| both(framing.finished(&framing.scaled(image, *scale))))
            }
        }
    }
}

/// The scales of a multi-scale evaluation.
fn several(framing: &Framing, whole: Whole, jitter: Option<[usize; 2]>) -> Result<Vec<usize>> {
    let scales = match (whole, jitter) {
        (Whole::Pooled, _) => RESNET.map(|scale| framing.in_proportion(scale)).to_vec(),
        (Whole::Windows, Some([least, most])) => vec![least, least.midpoint(most), most],
        (Whole::Windows, None) => {
            let (own, step) = (framing.scale, framing.in_proportion(VGG));
            vec![own - step.min(own), own, own + step]
        }
    };
    match scales.iter().find(|scale| whole == Whole::Windows && **scale < framing.side) {
        None => Ok(scales),
        Some(small) => Err(Error::input(format!(
            "multiscale: images with a shorter side of {small} are too small for the fully connected layers, which \
             see {0}x{0} pixels; use --protocol dense",
            framing.side
        ))),
    }
}

#[cfg(test)]
mod tests {
    use striate_vision::{Filter, Step};

    use super::*;

    fn form(scale: usize, side: usize) -> Preprocessing {
        let steps = vec![
            Step::ResizeShorter { size: scale, filter: Filter::Bilinear },
            Step::CenterCrop { height: side, width: side },
        ];
        Preprocessing { channels: 3, steps, mean: vec![0.0; 3], std: vec![1.0; 3], features: None }
    }

    fn image() -> Image {
        let bytes = (0..60 * 45 * 3).map(|i: usize| (i * i / 7) as u8).collect();
        Image::new(60, 45, 3, bytes).unwrap()
    }

    fn all(views: &Views) -> Vec<Image> {
        let mut found = Vec::new();
        let keep = |view| {
            found.push(view);
            Ok(())
        };
        views.each(&image(), keep).unwrap();
        assert_eq!(found.len(), views.count());
        found
    }

    #[test]
    fn protocols_have_the_views_of_their_papers() {
        let new = |protocol, mirror, whole| Views::new(protocol, mirror, &form(32, 28), whole, None).unwrap();
        for (protocol, mirror, whole, count, scales) in [
            (Protocol::Center, false, Whole::Pooled, 1, vec![]),
            (Protocol::Center, true, Whole::Pooled, 2, vec![]),
            (Protocol::TenCrop, false, Whole::Pooled, 10, vec![32]),
            (Protocol::Crops144, false, Whole::Windows, 144, vec![32, 36, 40, 44]),
            (Protocol::Dense, true, Whole::Windows, 2, vec![32]),
            (Protocol::MultiScale, false, Whole::Windows, 3, vec![28, 32, 36]),
            (Protocol::MultiScale, true, Whole::Pooled, 10, vec![28, 32, 48, 60, 80]),
        ] {
            let views = new(protocol, mirror, whole);
            assert_eq!((views.count(), views.scales()), (count, scales), "{protocol}");
            let views = all(&views);
            if !protocol.is_whole() {
                assert!(views.iter().all(|view| (view.width(), view.height()) == (28, 28)), "{protocol}");
            }
            if count % 2 == 0 {
                assert!(views.chunks(2).all(|pair| pair[0].mirrored() == pair[1]), "{protocol}");
            }
        }
    }

    #[test]
    fn center_is_among_the_ten_crops() {
        let new = |protocol| Views::new(protocol, false, &form(32, 28), Whole::Pooled, None).unwrap();
        assert_eq!(all(&new(Protocol::TenCrop))[8], all(&new(Protocol::Center))[0]);
    }

    #[test]
    fn scales_of_training_are_those_of_evaluation() {
        let views =
            Views::new(Protocol::MultiScale, false, &form(384, 224), Whole::Windows, Some([256, 512]));
        assert_eq!(views.unwrap().scales(), [256, 384, 512]);
    }

    #[test]
    fn protocols_that_cannot_work_are_refused() {
        let small = Views::new(Protocol::MultiScale, false, &form(225, 224), Whole::Windows, None);
        assert!(small.unwrap_err().to_string().contains("shorter side of 193 are too small"));
        let twice = Views::new(Protocol::TenCrop, true, &form(256, 224), Whole::Pooled, None);
        assert!(twice.unwrap_err().to_string().contains("10crop already includes"));
    }
}
