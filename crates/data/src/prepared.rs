//! Images after the fixed steps of preprocessing, as bytes with a table that maps them to numbers, or as files.

use rayon::prelude::*;
use striate_tensor::random::Random;
use striate_tensor::{Error, Result, zeroed};
use striate_vision::augment::{Compose, Operation};
use striate_vision::{Image, Preprocessing, preprocess};

use crate::split::{from_planar, write_planar};
use crate::{Files, Pixels, Split};

/// Images after the fixed steps of preprocessing, readable as numbers.
pub struct Prepared {
    shape: [usize; 3],
    pixels: PreparedPixels,
    labels: Vec<i64>,
    /// The value of a black pixel.
    fill: f32,
}

enum PreparedPixels {
    /// Bytes, and for each channel the value of each byte.
    Bytes(Vec<u8>, Vec<[f32; 256]>),
    Numbers(Vec<f32>),
    /// Files whose images the preprocessing is applied to whenever they are needed, and the value of each byte.
    Files(Files, Preprocessing, Vec<[f32; 256]>),
}

impl Prepared {
    /// Applies `preprocessing` to the images of `split`, which keep their memory if it has no steps.
    ///
    /// # Errors
    /// If there are no images, if the images are numbers but preprocessing is given, if it is invalid, or if
    /// it yields images of different sizes.
    pub fn new(split: Split, preprocessing: Option<&Preprocessing>) -> Result<Prepared> {
        if split.is_empty() {
            return Err(Error::input("there are no images"));
        }
        let Some(preprocessing) = preprocessing else {
            let Split { shape, pixels: Pixels::Numbers(numbers), labels, .. } = split else {
                return Err(Error::input("images need preprocessing"));
            };
            return Ok(Prepared { shape, pixels: PreparedPixels::Numbers(numbers), labels, fill: 0.0 });
        };
        preprocessing.check()?;
        let fill = preprocessing.value(0, 0);
        let is_done = preprocessing.steps.is_empty() && preprocessing.channels == split.shape[0];
        if !is_done && matches!(split.pixels, Pixels::Bytes(_)) {
            let (shape, bytes) = stepped(&split, preprocessing)?;
            let pixels = PreparedPixels::Bytes(bytes, preprocessing.tables());
            return Ok(Prepared { shape, pixels, labels: split.labels, fill });
        }
        let Split { shape, pixels, labels, files } = split;
        let (shape, pixels) = match pixels {
            Pixels::Bytes(bytes) => (shape, PreparedPixels::Bytes(bytes, preprocessing.tables())),
            Pixels::Files => {
                let shape = match &preprocessing.steps[..] {
                    [] => Some([preprocessing.channels, shape[1], shape[2]]),
                    _ => preprocessing.output_shape(),
                };
                let what = "preprocessing: the last step must give all images one size, as center_crop does";
                let shape = shape.ok_or_else(|| Error::input(what))?;
                let files = files.expect("images that are decoded when needed have files");
                (shape, PreparedPixels::Files(files, preprocessing.clone(), preprocessing.tables()))
            }
            Pixels::Numbers(_) => {
                return Err(Error::input("arrays are used unchanged and cannot be preprocessed"));
            }
        };
        Ok(Prepared { shape, pixels, labels, fill })
    }

    /// Returns channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the labels.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The value of a black pixel.
    pub(crate) fn fill(&self) -> f32 {
        self.fill
    }

    /// Whether these may be encoded sounds: numbers of one channel.
    pub(crate) fn are_sounds(&self) -> bool {
        matches!(self.pixels, PreparedPixels::Numbers(_)) && self.shape[0] == 1
    }

    /// Whether each image is decoded whenever it is needed.
    pub fn is_decoded_anew(&self) -> bool {
        matches!(self.pixels, PreparedPixels::Files(..))
    }

    /// Writes the images from number `first` on to `to` as numbers `[N, C, H, W]`.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    ///
    /// # Panics
    /// If there are fewer images, or `to` does not have the size of some.
    pub fn write_all(&self, first: usize, to: &mut [f32]) -> Result<()> {
        let size: usize = self.shape.iter().product();
        match self.is_decoded_anew() {
            true => {
                let images = to.par_chunks_exact_mut(size).enumerate();
                let results: Vec<Result<()>> =
                    images.map(|(index, to)| self.write(first + index, to)).collect();
                results.into_iter().collect()
            }
            false => {
                let mut images = to.chunks_exact_mut(size).enumerate();
                images.try_for_each(|(index, to)| self.write(first + index, to))
            }
        }
    }

    /// Checks that transforms can be applied to the images.
    ///
    /// # Errors
    /// If the images are numbers, or the transforms give other sizes than that of the images in memory.
    pub fn check_transforms(&self, transforms: &Compose) -> Result<()> {
        let [_, h, w] = self.shape;
        match &self.pixels {
            PreparedPixels::Numbers(_) => {
                Err(Error::input("arrays are used unchanged and cannot be transformed"))
            }
            PreparedPixels::Bytes(..) if transforms.output_size(Some([h, w])) != Some([h, w]) => {
                Err(Error::input(format!(
                    "the transforms must end with images of {h}x{w} pixels, the network's size"
                )))
            }
            PreparedPixels::Bytes(..) | PreparedPixels::Files(..) => Ok(()),
        }
    }

    /// As [`Prepared::write`], for the image after `transforms`, which [`Prepared::check_transforms`] accepts.
    ///
    /// # Errors
    /// As [`Prepared::write`], or if the image does not have the size that a transform needs.
    ///
    /// # Panics
    /// As [`Prepared::write`], or if the images are numbers.
    pub fn write_transformed(
        &self,
        index: usize,
        transforms: &Compose,
        random: &mut Random,
        to: &mut [f32],
    ) -> Result<()> {
        let (image, tables) = match &self.pixels {
            PreparedPixels::Numbers(_) => panic!("numbers cannot be transformed"),
            PreparedPixels::Bytes(bytes, tables) => {
                let size: usize = self.shape.iter().product();
                let image = from_planar(self.shape, &bytes[index * size..][..size])?;
                (transforms.apply(image, random)?, tables)
            }
            PreparedPixels::Files(files, preprocessing, tables) => {
                (preprocess(preprocessing, &files.transformed(index, transforms, random)?), tables)
            }
        };
        self.write_image(&image, tables, to)
    }

    /// Writes an image as numbers.
    fn write_image(&self, image: &Image, tables: &[[f32; 256]], to: &mut [f32]) -> Result<()> {
        let [c, h, w] = self.shape;
        if (image.channels(), image.height(), image.width()) != (c, h, w) {
            let (width, height) = (image.width(), image.height());
            let what = format!("preprocessing yields {width}x{height} pixels instead of {w}x{h}");
            return Err(Error::input(what));
        }
        for (channel, (map, table)) in to.chunks_exact_mut(h * w).zip(tables).enumerate() {
            let bytes = image.pixels().iter().skip(channel).step_by(c);
            map.iter_mut().zip(bytes).for_each(|(to, byte)| *to = table[usize::from(*byte)]);
        }
        Ok(())
    }

    /// Writes image number `index` to `to` as numbers `[C, H, W]`.
    ///
    /// # Errors
    /// If its file cannot be read any more.
    ///
    /// # Panics
    /// If `index` is out of range, or `to` does not have the size of an image.
    pub fn write(&self, index: usize, to: &mut [f32]) -> Result<()> {
        let [c, h, w] = self.shape;
        let size = c * h * w;
        assert_eq!(to.len(), size, "an image has {size} values");
        match &self.pixels {
            PreparedPixels::Numbers(numbers) => to.copy_from_slice(&numbers[index * size..][..size]),
            PreparedPixels::Bytes(bytes, tables) => {
                let maps = bytes[index * size..][..size].chunks_exact(h * w);
                for ((to, from), table) in to.chunks_exact_mut(h * w).zip(maps).zip(tables) {
                    to.iter_mut().zip(from).for_each(|(to, byte)| *to = table[usize::from(*byte)]);
                }
            }
            PreparedPixels::Files(files, preprocessing, tables) => {
                self.write_image(&preprocess(preprocessing, &files.image(index)?), tables, to)?;
            }
        }
        Ok(())
    }
}

/// Returns the shape of one image after the steps, and all images as `[N, C, H, W]`.
fn stepped(split: &Split, preprocessing: &Preprocessing) -> Result<([usize; 3], Vec<u8>)> {
    let c = preprocessing.channels;
    let one = |index: usize| preprocess(preprocessing, &split.image(index).expect("the pixels are bytes"));
    let first = one(0);
    let shape = [c, first.height(), first.width()];
    let size: usize = shape.iter().product();
    let total = size.saturating_mul(split.len());
    let mut bytes = zeroed(total).map_err(|e| e.at(format!("{} prepared images", split.len())))?;
    let odd = bytes.par_chunks_exact_mut(size).enumerate().map(|(index, to)| {
        let image = one(index);
        let fits = (image.height(), image.width()) == (shape[1], shape[2]);
        if fits {
            write_planar(&image, to);
        }
        (!fits).then_some((index, image.width(), image.height()))
    });
    match odd.flatten_iter().min() {
        Some((index, w, h)) => Err(Error::input(format!(
            "preprocessing yields {w}x{h} pixels for image {index} but {}x{} for the first; end it with a step of fixed size",
            first.width(),
            first.height()
        ))),
        None => Ok((shape, bytes)),
    }
}

#[cfg(test)]
mod tests {
    use striate_vision::augment::{CenterCrop, Size, Transform};
    use striate_vision::{Step, network_input};

    use super::*;

    fn form(steps: Vec<Step>) -> Preprocessing {
        Preprocessing { channels: 3, steps, mean: vec![0.0, 0.5, 1.0], std: vec![0.5, 1.0, 2.0] }
    }

    fn split() -> Split {
        let bytes = (0..2 * 3 * 2 * 3).map(|i| i * 7).collect();
        Split { shape: [3, 2, 3], pixels: Pixels::Bytes(bytes), labels: vec![1, 0], files: None }
    }

    #[test]
    fn written_values_are_those_of_preprocessing() {
        let form = form(vec![Step::Pad { height: 4, width: 5, value: 9 }]);
        let prepared = Prepared::new(split(), Some(&form)).unwrap();
        for index in 0..2 {
            let (shape, expected) = network_input(&form, &split().image(index).unwrap());
            assert_eq!(prepared.shape(), shape);
            let mut values = vec![f32::NAN; expected.len()];
            prepared.write(index, &mut values).unwrap();
            assert_eq!(values, expected);
        }
        assert_eq!(prepared.fill(), form.value(0, 0));
    }

    #[test]
    fn images_of_different_sizes_are_refused() {
        let mut images = vec![0u8; 2 * 9];
        images[9 + 4] = 255;
        images[..9].copy_from_slice(&[0, 0, 0, 0, 255, 255, 0, 255, 255]);
        let split =
            Split { shape: [1, 3, 3], pixels: Pixels::Bytes(images), labels: vec![0, 0], files: None };
        let error = Prepared::new(split, Some(&form(vec![Step::Trim { tolerance: 3, above: 0 }])));
        let text = error.err().unwrap().to_string();
        assert!(text.contains("yields 1x1 pixels for image 1 but 2x2"), "{text}");
    }

    #[test]
    fn transforms_that_do_not_fit_are_refused() {
        let transforms =
            |size: usize| Compose(vec![Transform::CenterCrop(CenterCrop { size: Size::Sides([2, size]) })]);
        let bytes = Prepared::new(split(), Some(&form(vec![]))).unwrap();
        bytes.check_transforms(&transforms(3)).unwrap();
        assert!(bytes.check_transforms(&transforms(4)).unwrap_err().to_string().contains("2x3 pixels"));
        let numbers =
            Split { shape: [1, 1, 1], pixels: Pixels::Numbers(vec![1.0]), labels: vec![0], files: None };
        assert!(Prepared::new(numbers, None).unwrap().check_transforms(&transforms(1)).is_err());
    }

    #[test]
    fn contradictory_input_is_refused() {
        let numbers =
            Split { shape: [1, 1, 1], pixels: Pixels::Numbers(vec![1.0]), labels: vec![0], files: None };
        let none = Split { shape: [1, 1, 1], pixels: Pixels::Numbers(vec![]), labels: vec![], files: None };
        let faulty = Preprocessing { std: vec![0.0; 3], ..form(vec![]) };
        for (split, form) in
            [(&numbers, Some(form(vec![]))), (&none, None), (&split(), None), (&split(), Some(faulty))]
        {
            assert!(Prepared::new(split.clone(), form.as_ref()).err().unwrap().is_input());
        }
        assert_eq!(Prepared::new(numbers, None).unwrap().labels(), [0]);
    }
}
