//! From a model file and an image to guesses; the measures of the ILSVRC contest.

#![forbid(unsafe_code)]

mod classifier;
mod pictures;
mod resolve;
mod tally;

pub use classifier::{Classifier, Guess};
pub use pictures::{check_preprocessing, published_preprocessing, read_preprocessing};
pub use resolve::{Resolved, resolve, resolve_with};
pub use tally::{Tally, softmax};
