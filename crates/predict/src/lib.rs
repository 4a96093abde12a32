//! From a model file and an image, a sound or a text to predictions; the error measures of ILSVRC.

#![forbid(unsafe_code)]

mod align;
mod classifier;
mod ensemble;
mod facts;
mod figures;
mod heads;
mod integers;
mod literal;
mod metadata;
mod names;
mod open;
mod preprocessing;
mod preprocessing_file;
mod protocol;
mod resolve;
mod tally;

pub use align::{Alignment, align};
pub use classifier::{Classifier, Guess};
pub use ensemble::{Ensemble, Member};
pub use facts::{Source, WeightsFacts};
pub use figures::{BINS, Bin, ClassFigures};
pub use heads::Head;
pub use integers::{check_integers, check_values};
pub use names::{name_classes, read_names};
pub use open::{OpenOptions, adapt, choose_preprocessing, fit_all, inherited, open_model, read_again};
pub use preprocessing::{Colors, PREPROCESSING_WORDS, check_preprocessing, named_preprocessing, resized};
pub use protocol::{Dense, Protocol, Views, Whole, dense};
pub use resolve::{Resolved, refuse_builtin, resolve, resolve_beside, resolve_with};
pub use tally::{Tally, best, softmax};
