//! Images whose size or shape differs much from that of the others.

use super::finding::{Finding, FindingKind};

/// How much wider or narrower than usual an image may be.
const MOST_ASPECT: f64 = 4.0;
/// How much larger or smaller than usual the sides of an image may be.
const MOST_SCALE: f64 = 8.0;
/// A shorter side below this shows little, if the others are usually twice as long.
const SMALL: usize = 16;

/// Returns for each of the `sizes` (width, height) whether, and why, it is odd.
pub(super) fn odd(sizes: &[[usize; 2]]) -> Vec<Option<Finding>> {
    let aspect = |[width, height]: [usize; 2]| width as f64 / height as f64;
    let side = |[width, height]: [usize; 2]| (width as f64 * height as f64).sqrt();
    let shorter = |[width, height]: [usize; 2]| width.min(height);
    let (Some(usual_aspect), Some(usual_side), Some(usual_shorter)) = (
        median(sizes.iter().map(|size| aspect(*size)).collect()),
        median(sizes.iter().map(|size| side(*size)).collect()),
        median(sizes.iter().map(|size| shorter(*size) as f64).collect()),
    ) else {
        return vec![];
    };
    let reason = |size: [usize; 2]| {
        let off = |value: f64, usual: f64| (value / usual).max(usual / value);
        if off(aspect(size), usual_aspect) >= MOST_ASPECT {
            return Some(format!("aspect ratio {:.2}, median {usual_aspect:.2}", aspect(size)));
        }
        if shorter(size) < SMALL && usual_shorter >= 2.0 * SMALL as f64 {
            return Some(format!("very small; the median of the shorter side is {usual_shorter:.0}"));
        }
        let scale = off(side(size), usual_side);
        let relation = if side(size) > usual_side { "larger" } else { "smaller" };
        (scale >= MOST_SCALE).then(|| format!("sides {scale:.0} times {relation} than the median"))
    };
    let finding = |size: &[usize; 2]| {
        let [width, height] = *size;
        let what = |reason| format!("{width}×{height} pixels: {reason}");
        reason(*size).map(|reason| Finding::warning(FindingKind::OddSize, what(reason)))
    };
    sizes.iter().map(finding).collect()
}

/// Returns the median, of an even number of values the higher one.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_sizes_are_relative_to_the_median() {
        let mut sizes = vec![[500, 375]; 9];
        sizes.extend([[2000, 200], [12, 9], [6000, 4500], [375, 500], [60, 45]]);
        let found: Vec<_> = odd(&sizes).into_iter().map(|finding| finding.map(|f| f.message)).collect();
        assert!(found[..9].iter().all(Option::is_none));
        assert!(
            found[9].as_ref().unwrap().starts_with("2000×200 pixels: aspect ratio 10.00"),
            "{:?}",
            found[9]
        );
        assert!(found[10].as_ref().unwrap().contains("very small"), "{:?}", found[10]);
        assert!(found[11].as_ref().unwrap().contains("12 times larger than the median"), "{:?}", found[11]);
        assert_eq!((&found[12], found[13].is_some()), (&None, true));
    }

    #[test]
    fn sets_of_small_or_wide_images_are_not_odd() {
        for size in [[8, 8], [400, 20], [1, 1]] {
            assert!(odd(&[size; 5]).iter().all(Option::is_none));
        }
        assert!(odd(&[]).is_empty());
    }
}
