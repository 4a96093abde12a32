//! Options of loading a data set.

use striate_vision::{MAX_PIXELS, Step};

/// Options of [`load`](crate::load); the default suits a data set of unknown content.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadOptions {
    /// Height and width that every image is brought to. By default image folders keep their own size if
    /// all training images share one of at most 256 pixels a side, else they become 224×224; built-in sets
    /// keep theirs.
    pub size: Option<[usize; 2]>,
    /// Channels of every image, 1 or 3. By default image folders are gray only if every image is.
    pub channels: Option<usize>,
    /// What to do with images that cannot be read.
    pub unreadable: Unreadable,
    /// Pixels that an image may have; larger ones count as unreadable.
    pub max_pixels: u64,
    /// Steps that bring every image of an image folder to one size, in place of those that follow from
    /// `size`; those of a model's preprocessing, for instance.
    pub steps: Option<Vec<Step>>,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            size: None,
            channels: None,
            unreadable: Unreadable::Refuse,
            max_pixels: MAX_PIXELS,
            steps: None,
        }
    }
}

/// What to do with images that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// Refuse the data set, naming all of them.
    #[default]
    Refuse,
    /// Leave them out and list them in the [`Survey`](crate::Survey).
    Skip,
}
