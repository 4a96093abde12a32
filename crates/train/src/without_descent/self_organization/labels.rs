//! Labels of cells: the class that each answers to most often.

use striate_ancestors::Rows;
use striate_tensor::text::{counted, printable};

/// Classes listed in a summary, at most.
const FEW: usize = 10;

/// The label of each cell.
pub(super) struct Labels {
    /// The class of each cell, if it answers to any image.
    of_cells: Vec<Option<usize>>,
    /// Cells that answer most to some image.
    winners: usize,
    /// Images that no cell answers to more than another.
    unanswered: usize,
    classes: usize,
}

/// Labels the cells of the `rows` of images `[N, cells]` with the class of most of the images that they answer to most;
/// those that are never best, with the class that they answer to most in sum, if they answer at all. Of equal classes,
/// the first counts.
pub(super) fn labels(rows: Rows, classes_of_rows: &[usize], classes: usize) -> Labels {
    let cells = rows.features();
    let (mut wins, mut sums) = (vec![0u32; cells * classes], vec![0.0f64; cells * classes]);
    let mut unanswered = 0;
    for (row, class) in (0..rows.count()).map(|index| rows.row(index)).zip(classes_of_rows) {
        let (best, answer) = largest(row);
        match row.iter().all(|other| *other == answer) {
            true => unanswered += 1,
            false => wins[best * classes + class] += 1,
        }
        row.iter().enumerate().for_each(|(cell, answer)| sums[cell * classes + class] += f64::from(*answer));
    }
    let mut winners = 0;
    let label = |cell: usize| {
        let of_cell = cell * classes..(cell + 1) * classes;
        let wins = &wins[of_cell.clone()];
        let has_won = wins.iter().any(|count| *count > 0);
        winners += usize::from(has_won);
        let sums = &sums[of_cell];
        if has_won {
            Some(largest(wins).0)
        } else {
            Some(largest(sums)).filter(|(_, most)| *most > 0.0).map(|(class, _)| class)
        }
    };
    let of_cells = (0..cells).map(label).collect();
    Labels { of_cells, winners, unanswered, classes }
}

/// The first of the largest values, with its index.
fn largest<T: Copy + PartialOrd>(values: &[T]) -> (usize, T) {
    let all = values.iter().copied().enumerate();
    all.reduce(|best, other| if other.1 > best.1 { other } else { best }).expect("there are values")
}

impl Labels {
    /// The weights `[classes, cells]` of a layer that adds the answers of the cells of each class.
    pub fn weights(&self) -> Vec<f32> {
        let of_class =
            |class: usize| self.of_cells.iter().map(move |own| if *own == Some(class) { 1.0 } else { 0.0 });
        (0..self.classes).flat_map(of_class).collect()
    }

    /// The scores `[N, classes]` that these weights give the softmax of the answers times `sharpness`.
    pub fn scores(&self, rows: Rows, sharpness: f32) -> Vec<f32> {
        let mut scores = Vec::with_capacity(rows.count() * self.classes);
        for row in (0..rows.count()).map(|index| rows.row(index)) {
            let (_, most) = largest(row);
            let (mut sums, mut all) = (vec![0.0f64; self.classes], 0.0);
            for (answer, class) in row.iter().zip(&self.of_cells) {
                let share = f64::from((answer - most) * sharpness).exp();
                all += share;
                class.iter().for_each(|class| sums[*class] += share);
            }
            scores.extend(sums.into_iter().map(|sum| (sum / all) as f32));
        }
        scores
    }

    /// The numbers of cells, in a line.
    pub fn summary(&self, names: &[String]) -> String {
        let count = |class: usize| self.of_cells.iter().filter(|own| **own == Some(class)).count();
        let of_class = |(class, name): (usize, &String)| format!("{} for {}", count(class), printable(name));
        let list: Vec<String> = names.iter().enumerate().take(FEW).map(of_class).collect();
        let more = if names.len() > FEW { ", …" } else { "" };
        format!(
            "labels: {} of {} answer most to some image, {} without an answer; {}{more}",
            self.winners,
            counted(self.of_cells.len(), "cell"),
            counted(self.unanswered, "image"),
            list.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_get_the_class_that_they_answer_to_most_often() {
        let values = [
            [0.9, 0.1, 0.4, 0.0], // class 1: cell 0
            [0.8, 0.0, 0.2, 0.0], // class 1: cell 0
            [0.7, 0.6, 0.2, 0.0], // class 0: cell 0
            [0.1, 0.9, 0.2, 0.0], // class 0: cell 1
            [0.0, 0.0, 0.0, 0.0], // class 1: none
        ];
        let labels = labels(Rows::new(values.as_flattened(), 4).unwrap(), &[1, 1, 0, 0, 1], 2);
        // The third cell is never best, and answers to class 1 most in sum.
        assert_eq!(labels.of_cells, [Some(1), Some(0), Some(1), None]);
        assert_eq!((labels.winners, labels.unanswered), (2, 1));
        assert_eq!(labels.weights(), [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        let scores = labels.scores(Rows::new(&values[3], 4).unwrap(), 2.0);
        let [a, b, c, d] = values[3].map(|answer: f32| (2.0 * answer).exp());
        assert!((scores[0] - b / (a + b + c + d)).abs() < 1e-6, "{scores:?}");
        assert!((scores[1] - (a + c) / (a + b + c + d)).abs() < 1e-6, "{scores:?}");
        let names = ["a", "b"].map(String::from);
        let expected =
            "labels: 2 of 4 cells answer most to some image, 1 image without an answer; 1 for a, 2 for b";
        assert_eq!(labels.summary(&names), expected);
    }
}
