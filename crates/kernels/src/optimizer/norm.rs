//! Sums of squares, for norms.

/// The number of partial sums.
const LANES: usize = 8;

/// Σ x²
pub(super) fn squares(x: &[f32]) -> f64 {
    let mut sums = [0.0f64; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    let rest = rest.iter().map(|x| f64::from(*x) * f64::from(*x));
    sums.into_iter().chain(rest).sum()
}
