//! The wrong predictions of an evaluation.

use std::collections::BTreeMap;

use striate_predict::{best, softmax};

/// A wrong prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// The index of the image in its part.
    pub index: usize,
    /// The true class.
    pub label: usize,
    /// The predicted class.
    pub guess: usize,
    /// The softmax of the scores for the predicted class.
    pub confidence: f32,
}

/// The images of a class that are mistaken for another.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The true class.
    pub label: usize,
    /// The predicted class.
    pub guess: usize,
    /// The number of such images.
    pub count: usize,
    /// The most confident ones.
    pub examples: Vec<Mistake>,
}

/// Collects wrong predictions; a few bytes for each, no images.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Adds the images from number `first` on, with their scores `[N, K]` and labels `[N]`.
    pub fn add(&mut self, first: usize, scores: &[f32], labels: &[i64]) {
        let rows = scores.chunks_exact(scores.len() / labels.len().max(1));
        for (number, (row, label)) in rows.zip(labels).enumerate() {
            let (guess, label) = (best(row), *label as usize);
            if guess != label {
                let confidence = softmax(row)[guess];
                self.0.push(Mistake { index: first + number, label, guess, confidence });
            }
        }
    }

    /// Returns the `count` most confident mistakes, in this order; equal ones in that of the images.
    pub fn worst(&self, count: usize) -> Vec<Mistake> {
        most_confident(self.0.clone(), count)
    }

    /// Returns the `count` most frequent confusions, in this order, each with up to `examples` images; equal ones
    /// in the order of the classes.
    pub fn pairs(&self, count: usize, examples: usize) -> Vec<Pair> {
        let mut pairs: BTreeMap<(usize, usize), Vec<Mistake>> = BTreeMap::new();
        self.0.iter().for_each(|own| pairs.entry((own.label, own.guess)).or_default().push(*own));
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(_, own)| std::cmp::Reverse(own.len()));
        let pair = |((label, guess), own): ((usize, usize), Vec<Mistake>)| Pair {
            label,
            guess,
            count: own.len(),
            examples: most_confident(own, examples),
        };
        pairs.into_iter().take(count).map(pair).collect()
    }
}

fn most_confident(mut mistakes: Vec<Mistake>, count: usize) -> Vec<Mistake> {
    mistakes.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.index.cmp(&b.index)));
    mistakes.truncate(count);
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_ordered_by_confidence_and_pairs_by_count() {
        let mut mistakes = Mistakes::default();
        mistakes.add(0, &[0.0, 1.0, 0.0, 0.0, 5.0, 0.0], &[0, 0]);
        mistakes.add(2, &[0.0, 0.0, 9.0, 3.0, 0.0, 0.0], &[1, 0]);
        let indices: Vec<usize> = mistakes.worst(9).iter().map(|own| own.index).collect();
        assert_eq!(indices, [2, 1, 0]);
        let pairs = mistakes.pairs(9, 1);
        let summary: Vec<_> =
            pairs.iter().map(|p| (p.label, p.guess, p.count, p.examples[0].index)).collect();
        assert_eq!(summary, [(0, 1, 2, 1), (1, 2, 1, 2)]);
        assert!(mistakes.worst(1).len() == 1 && Mistakes::default().pairs(3, 3).is_empty());
    }
}
