//! What a network sees and what it learned, as pictures and reports.

#![forbid(unsafe_code)]

mod grad_cam;
mod heat;
mod layers;

pub use grad_cam::{GradCam, grad_cam};
pub use heat::Heat;
pub use layers::{MapLayer, last_maps, map_layer, map_layers};
