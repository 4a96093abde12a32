//! The line of networks from 1957 to 2015, with what their authors published and what their graphs count.

mod claims;
mod counts;
mod line;

use striate_tensor::Result;

pub use claims::{Claim, Verdict, claims};
pub use counts::Counts;
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

/// An error that was published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedError {
    /// What was measured, such as `ImageNet top-5`.
    pub task: &'static str,
    /// In percent.
    pub percent: f64,
    /// How many networks voted.
    pub networks: u32,
    /// On which views of an image, and whatever else one has to know.
    pub how: &'static str,
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
    /// Errors that its authors published.
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

    /// The lowest and the highest share of wrong top-5 guesses on ImageNet that its authors published, as a
    /// single network and as several.
    pub fn top5(&self) -> (Option<PublishedError>, Option<PublishedError>) {
        let top5 = || self.errors.iter().filter(|error| error.task == "ImageNet top-5").copied();
        let lowest = |errors: &mut dyn Iterator<Item = PublishedError>| {
            errors.min_by(|a, b| a.percent.total_cmp(&b.percent))
        };
        let single = lowest(&mut top5().filter(|error| error.networks == 1));
        (single, lowest(&mut top5().filter(|error| error.networks > 1)))
    }
}
