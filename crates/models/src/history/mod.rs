//! The history of convolutional networks from 1957 to 2015: published figures beside those counted in the graphs.

mod claims;
mod counts;
mod milestones;

use striate_tensor::Result;

pub use claims::{Claim, Verdict, claims};
pub use counts::Counts;
pub use milestones::MILESTONES;

/// The line of development that a milestone belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// Before the branches diverge.
    Trunk,
    /// Better modules: from Network in Network to Inception.
    Structure,
    /// More layers: from VGG to ResNet.
    Depth,
}

impl Branch {
    /// Returns the name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Branch::Trunk => "trunk",
            Branch::Structure => "structure",
            Branch::Depth => "depth",
        }
    }
}

/// The task of the ImageNet challenges from 2012 to 2015.
const IMAGENET_TOP5: &str = "ImageNet top-5";

/// A published error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedError {
    /// Task and measure, such as `ImageNet top-5`.
    pub task: &'static str,
    /// The error in percent.
    pub percent: f64,
    /// Number of networks in the ensemble; 1 for a single network.
    pub networks: u32,
    /// The views of an image that were used; further remarks follow a semicolon.
    pub how: &'static str,
}

impl PublishedError {
    /// Returns whether this is a top-5 error on ImageNet.
    pub fn is_top5(&self) -> bool {
        self.task == IMAGENET_TOP5
    }

    /// Returns the views without the remarks.
    pub fn views(&self) -> &'static str {
        self.how.split(';').next().unwrap_or(self.how)
    }
}

/// A work that later ones build on.
#[derive(Debug, Clone, Copy)]
pub struct Milestone {
    /// Year of publication.
    pub year: u16,
    /// Name of the network or discovery.
    pub name: &'static str,
    /// Authors.
    pub authors: &'static str,
    /// The new idea, in one sentence.
    pub idea: &'static str,
    /// URL of the paper.
    pub link: &'static str,
    /// Branch that it belongs to.
    pub branch: Branch,
    /// Name in [`crate::all`] of the network whose graph is counted.
    pub model: Option<&'static str>,
    /// Sizes stated by the authors, for works without a graph to count.
    pub stated: Option<&'static str>,
    /// Errors published by the authors: first those of a single network on the validation images, from the fewest
    /// views to the most and including the best, then those of ensembles.
    pub errors: &'static [PublishedError],
}

impl Milestone {
    /// Returns the figures counted in the graph of its network, if it has one.
    ///
    /// # Errors
    /// If the network is invalid.
    pub fn counts(&self) -> Result<Option<Counts>> {
        self.model.map(Counts::of).transpose()
    }

    /// Returns the published error of a single network on the fewest views.
    pub fn fewest_views(&self) -> Option<PublishedError> {
        self.errors.iter().find(|error| error.networks == 1).copied()
    }

    /// Returns the lowest published error of a single network, and the lowest of an ensemble.
    pub fn lowest_errors(&self) -> (Option<PublishedError>, Option<PublishedError>) {
        let lowest = |is_single: bool| {
            let errors = self.errors.iter().filter(|error| (error.networks == 1) == is_single);
            errors.min_by(|a, b| a.percent.total_cmp(&b.percent)).copied()
        };
        (lowest(true), lowest(false))
    }
}
