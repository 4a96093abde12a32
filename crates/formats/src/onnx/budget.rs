//! How many numbers a file may become: counted before memory is taken for them.

use striate_tensor::{Error, Result};

/// What is left of the floats that a file may become.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub fn new(floats: usize) -> Budget {
        Budget(floats)
    }

    /// Takes `count` floats from what is left.
    pub fn floats(&mut self, count: usize) -> Result<()> {
        let left = self.0.checked_sub(count);
        self.0 = left.ok_or_else(|| Error::input("holds more numbers than are read"))?;
        Ok(())
    }

    /// As [`Budget::floats`], for integers: eight bytes for each of both batches.
    pub fn ints(&mut self, count: usize) -> Result<()> {
        self.floats(count.saturating_mul(4))
    }
}
