//! Evaluation protocols of papers: how many views of an image a network classifies, and which.

mod crops;
mod dense;
mod framing;
mod views;

use std::fmt;

pub use self::dense::{Dense, dense};
pub use self::views::{Views, Whole};

/// An evaluation protocol. The probabilities of all views of an image are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The image as the model's preprocessing gives it: a resized image or its center.
    Center,
    /// The corners and the center of the resized image, and their mirror images: Krizhevsky et al., NIPS 2012,
    /// section 4.1.
    TenCrop,
    /// Crops of squares at four scales, and their mirror images: Szegedy et al., CVPR 2015, section 7.
    Crops144,
    /// The whole image, with fully connected layers as convolutions; scores are averaged over its places: Sermanet et
    /// al., ICLR 2014, and Simonyan and Zisserman, ICLR 2015, section 3.2.
    Dense,
    /// As [`Protocol::Dense`], at several scales: those of Simonyan and Zisserman, section 4.2, for fully connected
    /// layers; those of He et al., CVPR 2016, section 3.4, for a mean over the map.
    MultiScale,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Protocol; 5] =
        [Protocol::Center, Protocol::TenCrop, Protocol::Crops144, Protocol::Dense, Protocol::MultiScale];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Center => "center",
            Protocol::TenCrop => "10crop",
            Protocol::Crops144 => "144crop",
            Protocol::Dense => "dense",
            Protocol::MultiScale => "multiscale",
        }
    }

    /// The protocol of this name.
    pub fn find(name: &str) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// Whether the network sees whole images.
    pub fn is_whole(self) -> bool {
        matches!(self, Protocol::Dense | Protocol::MultiScale)
    }

    /// Whether the protocol already includes the mirror image of each view.
    pub fn is_mirrored(self) -> bool {
        matches!(self, Protocol::TenCrop | Protocol::Crops144)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
