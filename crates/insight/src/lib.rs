//! What a network sees and what it learned, as pictures and reports.

#![forbid(unsafe_code)]

mod colors;
mod grad_cam;
mod heat;
mod layers;
mod occlusion;
mod overlay;
mod saliency;

pub use colors::viridis;
pub use grad_cam::{GradCam, grad_cam};
pub use heat::Heat;
pub use layers::{MapLayer, last_maps, map_layer, map_layers};
pub use occlusion::{Occluded, Occlusion};
pub use overlay::{colored, enlarged, gray, overlay, seen, stretched};
pub use saliency::Saliency;
