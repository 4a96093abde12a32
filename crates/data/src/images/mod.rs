//! Data sets of encoded images: found by [`crate::folder`], [`crate::list`] or [`crate::shards`], read here.
//!
//! All images are read in advance, which finds those that cannot be read. They stay in memory, at one size, if they fit
//! into the cache and the original images are not augmented.

mod collection;
mod files;
mod image_file;
mod labeled;
mod reader;
mod scan;

pub(crate) use self::collection::{Collection, FoundPart, Listing};
pub use self::files::Files;
pub use self::image_file::ImageFile;
pub(crate) use self::image_file::MOST_BYTES;
pub(crate) use self::labeled::{Labeled, LabeledPart, Purpose, join};
pub(crate) use self::reader::{digest, refuse_unreadable, steps};
