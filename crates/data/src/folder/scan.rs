//! Looks at images that are too many to hold in memory: which can be read, and the figures of all pixels.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use striate_tensor::Result;

use super::read::{Listing, ReadPart, Reader, joined};
use crate::dataset::{hash_labels, hash_shape};
use crate::split::Sums;
use crate::{Files, Pixels, Split, files};

impl Reader {
    /// Decodes all images of a part without keeping them, and adds the part to `hash`. Unreadable ones are skipped and
    /// listed.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn scan(&self, listing: Listing, hash: &mut Sha256) -> Result<ReadPart> {
        let shape = self.shape();
        let before = hash.clone();
        hash_shape(hash, shape);
        let mut sums = Sums::new(shape[0]);
        let (mut paths, mut labels, mut unreadable, mut sizes) = (vec![], vec![], vec![], None);
        let read = |path: &PathBuf, to: &mut [u8]| self.image(path, to);
        files::each(&listing.files, shape, read, |index, image, size: Result<[usize; 2]>| match size {
            Ok(size) => {
                hash.update(image);
                sums.add(image);
                sizes = Some(joined(sizes, [size, size]));
                paths.push(listing.files[index].clone());
                labels.push(listing.labels[index]);
            }
            Err(error) => unreadable.push((listing.files[index].clone(), error.to_string())),
        })?;
        hash_labels(hash, &labels);
        if labels.is_empty() {
            *hash = before;
            hash.update([0]);
        }
        let files = Files { paths, form: self.form(), max_pixels: self.max_pixels() };
        let split = Split { shape, pixels: Pixels::Files(files), labels };
        Ok(ReadPart { split, sizes, unreadable, moments: Some(sums.moments()) })
    }
}
