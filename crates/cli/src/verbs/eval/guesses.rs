//! The table of `eval --csv`: a line for each image, with its class and the best predictions.

use std::fmt::Write;

use striate_data::{Files, ImageFile};
use striate_tensor::csv::{self, Cell};
use striate_train::Scored;

/// Predictions in a line.
const TOP: usize = 5;

/// The predictions for images, as lines of a table.
pub struct Guesses {
    /// `None` if no table is asked for.
    text: Option<String>,
    classes: Vec<String>,
    /// The files of the images, if they were image files.
    files: Option<Vec<ImageFile>>,
}

impl Guesses {
    /// A table of images of `files`, or else of numbered images.
    pub fn new(is_asked: bool, classes: &[String], files: Option<&Files>) -> Guesses {
        let first = if files.is_some() { "file" } else { "index" };
        let count = TOP.min(classes.len());
        let guesses: String = (1..=count).fold(String::new(), |mut names, i| {
            let _ = write!(names, ",class{i},score{i}");
            names
        });
        let files = files.filter(|_| is_asked).map(|files| files.list().to_vec());
        let text = is_asked.then(|| format!("{first},class{guesses},correct\n"));
        Guesses { text, classes: classes.to_vec(), files }
    }

    /// Adds the prediction for an image.
    pub fn add(&mut self, scored: &Scored<'_>) {
        let Some(text) = &mut self.text else { return };
        let Scored { index, label, scores, probabilities } = *scored;
        let class = |index: usize| Cell::Text(self.classes[index].clone());
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let is_correct = order[0] == label as usize && !scores.iter().any(|score| score.is_nan());
        let place = match &self.files {
            Some(files) => Cell::Text(files[index].to_string()),
            None => Cell::Plain(index.to_string()),
        };
        let mut cells = vec![place, class(label as usize)];
        for guess in order.into_iter().take(TOP) {
            cells.extend([class(guess), Cell::Plain(format!("{:.6}", probabilities[guess]))]);
        }
        cells.push(Cell::Plain(is_correct.to_string()));
        text.push_str(&csv::row(&cells));
    }

    /// The whole table.
    pub fn table(self) -> String {
        self.text.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_the_best_predictions_and_whether_the_first_is_right() {
        let classes = ["a", "b, c", "=d"].map(str::to_owned);
        let mut guesses = Guesses::new(true, &classes, None);
        let probabilities = [0.25, 0.25, 0.5];
        let add = |guesses: &mut Guesses, index, label, scores: &[f32]| {
            guesses.add(&Scored { index, label, scores, probabilities: &probabilities });
        };
        add(&mut guesses, 0, 2, &[1.0, 1.0, 2.0]);
        add(&mut guesses, 1, 1, &[1.0, 1.0, 0.5]);
        add(&mut guesses, 2, 2, &[f32::NAN, 0.0, 1.0]);
        let text = guesses.table();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "index,class,class1,score1,class2,score2,class3,score3,correct");
        assert_eq!(lines[1], "0,\"'=d\",\"'=d\",0.500000,\"a\",0.250000,\"b, c\",0.250000,true");
        assert_eq!(lines[2], "1,\"b, c\",\"a\",0.250000,\"b, c\",0.250000,\"'=d\",0.500000,false");
        assert!(lines[3].ends_with(",false"));
    }

    #[test]
    fn nothing_is_kept_without_a_table() {
        let mut guesses = Guesses::new(false, &["a".to_owned()], None);
        guesses.add(&Scored { index: 0, label: 0, scores: &[1.0], probabilities: &[1.0] });
        assert_eq!(guesses.table(), "");
    }
}
