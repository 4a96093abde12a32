//! Figures of an evaluation beyond error and loss: by class, of calibration, and how sure they are.

use crate::Tally;

/// Intervals of confidence in which predictions are compared with their results.
pub const BINS: usize = 15;

/// Predictions of similar confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// The number of images.
    pub images: usize,
    /// The sum of the probabilities of the first predictions.
    pub confidence: f64,
    /// The number of first predictions that are right.
    pub right: usize,
}

/// How well a class is recognized; `None` where there is nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassFigures {
    /// The number of its images.
    pub images: usize,
    /// The share of right ones among the images for which it was the first prediction.
    pub precision: Option<f64>,
    /// The share of its images for which it was the first prediction.
    pub recall: Option<f64>,
    /// The harmonic mean of both.
    pub f1: Option<f64>,
}

impl Tally {
    /// The figures of each class.
    pub fn class_figures(&self) -> Vec<ClassFigures> {
        let confusion = self.confusion();
        let figures = (0..self.classes()).map(|class| {
            let images: usize = confusion[class].iter().sum();
            let guessed: usize = confusion.iter().map(|row| row[class]).sum();
            let right = confusion[class][class];
            let share = |of: usize| (of > 0).then(|| right as f64 / of as f64);
            let f1 = (images + guessed > 0).then(|| 2.0 * right as f64 / (images + guessed) as f64);
            ClassFigures { images, precision: share(guessed), recall: share(images), f1 }
        });
        figures.collect()
    }

    /// The mean F1 of the classes that have images; `None` without images.
    pub fn macro_f1(&self) -> Option<f64> {
        let figures = self.class_figures();
        let with_images = figures.iter().filter(|class| class.images > 0).filter_map(|class| class.f1);
        let all: Vec<f64> = with_images.collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    /// The interval that contains the error of the first predictions on all images of this kind in 95 of 100 cases;
    /// Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    pub fn top1_interval(&self) -> [f64; 2] {
        let (n, error, z) = (self.n() as f64, self.top1_error(), 1.959_963_984_540_054_f64);
        if n == 0.0 {
            return [0.0, 1.0];
        }
        let center = (error + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (error * (1.0 - error) / n + z * z / (4.0 * n * n)).sqrt();
        [(center - half).max(0.0), (center + half).min(1.0)]
    }

    /// The mean difference between confidence and share of right predictions over the bins, weighted by their images;
    /// Guo et al., "On calibration of modern neural networks", ICML 2017. `None` if the scores give no probabilities.
    pub fn calibration_error(&self) -> Option<f64> {
        let bins = self.bins()?;
        let images: usize = bins.iter().map(|bin| bin.images).sum();
        let difference = |bin: &Bin| (bin.confidence - bin.right as f64).abs();
        (images > 0).then(|| bins.iter().map(difference).sum::<f64>() / images as f64)
    }
}

#[cfg(test)]
mod tests {
    use striate_graph::Loss;

    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally::new(3, Loss::default()).unwrap();
        // First predictions 0, 0, 1, 2, 0 for the labels 0, 0, 0, 2, 2, with probabilities of 0.8 and 0.1.
        let row = |best: usize| [0, 1, 2].map(|class| if class == best { 8.0f32.ln() } else { 0.0 });
        for (best, label) in [(0, 0), (0, 0), (1, 0), (2, 2), (0, 2)] {
            tally.add(&row(best), &[label]);
        }
        tally
    }

    #[test]
    fn figures_of_classes_follow_their_definitions() {
        let [a, b, c] = tally().class_figures()[..] else { panic!("there are three classes") };
        let share = |up: f64, down: f64| Some(up / down);
        assert_eq!(
            (a.images, a.precision, a.recall, a.f1),
            (3, share(2.0, 3.0), share(2.0, 3.0), share(4.0, 6.0))
        );
        assert_eq!((b.images, b.precision, b.recall, b.f1), (0, Some(0.0), None, Some(0.0)));
        assert_eq!((c.images, c.precision, c.recall, c.f1), (2, Some(1.0), Some(0.5), share(2.0, 3.0)));
        assert!((tally().macro_f1().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }

    /// The interval for 2 of 5 is that of SciPy's `binomtest(2, 5).proportion_ci(method="wilson")`.
    #[test]
    fn interval_is_that_of_wilson() {
        let [low, high] = tally().top1_interval();
        assert!((low - 0.117_620_774_232_647_83).abs() < 1e-9 && (high - 0.769_275_718_723_987).abs() < 1e-9);
    }

    #[test]
    fn calibration_error_compares_confidence_with_results() {
        let tally = tally();
        assert!((tally.calibration_error().unwrap() - (0.8 - 0.6)).abs() < 1e-6);
        assert_eq!(tally.bins().unwrap().iter().filter(|bin| bin.images > 0).count(), 1);
        assert!(Tally::new(2, Loss::MeanSquared {}).unwrap().calibration_error().is_none());
    }
}
