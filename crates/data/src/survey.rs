//! The report of loading a data set: sizes, parts, files left aside, unreadable images.

use std::path::PathBuf;

/// The report of loading a data set, for the summary before training.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Smallest and largest original height and width, each side on its own; `None` unless the images
    /// were read from image files.
    pub sizes: Option<[[usize; 2]; 2]>,
    /// Files and folders that were left aside, by kind, sorted by kind.
    pub left_aside: Vec<LeftAside>,
    /// Images that could not be read and were left out, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// The parts that were found: training, then validation, then test.
    pub parts: Vec<PartSurvey>,
    /// Notes, one line each: an enclosing folder that was entered, classes without images in a part.
    pub notes: Vec<String>,
}

/// Entries of one kind that were left aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAside {
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
