//! Normalization, and other operations per channel.

pub mod batch_norm;
pub mod lrn;
pub(crate) mod plain_channels;
pub mod reduce;
pub mod scale;
