//! Data sets: built-in, downloaded, or your own as folders of images, sounds or texts, or as arrays; batches in order.

#![forbid(unsafe_code)]

mod augmented;
mod check;
mod cifar;
#[cfg(test)]
mod damage;
mod dataset;
mod described;
mod digits;
#[cfg(feature = "download")]
mod download;
mod evaluation;
mod folder;
mod get;
mod idx;
mod images;
mod inventory;
mod list;
mod loader;
mod medium;
mod mnist;
mod npy;
mod options;
mod order;
mod part;
mod prepared;
#[cfg(test)]
mod scratch;
mod shards;
mod sounds;
mod spec;
mod split;
mod survey;
mod texts;

pub use augmented::{Augmentation, Augmented, CustomAugmentation};
pub use check::{
    Check, CheckOptions, CheckProgress, Copies, Finding, FindingKind, MOST_NEAR, Severity, check,
};
pub use cifar::CifarKind;
pub use dataset::Dataset;
pub use described::{Described, describe};
#[cfg(feature = "download")]
pub use download::DownloadProgress;
pub use evaluation::{Evaluation, load_for_evaluation};
pub use folder::{file_kind, is_image};
#[cfg(feature = "download")]
pub use get::download;
pub use get::{Fetched, FetchedFile, Source, data_folder, get};
pub use idx::{IdxArray, read_idx, read_idx_bytes};
pub use images::{Files, ImageFile};
pub use inventory::{Inventory, PartInventory};
pub use loader::{Batch, Loader, Sampling};
pub use medium::Medium;
pub use mnist::MnistKind;
pub use options::{CACHE_BYTES, LoadOptions, SoundOptions, TextOptions, Unreadable, Watch};
pub use order::Order;
pub use prepared::Prepared;
pub use shards::{PrepareOptions, Shards, prepare};
pub use spec::{Spec, load};
pub use split::{ClassCounts, Pixels, Split};
pub use striate_sound::LONGEST_SECONDS;
pub use survey::{PartSurvey, Skipped, Survey};
