//! Encodes sounds as inputs of a network.

use striate_tensor::Result;
use striate_tensor::encoding::{SoundEncoding, SoundForm};

use crate::mel::Spectrogram;
use crate::{Sound, resample};

/// Sounds with a smaller root mean square are not made louder: 80 dB below full scale.
const SILENCE: f64 = 1e-4;

/// Encodes sounds in one form, for which what does not depend on the sound is computed once.
pub struct Encoder {
    encoding: SoundEncoding,
    spectrogram: Option<Spectrogram>,
}

impl Encoder {
    /// Creates an encoder.
    ///
    /// # Errors
    /// If a number of the encoding is out of range.
    pub fn new(encoding: SoundEncoding) -> Result<Encoder> {
        encoding.check()?;
        let spectrogram = match &encoding.form {
            SoundForm::Waveform => None,
            SoundForm::LogMel(form) => Some(Spectrogram::new(form, encoding.sample_rate)),
        };
        Ok(Encoder { encoding, spectrogram })
    }

    /// Returns the encoding.
    pub fn encoding(&self) -> &SoundEncoding {
        &self.encoding
    }

    /// Returns `sound` as the input of a network, in the shape of [`SoundEncoding::output_shape`].
    pub fn encode(&self, sound: &Sound) -> Vec<f32> {
        let mut values = vec![0.0; self.encoding.output_shape().iter().product()];
        self.write(sound, &mut values);
        values
    }

    /// As [`Encoder::encode`], to `to`.
    ///
    /// # Panics
    /// If `to` does not have the size of an input.
    pub fn write(&self, sound: &Sound, to: &mut [f32]) {
        let SoundEncoding { sample_rate, samples, mean, std, .. } = self.encoding;
        let resampled = resample(sound, sample_rate);
        let waveform = framed(&leveled(center(&resampled, samples)), samples);
        match &self.spectrogram {
            None => to.copy_from_slice(&waveform),
            Some(spectrogram) => spectrogram.write(&waveform, to),
        }
        to.iter_mut().for_each(|value| *value = (*value - mean) / std);
    }
}

/// The middle `count` samples, or all if there are fewer.
fn center(samples: &[f32], count: usize) -> &[f32] {
    let excess = samples.len().saturating_sub(count);
    &samples[excess / 2..samples.len() - (excess - excess / 2)]
}

/// The samples around a mean of 0, with a mean square of 1; silence stays silent.
fn leveled(samples: &[f32]) -> Vec<f32> {
    let mean = samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len().max(1) as f64;
    let scale = root_mean_square(samples, mean).max(SILENCE).recip();
    samples.iter().map(|sample| ((f64::from(*sample) - mean) * scale) as f32).collect()
}

fn root_mean_square(samples: &[f32], mean: f64) -> f64 {
    let squares: f64 = samples.iter().map(|sample| (f64::from(*sample) - mean).powi(2)).sum();
    (squares / samples.len().max(1) as f64).sqrt()
}

/// The samples in the middle of `count`, with zeros before and after them.
fn framed(samples: &[f32], count: usize) -> Vec<f32> {
    let before = (count - samples.len()) / 2;
    let mut framed = vec![0.0; count];
    framed[before..before + samples.len()].copy_from_slice(samples);
    framed
}

/// Returns the loudness of `sound`: its root mean square around its mean, in decibels relative to full scale.
pub fn decibels(sound: &Sound) -> f64 {
    let samples = &sound.samples;
    let mean = samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len().max(1) as f64;
    20.0 * root_mean_square(samples, mean).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waveform(samples: usize) -> Encoder {
        let form = SoundForm::Waveform;
        Encoder::new(SoundEncoding { sample_rate: 8_000, samples, form, mean: 0.0, std: 1.0 }).unwrap()
    }

    fn sound(samples: &[f32]) -> Sound {
        Sound { sample_rate: 8_000, samples: samples.to_vec() }
    }

    #[test]
    fn length_is_cut_or_filled_at_both_ends() {
        assert_eq!(waveform(2).encode(&sound(&[9.0, -1.0, 1.0, 9.0, 9.0])), [-1.0, 1.0]);
        assert_eq!(waveform(5).encode(&sound(&[0.5, -0.5])), [0.0, 1.0, -1.0, 0.0, 0.0]);
        assert_eq!(waveform(3).encode(&sound(&[])), [0.0; 3]);
    }

    #[test]
    fn loudness_is_the_same_for_all_but_silence() {
        for scale in [1e-3, 0.1, 1.0] {
            let values = waveform(4).encode(&sound(&[1.0, 3.0, 1.0, 3.0].map(|x| x * scale)));
            values.iter().zip([-1.0, 1.0, -1.0, 1.0]).for_each(|(a, b)| assert!((a - b).abs() < 1e-5));
        }
        assert_eq!(waveform(2).encode(&sound(&[1e-6, -1e-6])), [0.01, -0.01]);
        assert_eq!(waveform(2).encode(&sound(&[0.25, 0.25])), [0.0, 0.0]);
        assert!((decibels(&sound(&[0.1, -0.1])) + 20.0).abs() < 1e-5);
    }
}
