//! Data sets: built in, fetched or one's own; their order, their loading.

#![forbid(unsafe_code)]

mod dataset;
mod digits;
mod idx;
mod loader;
mod mnist;
mod npy;
mod spec;

pub use dataset::{ClassCounts, Dataset, Pixels, Split, align_classes};
pub use idx::{IdxArray, read_idx};
pub use loader::{Augmentation, Batch, Loader, Order, Prepared, Sampling};
pub use mnist::{MnistKind, data_folder, get};
pub use spec::{Spec, load};
