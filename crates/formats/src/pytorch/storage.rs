//! From the bytes of a storage to the numbers of a tensor.

use std::collections::HashMap;

use striate_tensor::{Error, Result};

use super::value::{DType, Storage, Tensor};
use crate::message::shown;

/// The bytes of every storage by key.
pub(super) type Storages<'a> = HashMap<String, &'a [u8]>;

impl DType {
    /// The number that begins `bytes`, as `f32`.
    fn number(self, bytes: &[u8]) -> f32 {
        fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
            *bytes.first_chunk().expect("a storage has whole numbers")
        }
        match self {
            DType::F32 => f32::from_le_bytes(array(bytes)),
            DType::F64 => f64::from_le_bytes(array(bytes)) as f32,
            DType::F16 => half::f16::from_le_bytes(array(bytes)).to_f32(),
            DType::BF16 => half::bf16::from_le_bytes(array(bytes)).to_f32(),
            DType::I64 => i64::from_le_bytes(array(bytes)) as f32,
            DType::I32 => i32::from_le_bytes(array(bytes)) as f32,
            DType::I16 => f32::from(i16::from_le_bytes(array(bytes))),
            DType::I8 => f32::from(i8::from_le_bytes(array(bytes))),
            DType::U8 => f32::from(bytes[0]),
            DType::Bool => f32::from(u8::from(bytes[0] != 0)),
        }
    }
}

impl Storage {
    /// The bytes of this storage among those of the file.
    pub fn bytes<'a>(&self, storages: &Storages<'a>) -> Result<&'a [u8]> {
        let key = shown(&self.key);
        let Some(bytes) = storages.get(&self.key) else {
            return Err(Error::input(format!("its storage {key} is missing")));
        };
        let size = self.dtype.size();
        if self.whole.checked_mul(size) != Some(bytes.len()) {
            return Err(Error::input(format!(
                "its storage {key} has {} bytes where {} elements of {size} are due",
                bytes.len(),
                self.whole
            )));
        }
        Ok(&bytes[self.offset * size..(self.offset + self.len) * size])
    }
}

impl Tensor {
    /// The number of elements, if all of them lie in the storage and are no more than it holds.
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
                "shape {shape} with strides {strides:?} from element {offset} on leaves its storage of {held}"
            )));
        }
        if len > held {
            return Err(Error::input(format!("shape {} is larger than its storage of {held}", self.shape)));
        }
        Ok(len)
    }

    /// The numbers in canonical order. [`Tensor::checked_len`] comes first.
    pub fn numbers(&self, bytes: &[u8]) -> Vec<f32> {
        let (dtype, size) = (self.storage.dtype, self.storage.dtype.size());
        let len = self.shape.numel();
        if len == 0 {
            return vec![];
        }
        if self.is_contiguous() {
            let words = bytes[self.offset * size..].chunks_exact(size).take(len);
            return words.map(|word| dtype.number(word)).collect();
        }
        let mut numbers = Vec::with_capacity(len);
        let mut index = vec![0; self.shape.len()];
        let mut place = self.offset;
        for _ in 0..len {
            numbers.push(dtype.number(&bytes[place * size..]));
            place = self.next(&mut index, place);
        }
        numbers
    }

    /// Of a tensor that is not empty: whether its elements follow each other.
    fn is_contiguous(&self) -> bool {
        let mut due = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(extent, stride)| {
            let fits = *extent == 1 || *stride == due;
            due *= extent;
            fits
        })
    }

    /// Moves `index` to the next element in canonical order; its place follows from that of the last.
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
