//! Looks at images that are too many to hold in memory: which can be read, and the figures of all pixels.

use sha2::{Digest, Sha256};
use striate_tensor::Result;

use super::files::each;
use super::reader::{ReadImage, ReadPart, Reader, joined};
use super::{ImageFile, Listing};
use crate::dataset::{hash_labels, hash_shape};
use crate::split::Sums;
use crate::{Pixels, Split};

impl Reader {
    /// Decodes all images of a part without keeping them, and adds the part to `hash`. Unreadable ones are skipped and
    /// listed.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn scan(&self, listing: Listing, mut hash: Option<&mut Sha256>) -> Result<ReadPart> {
        let shape = self.shape();
        let before = hash.as_deref().cloned();
        if let Some(hash) = &mut hash {
            hash_shape(hash, shape);
        }
        let mut sums = Sums::new(shape[0]);
        let (mut list, mut labels, mut digests) = (vec![], vec![], vec![]);
        let (mut unreadable, mut sizes) = (vec![], None);
        let read = |file: &ImageFile, to: &mut [u8]| self.image(file, to);
        each(&listing.files, shape, read, |index, image, seen: Result<ReadImage>| match seen {
            Ok(ReadImage { size, digest }) => {
                if let Some(hash) = &mut hash {
                    hash.update(image);
                }
                sums.add(image);
                sizes = Some(joined(sizes, [size, size]));
                list.push(listing.files[index].clone());
                labels.push(listing.labels[index]);
                digests.push(digest);
            }
            Err(error) => unreadable.push((listing.files[index].clone(), error.to_string())),
        })?;
        if let (Some(hash), Some(before)) = (hash, before) {
            hash_labels(hash, &labels);
            if labels.is_empty() {
                *hash = before;
                hash.update([0]);
            }
        }
        let files = Some(self.files(list, digests));
        let split = Split { shape, pixels: Pixels::Files, labels, files };
        Ok(ReadPart { split, sizes, unreadable, moments: Some(sums.moments()) })
    }
}
