//! The image files of a part, which are decoded whenever they are needed.

use rayon::prelude::*;
use striate_tensor::random::Random;
use striate_tensor::{Result, zeroed};
use striate_vision::augment::{Compose, Operation};
use striate_vision::{Image, LazyImage, Preprocessing, preprocess};

use super::ImageFile;
use crate::split::write_planar;

/// Images decoded at once, unless they take more than [`MOST_AT_ONCE`].
const AT_ONCE: usize = 128;
/// Bytes of the images decoded at once.
const MOST_AT_ONCE: usize = 256 << 20;

/// Reads all of `files` with `read`, which writes an image of `shape` as bytes `[C, H, W]`, on all cores, and passes
/// each with its index and what `read` returned to `take`, in order.
///
/// # Errors
/// If there is not enough memory.
pub(crate) fn each<T: Send>(
    files: &[ImageFile],
    shape: [usize; 3],
    read: impl Fn(&ImageFile, &mut [u8]) -> T + Sync,
    mut take: impl FnMut(usize, &[u8], T),
) -> Result<()> {
    let size: usize = shape.iter().product();
    let count = AT_ONCE.min(MOST_AT_ONCE / size.max(1)).max(1);
    let mut bytes = zeroed(count.min(files.len()).saturating_mul(size)).map_err(|e| e.at("images"))?;
    for (number, files) in files.chunks(count).enumerate() {
        let images = files.par_iter().zip(bytes.par_chunks_exact_mut(size));
        let results: Vec<T> = images.map(|(file, to)| read(file, to)).collect();
        for ((index, result), image) in results.into_iter().enumerate().zip(bytes.chunks_exact(size)) {
            take(number * count + index, image, result);
        }
    }
    Ok(())
}

/// The files of a part, in the order of its samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    pub(crate) list: Vec<ImageFile>,
    /// The digest of the content of each file, as it was when the set was loaded.
    pub(crate) digests: Vec<u64>,
    /// The steps that give all images one size.
    pub(crate) form: Preprocessing,
    pub(crate) max_pixels: u64,
}

impl Files {
    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Decodes image number `index`, at the size of the set.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn image(&self, index: usize) -> Result<Image> {
        Ok(preprocess(&self.form, &self.original(index)?))
    }

    /// Decodes image number `index`, at its own size.
    ///
    /// # Errors
    /// As [`Files::image`].
    pub fn original(&self, index: usize) -> Result<Image> {
        let file = &self.list[index];
        file.decode(self.max_pixels).map_err(|e| e.at(file))
    }

    /// Decodes all images at their own sizes, on all cores, and passes each with its index to `take`, in order.
    ///
    /// # Errors
    /// As [`Files::image`], or those of `take`; the rest is then not read.
    pub fn each_original(&self, mut take: impl FnMut(usize, &Image) -> Result<()>) -> Result<()> {
        let at_once = rayon::current_num_threads();
        for first in (0..self.len()).step_by(at_once) {
            let last = self.len().min(first + at_once);
            let images: Vec<Result<Image>> =
                (first..last).into_par_iter().map(|index| self.original(index)).collect();
            for (index, image) in (first..).zip(images) {
                take(index, &image?)?;
            }
        }
        Ok(())
    }

    /// Returns where the images lie.
    pub fn list(&self) -> &[ImageFile] {
        &self.list
    }

    /// Decodes what is needed of image number `index`, transforms it, and then gives it the size of the set.
    ///
    /// # Errors
    /// If the file cannot be read any more, or its image does not have the size that a transform needs.
    pub(crate) fn transformed(
        &self,
        index: usize,
        transforms: &Compose,
        random: &mut Random,
    ) -> Result<Image> {
        let file = &self.list[index];
        let mut transformed = || {
            let bytes = file.read()?;
            transforms.apply_lazily(LazyImage::open(&bytes, self.max_pixels)?, random)
        };
        Ok(preprocess(&self.form, &transformed().map_err(|e| e.at(file))?))
    }

    /// Passes the bytes `[C, H, W]` of all images to `take`, in order.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    pub(crate) fn each(&self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let shape = self.form.output_shape().expect("the last step fixes the size");
        let read = |file: &ImageFile, to: &mut [u8]| {
            let image = file.decode(self.max_pixels).map_err(|e| e.at(file))?;
            write_planar(&preprocess(&self.form, &image), to);
            Ok(())
        };
        let mut failed = Ok(());
        each(&self.list, shape, read, |_, image, result| match (&failed, result) {
            (Ok(()), Ok(())) => take(image),
            (Ok(()), Err(error)) => failed = Err(error),
            (Err(_), _) => {}
        })?;
        failed
    }

    /// Makes all images gray.
    pub(crate) fn make_gray(&mut self) {
        let form = self.form.clone();
        self.form = Preprocessing { channels: 1, mean: vec![0.0], std: vec![1.0], ..form };
    }

    /// The files of samples other than images, which are decoded once, not from here.
    pub(crate) fn of_encoded(list: Vec<ImageFile>, digests: Vec<u64>) -> Files {
        let form =
            Preprocessing { channels: 1, steps: vec![], mean: vec![0.0], std: vec![1.0], features: None };
        Files { list, digests, form, max_pixels: 0 }
    }

    /// The files at `indices`, in that order.
    pub(crate) fn select(&self, indices: &[usize]) -> Files {
        let list = indices.iter().map(|index| self.list[*index].clone()).collect();
        let digests = indices.iter().map(|index| self.digests[*index]).collect();
        Files { list, digests, form: self.form.clone(), max_pixels: self.max_pixels }
    }
}
