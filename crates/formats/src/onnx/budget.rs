//! How many numbers a file may become: counted before memory is taken for them.
//!
//! Not counted are [`Imported::others`](super::Imported::others), which are copies of initializers: each was counted
//! as it was read, so they are no more than those.

use striate_tensor::{Error, Result};

/// The floats that a file may become, and what is left of them.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    left: usize,
}

impl Budget {
    pub fn new(floats: usize) -> Budget {
        Budget { most: floats, left: floats }
    }

    /// Takes `count` floats from what is left.
    pub fn floats(&mut self, count: usize) -> Result<()> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or_else(|| {
            let (here, most) = (self.most - self.left, self.most);
            Error::input(format!(
                "holds more numbers than are read: {count} beside {here}, {most} at most; export a smaller network"
            ))
        })?;
        Ok(())
    }

    /// As [`Budget::floats`], for integers: eight bytes for each of both batches.
    pub fn ints(&mut self, count: usize) -> Result<()> {
        self.floats(count.saturating_mul(4))
    }
}
