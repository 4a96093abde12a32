//! `metrics.csv` in a run folder: a line of figures for each epoch.

use std::path::Path;

use striate_tensor::csv::{self, Cell};
use striate_tensor::file::{read_text_limited, write_atomically};
use striate_tensor::text::{counted, shortened};
use striate_tensor::{Error, Result};

/// The file.
pub(crate) const METRICS: &str = "metrics.csv";
/// Its largest size in bytes: a line for each of a million epochs.
const LARGEST: u64 = 128 << 20;
const HEADER: &str = "epoch,step,rate,train_loss,val_loss,val_top1_error,images_per_second";

/// The figures of an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EpochMetrics {
    pub epoch: u64,
    pub step: u64,
    /// The learning rate; `None` without steps of gradient descent.
    pub rate: Option<f64>,
    pub train_loss: f64,
    pub val_loss: Option<f64>,
    pub val_top1_error: Option<f64>,
    pub images_per_second: f64,
}

impl EpochMetrics {
    /// Returns the line of `metrics.csv`, its line break included.
    fn line(&self) -> String {
        let plain = |text: String| Cell::Plain(text);
        let optional = |value: Option<f64>| value.map_or(Cell::Empty, |value| plain(format!("{value:.6}")));
        csv::row(&[
            plain(self.epoch.to_string()),
            plain(self.step.to_string()),
            optional(self.rate),
            plain(format!("{:.6}", self.train_loss)),
            optional(self.val_loss),
            optional(self.val_top1_error),
            plain(format!("{:.0}", self.images_per_second)),
        ])
    }

    /// Adds the epoch to the file in the folder `run`, replacing lines of epochs that a resumed run repeats.
    pub fn add(&self, run: &Path) -> Result<()> {
        let path = run.join(METRICS);
        let text = match path.is_symlink() || !path.exists() {
            true => format!("{HEADER}\n"),
            false => read_text_limited(&path, LARGEST)?,
        };
        let epoch_of = |line: &str| line.split(',').next().and_then(|word| word.parse::<u64>().ok());
        let kept = text.lines().filter(|line| epoch_of(line).is_none_or(|epoch| epoch < self.epoch));
        let kept: String = kept.map(|line| format!("{line}\n")).collect();
        write_atomically(&path, (kept + &self.line()).as_bytes())
    }
}

/// Writes the file of a new run.
pub(crate) fn start(run: &Path) -> Result<()> {
    write_atomically(&run.join(METRICS), format!("{HEADER}\n").as_bytes())
}

/// A column of `metrics.csv`: its name, and its values as (epoch, value).
pub type Column = (String, Vec<(f64, f64)>);

/// Returns the columns of the `metrics.csv` of the run in the folder `run` by name, as (epoch, value), without empty
/// fields.
///
/// # Errors
/// If the file cannot be read, or a line of it is not what a run writes; the error names the line.
pub fn read_metrics(run: &Path) -> Result<Vec<Column>> {
    let path = run.join(METRICS);
    let text = read_text_limited(&path, LARGEST)?;
    let place = |number: usize| format!("{}, line {number}", path.display());
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let names: Vec<&str> = header.split(',').collect();
    if names[0] != "epoch" {
        let what = format!("is not the header {HEADER}; restore it, or remove the file");
        return Err(Error::input(what).at(place(1)));
    }
    let mut columns: Vec<Column> = names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    let mut last = 0.0;
    for (line, number) in lines.zip(2..) {
        let values = parsed(line, &names).map_err(|e| e.advising("remove the line").at(place(number)))?;
        let epoch = values[0].filter(|epoch| epoch.fract() == 0.0 && *epoch > last);
        let Some(epoch) = epoch else {
            let what = format!("its epoch is not a whole number above {last}; remove the line");
            return Err(Error::input(what).at(place(number)));
        };
        for ((_, points), value) in columns.iter_mut().zip(&values) {
            points.extend(value.map(|value| (epoch, value)));
        }
        last = epoch;
    }
    Ok(columns)
}

/// The numbers of a line with the columns `names`.
fn parsed(line: &str, names: &[&str]) -> Result<Vec<Option<f64>>> {
    let words: Vec<&str> = line.split(',').collect();
    if words.len() != names.len() {
        return Err(Error::input(format!(
            "has {} instead of {}",
            counted(words.len(), "field"),
            names.len()
        )));
    }
    let number = |(word, name): (&&str, &&str)| match word.parse::<f64>() {
        // Losses need not be finite.
        Ok(number) if *name == "step" && number.fract() != 0.0 => {
            Err(Error::input(format!("step is not a whole number: {}", shortened(word, 40))))
        }
        Ok(number) => Ok(Some(number)),
        Err(_) if word.is_empty() => Ok(None),
        Err(_) => {
            let [word, name] = [word, name].map(|text| shortened(text, 40));
            Err(Error::input(format!("{name} is not a number: {word}")))
        }
    };
    words.iter().zip(names).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_no_run_writes_are_named() {
        let run = std::env::temp_dir().join(format!("striate-metrics-{}", std::process::id()));
        std::fs::create_dir_all(&run).unwrap();
        start(&run).unwrap();
        let epoch = |epoch: u64| EpochMetrics {
            epoch,
            step: 10 * epoch,
            rate: Some(0.1),
            train_loss: f64::NAN,
            val_loss: None,
            val_top1_error: Some(0.5),
            images_per_second: 100.0,
        };
        [1, 2, 2, 3].into_iter().for_each(|number| epoch(number).add(&run).unwrap());
        let columns = read_metrics(&run).unwrap();
        assert_eq!(columns[5], ("val_top1_error".to_owned(), vec![(1.0, 0.5), (2.0, 0.5), (3.0, 0.5)]));
        assert_eq!((columns[3].1.len(), columns[4].1.len()), (3, 0));
        for (text, expected) in [
            ("", "line 1: is not the header epoch,step"),
            ("a,b\n1,2\n", "line 1: is not the header"),
            ("epoch,loss\n1,0.5\n2,half\n", "line 3: loss is not a number: half; remove the line"),
            ("epoch,loss\n1,0.5,3\n", "line 2: has 3 fields instead of 2; remove the line"),
            ("epoch,loss\n1,0.5\n\n", "line 3: has 1 field instead of 2"),
            ("epoch,loss\n,0.5\n", "line 2: its epoch is not a whole number above 0"),
            ("epoch,loss\n1,0.5\n1,0.4\n", "line 3: its epoch is not a whole number above 1"),
            ("epoch,loss\nNaN,0.5\n", "line 2: its epoch is not"),
            ("epoch,step\n1,NaN\n", "line 2: step is not a whole number: NaN; remove the line"),
        ] {
            std::fs::write(run.join(METRICS), text).unwrap();
            let error = read_metrics(&run).unwrap_err();
            let line = error.to_string();
            assert!(error.is_input() && line.contains("metrics.csv, ") && line.contains(expected), "{line}");
        }
        std::fs::remove_dir_all(run).unwrap();
    }
}
