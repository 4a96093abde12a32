//! Images after the fixed steps of preprocessing, as bytes with a table that maps them to numbers, or as files.

use rayon::prelude::*;
use striate_tensor::{Error, Result, zeroed};
use striate_vision::Preprocessing;

use crate::split::write_planar;
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
    /// Files whose images the preprocessing is applied to whenever they are needed.
    Files(Files, Preprocessing),
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
            let Split { shape, pixels: Pixels::Numbers(numbers), labels } = split else {
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
        let Split { shape, pixels, labels } = split;
        let (shape, pixels) = match pixels {
            Pixels::Bytes(bytes) => (shape, PreparedPixels::Bytes(bytes, preprocessing.tables())),
            Pixels::Files(files) => {
                let shape = match &preprocessing.steps[..] {
                    [] => Some([preprocessing.channels, shape[1], shape[2]]),
                    _ => preprocessing.output_shape(),
                };
                let what = "preprocessing: the last step must give all images one size, as center_crop does";
                let shape = shape.ok_or_else(|| Error::input(what))?;
                (shape, PreparedPixels::Files(files, preprocessing.clone()))
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
            PreparedPixels::Files(files, preprocessing) => {
                let (shape, values) = preprocessing.apply(&files.image(index)?);
                if shape != self.shape {
                    let what = format!("preprocessing yields {shape:?} instead of {:?}", self.shape);
                    return Err(Error::input(what));
                }
                to.copy_from_slice(&values);
            }
        }
        Ok(())
    }
}

/// Returns the shape of one image after the steps, and all images as `[N, C, H, W]`.
fn stepped(split: &Split, preprocessing: &Preprocessing) -> Result<([usize; 3], Vec<u8>)> {
    let c = preprocessing.channels;
    let one = |index: usize| preprocessing.image(&split.image(index).expect("the pixels are bytes"));
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
    use striate_vision::Step;

    use super::*;

    fn form(steps: Vec<Step>) -> Preprocessing {
        Preprocessing { channels: 3, steps, mean: vec![0.0, 0.5, 1.0], std: vec![0.5, 1.0, 2.0] }
    }

    fn split() -> Split {
        let bytes = (0..2 * 3 * 2 * 3).map(|i| i * 7).collect();
        Split { shape: [3, 2, 3], pixels: Pixels::Bytes(bytes), labels: vec![1, 0] }
    }

    #[test]
    fn written_values_are_those_of_preprocessing() {
        let form = form(vec![Step::Pad { height: 4, width: 5, value: 9 }]);
        let prepared = Prepared::new(split(), Some(&form)).unwrap();
        for index in 0..2 {
            let (shape, expected) = form.apply(&split().image(index).unwrap());
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
        let split = Split { shape: [1, 3, 3], pixels: Pixels::Bytes(images), labels: vec![0, 0] };
        let error = Prepared::new(split, Some(&form(vec![Step::Trim { tolerance: 3, above: 0 }])));
        let text = error.err().unwrap().to_string();
        assert!(text.contains("yields 1x1 pixels for image 1 but 2x2"), "{text}");
    }

    #[test]
    fn contradictory_input_is_refused() {
        let numbers = Split { shape: [1, 1, 1], pixels: Pixels::Numbers(vec![1.0]), labels: vec![0] };
        let none = Split { shape: [1, 1, 1], pixels: Pixels::Numbers(vec![]), labels: vec![] };
        let faulty = Preprocessing { std: vec![0.0; 3], ..form(vec![]) };
        for (split, form) in
            [(&numbers, Some(form(vec![]))), (&none, None), (&split(), None), (&split(), Some(faulty))]
        {
            assert!(Prepared::new(split.clone(), form.as_ref()).err().unwrap().is_input());
        }
        assert_eq!(Prepared::new(numbers, None).unwrap().labels(), [0]);
    }
}
