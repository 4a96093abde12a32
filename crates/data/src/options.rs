//! Options of loading a data set.

use std::fmt;
use std::sync::Arc;

use striate_tensor::encoding::Encoding;
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
    /// Images of an image folder are held in memory if they take at most as many bytes at the size of the set;
    /// otherwise each is decoded whenever it is needed. Encoded sounds must fit, and so must texts and their files.
    pub cache_bytes: u64,
    /// Whether image files are decoded whenever they are needed in any case, so that the original images are augmented.
    pub keeps_originals: bool,
    /// How sounds or texts are encoded, instead of what follows from `sound` or `text`; for example, the encoding of a
    /// model.
    pub encoding: Option<Encoding>,
    /// What is fixed of the encoding of sounds.
    pub sound: SoundOptions,
    /// What is fixed of the encoding of texts.
    pub text: TextOptions,
    /// What watches the reading of files.
    pub watch: Watch,
}

/// What is fixed of the encoding of sounds; the rest follows from the sounds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SoundOptions {
    /// Whether the network takes waveforms, not spectrograms.
    pub is_waveform: bool,
    /// Samples per second; by default 8,000 for waveforms, and 16,000 for spectrograms.
    pub sample_rate: Option<u32>,
    /// Length in seconds; by default the one that 95 % of the training sounds do not exceed.
    pub seconds: Option<f64>,
    /// Bands of a spectrogram; 64 by default.
    pub mels: Option<usize>,
}

/// What is fixed of the encoding of texts; the rest follows from the texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextOptions {
    /// Number of characters that are used of each text; by default that of the longest training text, at most 1014.
    pub length: Option<usize>,
    /// The characters that have a plane; by default the most frequent ones of the training texts, which make up
    /// 99.9 % of them, at most 255.
    pub alphabet: Option<String>,
}

/// Watches a job: is called with the number of items that are done, and with that of all items.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<dyn Fn(usize, usize) + Send + Sync>>);

impl Watch {
    /// Calls `watch` from any thread.
    pub fn new(watch: impl Fn(usize, usize) + Send + Sync + 'static) -> Watch {
        Watch(Some(Arc::new(watch)))
    }

    pub(crate) fn call(&self, done: usize, all: usize) {
        if let Some(watch) = &self.0 {
            watch(done, all);
        }
    }
}

/// All are equal, because none changes what is loaded.
impl PartialEq for Watch {
    fn eq(&self, _: &Watch) -> bool {
        true
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// The default of [`LoadOptions::cache_bytes`].
pub const CACHE_BYTES: u64 = 1 << 30;

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            size: None,
            channels: None,
            unreadable: Unreadable::Refuse,
            max_pixels: MAX_PIXELS,
            steps: None,
            cache_bytes: CACHE_BYTES,
            keeps_originals: false,
            encoding: None,
            sound: SoundOptions::default(),
            text: TextOptions::default(),
            watch: Watch::default(),
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
