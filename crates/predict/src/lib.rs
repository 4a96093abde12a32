//! From a model file and an image to guesses; the measures of the ILSVRC contest.

#![forbid(unsafe_code)]

mod classifier;
mod resolve;
mod tally;

pub use classifier::{Classifier, Guess};
pub use resolve::{Resolved, resolve};
pub use tally::{Tally, softmax};
