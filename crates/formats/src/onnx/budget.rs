//! Limits on a file's size after expansion and on the work that reading it takes, checked in advance.
//!
//! Both are counted in elements, never in seconds, so that every machine accepts or refuses the same files.
//! [`Imported::others`](super::Imported::others) are not counted, because they are copies of initializers, which were
//! counted when they were read.

use striate_tensor::{Error, Result};

/// Steps of work allowed for any file.
const LEAST_WORK: u64 = 1 << 26;
/// Additional steps for each byte of the file and of its external data.
const WORK_PER_BYTE: u64 = 16;
/// Largest number of steps for any file.
const MOST_WORK: u64 = 1 << 31;
/// Largest number of floats for any file, unless its reader allows more.
const MOST_FLOATS: usize = 1 << 30;

/// The number of floats that a file may expand to, and the work that reading it may take.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    left: usize,
    work: u64,
}

impl Budget {
    /// Creates a budget of `floats` for a file of `bytes`.
    pub fn new(floats: usize, bytes: usize) -> Budget {
        let work = LEAST_WORK.saturating_add(WORK_PER_BYTE.saturating_mul(bytes as u64)).min(MOST_WORK);
        Budget { most: floats, left: floats, work }
    }

    /// Raises the limits for `bytes` in another file.
    pub fn grow(&mut self, bytes: usize) {
        let more = bytes.min(MOST_FLOATS.saturating_sub(self.most));
        (self.most, self.left) = (self.most + more, self.left + more);
        self.work = self.work.saturating_add(WORK_PER_BYTE.saturating_mul(bytes as u64)).min(MOST_WORK);
    }

    /// Spends `count` floats.
    pub fn floats(&mut self, count: usize) -> Result<()> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or_else(|| {
            let (here, most) = (self.most - self.left, self.most);
            Error::input(format!(
                "has too many numbers: {count} in addition to {here}; the limit for a file of its size is {most}; export a smaller network"
            ))
        })?;
        Ok(())
    }

    /// As [`Budget::floats`], for integers: eight bytes for each of the two batch sizes.
    pub fn ints(&mut self, count: usize) -> Result<()> {
        self.floats(count.saturating_mul(4))
    }

    /// Spends the work of computing `count` elements, each in `steps` steps.
    pub fn work(&mut self, count: usize, steps: usize) -> Result<()> {
        let left = self.work.checked_sub((count as u64).saturating_mul(steps as u64));
        self.work = left.ok_or_else(|| {
            Error::input(
                "needs more arithmetic on constants than a file of its size is allowed; simplify it first, for example with onnxsim",
            )
        })?;
        Ok(())
    }
}
