//! The report of loading a data set: sizes, parts, skipped files, unreadable images.

use std::path::PathBuf;

use crate::ImageFile;

/// The report of loading a data set, for the summary before training.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Smallest and largest original height and width, each side on its own; `None` unless the images
    /// were read from image files.
    pub sizes: Option<[[usize; 2]; 2]>,
    /// Skipped files and folders, sorted by kind.
    pub skipped: Vec<Skipped>,
    /// Skipped unreadable images, with the reason.
    pub unreadable: Vec<(ImageFile, String)>,
    /// The parts that were found: training, then validation, then test.
    pub parts: Vec<PartSurvey>,
    /// The fingerprint of the data set, if it has already been computed, for example while its images were read.
    pub fingerprint: Option<String>,
    /// Notes, one line each: an enclosing folder that was entered, classes without images in a part.
    pub notes: Vec<String>,
}

/// Skipped entries of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The kind: a file extension such as `txt`, `hidden`, `system`, `no extension`.
    pub kind: String,
    /// Number of entries.
    pub count: usize,
    /// The first of them.
    pub first: PathBuf,
}

/// One part of a data set as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSurvey {
    /// `train`, `validation`, `test`, or `all` for a set without parts.
    pub name: &'static str,
    /// The folder that holds it, if it is a folder.
    pub folder: Option<PathBuf>,
    /// Number of images.
    pub count: usize,
    /// Classes of which the part has no image.
    pub missing: Vec<String>,
}
