//! Counts of right and wrong predictions as in ILSVRC (Russakovsky et al., IJCV 2015), and the loss.

use striate_engine::mean_loss;
use striate_graph::Loss;
use striate_tensor::{Result, check_memory};

use crate::figures::{BINS, Bin};

/// Predictions for some images, counted against their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    classes: usize,
    criterion: Loss,
    n: usize,
    wrong_first: usize,
    wrong_five: usize,
    loss: f64,
    confusion: Vec<usize>,
    bins: [Bin; BINS],
}

impl Tally {
    /// Returns an empty tally that measures this loss.
    ///
    /// # Errors
    /// If the confusion matrix does not fit in memory.
    pub fn new(classes: usize, criterion: Loss) -> Result<Tally> {
        let bytes = classes.saturating_mul(classes).saturating_mul(size_of::<usize>());
        check_memory(bytes).map_err(|e| e.at(format!("the confusion matrix of {classes} classes")))?;
        Ok(Tally {
            classes,
            criterion,
            n: 0,
            wrong_first: 0,
            wrong_five: 0,
            loss: 0.0,
            confusion: vec![0; classes * classes],
            bins: [Bin::default(); BINS],
        })
    }

    /// Counts images by their scores `[N, K]`, in the form that the loss reads, and labels `[N]`.
    ///
    /// A class ranks before another if its score is higher, or equal and its index lower. A row
    /// with NaN always counts as wrong.
    pub fn add(&mut self, scores: &[f32], labels: &[i64]) {
        for (row, label) in scores.chunks_exact(self.classes).zip(labels) {
            let label = *label as usize;
            let before = |i: usize| row[i] > row[label] || (row[i] == row[label] && i < label);
            let rank = if row.iter().any(|score| score.is_nan()) {
                self.classes
            } else {
                (0..self.classes).filter(|i| before(*i)).count()
            };
            self.n += 1;
            self.wrong_first += usize::from(rank >= 1);
            self.wrong_five += usize::from(rank >= 5);
            let first = best(row);
            self.confusion[label * self.classes + first] += 1;
            if self.gives_probabilities() {
                let confidence = softmax(row)[first];
                // NaN counts as no confidence.
                let bin = &mut self.bins[((confidence * BINS as f32) as usize).min(BINS - 1)];
                bin.images += 1;
                bin.confidence += f64::from(confidence.max(0.0));
                bin.right += usize::from(rank == 0);
            }
            self.loss += mean_loss(self.criterion, row, &[label as i64]);
        }
    }

    /// Whether the softmax of scores is a probability.
    fn gives_probabilities(&self) -> bool {
        matches!(self.criterion, Loss::CrossEntropy { .. })
    }

    /// The images by the confidence of their first prediction, in [`BINS`] equal intervals from 0 to 1; `None` if the
    /// scores give no probabilities.
    pub fn bins(&self) -> Option<&[Bin]> {
        self.gives_probabilities().then_some(&self.bins[..])
    }

    /// Returns the number of images counted.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Returns the number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns the fraction of images whose first prediction is wrong.
    pub fn top1_error(&self) -> f64 {
        self.wrong_first as f64 / self.n.max(1) as f64
    }

    /// Returns the fraction of images whose class is not among the first five predictions.
    pub fn top5_error(&self) -> f64 {
        self.wrong_five as f64 / self.n.max(1) as f64
    }

    /// Returns the mean loss; NaN if a score is NaN.
    pub fn loss(&self) -> f64 {
        self.loss / self.n.max(1) as f64
    }

    /// Returns, for each true class, how often each class was the first prediction.
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        self.confusion.chunks_exact(self.classes).map(<[usize]>::to_vec).collect()
    }

    /// Returns, for each class, the fraction of its images whose first prediction is wrong; `None` without images.
    pub fn per_class(&self) -> Vec<Option<f64>> {
        let error = |(class, row): (usize, &[usize])| {
            let total: usize = row.iter().sum();
            (total > 0).then(|| (total - row[class]) as f64 / total as f64)
        };
        self.confusion.chunks_exact(self.classes).enumerate().map(error).collect()
    }
}

/// Returns the index of the highest score, the first prediction; the first one in case of ties.
pub fn best(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] || row[best].is_nan() { i } else { best })
}

/// Returns probabilities from scores, by the softmax.
pub fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confusion_matrix_beyond_memory_is_an_error() {
        for classes in [10_000_000, usize::MAX] {
            let error = Tally::new(classes, Loss::default()).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("the confusion matrix of {classes} classes: not enough memory")),
                "{error}"
            );
        }
    }

    #[test]
    fn row_with_nan_is_always_wrong() {
        let mut tally = Tally::new(2, Loss::default()).unwrap();
        tally.add(&[1.0, f32::NAN], &[0]);
        assert!(tally.top1_error() == 1.0 && tally.loss().is_nan());
    }

    /// Values of PyTorch's losses in f64; the cross-entropy of a score 200 below the other is 200.
    #[test]
    fn loss_matches_training_without_an_upper_limit() {
        let measured = |loss, scores: &[f32], label| {
            let mut tally = Tally::new(scores.len(), loss).unwrap();
            tally.add(scores, &[label]);
            tally.loss()
        };
        let smooth = Loss::CrossEntropy { smoothing: 0.1 };
        let hinge = Loss::Hinge { margin: 1.0, power: 1 };
        for (loss, scores, label, expected) in [
            (Loss::default(), &[200.0, 0.0][..], 1, 200.0),
            (Loss::default(), &[1.0, 2.0, 3.0], 0, 2.407_605_964_444_38),
            (smooth, &[1.0, 2.0, 3.0], 0, 2.307_605_964_444_38),
            (hinge, &[1.0, 2.0, 3.0], 1, 2.0 / 3.0),
            (Loss::MeanSquared {}, &[1.0, 2.0], 0, 2.0),
            (Loss::BinaryCrossEntropy {}, &[0.0, 0.0], 0, std::f64::consts::LN_2),
        ] {
            let found = measured(loss, scores, label);
            assert!((found - expected).abs() < 1e-7, "{loss:?}: {found}, not {expected}");
        }
    }

    #[test]
    fn errors_are_counted_as_in_ilsvrc() {
        let mut tally = Tally::new(6, Loss::default()).unwrap();
        tally.add(&[9., 8., 7., 6., 5., 4.], &[0]);
        tally.add(&[9., 8., 7., 6., 5., 4.], &[4]);
        tally.add(&[9., 8., 7., 6., 5., 4.], &[5]);
        tally.add(&[f32::NAN; 6], &[0]);
        assert_eq!((tally.top1_error(), tally.top5_error()), (0.75, 0.5));
        assert_eq!(tally.confusion()[4][0], 1);
        assert_eq!(tally.per_class()[5], Some(1.0));
        assert_eq!(tally.per_class()[1], None);
    }
}
