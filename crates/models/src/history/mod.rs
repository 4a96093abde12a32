//! The line of networks from 1957 to 2015, with what their authors published and what their graphs count.

mod claims;
mod counts;
mod line;

use striate_tensor::Result;

pub use claims::{Claim, Verdict, claims};
pub use counts::{Counts, grouped};
pub use line::LINE;

/// Where a station stands in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// Before the branches part.
    Trunk,
    /// Better modules: Network in Network to Inception.
    Structure,
    /// More layers: VGG to ResNet.
    Depth,
}

impl Branch {
    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Branch::Trunk => "trunk",
            Branch::Structure => "structure",
            Branch::Depth => "depth",
        }
    }
}

/// The task of the contests from 2012 to 2015.
const IMAGENET_TOP5: &str = "ImageNet top-5";

/// An error that was published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedError {
    /// What was measured, such as `ImageNet top-5`.
    pub task: &'static str,
    /// In percent.
    pub percent: f64,
    /// How many networks voted.
    pub networks: u32,
    /// On which views of an image; behind a semicolon whatever else one has to know.
    pub how: &'static str,
}

impl PublishedError {
    /// Whether it is a share of images whose class is not among five guesses, on ImageNet.
    pub fn is_top5(&self) -> bool {
        self.task == IMAGENET_TOP5
    }

    /// The views alone, without what else one has to know.
    pub fn views(&self) -> &'static str {
        self.how.split(';').next().unwrap_or(self.how)
    }
}

/// A work that the later ones build on.
#[derive(Debug, Clone, Copy)]
pub struct Station {
    /// The year.
    pub year: u16,
    /// Its name.
    pub name: &'static str,
    /// Its authors.
    pub authors: &'static str,
    /// What was new, in a sentence.
    pub idea: &'static str,
    /// Where the paper is to be had.
    pub link: &'static str,
    /// Where it stands.
    pub branch: Branch,
    /// The network that is counted for it, by its name in [`crate::all`].
    pub model: Option<&'static str>,
    /// Sizes that its authors state, where there is no graph to count.
    pub stated: Option<&'static str>,
    /// Errors that its authors published: of one network on the validation images, the fewest views first,
    /// then of several networks. The best of one network is among them.
    pub errors: &'static [PublishedError],
}

impl Station {
    /// What its network's graph counts, if there is one.
    ///
    /// # Errors
    /// If the network is faulty.
    pub fn counts(&self) -> Result<Option<Counts>> {
        self.model.map(Counts::of).transpose()
    }

    /// The error of one network on the fewest views that its authors published.
    pub fn fewest_views(&self) -> Option<PublishedError> {
        self.errors.iter().find(|error| error.networks == 1).copied()
    }

    /// The lowest error that its authors published of one network, and the lowest of several together.
    pub fn lowest_errors(&self) -> (Option<PublishedError>, Option<PublishedError>) {
        let lowest = |is_single: bool| {
            let errors = self.errors.iter().filter(|error| (error.networks == 1) == is_single);
            errors.min_by(|a, b| a.percent.total_cmp(&b.percent)).copied()
        };
        (lowest(true), lowest(false))
    }
}
