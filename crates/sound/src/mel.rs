//! Log-mel spectrograms.

use std::f64::consts::PI;

use striate_tensor::encoding::LogMel;

use crate::fft::Fft;

/// Energies below this, of a sound whose samples have a mean square of 1, count as silence: about 70 dB below it.
const FLOOR: f64 = 1e-5;

/// The spectrograms of one form, with windows and bands computed once.
///
/// Frame t is centered on sample t · hop; beyond its ends, the sound is mirrored. The energy of a band is the sum of
/// squared magnitudes of the Fourier transform, weighted by a triangle between the neighboring bands' centers, which
/// have equal distances on the mel scale; its natural logarithm is returned. This is the spectrogram of torchaudio's
/// `MelSpectrogram` with its defaults (power 2, HTK's scale, no normalization of bands).
pub struct Spectrogram {
    hop: usize,
    mels: usize,
    /// The window, centered among zeros.
    window: Vec<f64>,
    fft: Fft,
    /// For each band, its first frequency and its weights.
    bands: Vec<(usize, Vec<f64>)>,
}

impl Spectrogram {
    /// Creates spectrograms of the form `form` at `sample_rate` samples per second.
    ///
    /// # Panics
    /// If the window or the hop is zero.
    pub fn new(form: &LogMel, sample_rate: u32) -> Spectrogram {
        let size = form.window.next_power_of_two();
        let LogMel { mels, window, hop } = *form;
        assert!(window > 0 && hop > 0, "window and hop have samples");
        let hann = |n: usize| (PI * n as f64 / window as f64).sin().powi(2);
        let before = (size - window) / 2;
        let mut centered = vec![0.0; size];
        centered[before..before + window].iter_mut().enumerate().for_each(|(n, value)| *value = hann(n));
        let bands = bands(mels, size, sample_rate);
        Spectrogram { hop, mels, window: centered, fft: Fft::new(size), bands }
    }

    /// Writes the spectrogram `[mels, frames]` of `samples` to `to`.
    ///
    /// # Panics
    /// If the samples are too few to be mirrored, or `to` does not have the size of the spectrogram.
    pub fn write(&self, samples: &[f32], to: &mut [f32]) {
        let frames = 1 + samples.len() / self.hop;
        assert_eq!(to.len(), self.mels * frames);
        let size = self.window.len();
        assert!(samples.len() > size / 2, "{} samples for windows of {size}", samples.len());
        let mut values = vec![[0.0; 2]; size];
        let mut energies = vec![0.0; size / 2 + 1];
        for frame in 0..frames {
            let first = (frame * self.hop) as isize - (size / 2) as isize;
            for (n, (value, weight)) in values.iter_mut().zip(&self.window).enumerate() {
                let sample = samples[mirrored(first + n as isize, samples.len())];
                *value = [f64::from(sample) * weight, 0.0];
            }
            self.fft.transform(&mut values);
            energies.iter_mut().zip(&values).for_each(|(energy, [re, im])| *energy = re * re + im * im);
            for (band, (low, weights)) in self.bands.iter().enumerate() {
                let sum: f64 = weights.iter().zip(&energies[*low..]).map(|(a, b)| a * b).sum();
                to[band * frames + frame] = sum.max(FLOOR).ln() as f32;
            }
        }
    }
}

/// The index of the sample at `index`, which may lie beyond an end by less than the length.
fn mirrored(index: isize, length: usize) -> usize {
    let last = length as isize - 1;
    let index = index.abs();
    if index > last { (2 * last - index) as usize } else { index as usize }
}

/// The triangles of `mels` bands over the frequencies of a transform of `size` values.
fn bands(mels: usize, size: usize, sample_rate: u32) -> Vec<(usize, Vec<f64>)> {
    let nyquist = f64::from(sample_rate) / 2.0;
    let highest = mel(nyquist);
    let center = |band: usize| hertz(highest * band as f64 / (mels + 1) as f64);
    let frequency = |bin: usize| nyquist * bin as f64 / (size / 2) as f64;
    let band = |index: usize| {
        let [low, middle, high] = [0, 1, 2].map(|step| center(index + step));
        let weight = |bin: usize| {
            let f = frequency(bin);
            ((f - low) / (middle - low)).min((high - f) / (high - middle)).max(0.0)
        };
        let within: Vec<usize> = (0..=size / 2).filter(|bin| weight(*bin) > 0.0).collect();
        let first = within.first().copied().unwrap_or(0);
        (first, within.into_iter().map(weight).collect())
    };
    (0..mels).map(band).collect()
}

fn mel(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

fn hertz(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_of_a_tone_is_in_its_band() {
        let form = LogMel::for_speech(40, 16_000);
        let samples: Vec<f32> =
            (0..16_000).map(|n| (2.0 * PI * 1_000.0 * n as f64 / 16e3).sin() as f32).collect();
        let mut values = vec![0.0; 40 * form.frames(samples.len())];
        Spectrogram::new(&form, 16_000).write(&samples, &mut values);
        let at = |band: usize| values[band * 101 + 50];
        let loudest = (0..40).max_by(|a, b| at(*a).total_cmp(&at(*b))).unwrap();
        // 1,000 Hz are 1,000 mel, of 2,840 in 41 steps.
        assert_eq!(loudest, 13);
        let silence = vec![0.0; 16_000];
        Spectrogram::new(&form, 16_000).write(&silence, &mut values);
        assert!(values.iter().all(|value| *value == FLOOR.ln() as f32));
    }
}
