//! Random numbers of the gamma and beta distributions.

use striate_tensor::random::Random;

/// Draws a number of the beta distribution with both parameters `alpha`, above 0.
pub fn symmetric_beta(random: &mut Random, alpha: f64) -> f64 {
    let (first, second) = (log_gamma_variate(random, alpha), log_gamma_variate(random, alpha));
    // x / (x + y) from the logarithms, because both numbers may be too small for an `f64`.
    1.0 / (1.0 + (second - first).exp())
}

/// Draws the logarithm of a number of the gamma distribution with this shape, above 0, and scale 1; Marsaglia and
/// Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 2000. A shape below 1 is raised by one, and
/// the result multiplied by a power of a uniform number (section 6 there).
pub fn log_gamma_variate(random: &mut Random, shape: f64) -> f64 {
    // In (0, 1], so that logarithms are finite.
    let uniform = |random: &mut Random| 1.0 - f64::from(random.uniform());
    if shape < 1.0 {
        let power = uniform(random).ln() / shape;
        return log_gamma_variate(random, shape + 1.0) + power;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = f64::from(random.normal());
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && uniform(random).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use striate_tensor::random::Stream;

    use super::*;

    fn moments(draw: impl Fn(&mut Random) -> f64) -> [f64; 2] {
        let mut random = Random::new(11, Stream::Augmentation, 5);
        let sample: Vec<f64> = (0..50_000).map(|_| draw(&mut random)).collect();
        let mean = sample.iter().sum::<f64>() / 5e4;
        [mean, sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 5e4]
    }

    #[test]
    fn gamma_has_mean_and_variance_of_its_shape() {
        for shape in [0.2, 0.9, 1.0, 3.5, 40.0] {
            let [mean, variance] = moments(|random| log_gamma_variate(random, shape).exp());
            let near = |value: f64, tolerance: f64| (value / shape - 1.0).abs() < tolerance;
            assert!(near(mean, 0.04) && near(variance, 0.1), "{shape}: {mean} {variance}");
        }
    }

    #[test]
    fn beta_has_mean_one_half_and_its_variance() {
        for alpha in [1e-3, 0.2, 1.0, 8.0] {
            let [mean, variance] = moments(|random| {
                let x = symmetric_beta(random, alpha);
                assert!((0.0..=1.0).contains(&x), "{x}");
                x
            });
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 0.01, "{alpha}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance}");
        }
    }
}
