//! Random changes of encoded sounds for training: shifts in time, and masks (Park et al., SpecAugment, Interspeech
//! 2019).

use std::ops::Range;

use striate_tensor::random::Random;

/// Largest shift, and longest masked time, as a share of the length.
const SHARE: f64 = 0.1;
/// Largest masked share of the bands.
const BANDS: f64 = 0.15;

/// Shifts an encoded sound `[1, H, W]` in time by up to a tenth of its length, filled with `fill`; for a spectrogram
/// (H > 1), then fills up to 15 % of the bands and a time of up to a tenth of the length with `fill` too.
///
/// # Panics
/// If `values` does not have this shape.
pub fn shift_and_mask(random: &mut Random, [c, h, w]: [usize; 3], fill: f32, values: &mut [f32]) {
    assert_eq!(values.len(), c * h * w);
    let most = (w as f64 * SHARE) as usize;
    let shift = random.below(2 * most + 1) as isize - most as isize;
    values.chunks_exact_mut(w).for_each(|row| shift_row(row, shift, fill));
    if h > 1 {
        let bands = range(random, h, (h as f64 * BANDS) as usize);
        values[bands.start * w..bands.end * w].fill(fill);
        let frames = range(random, w, most);
        values.chunks_exact_mut(w).for_each(|row| row[frames.clone()].fill(fill));
    }
}

/// A range of up to `most` of `all` indices.
fn range(random: &mut Random, all: usize, most: usize) -> Range<usize> {
    let length = random.below(most + 1);
    let start = random.below(all - length + 1);
    start..start + length
}

fn shift_row(row: &mut [f32], shift: isize, fill: f32) {
    let distance = shift.unsigned_abs();
    let length = row.len();
    if shift >= 0 {
        row.copy_within(..length - distance, distance);
        row[..distance].fill(fill);
    } else {
        row.copy_within(distance.., 0);
        row[length - distance..].fill(fill);
    }
}

#[cfg(test)]
mod tests {
    use striate_tensor::random::Stream;

    use super::*;

    #[test]
    fn changes_are_bounded_and_depend_on_the_random_numbers_alone() {
        let shape = [1, 20, 50];
        let original: Vec<f32> = (0..1000).map(|n| 1.0 + n as f32).collect();
        let changed = |sample| {
            let mut values = original.clone();
            let mut random = Random::new(7, Stream::Augmentation, sample);
            shift_and_mask(&mut random, shape, -1.0, &mut values);
            values
        };
        let mut different = 0;
        for sample in 0..100 {
            let values = changed(sample);
            assert_eq!(values, changed(sample));
            different += usize::from(values != original);
            let masked_rows = values.chunks_exact(50).filter(|row| row.iter().all(|x| *x == -1.0)).count();
            assert!(masked_rows <= 3);
            let filled = values.iter().filter(|value| **value == -1.0).count();
            assert!(filled <= 3 * 50 + 20 * 10);
            for (row, values) in values.chunks_exact(50).enumerate() {
                let kept = values.iter().filter(|value| **value != -1.0);
                kept.for_each(|value| assert_eq!((*value - 1.0) as usize / 50, row));
            }
        }
        assert!(different > 90, "{different}");
        let mut waveform = vec![1.0; 30];
        shift_and_mask(&mut Random::new(1, Stream::Augmentation, 3), [1, 1, 30], 0.0, &mut waveform);
        assert!(waveform.iter().filter(|value| **value == 0.0).count() <= 3);
    }
}
