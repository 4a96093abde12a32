//! Images: decode, resize, crop, normalize, augment, draw. Pure functions, no threads, no files.

#![forbid(unsafe_code)]

pub mod augment;
mod canvas;
mod codec;
mod digit;
pub mod draw;
mod font;
mod image;
mod preprocessing;
mod resize;

pub use crate::image::Image;
pub use codec::{decode, dimensions, encode_png};
pub use digit::Center;
pub use preprocessing::{Preprocessing, Step};
pub use resize::{Filter, resize};
