//! Patterns of shards: `train-{000000..000146}.tar`, or a single archive.

use std::path::PathBuf;

use striate_tensor::{Error, Result};

/// Largest number of shards.
const MOST_SHARDS: u64 = 1 << 20;
/// Largest number of digits.
const WIDEST: usize = 20;

/// Returns the shards that `text` names, with a range of numbers in braces expanded.
///
/// # Errors
/// If the range is malformed, or a shard does not exist.
pub(super) fn expand(text: &str) -> Result<Vec<PathBuf>> {
    let shards = match text.split_once('{') {
        None => vec![PathBuf::from(text)],
        Some((before, rest)) => {
            let malformed = || {
                let what = "the range in braces must be two numbers, such as train-{000000..000146}.tar";
                Error::input(what).at(text)
            };
            let (range, after) = rest.split_once('}').ok_or_else(malformed)?;
            let (first, last) = range.split_once("..").ok_or_else(malformed)?;
            let number = |word: &str| word.parse::<u64>().map_err(|_| malformed());
            let (low, high) = (number(first)?, number(last)?);
            let width = first.len();
            if after.contains(['{', '}']) || high < low || width > WIDEST {
                return Err(malformed());
            }
            if high - low >= MOST_SHARDS {
                return Err(Error::input(format!("names more than {MOST_SHARDS} shards")).at(text));
            }
            (low..=high).map(|number| PathBuf::from(format!("{before}{number:0width$}{after}"))).collect()
        }
    };
    match shards.iter().find(|shard| !shard.is_file()) {
        None => Ok(shards),
        Some(missing) => Err(Error::input("no such shard").at(missing.display())),
    }
}
