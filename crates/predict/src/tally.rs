//! Counts right and wrong guesses as the ILSVRC contest does (Russakovsky et al., IJCV 2015).

/// The guesses for some images against their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    classes: usize,
    n: usize,
    wrong_first: usize,
    wrong_five: usize,
    loss: f64,
    confusion: Vec<usize>,
}

impl Tally {
    /// Returns an empty tally for this many classes.
    pub fn new(classes: usize) -> Tally {
        Tally {
            classes,
            n: 0,
            wrong_first: 0,
            wrong_five: 0,
            loss: 0.0,
            confusion: vec![0; classes * classes],
        }
    }

    /// Counts images by their scores `[N, K]` (before the softmax) and labels `[N]`.
    ///
    /// A class counts as guessed before another if its score is higher, or equal and its index lower;
    /// NaN scores come last.
    pub fn add(&mut self, scores: &[f32], labels: &[i64]) {
        for (row, label) in scores.chunks_exact(self.classes).zip(labels) {
            let label = *label as usize;
            let before = |i: usize| row[i] > row[label] || (row[i] == row[label] && i < label);
            let rank = if row[label].is_nan() {
                self.classes
            } else {
                (0..self.classes).filter(|i| before(*i)).count()
            };
            self.n += 1;
            self.wrong_first += usize::from(rank >= 1);
            self.wrong_five += usize::from(rank >= 5);
            self.confusion[label * self.classes + best(row)] += 1;
            let probability = softmax(row)[label];
            self.loss -= f64::from(probability.max(f32::MIN_POSITIVE)).ln();
        }
    }

    /// Returns the number of images counted.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Returns the share of images whose first guess was wrong.
    pub fn top1_error(&self) -> f64 {
        self.wrong_first as f64 / self.n.max(1) as f64
    }

    /// Returns the share of images whose class was not among the first five guesses.
    pub fn top5_error(&self) -> f64 {
        self.wrong_five as f64 / self.n.max(1) as f64
    }

    /// Returns the mean cross-entropy.
    pub fn loss(&self) -> f64 {
        self.loss / self.n.max(1) as f64
    }

    /// Returns, for each true class, how often each class was the first guess.
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        self.confusion.chunks_exact(self.classes).map(<[usize]>::to_vec).collect()
    }

    /// Returns, for each class, the share of its images whose first guess was wrong; `None` without images.
    pub fn per_class(&self) -> Vec<Option<f64>> {
        let error = |(class, row): (usize, &[usize])| {
            let total: usize = row.iter().sum();
            (total > 0).then(|| (total - row[class]) as f64 / total as f64)
        };
        self.confusion.chunks_exact(self.classes).enumerate().map(error).collect()
    }
}

/// The index of the highest score, the first of equals.
fn best(row: &[f32]) -> usize {
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
    fn errors_are_counted_as_in_ilsvrc() {
        let mut tally = Tally::new(6);
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
