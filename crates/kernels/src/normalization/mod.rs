//! Normalization, and other operations per channel.

pub mod batch_norm;
pub mod channel_sum;
pub mod lrn;
pub(crate) mod plain_channels;
pub mod scale;
