//! The encoding of sounds: sample rate, length, and waveform or spectrogram.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The sample rates that are accepted, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=192_000;
/// Largest number of samples of a sound; more are taken for a mistake.
const MOST_SAMPLES: usize = 1 << 23;
/// Largest window of a spectrogram in samples.
const LONGEST_WINDOW: usize = 1 << 14;
/// Largest number of bands of a spectrogram.
const MOST_MELS: usize = 512;
/// Largest number of values of an encoded sound.
const MOST_VALUES: usize = 1 << 24;

/// How a sound becomes the input of a network: mixed to one channel, resampled, cut at both ends or surrounded by
/// silence to one length, brought to one loudness, and given one form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundEncoding {
    /// Samples per second.
    pub sample_rate: u32,
    /// Length in samples.
    pub samples: usize,
    /// What the network sees.
    pub form: SoundForm,
    /// Subtracted from every value of the form.
    pub mean: f32,
    /// By which every value is then divided.
    pub std: f32,
}

/// What a network sees of a sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundForm {
    /// The samples, `[1, W]`.
    Waveform,
    /// Logarithms of the energies in frequency bands over time, `[1, mels, frames]`.
    LogMel(LogMel),
}

/// A log-mel spectrogram: bands on the mel scale (HTK's: 2595 log₁₀(1 + f/700)) from 0 to half the sample rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMel {
    /// Number of bands.
    pub mels: usize,
    /// Length of the Hann window in samples.
    pub window: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
}

impl LogMel {
    /// Returns bands over windows of 25 ms, every 10 ms, as is usual for speech.
    pub fn for_speech(mels: usize, sample_rate: u32) -> LogMel {
        let rate = sample_rate as usize;
        LogMel { mels, window: rate / 40, hop: (rate / 100).max(1) }
    }

    /// Returns the number of frames of `samples` samples; the first and the last frame are centered on the ends.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.hop.max(1)
    }
}

impl SoundEncoding {
    /// Checks that the encoding can be applied.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn check(&self) -> Result<()> {
        let invalid = |what: String| Err(Error::input(format!("encoding of sounds: {what}")));
        if !RATES.contains(&self.sample_rate) {
            let (low, high) = RATES.into_inner();
            return invalid(format!("the sample rate must be from {low} to {high} Hz"));
        }
        if !(1..=MOST_SAMPLES).contains(&self.samples) {
            return invalid(format!("the length must be from 1 to {MOST_SAMPLES} samples"));
        }
        let is_scale = self.std > 0.0 && self.std.is_finite() && self.std.recip().is_finite();
        if !self.mean.is_finite() || !is_scale {
            return invalid("mean must be finite, and std above zero".into());
        }
        if let SoundForm::LogMel(LogMel { mels, window, hop }) = self.form {
            let fits = (1..=MOST_MELS).contains(&mels)
                && (2..=LONGEST_WINDOW).contains(&window)
                && (1..=window).contains(&hop);
            if !fits {
                return invalid(format!(
                    "a spectrogram has 1 to {MOST_MELS} bands, a window of 2 to {LONGEST_WINDOW} samples, and a hop \
                     of 1 sample to one window"
                ));
            }
            if self.samples <= window.next_power_of_two() / 2 {
                return invalid(format!("{} samples are too few for a window of {window}", self.samples));
            }
        }
        match self.output_shape().iter().product::<usize>() <= MOST_VALUES {
            true => Ok(()),
            false => invalid(format!("a sound would have more than {MOST_VALUES} values")),
        }
    }

    /// Returns the shape `[C, H, W]` of every result: `[1, 1, samples]` or `[1, mels, frames]`.
    pub fn output_shape(&self) -> [usize; 3] {
        match &self.form {
            SoundForm::Waveform => [1, 1, self.samples],
            SoundForm::LogMel(form) => [1, form.mels, form.frames(self.samples)],
        }
    }

    /// Returns the length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.sample_rate)
    }
}

/// One line: channels, rate, length, form.
impl fmt::Display for SoundEncoding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "mono at {} Hz, {:.2} s, at one loudness, as ", self.sample_rate, self.seconds())?;
        match &self.form {
            SoundForm::Waveform => write!(f, "waveform of {} samples", self.samples),
            SoundForm::LogMel(form) => {
                let ms = |samples: usize| samples as f64 * 1e3 / f64::from(self.sample_rate);
                write!(
                    f,
                    "log-mel spectrogram of {} bands and {} frames (window {:.0} ms, hop {:.0} ms)",
                    form.mels,
                    form.frames(self.samples),
                    ms(form.window),
                    ms(form.hop)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mel() -> SoundEncoding {
        let form = SoundForm::LogMel(LogMel::for_speech(64, 16_000));
        SoundEncoding { sample_rate: 16_000, samples: 24_000, form, mean: -2.0, std: 3.0 }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        mel().check().unwrap();
        let with = |mels, window, hop| SoundForm::LogMel(LogMel { mels, window, hop });
        for bad in [
            SoundEncoding { sample_rate: 999, ..mel() },
            SoundEncoding { samples: 0, ..mel() },
            SoundEncoding { samples: 256, ..mel() },
            SoundEncoding { samples: usize::MAX, ..mel() },
            SoundEncoding { mean: f32::NAN, ..mel() },
            SoundEncoding { std: 0.0, ..mel() },
            SoundEncoding { std: 1e-45, ..mel() },
            SoundEncoding { form: with(0, 400, 160), ..mel() },
            SoundEncoding { form: with(64, 1, 1), ..mel() },
            SoundEncoding { form: with(64, 400, 0), ..mel() },
            SoundEncoding { form: with(64, 400, 401), ..mel() },
            SoundEncoding { samples: 1 << 23, form: with(512, 400, 1), ..mel() },
        ] {
            assert!(bad.check().unwrap_err().is_input(), "{bad:?}");
        }
    }

    #[test]
    fn shape_and_words_follow_the_form() {
        assert_eq!(mel().output_shape(), [1, 64, 151]);
        let words = "mono at 16000 Hz, 1.50 s, at one loudness, as log-mel spectrogram of 64 bands and 151 frames \
                     (window 25 ms, hop 10 ms)";
        assert_eq!(mel().to_string(), words);
        let wave = SoundEncoding { form: SoundForm::Waveform, ..mel() };
        assert_eq!(wave.output_shape(), [1, 1, 24_000]);
        assert!(wave.to_string().ends_with("as waveform of 24000 samples"));
    }
}
