//! The lengths of sounds, from which that of the network's input is chosen.

use rayon::prelude::*;
use striate_sound::duration;

use crate::LoadOptions;
use crate::images::ImageFile;

/// The share of sounds that are not longer than the chosen length.
const SHARE: f64 = 0.95;
/// The shortest and the longest length that is chosen, in seconds.
const SHORTEST: f64 = 0.1;
const LONGEST: f64 = 10.0;

/// The lengths of readable sounds in seconds, sorted.
pub(super) struct Lengths(Vec<f64>);

impl Lengths {
    /// Finds the lengths of `files`; unreadable ones are left out.
    pub fn of(files: &[ImageFile], options: &LoadOptions) -> Lengths {
        let length = |file: &ImageFile| {
            let seconds = file.read().and_then(|bytes| duration(&bytes)).ok();
            options.watch.call(0, files.len());
            seconds
        };
        let lengths: Vec<Option<f64>> = files.par_iter().map(length).collect();
        let mut lengths: Vec<f64> = lengths.into_iter().flatten().collect();
        lengths.sort_by(f64::total_cmp);
        Lengths(lengths)
    }

    /// The length that 95 % of the sounds do not exceed, rounded up to a tenth of a second, within limits.
    pub fn usual(&self) -> f64 {
        let rank = (self.0.len() as f64 * SHARE).ceil() as usize;
        let length = self.0.get(rank.saturating_sub(1)).copied().unwrap_or(1.0);
        // The smallest tenth that is not less; a length of 0.3 s must not become 0.4 s by rounding of floats.
        ((length * 10.0 - 1e-6).ceil() / 10.0).clamp(SHORTEST, LONGEST)
    }

    /// Says how long the sounds are, and why `seconds` were chosen.
    pub fn note(&self, seconds: f64) -> String {
        let (Some(shortest), Some(longest)) = (self.0.first(), self.0.last()) else {
            return format!("{seconds:.1} s are used of each sound: no sound states its length");
        };
        let longer = self.0.iter().filter(|length| **length > seconds + 1e-6).count();
        format!(
            "the sounds last {shortest:.2} to {longest:.2} s; {seconds:.1} s are used, which {} of {} exceed and are cut to \
             the middle (data.seconds sets another length)",
            longer,
            self.0.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_length_covers_most_sounds() {
        let even = Lengths((1..=100).map(|n| f64::from(n) / 50.0).collect());
        assert_eq!(even.usual(), 1.9);
        assert!(even.note(1.9).contains("last 0.02 to 2.00 s; 1.9 s are used, which 5 of 100 exceed"));
        for (lengths, expected) in
            [(vec![0.3], 0.3), (vec![0.01, 0.02], 0.1), (vec![50.0], 10.0), (vec![], 1.0), (vec![0.31], 0.4)]
        {
            assert_eq!(Lengths(lengths).usual(), expected);
        }
    }
}
