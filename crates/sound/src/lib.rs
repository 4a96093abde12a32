//! Sounds: decode, mix to one channel, resample, encode as waveform or spectrogram. Pure functions without threads or
//! file access.
//!
//! The feature `codecs`, off by default, adds the decoding of compressed files by the crate `symphonia`.

#![forbid(unsafe_code)]

pub mod augment;
mod decode;
mod encode;
mod fault;
mod fft;
mod kind;
mod mel;
mod ogg;
mod resample;
mod sound;
mod wav;

pub use decode::{LONGEST_SECONDS, decode, duration};
pub use encode::{Encoder, decibels};
pub use kind::{HEAD_BYTES, SoundKind};
pub use mel::Spectrogram;
pub use resample::resample;
pub use sound::Sound;
pub use striate_tensor::encoding::{LogMel, SoundEncoding, SoundForm};
