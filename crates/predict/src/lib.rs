//! From a model file and an image to predictions; the error measures of ILSVRC.

#![forbid(unsafe_code)]

mod align;
mod classifier;
mod heads;
mod literal;
mod metadata;
mod names;
mod open;
mod preprocessing;
mod resolve;
mod tally;

pub use align::{Alignment, align};
pub use classifier::{Classifier, Guess};
pub use heads::Head;
pub use names::{name_classes, read_names};
pub use open::{OpenOptions, open_model, set_preprocessing, stated_preprocessing};
pub use preprocessing::{
    Colors, PREPROCESSING_WORDS, check_preprocessing, describe, describe_steps, named_preprocessing,
    published_preprocessing, read_preprocessing, resized,
};
pub use resolve::{Resolved, resolve, resolve_with};
pub use tally::{Tally, softmax};
