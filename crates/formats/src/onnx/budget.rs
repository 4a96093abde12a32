//! Limits on what a file may become and on the work that this takes, counted before either is done.
//!
//! Both are counted in elements, never in seconds, so that the same file is read or refused on every machine. Not
//! counted are [`Imported::others`](super::Imported::others), which are copies of initializers: each was counted
//! when it was read, so they cannot be more than those.

use striate_tensor::{Error, Result};

/// Steps of work that every file may take.
const LEAST_WORK: u64 = 1 << 26;
/// Further steps for each byte of the file and of the files with its weights.
const WORK_PER_BYTE: u64 = 16;
/// Steps that no file may exceed.
const MOST_WORK: u64 = 1 << 31;
/// Floats that no file may exceed, unless its reader allows more.
const MOST_FLOATS: usize = 1 << 30;

/// The floats that a file may become and the work that reading it may take.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    left: usize,
    work: u64,
}

impl Budget {
    /// A budget of `floats` for a file of `bytes`.
    pub fn new(floats: usize, bytes: usize) -> Budget {
        let work = LEAST_WORK.saturating_add(WORK_PER_BYTE.saturating_mul(bytes as u64)).min(MOST_WORK);
        Budget { most: floats, left: floats, work }
    }

    /// Raises the limits for `bytes` that lie in another file.
    pub fn grow(&mut self, bytes: usize) {
        let more = bytes.min(MOST_FLOATS.saturating_sub(self.most));
        (self.most, self.left) = (self.most + more, self.left + more);
        self.work = self.work.saturating_add(WORK_PER_BYTE.saturating_mul(bytes as u64)).min(MOST_WORK);
    }

    /// Takes `count` floats from what is left.
    pub fn floats(&mut self, count: usize) -> Result<()> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or_else(|| {
            let (here, most) = (self.most - self.left, self.most);
            Error::input(format!(
                "holds more numbers than are read: {count} beside {here}, at most {most}; export a smaller network"
            ))
        })?;
        Ok(())
    }

    /// As [`Budget::floats`], for integers: eight bytes for each of both batches.
    pub fn ints(&mut self, count: usize) -> Result<()> {
        self.floats(count.saturating_mul(4))
    }

    /// Takes the work of computing `count` elements, each in `steps` steps.
    pub fn work(&mut self, count: usize, steps: usize) -> Result<()> {
        let left = self.work.checked_sub((count as u64).saturating_mul(steps as u64));
        self.work = left.ok_or_else(|| {
            Error::input(
                "needs more arithmetic on constants than a file of its size may; simplify it first, for example with onnxsim",
            )
        })?;
        Ok(())
    }
}
