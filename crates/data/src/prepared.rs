//! Images after the fixed steps of preprocessing, as bytes with a table that maps them to numbers, or as files; or
//! other samples.

use rayon::prelude::*;
use striate_tensor::random::Random;
use striate_tensor::{Error, Result, zeroed};
use striate_text::one_hot;
use striate_vision::augment::{Compose, Operation};
use striate_vision::{Image, Preprocessing, input_of_pixels, preprocess};

use crate::split::{from_planar, write_planar};
use crate::{Files, Pixels, Split};

/// Images after the fixed steps of preprocessing, readable as numbers.
pub struct Prepared {
    /// Of the input of a network.
    shape: [usize; 3],
    /// Of images; the same unless there are features.
    image: [usize; 3],
    pixels: PreparedPixels,
    labels: Vec<i64>,
    /// The value of a black pixel.
    fill: f32,
    /// The preprocessing that remains: that with features, if there are any.
    features: Option<Preprocessing>,
}

enum PreparedPixels {
    /// Bytes, and for each channel the value of each byte.
    Bytes(Vec<u8>, Vec<[f32; 256]>),
    Numbers(Vec<f32>),
    /// The characters of texts, as in [`Pixels::Characters`].
    Characters(Vec<u8>),
    /// Files whose images the preprocessing is applied to whenever they are needed, and the value of each byte.
    Files(Box<Files>, Preprocessing, Vec<[f32; 256]>),
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
            let Split { shape, pixels, labels, .. } = split;
            let pixels = match pixels {
                Pixels::Numbers(numbers) => PreparedPixels::Numbers(numbers),
                Pixels::Characters(places) => PreparedPixels::Characters(places),
                Pixels::Bytes(_) | Pixels::Files => {
                    return Err(Error::input("images need preprocessing"));
                }
            };
            return Ok(Prepared { shape, image: shape, pixels, labels, fill: 0.0, features: None });
        };
        preprocessing.check()?;
        let (image, pixels, labels) = pixels_of(split, preprocessing)?;
        let (shape, features) = match &preprocessing.features {
            None => (image, None),
            Some(features) => {
                let remaining = Preprocessing { steps: vec![], ..preprocessing.clone() };
                (features.output_shape([image[1], image[2]])?, Some(remaining))
            }
        };
        Ok(Prepared { shape, image, pixels, labels, fill: preprocessing.value(0, 0), features })
    }

    /// Returns channels, height and width of the input of a network.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Returns channels, height and width of the images, from which features may be computed.
    pub fn image_shape(&self) -> [usize; 3] {
        self.image
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

    /// Whether these are texts.
    pub(crate) fn are_texts(&self) -> bool {
        matches!(self.pixels, PreparedPixels::Characters(_))
    }

    /// Whether an image takes so long that several should be read at once: it is decoded, or its features computed,
    /// whenever it is needed.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self.pixels, PreparedPixels::Files(..)) || self.features.is_some()
    }

    /// Writes the input for the images from number `first` on to `to`, `[N, C, H, W]`.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    ///
    /// # Panics
    /// If there are fewer images, or `to` does not have the size of some.
    pub fn write_all(&self, first: usize, to: &mut [f32]) -> Result<()> {
        let size: usize = self.shape.iter().product();
        match self.is_slow() {
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
        let [_, h, w] = self.image;
        match &self.pixels {
            PreparedPixels::Numbers(_) => {
                Err(Error::input("arrays are used unchanged and cannot be transformed"))
            }
            PreparedPixels::Characters(_) => Err(Error::input("texts cannot be transformed")),
            PreparedPixels::Bytes(..) if transforms.output_size(Some([h, w])) != Some([h, w]) => {
                Err(Error::input(format!(
                    "the transforms must end with images of {h}x{w} pixels, the network's size"
                )))
            }
            PreparedPixels::Bytes(..) | PreparedPixels::Files(..) => Ok(()),
        }
    }

    /// As [`Prepared::write_pixels`], for the image after `transforms`, which [`Prepared::check_transforms`] accepts.
    ///
    /// # Errors
    /// As [`Prepared::write_pixels`], or if the image does not have the size that a transform needs.
    ///
    /// # Panics
    /// As [`Prepared::write_pixels`], or if the images are numbers.
    pub(crate) fn write_transformed(
        &self,
        index: usize,
        transforms: &Compose,
        random: &mut Random,
        to: &mut [f32],
    ) -> Result<()> {
        let (image, tables) = match &self.pixels {
            PreparedPixels::Numbers(_) | PreparedPixels::Characters(_) => {
                panic!("only images can be transformed")
            }
            PreparedPixels::Bytes(bytes, tables) => {
                let size: usize = self.image.iter().product();
                let image = from_planar(self.image, &bytes[index * size..][..size])?;
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
        let [c, h, w] = self.image;
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

    /// Writes the input for image number `index`, its features or pixels, to `to`, `[C, H, W]`.
    ///
    /// # Errors
    /// If its file cannot be read any more.
    ///
    /// # Panics
    /// If `index` is out of range, or `to` does not have the size of an input.
    pub fn write(&self, index: usize, to: &mut [f32]) -> Result<()> {
        if self.features.is_none() {
            return self.write_pixels(index, to);
        }
        let mut pixels = vec![0.0; self.image.iter().product()];
        self.write_pixels(index, &mut pixels)?;
        self.finish(&pixels, to)
    }

    /// Whether the input is features of the pixels.
    pub(crate) fn has_features(&self) -> bool {
        self.features.is_some()
    }

    /// Writes the input for `pixels`, as [`Prepared::write_pixels`] gives them and augmentation changes them.
    pub(crate) fn finish(&self, pixels: &[f32], to: &mut [f32]) -> Result<()> {
        match &self.features {
            None => to.copy_from_slice(pixels),
            Some(form) => to.copy_from_slice(&input_of_pixels(form, self.image, pixels)?.1),
        }
        Ok(())
    }

    /// Writes the pixels of image number `index` to `to` as numbers `[C, H, W]`, normalized unless they lead to
    /// features.
    ///
    /// # Errors
    /// As [`Prepared::write`].
    ///
    /// # Panics
    /// If `index` is out of range, or `to` does not have the size of an image.
    pub fn write_pixels(&self, index: usize, to: &mut [f32]) -> Result<()> {
        let [c, h, w] = self.image;
        let size = c * h * w;
        assert_eq!(to.len(), size, "an image has {size} values");
        match &self.pixels {
            PreparedPixels::Numbers(numbers) => to.copy_from_slice(&numbers[index * size..][..size]),
            PreparedPixels::Characters(places) => one_hot(&places[index * w..][..w], to),
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

/// Applies the steps of `preprocessing` to images in memory. Returns the shape of an image, the images and labels.
fn pixels_of(split: Split, preprocessing: &Preprocessing) -> Result<([usize; 3], PreparedPixels, Vec<i64>)> {
    let is_done = preprocessing.steps.is_empty() && preprocessing.channels == split.shape[0];
    if !is_done && matches!(split.pixels, Pixels::Bytes(_)) {
        let (shape, bytes) = stepped(&split, preprocessing)?;
        return Ok((shape, PreparedPixels::Bytes(bytes, preprocessing.tables()), split.labels));
    }
    let Split { shape, pixels, labels, files } = split;
    match pixels {
        Pixels::Bytes(bytes) => Ok((shape, PreparedPixels::Bytes(bytes, preprocessing.tables()), labels)),
        Pixels::Files => {
            let shape = match &preprocessing.steps[..] {
                [] => Some([preprocessing.channels, shape[1], shape[2]]),
                _ => preprocessing.image_shape(),
            };
            let what = "preprocessing: the last step must give all images one size, as center_crop does";
            let shape = shape.ok_or_else(|| Error::input(what))?;
            let files = files.expect("images that are decoded when needed have files");
            let tables = preprocessing.tables();
            Ok((shape, PreparedPixels::Files(Box::new(files), preprocessing.clone(), tables), labels))
        }
        Pixels::Numbers(_) | Pixels::Characters(_) => {
            Err(Error::input("arrays and texts are used unchanged and cannot be preprocessed"))
        }
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
    use striate_vision::features::{Features, Hog};
    use striate_vision::{Filter, Step, network_input};

    use super::*;

    fn form(steps: Vec<Step>) -> Preprocessing {
        Preprocessing {
            channels: 3,
            steps,
            mean: vec![0.0, 0.5, 1.0],
            std: vec![0.5, 1.0, 2.0],
            features: None,
        }
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
            let (shape, expected) = network_input(&form, &split().image(index).unwrap()).unwrap();
            assert_eq!(prepared.shape(), shape);
            let mut values = vec![f32::NAN; expected.len()];
            prepared.write(index, &mut values).unwrap();
            assert_eq!(values, expected);
        }
        assert_eq!(prepared.fill(), form.value(0, 0));
    }

    #[test]
    fn features_are_those_of_the_pixels_after_the_steps() {
        let hog = Hog { pixels_per_cell: [4, 4], cells_per_block: [1, 2], ..Hog::default() };
        let steps = vec![Step::Resize { height: 9, width: 12, filter: Filter::Bilinear }];
        let (mean, std, features) = (vec![0.0; 3], vec![1.0; 3], Some(Features::Hog(hog)));
        let form = Preprocessing { channels: 3, steps, mean, std, features };
        let prepared = Prepared::new(split(), Some(&form)).unwrap();
        assert_eq!((prepared.shape(), prepared.image_shape()), ([18, 2, 2], [3, 9, 12]));
        let mut values = vec![f32::NAN; 2 * 72];
        prepared.write_all(0, &mut values).unwrap();
        for index in 0..2 {
            let (shape, expected) = network_input(&form, &split().image(index).unwrap()).unwrap();
            assert_eq!((shape, &values[index * 72..][..72]), ([18, 2, 2], &expected[..]));
            assert!(expected.iter().any(|value| *value > 0.1));
        }
        let small = Preprocessing { steps: vec![], ..form };
        assert!(
            Prepared::new(split(), Some(&small)).err().unwrap().to_string().contains("smaller than a block")
        );
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
