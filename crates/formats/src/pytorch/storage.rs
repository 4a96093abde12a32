//! Converts the bytes of a storage to the numbers of a tensor.

use std::collections::HashMap;

use striate_tensor::{Error, Result};

use super::value::{Storage, Tensor};
use crate::message::shown;

/// The bytes of every storage by key.
pub(super) type Storages<'a> = HashMap<String, &'a [u8]>;

impl Storage {
    /// Returns the bytes of this storage among those of the file.
    pub fn bytes<'a>(&self, storages: &Storages<'a>) -> Result<&'a [u8]> {
        let key = shown(&self.key);
        let Some(bytes) = storages.get(&self.key) else {
            return Err(Error::input(format!("its storage {key} is missing")));
        };
        let size = self.dtype.size();
        if self.whole.checked_mul(size) != Some(bytes.len()) {
            return Err(Error::input(format!(
                "its storage {key} has {} bytes instead of {} elements of {size}",
                bytes.len(),
                self.whole
            )));
        }
        Ok(&bytes[self.offset * size..(self.offset + self.len) * size])
    }
}

impl Tensor {
    /// Returns the number of elements, if all of them lie in the storage.
    pub fn checked_len(&self) -> Result<usize> {
        let len = self.shape.checked_len()?;
        let reach = |(extent, stride): (&usize, &usize)| (extent - 1).checked_mul(*stride);
        let last = || {
            let mut pairs = self.shape.iter().zip(&self.strides);
            pairs.try_fold(self.offset, |last, pair| last.checked_add(reach(pair)?))
        };
        let held = self.storage.len;
        if len > 0 && last().is_none_or(|last| last >= held) {
            let (shape, offset, strides) = (&self.shape, self.offset, &self.strides);
            return Err(Error::input(format!(
                "shape {shape} with strides {strides:?} from element {offset} on exceeds its storage of {held}"
            )));
        }
        Ok(len)
    }

    /// Returns the elements in canonical order. Call [`Tensor::checked_len`] first.
    pub fn numbers(&self, bytes: &[u8]) -> Vec<f32> {
        let (dtype, size) = (self.storage.dtype, self.storage.dtype.size());
        let len = self.shape.numel();
        if len == 0 {
            return vec![];
        }
        if self.is_contiguous() {
            return dtype.numbers(&bytes[self.offset * size..][..len * size]);
        }
        let mut packed = Vec::with_capacity(len * size);
        let mut index = vec![0; self.shape.len()];
        let mut place = self.offset;
        for _ in 0..len {
            packed.extend_from_slice(&bytes[place * size..][..size]);
            place = self.next(&mut index, place);
        }
        dtype.numbers(&packed)
    }

    /// Whether the elements of a non-empty tensor are contiguous.
    fn is_contiguous(&self) -> bool {
        let mut due = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(extent, stride)| {
            let fits = *extent == 1 || *stride == due;
            due *= extent;
            fits
        })
    }

    /// Advances `index` to the next element in canonical order, and updates its position.
    fn next(&self, index: &mut [usize], mut place: usize) -> usize {
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            place += self.strides[axis];
            if index[axis] < self.shape[axis] {
                break;
            }
            place -= self.strides[axis] * self.shape[axis];
            index[axis] = 0;
        }
        place
    }
}
