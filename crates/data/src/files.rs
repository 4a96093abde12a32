//! Images that are decoded whenever they are needed.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use striate_tensor::file::read_limited;
use striate_tensor::random::Random;
use striate_tensor::{Result, zeroed};
use striate_vision::augment::{Compose, Operation};
use striate_vision::{Image, Preprocessing, decode_limited};

use crate::split::write_planar;

/// The largest image file in bytes.
pub(crate) const MOST_BYTES: u64 = 256 << 20;

/// Reads an image of at most `max_pixels` pixels.
pub(crate) fn decode(path: &Path, max_pixels: u64) -> Result<Image> {
    decode_limited(&read_limited(path, MOST_BYTES)?, max_pixels)
}

/// Images decoded at once, unless they take more than [`MOST_AT_ONCE`].
const AT_ONCE: usize = 128;
/// Bytes of the images decoded at once.
const MOST_AT_ONCE: usize = 256 << 20;

/// Reads all of `paths` with `read`, which writes an image of `shape` as bytes `[C, H, W]`, on all cores, and passes
/// each with its index and what `read` returned to `take`, in order.
///
/// # Errors
/// If there is not enough memory.
pub(crate) fn each<T: Send>(
    paths: &[PathBuf],
    shape: [usize; 3],
    read: impl Fn(&PathBuf, &mut [u8]) -> T + Sync,
    mut take: impl FnMut(usize, &[u8], T),
) -> Result<()> {
    let size: usize = shape.iter().product();
    let count = AT_ONCE.min(MOST_AT_ONCE / size.max(1)).max(1);
    let mut bytes = zeroed(count.min(paths.len()).saturating_mul(size)).map_err(|e| e.at("images"))?;
    for (number, paths) in paths.chunks(count).enumerate() {
        let images = paths.par_iter().zip(bytes.par_chunks_exact_mut(size));
        let results: Vec<T> = images.map(|(path, to)| read(path, to)).collect();
        for ((index, result), image) in results.into_iter().enumerate().zip(bytes.chunks_exact(size)) {
            take(number * count + index, image, result);
        }
    }
    Ok(())
}

/// Image files of a part that are too many to hold in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    pub(crate) paths: Vec<PathBuf>,
    /// The steps that give all images one size.
    pub(crate) form: Preprocessing,
    pub(crate) max_pixels: u64,
}

impl Files {
    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Decodes image number `index`, at the size of the set.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn image(&self, index: usize) -> Result<Image> {
        let path = &self.paths[index];
        let image = decode(path, self.max_pixels).map_err(|e| e.at(path.display()))?;
        Ok(self.form.image(&image))
    }

    /// Decodes image number `index`, transforms it, and then gives it the size of the set.
    ///
    /// # Errors
    /// If the file cannot be read any more, or its image does not have the size that a transform needs.
    pub(crate) fn transformed(
        &self,
        index: usize,
        transforms: &Compose,
        random: &mut Random,
    ) -> Result<Image> {
        let path = &self.paths[index];
        let image = decode(path, self.max_pixels).and_then(|image| transforms.apply(image, random));
        Ok(self.form.image(&image.map_err(|e| e.at(path.display()))?))
    }

    /// Passes the bytes `[C, H, W]` of all images to `take`, in order.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    pub(crate) fn each(&self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let shape = self.form.output_shape().expect("the last step fixes the size");
        let read = |path: &PathBuf, to: &mut [u8]| {
            let image = decode(path, self.max_pixels).map_err(|e| e.at(path.display()))?;
            write_planar(&self.form.image(&image), to);
            Ok(())
        };
        let mut failed = Ok(());
        each(&self.paths, shape, read, |_, image, result| match (&failed, result) {
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

    /// The files at `indices`, in that order.
    pub(crate) fn select(&self, indices: &[usize]) -> Files {
        Files { paths: indices.iter().map(|index| self.paths[*index].clone()).collect(), ..self.clone() }
    }
}
