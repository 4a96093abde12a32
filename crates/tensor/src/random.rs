//! Counter-based random numbers: Philox 4×32-10.
//!
//! Each number is a pure function of a key and a counter, so the draws do not depend on the thread and
//! survive a resume. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

/// The purpose of a stream of random numbers; keeps streams with the same seed independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights; the upper half of the counter is a hash of the variable's name.
    Weights = 1,
    /// The sample order of an epoch.
    Order = 2,
    /// Dropout masks.
    Dropout = 3,
    /// Augmentation of one sample.
    Augmentation = 4,
    /// The split into training and validation parts.
    Split = 5,
    /// Test data and anything else.
    Other = 6,
    /// Mixtures of the images of a batch.
    Mixing = 7,
}

/// Returns the four random words for `counter` under `key`.
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    philox_lanes(key, counter.map(|word| [word])).map(|[word]| word)
}

/// Like [`philox`], for `N` counters, whose words are given and returned one after another, so that the compiler can
/// vectorize the computation.
#[inline(always)]
pub fn philox_lanes<const N: usize>(key: [u32; 2], counters: [[u32; N]; 4]) -> [[u32; N]; 4] {
    const M0: u64 = 0xD251_1F53;
    const M1: u64 = 0xCD9E_8D57;
    let (mut k, [mut c0, mut c1, mut c2, mut c3]) = (key, counters);
    for _ in 0..10 {
        for lane in 0..N {
            let p0 = M0 * u64::from(c0[lane]);
            let p1 = M1 * u64::from(c2[lane]);
            c0[lane] = (p1 >> 32) as u32 ^ c1[lane] ^ k[0];
            c1[lane] = p1 as u32;
            c2[lane] = (p0 >> 32) as u32 ^ c3[lane] ^ k[1];
            c3[lane] = p0 as u32;
        }
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    [c0, c1, c2, c3]
}

/// Converts the upper 24 bits of a random word to a uniform number in [0, 1).
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A sequence of random numbers, identified by seed, stream and sequence number.
#[derive(Debug, Clone)]
pub struct Random {
    key: [u32; 2],
    high: [u32; 2],
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl Random {
    /// Creates sequence number `sequence` of `stream` under `seed`.
    pub fn new(seed: u64, stream: Stream, sequence: u64) -> Self {
        // The key is a Philox hash of seed and stream, so that no simple arithmetic relation between two
        // pairs of them leads to the same key.
        let mixed = philox([stream as u32, 0x5742_6174], [seed as u32, (seed >> 32) as u32, 0, 0]);
        Random {
            key: [mixed[0], mixed[1]],
            high: [sequence as u32, (sequence >> 32) as u32],
            block: 0,
            words: [0; 4],
            used: 4,
        }
    }

    /// Draws 32 random bits.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            let low = [self.block as u32, (self.block >> 32) as u32];
            self.words = philox(self.key, [low[0], low[1], self.high[0], self.high[1]]);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Draws a uniform number in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        unit(self.word())
    }

    /// Draws a uniform number in [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Draws a standard normal number (Box-Muller transform, one of the pair).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - f64::from(self.uniform())).ln()).sqrt();
        let angle = std::f64::consts::TAU * f64::from(self.uniform());
        (radius * angle.cos()) as f32
    }

    /// Draws a uniform index below `bound`, without bias.
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "the bound of a random index must not be zero");
        let bound = bound as u64;
        loop {
            let word = (u64::from(self.word()) << 32) | u64::from(self.word());
            let product = u128::from(word) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound {
                return (product >> 64) as usize;
            }
        }
    }

    /// Shuffles `items` (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the authors' own library (Random123, `kat_vectors`, philox4x32 10).
    #[test]
    fn philox_matches_random123() {
        assert_eq!(philox([0, 0], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 2], [u32::MAX; 4]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn shuffle_is_a_permutation_that_depends_on_the_stream() {
        let order = |stream| {
            let mut items: Vec<usize> = (0..100).collect();
            Random::new(7, stream, 0).shuffle(&mut items);
            items
        };
        let mut sorted = order(Stream::Order);
        assert_ne!(sorted, order(Stream::Split));
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut random = Random::new(1, Stream::Other, 0);
        let sample: Vec<f64> = (0..100_000).map(|_| f64::from(random.normal())).collect();
        let mean = sample.iter().sum::<f64>() / 1e5;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
