//! What a network sees and what it learned, as pictures and reports.

#![forbid(unsafe_code)]

mod classes;
mod colors;
mod features;
mod grad_cam;
mod heat;
mod kernels;
mod layers;
mod look;
mod occlusion;
mod overlay;
pub mod page;
mod patches;
mod probabilities;
pub mod report;
mod saliency;
mod shifts;

pub use classes::class_named;
pub use colors::viridis;
pub use features::FeatureMaps;
pub use grad_cam::{GradCam, grad_cam};
pub use heat::Heat;
pub use kernels::FirstKernels;
pub use layers::{MapLayer, last_maps, map_layer, map_layers, representative_layers};
pub use look::{Look, Picture};
pub use occlusion::{Occluded, Occlusion};
pub use overlay::{colored, enlarged, gray, overlay, seen, shown, stretched};
pub use patches::{ExcitingPatches, PATCHES, Patch, UNITS, exciting_patches};
pub use saliency::Saliency;
pub use shifts::{MOST_SHIFT, Shifts};
