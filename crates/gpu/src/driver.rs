//! What a device needs of the processor that runs its kernels.

use std::sync::Arc;

use striate_tensor::{Error, Result};

use crate::convolution::{Convolution, Engine};

/// Threads in a block of every kernel.
pub const THREADS: usize = 256;

/// Blocks among which kernels divide a sum over a whole slice.
pub(crate) const SHARES: usize = 128;

/// What the source of every file of kernels starts with; with `EMULATED` defined, the same text is C++ for the CPU.
pub const COMMON: &str = include_str!("kernels/common.cuh");

/// The files of kernels: names and text, each of which follows [`COMMON`].
pub const FILES: &[(&str, &str)] = &[
    ("pointwise.cu", include_str!("kernels/pointwise.cu")),
    ("movement.cu", include_str!("kernels/movement.cu")),
    ("convolution.cu", include_str!("kernels/convolution.cu")),
    ("pooling.cu", include_str!("kernels/pooling.cu")),
    ("normalization.cu", include_str!("kernels/normalization.cu")),
    ("matrix.cu", include_str!("kernels/matrix.cu")),
    ("loss.cu", include_str!("kernels/loss.cu")),
    ("optimizer.cu", include_str!("kernels/optimizer.cu")),
];

/// The file with the kernel `name`.
pub(crate) fn file_of(name: &str) -> Option<(&'static str, &'static str)> {
    let definitions = ["KERNEL", "WIDE"].map(|kind| format!("{kind}({name})"));
    let defines = |(_, text): &&(&str, &str)| definitions.iter().any(|definition| text.contains(definition));
    FILES.iter().find(defines).copied()
}

/// A kernel of a [`Driver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function(pub usize);

/// What was launched between two calls, to be launched again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording(pub usize);

/// A processor with memory of its own. What is launched runs in order.
pub trait Driver: Send + Sync {
    /// The name for output and errors, such as `cuda NVIDIA H200`.
    fn name(&self) -> String;

    /// What decides the bits of results: the model of the processor and the versions of its libraries.
    fn arithmetic(&self) -> String;

    /// Allocates `bytes` zero bytes at an address that is a multiple of 256.
    ///
    /// # Errors
    /// If there is not enough memory.
    fn allocate(&self, bytes: usize) -> Result<u64>;

    /// The free memory in bytes; `None` if that is not known.
    ///
    /// # Errors
    /// If the device fails.
    fn free_memory(&self) -> Result<Option<usize>>;

    /// Frees memory.
    ///
    /// # Safety
    /// [`Driver::allocate`] returned `address` for as many `bytes`, and nothing uses it any more.
    unsafe fn free(&self, address: u64, bytes: usize);

    /// Copies `bytes` to the device.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Safety
    /// The range at `address` lies within allocated memory.
    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<()>;

    /// Copies `bytes` from the device, after everything launched before has ended.
    ///
    /// # Errors
    /// If the device, or anything launched before, fails.
    ///
    /// # Safety
    /// The range at `address` lies within allocated memory.
    unsafe fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()>;

    /// The kernel called `name` in one of [`FILES`].
    ///
    /// # Errors
    /// If there is none.
    fn function(&self, name: &str) -> Result<Function>;

    /// Launches `blocks` blocks of [`THREADS`] threads.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Safety
    /// The words are the kernel's arguments, and all addresses that it computes from them are valid.
    unsafe fn launch(&self, function: Function, blocks: usize, words: &[u64]) -> Result<()>;

    /// Plans a convolution with the driver's library; `None` if it has none, or no engine that computes all of it, is
    /// deterministic and multiplies numbers of the precision. Own kernels compute it, or its epilogue, then.
    ///
    /// # Errors
    /// If the library fails.
    fn convolution(&self, convolution: &Convolution) -> Result<Option<Engine>>;

    /// What the report of a plan calls an engine.
    fn engine_name(&self, engine: Engine) -> String;

    /// Starts the convolution of an engine on x, w and y, or their gradients, the bias and the residual, which are 0 if
    /// there is none.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Safety
    /// The operands have the extents and the type of the convolution, and the workspace is as large as the engine
    /// demands; all are aligned to 16 bytes.
    unsafe fn convolve(&self, engine: Engine, operands: [u64; 5], workspace: u64) -> Result<()>;

    /// Begins to record what this thread launches, which does not run meanwhile. Between this call and
    /// [`Driver::end_recording`], the thread only launches.
    ///
    /// # Errors
    /// If the device fails.
    fn begin_recording(&self) -> Result<()>;

    /// Ends a recording.
    ///
    /// # Errors
    /// If something launched cannot be recorded.
    fn end_recording(&self) -> Result<Recording>;

    /// Launches all of a recording.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Safety
    /// The recording exists, and the memory that its launches use is still valid.
    unsafe fn replay(&self, recording: Recording) -> Result<()>;

    /// Deletes a recording.
    ///
    /// # Safety
    /// Nothing uses it any more.
    unsafe fn forget(&self, recording: Recording);

    /// Waits until everything launched has ended.
    ///
    /// # Errors
    /// If the device, or anything launched before, fails.
    fn wait(&self) -> Result<()>;
}

/// A range of device memory, freed with its owner.
pub(crate) struct Block {
    driver: Arc<dyn Driver>,
    address: u64,
    bytes: usize,
}

impl Block {
    /// Allocates zero bytes.
    pub fn zeroed(driver: &Arc<dyn Driver>, bytes: usize) -> Result<Block> {
        let address = if bytes == 0 { 0 } else { driver.allocate(bytes)? };
        Ok(Block { driver: driver.clone(), address, bytes })
    }

    /// The address of its first byte.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// The size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Copies `bytes` to `offset`.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.check(offset, bytes.len())?;
        // SAFETY: the range was just checked.
        unsafe { self.driver.write(self.address + offset as u64, bytes) }
    }

    /// Copies bytes from `offset`.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.check(offset, bytes.len())?;
        // SAFETY: the range was just checked.
        unsafe { self.driver.read(self.address + offset as u64, bytes) }
    }

    fn check(&self, offset: usize, bytes: usize) -> Result<()> {
        match offset.checked_add(bytes).is_some_and(|end| end <= self.bytes) {
            true => Ok(()),
            false => Err(Error::failed("a range of device memory lies outside of its block")),
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: the block was allocated by this driver, and its owner is gone.
            unsafe { self.driver.free(self.address, self.bytes) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_both_kinds_are_found() {
        for (kernel, file) in [("normalize", "normalization.cu"), ("max_pool", "pooling.cu")] {
            assert_eq!(file_of(kernel).map(|(name, _)| name), Some(file), "{kernel}");
        }
        assert_eq!(file_of("norm"), None);
    }
}
