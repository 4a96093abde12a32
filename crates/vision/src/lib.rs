//! Images: decode, resize, crop, normalize, augment, draw. Pure functions without threads or file access.

#![forbid(unsafe_code)]

pub mod augment;
mod canvas;
mod codec;
mod contact;
mod digit;
pub mod draw;
mod fault;
pub mod features;
mod font;
mod foreign;
mod hash;
mod image;
mod jpeg;
mod kind;
mod lazy;
mod preprocessing;
mod resize;
mod table;
mod tiff;
mod tiles;

pub use crate::image::Image;
pub use codec::{Examined, MAX_PIXELS, decode, decode_limited, dimensions, encode_jpeg, encode_png, examine};
pub use contact::{ClassRow, SHEET_COLUMNS, SHEET_ROWS, contact_sheet};
pub use fault::{Fault, FaultKind};
pub use foreign::foreign_format;
pub use hash::DifferenceHash;
pub use kind::{HEAD_BYTES, ImageKind, Readable};
pub use lazy::LazyImage;
pub use preprocessing::{
    in_color_order, input_image, input_of_pixels, network_input, network_pixels, preprocess,
};
pub use resize::{Region, resize, resize_region};
pub use striate_tensor::preprocessing::{Center, Filter, Preprocessing, Step};
pub use table::{TableCell, table};
pub use tiles::{Tile, tiles};
