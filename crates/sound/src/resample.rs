//! Changes the sample rate: interpolation by a sinc with a Hann window, which also removes frequencies that the new
//! rate cannot represent. Smith, Digital audio resampling, <https://ccrma.stanford.edu/~jos/resample>.

use std::borrow::Cow;
use std::f64::consts::PI;

use crate::Sound;

/// Zero crossings of the sinc on each side of its center.
const CROSSINGS: f64 = 16.0;
/// Where the passband ends, as a share of half the lower rate.
const ROLLOFF: f64 = 0.95;

/// Most weights that are stored: 8 MiB.
const MOST_WEIGHTS: u64 = 1 << 20;

/// Returns the samples of `sound` at the rate `to` in Hz: `⌈len · to / rate⌉` samples, the first at the same time.
pub fn resample(sound: &Sound, to: u32) -> Cow<'_, [f32]> {
    let from = sound.sample_rate;
    if from == to || sound.samples.is_empty() {
        return Cow::Borrowed(&sound.samples);
    }
    let divisor = gcd(from, to);
    let (from, to) = (u64::from(from / divisor), u64::from(to / divisor));
    let samples = &sound.samples;
    let count = (samples.len() as u64 * to).div_ceil(from);
    // Output n lies at input n · from / to, so that the weights repeat after `to` outputs.
    let phase = |n: u64| Phase::new(n * from % to, from, to);
    let weights = to.min(count) * phase(0).weights.len() as u64;
    // Rates without a common divisor have too many weights to be stored.
    let phases: Vec<Phase> =
        if weights > MOST_WEIGHTS { vec![] } else { (0..to.min(count)).map(phase).collect() };
    let output = |n: u64| {
        let at = (n * from / to) as usize;
        match phases.get((n % to) as usize) {
            Some(phase) => phase.apply(samples, at),
            None => phase(n).apply(samples, at),
        }
    };
    Cow::Owned((0..count).map(output).collect())
}

/// The weights of the inputs around an output.
struct Phase {
    /// The number of weighted inputs before the one at or before the output.
    before: usize,
    weights: Vec<f64>,
}

impl Phase {
    /// The weights of an output that lies `part / to` of an input's duration after an input.
    fn new(part: u64, from: u64, to: u64) -> Phase {
        // Zero crossings per input.
        let speed = ROLLOFF * (to as f64 / from as f64).min(1.0);
        let before = (CROSSINGS / speed).ceil() as usize;
        let offset = part as f64 / to as f64;
        let weight = |index: usize| {
            let time = (index as f64 - before as f64 - offset) * speed;
            speed * sinc(time) * window(time)
        };
        Phase { before, weights: (0..2 * before + 2).map(weight).collect() }
    }

    fn apply(&self, samples: &[f32], at: usize) -> f32 {
        let skipped = self.before.saturating_sub(at);
        let first = (at + skipped) - self.before;
        let inputs = samples.iter().skip(first);
        let sum: f64 = self.weights[skipped..].iter().zip(inputs).map(|(a, b)| a * f64::from(*b)).sum();
        sum as f32
    }
}

fn sinc(time: f64) -> f64 {
    if time == 0.0 { 1.0 } else { (PI * time).sin() / (PI * time) }
}

fn window(time: f64) -> f64 {
    if time.abs() >= CROSSINGS { 0.0 } else { (PI * time / (2.0 * CROSSINGS)).cos().powi(2) }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, count: usize) -> Sound {
        let sample = |n| (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin() as f32;
        Sound { sample_rate: rate, samples: (0..count).map(sample).collect() }
    }

    #[test]
    fn tones_keep_their_pitch_and_loudness() {
        for (from, to) in
            [(44_100, 16_000), (8_000, 16_000), (22_050, 8_000), (48_000, 44_100), (16_000, 15_999)]
        {
            let (input, expected) = (tone(from, 1_000.0, from as usize), tone(to, 1_000.0, to as usize));
            let output = resample(&input, to);
            assert_eq!(output.len(), to as usize);
            let inner = 400..to as usize - 400;
            let pairs = output[inner.clone()].iter().zip(&expected.samples[inner]);
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-3, "{from} to {to}: {worst}");
        }
    }

    #[test]
    fn frequencies_above_the_new_range_vanish() {
        let output = resample(&tone(44_100, 10_000.0, 44_100), 16_000).into_owned();
        let loudest = output[200..15_800].iter().fold(0.0f32, |most, sample| most.max(sample.abs()));
        assert!(loudest < 1e-3, "{loudest}");
    }

    #[test]
    fn short_sounds_and_equal_rates_are_allowed() {
        let one = Sound { sample_rate: 44_100, samples: vec![0.5] };
        assert_eq!(resample(&one, 8_000).len(), 1);
        assert_eq!(resample(&one, 48_000).len(), 2);
        assert_eq!(*resample(&one, 44_100), [0.5]);
        assert!(resample(&Sound { samples: vec![], ..one }, 8_000).is_empty());
    }
}
