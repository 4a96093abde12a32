//! The discrete Fourier transform by Cooley and Tukey's algorithm for powers of two, 1965.

use std::f64::consts::PI;

/// A complex number: real and imaginary part.
type Complex = [f64; 2];

/// A transform of one length, with its roots of unity.
pub(crate) struct Fft {
    size: usize,
    /// e^(−2πik / size) for the first half of the circle.
    roots: Vec<Complex>,
}

impl Fft {
    /// Creates a transform of `size` values.
    ///
    /// # Panics
    /// If `size` is not a power of two.
    pub fn new(size: usize) -> Fft {
        assert!(size.is_power_of_two(), "{size} values");
        let root = |k: usize| {
            let angle = -2.0 * PI * k as f64 / size as f64;
            [angle.cos(), angle.sin()]
        };
        Fft { size, roots: (0..size / 2).map(root).collect() }
    }

    /// Replaces `values` by its transform.
    ///
    /// # Panics
    /// If there are more or fewer values.
    pub fn transform(&self, values: &mut [Complex]) {
        assert_eq!(values.len(), self.size);
        self.reorder(values);
        let mut half = 1;
        while half < self.size {
            let stride = self.size / (2 * half);
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                    let [re, im] = self.roots[k * stride];
                    let turned = [b[0] * re - b[1] * im, b[0] * im + b[1] * re];
                    *b = [a[0] - turned[0], a[1] - turned[1]];
                    *a = [a[0] + turned[0], a[1] + turned[1]];
                }
            }
            half *= 2;
        }
    }

    /// Puts the values in the order of the reversed bits of their indices.
    fn reorder(&self, values: &mut [Complex]) {
        let unused = usize::BITS - self.size.trailing_zeros();
        for index in 0..self.size {
            let other = if self.size == 1 { 0 } else { index.reverse_bits() >> unused };
            if index < other {
                values.swap(index, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transform_equals_its_definition() {
        for size in [1, 2, 8, 64] {
            let values: Vec<Complex> =
                (0..size).map(|n| [(n * n % 7) as f64 - 3.0, (n % 5) as f64]).collect();
            let mut found = values.clone();
            Fft::new(size).transform(&mut found);
            for (k, found) in found.iter().enumerate() {
                let mut sum = [0.0; 2];
                for (n, value) in values.iter().enumerate() {
                    let angle = -2.0 * PI * (k * n) as f64 / size as f64;
                    sum[0] += value[0] * angle.cos() - value[1] * angle.sin();
                    sum[1] += value[0] * angle.sin() + value[1] * angle.cos();
                }
                assert!((found[0] - sum[0]).abs() + (found[1] - sum[1]).abs() < 1e-10, "{size} {k}");
            }
        }
    }
}
