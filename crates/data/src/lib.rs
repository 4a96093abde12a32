//! Data sets: built in, fetched or one's own; their order, their loading.

#![forbid(unsafe_code)]

mod dataset;
mod digits;
mod folder;
mod idx;
mod loader;
mod mnist;
mod npy;
mod order;
mod prepared;
#[cfg(test)]
mod scratch;
mod spec;
mod split;

pub use dataset::{Dataset, align_classes};
pub use idx::{IdxArray, read_idx};
pub use loader::{Augmentation, Batch, Loader, Sampling};
pub use mnist::{MnistKind, data_folder, get};
pub use order::Order;
pub use prepared::Prepared;
pub use spec::{Spec, load, load_sized};
pub use split::{ClassCounts, Pixels, Split};
