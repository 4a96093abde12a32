//! Options of loading a data set.

use striate_vision::{MAX_PIXELS, Step};

/// Options of [`load`](crate::load); the default suits a data set of unknown content.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadOptions {
    /// Height and width to which every image is resized. By default, image folders keep their own size if
    /// all training images have the same one of at most 256 pixels per side, or else use 224×224; built-in sets
    /// keep theirs.
    pub size: Option<[usize; 2]>,
    /// Channels of every image, 1 or 3. By default, image folders are gray only if every image is.
    pub channels: Option<usize>,
    /// How to handle images that cannot be read.
    pub unreadable: Unreadable,
    /// Largest number of pixels per image; larger images count as unreadable.
    pub max_pixels: u64,
    /// Steps that resize every image of an image folder, instead of those that follow from `size`; for example,
    /// those of a model's preprocessing.
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

/// How to handle images that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// Refuse the data set, naming all of them.
    #[default]
    Refuse,
    /// Skip them and list them in the [`Survey`](crate::Survey).
    Skip,
}
