//! Zero-initialized, aligned memory: one allocation of the system's zero pages, with typed views through
//! `bytemuck`.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ptr::NonNull;

use crate::available::available_memory;
use crate::{Element, Error, Result};

/// Alignment of every buffer: a cache line, and the widest vector of any instruction set.
pub const ALIGNMENT: usize = 64;

/// Requests smaller than this many bytes are not checked against the available memory.
const LARGE: usize = 64 << 20;

/// Checks that the system can provide `bytes` bytes: large requests are first compared with the available
/// memory, then every request is allocated and released.
///
/// # Errors
/// If that much memory is not available.
pub fn check_memory(bytes: usize) -> Result<()> {
    if bytes >= LARGE && available_memory().is_some_and(|free| bytes as u64 > free) {
        return Err(no_memory(bytes));
    }
    let asked = Vec::<u8>::new().try_reserve_exact(bytes);
    asked.map_err(|_| no_memory(bytes))
}

/// Returns `count` zeros, or an error where the `vec!` macro would abort the process.
///
/// # Errors
/// If there is not enough memory.
pub fn zeroed<T: Element>(count: usize) -> Result<Vec<T>> {
    let bytes = count.saturating_mul(size_of::<T>());
    check_memory(bytes)?;
    bytemuck::try_zeroed_vec(count).map_err(|()| no_memory(bytes))
}

/// Returns an empty vector with capacity for exactly `count` elements, or an error where `Vec::with_capacity` would
/// abort the process.
///
/// # Errors
/// If there is not enough memory.
pub fn with_capacity<T>(count: usize) -> Result<Vec<T>> {
    let bytes = count.saturating_mul(size_of::<T>());
    check_memory(bytes)?;
    let mut empty = Vec::new();
    empty.try_reserve_exact(count).map_err(|_| no_memory(bytes))?;
    Ok(empty)
}

/// Returns the error of a failed allocation; the caller adds its purpose.
pub(crate) fn no_memory(bytes: usize) -> Error {
    Error::failed(format!("not enough memory: cannot allocate {bytes} bytes"))
}

/// A zero-initialized block of memory that starts on a cache line boundary.
pub struct Buffer {
    start: NonNull<u8>,
    bytes: usize,
    /// What was allocated; nothing if the size is zero.
    allocated: Layout,
}

// SAFETY: a `Buffer` is the sole owner of its memory; a shared reference allows only reads.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Allocates `bytes` zero bytes.
    ///
    /// # Errors
    /// If the size cannot be addressed, or that much memory is not available.
    pub fn zeroed(bytes: usize) -> Result<Self> {
        let layout = allocation(bytes)?;
        if bytes == 0 {
            return Ok(Buffer { start: NonNull::<Line>::dangling().cast(), bytes, allocated: layout });
        }
        if bytes >= LARGE {
            check_memory(bytes)?;
        }
        // SAFETY: the size of `layout` is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        match NonNull::new(start) {
            Some(start) => Ok(Buffer { start, bytes, allocated: layout }),
            None => Err(no_memory(bytes)),
        }
    }

    /// Allocates a copy of `values`.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn from_slice<T: Element>(values: &[T]) -> Result<Self> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let mut buffer = Buffer::zeroed(bytes.len())?;
        buffer.as_bytes_mut().copy_from_slice(bytes);
        Ok(buffer)
    }

    /// Moves `values` into a buffer, which copies them only if they do not start on a cache line boundary.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn from_vec<T: Element>(values: Vec<T>) -> Result<Self> {
        let bytes = size_of_val(&values[..]);
        if bytes == 0 || !values.as_ptr().addr().is_multiple_of(ALIGNMENT) {
            return Buffer::from_slice(&values);
        }
        let mut values = std::mem::ManuallyDrop::new(values);
        let allocated = Layout::array::<T>(values.capacity()).expect("the layout was valid at allocation");
        Ok(Buffer { start: NonNull::from(&mut values[..]).cast(), bytes, allocated })
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether the length is zero.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `start` is valid for reads of `bytes` initialized bytes, or dangling if `bytes` is zero.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    /// The bytes, mutably.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_bytes`; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }

    /// The elements.
    ///
    /// # Panics
    /// If the length is not a multiple of the element's size.
    pub fn as_slice<T: Element>(&self) -> &[T] {
        bytemuck::cast_slice(self.as_bytes())
    }

    /// The elements, mutably.
    ///
    /// # Panics
    /// If the length is not a multiple of the element's size.
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(self.as_bytes_mut())
    }

    /// The first byte; valid for [`Buffer::len`] bytes as long as the buffer lives.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }
}

/// A type with the alignment of a buffer, for the dangling pointer of an empty one.
#[repr(align(64))]
struct Line;

fn allocation(bytes: usize) -> Result<Layout> {
    Layout::from_size_align(bytes, ALIGNMENT)
        .map_err(|_| Error::input(format!("{bytes} bytes exceed the address space")))
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.allocated.size() > 0 {
            // SAFETY: allocated with this layout, in `zeroed` or by the vector that it was.
            unsafe { dealloc(self.start.as_ptr(), self.allocated) }
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Buffer::from_slice(self.as_bytes()).expect("enough memory for a copy")
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unavailable_memory_is_an_error() {
        for count in [1 << 40, usize::MAX / 8, usize::MAX] {
            let errors = [
                check_memory(count).err(),
                zeroed::<f32>(count).err(),
                with_capacity::<u8>(count).err(),
                Buffer::zeroed(count).err(),
            ];
            assert!(errors.iter().all(Option::is_some), "{count}");
        }
        assert_eq!(zeroed::<f32>(3).unwrap(), [0.0; 3]);
    }

    #[test]
    fn vector_becomes_a_buffer_on_a_cache_line() {
        for count in [0, 1, 3, 16, 1000] {
            let mut values = Vec::with_capacity(count + 5);
            values.extend((0..count).map(|i| i as f32));
            let buffer = Buffer::from_vec(values.clone()).unwrap();
            assert!(buffer.start().addr().get().is_multiple_of(ALIGNMENT));
            assert_eq!(buffer.as_slice::<f32>(), values);
        }
        // Zeros of a buffer's size and alignment, of which some start on a cache line.
        let lines: Vec<Buffer> = (0..64).map(|_| Buffer::from_vec(vec![1u8; 64 * 1024]).unwrap()).collect();
        assert!(lines.iter().all(|line| line.as_bytes().iter().all(|byte| *byte == 1)));
    }
}
