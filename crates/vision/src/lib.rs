//! Images: decode, resize, crop, normalize, augment, draw. Pure functions without threads or file access.

#![forbid(unsafe_code)]

pub mod augment;
mod canvas;
mod codec;
mod digit;
pub mod draw;
mod font;
mod image;
mod jpeg;
mod kind;
mod preprocessing;
mod resize;
mod tiff;

pub use crate::image::Image;
pub use codec::{MAX_PIXELS, decode, decode_limited, dimensions, encode_png};
pub use digit::Center;
pub use kind::{HEAD_BYTES, ImageKind, Readable};
pub use preprocessing::{Preprocessing, Step};
pub use resize::{Filter, Region, resize, resize_region};
