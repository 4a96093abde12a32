//! Whether variables are finite, found on the device.

use striate_tensor::Result;

use crate::driver::{Driver, SHARES};
use crate::plan::Region;

/// Bytes for what each of the kernel's blocks finds.
pub(crate) const BYTES: usize = SHARES * size_of::<i64>();

/// Joins regions of floats that follow each other, with nothing but padding between them.
pub(crate) fn joined(mut regions: Vec<Region>) -> Vec<Region> {
    regions.sort_by_key(|region| region.offset);
    let mut joined: Vec<Region> = Vec::new();
    for region in regions {
        match joined.last_mut() {
            Some(last) if last.end() == region.offset => {
                last.bytes = region.offset + region.bytes - last.offset;
            }
            _ => joined.push(region),
        }
    }
    joined
}

/// Starts to look for numbers that are not finite among the `count` floats at `address`; `found` is [`BYTES`] long.
///
/// # Errors
/// If the device fails.
///
/// # Safety
/// Both are valid device memory.
pub(crate) unsafe fn find(driver: &dyn Driver, address: u64, count: usize, found: u64) -> Result<()> {
    let function = driver.function("find_non_finite")?;
    // SAFETY: these are the arguments of the kernel; the rest is guaranteed by the caller.
    unsafe { driver.launch(function, SHARES, &[count as u64, address, 0, found]) }
}
