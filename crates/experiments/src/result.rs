//! The result of an experiment: the figures of each variant, with mean and spread over the seeds.

use serde::{Deserialize, Serialize};
use striate_tensor::text::{pad, pad_left};

use crate::figures::{Figures, Unit};

/// The figures of all variants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The names of the figures.
    pub figures: Vec<String>,
    /// A row for each variant on each data set.
    pub rows: Vec<Row>,
}

/// The figures of a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub variant: String,
    /// The data set, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The seeds that are done.
    pub seeds: usize,
    /// The figures.
    pub cells: Vec<Cell>,
}

/// A figure over the seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The unit.
    pub unit: Unit,
    /// The value for each seed; null if it was not reached.
    pub values: Vec<Option<f64>>,
    /// The mean over the seeds that reached it; null if none did.
    pub mean: Option<f64>,
    /// The standard deviation over these seeds; null for fewer than two.
    pub deviation: Option<f64>,
}

/// The runs of a variant on a data set.
pub(crate) struct Done {
    pub variant: String,
    pub data: Option<String>,
    pub runs: Vec<Figures>,
}

impl Table {
    /// The table of variants with the figures of their runs.
    pub(crate) fn new(done: Vec<Done>) -> Table {
        let first = done.iter().find_map(|done| done.runs.first());
        let figures: Vec<String> = first
            .map(|run| run.figures.iter().map(|figure| figure.name.clone()).collect())
            .unwrap_or_default();
        let row = |Done { variant, data, runs }: Done| {
            let cell = |name: &String| {
                let own = |run: &Figures| run.figures.iter().find(|figure| figure.name == *name).cloned();
                let found: Vec<_> = runs.iter().filter_map(own).collect();
                let unit = found.first().map_or(Unit::Number, |figure| figure.unit);
                Cell::new(unit, found.into_iter().map(|figure| figure.value).collect())
            };
            let cells = figures.iter().map(cell).collect();
            Row { variant, data, seeds: runs.len(), cells }
        };
        let rows = done.into_iter().map(row).collect();
        Table { figures, rows }
    }

    /// Returns the data sets, in order; a single `None` if there is one without a name.
    pub fn data(&self) -> Vec<Option<&str>> {
        let mut sets = Vec::new();
        for row in &self.rows {
            let set = row.data.as_deref();
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        sets
    }

    /// Returns the rows on a data set.
    pub fn rows_on<'a>(&'a self, data: Option<&'a str>) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.data.as_deref() == data)
    }

    /// The table as Markdown, with columns of equal width. With several data sets, a table of the first figure on all
    /// of them precedes that of all figures.
    pub fn markdown(&self) -> String {
        let sets = self.data();
        let head = |first: &[&str]| first.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        if sets.len() < 2 {
            let rows = self.rows.iter().map(|row| row.texts([row.variant.clone()]));
            return aligned(1, [head(&["variant"]), self.figures.clone()].concat(), rows.collect());
        }
        let name = |set: &Option<&str>| set.unwrap_or_default().to_owned();
        let mut text = String::new();
        if let Some(figure) = self.figures.first() {
            let names = sets.iter().map(name);
            let rows = self.rows_on(sets[0]).map(|row| {
                let cells = sets.iter().map(|set| {
                    let on = self.rows_on(*set).find(|other| other.variant == row.variant);
                    on.map_or("–".into(), |row| row.cells[0].text())
                });
                [row.variant.clone()].into_iter().chain(cells).collect()
            });
            let titles = head(&[figure.as_str()]).into_iter().chain(names).collect();
            text += &format!("{}\n", aligned(1, titles, rows.collect()));
        }
        let rows = sets.iter().flat_map(|set| self.rows_on(*set));
        let rows = rows.map(|row| row.texts([row.data.clone().unwrap_or_default(), row.variant.clone()]));
        text + &aligned(2, [head(&["data", "variant"]), self.figures.clone()].concat(), rows.collect())
    }
}

impl Row {
    /// The cells as text, after those of `first`.
    fn texts<const N: usize>(&self, first: [String; N]) -> Vec<String> {
        first.into_iter().chain(self.cells.iter().map(Cell::text)).collect()
    }
}

/// A table in Markdown whose first columns, `names` of them, are text, and the others numbers.
fn aligned(names: usize, head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = [&head].into_iter().chain(&rows).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column < names {
            true => pad(cell, *width),
            false => pad_left(cell, *width),
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(column, width)| match column < names {
        true => format!("|{}", "-".repeat(width + 2)),
        false => format!("|{}:", "-".repeat(width + 1)),
    });
    let rule = rule.collect::<String>() + "|\n";
    line(&head) + &rule + &rows.iter().map(|row| line(row)).collect::<String>()
}

impl Cell {
    fn new(unit: Unit, values: Vec<Option<f64>>) -> Cell {
        let reached: Vec<f64> = values.iter().flatten().copied().collect();
        let count = reached.len() as f64;
        let mean = (!reached.is_empty()).then(|| reached.iter().sum::<f64>() / count);
        let squares = |mean: f64| reached.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let deviation = mean.filter(|_| reached.len() > 1).map(|mean| (squares(mean) / (count - 1.0)).sqrt());
        Cell { unit, values, mean, deviation }
    }

    /// The mean with the standard deviation; how many seeds reached it unless all did.
    pub fn text(&self) -> String {
        let Some(mean) = self.mean else {
            return if self.values.is_empty() { "–".into() } else { "not reached".into() };
        };
        let reached = self.values.iter().flatten().count();
        let spread = self.deviation.filter(|deviation| *deviation > 0.0);
        let text =
            spread.map_or_else(|| self.unit.text(mean), |deviation| self.unit.text_with(mean, deviation));
        let some = match reached == self.values.len() {
            true => String::new(),
            false => format!(" ({reached} of {} seeds)", self.values.len()),
        };
        text + &some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Figure;

    fn done(variant: &str, data: Option<&str>, values: &[Option<f64>]) -> Done {
        let figure = |value| Figure { name: "test error".into(), unit: Unit::Share, value };
        let run = |value: &Option<f64>| Figures {
            arithmetic: String::new(),
            weights_sha256: String::new(),
            figures: vec![figure(*value)],
            probabilities: vec![],
        };
        Done {
            variant: variant.into(),
            data: data.map(str::to_owned),
            runs: values.iter().map(run).collect(),
        }
    }

    #[test]
    fn cells_have_mean_and_deviation_of_the_seeds_that_reached_them() {
        let table = Table::new(vec![
            done("a", None, &[Some(0.1), Some(0.2), None]),
            done("b", None, &[None]),
            done("c", None, &[]),
        ]);
        assert_eq!(
            table.markdown(),
            "| variant |                    test error |\n\
             |---------|------------------------------:|\n\
             | a       | 15.00 ± 7.07 % (2 of 3 seeds) |\n\
             | b       |                   not reached |\n\
             | c       |                             – |\n"
        );
    }

    #[test]
    fn first_figure_on_several_data_sets_is_a_table_of_its_own() {
        let table = Table::new(vec![
            done("a", Some("x"), &[Some(0.1)]),
            done("b", Some("x"), &[Some(0.2)]),
            done("a", Some("y"), &[Some(0.3)]),
            done("b", Some("y"), &[]),
        ]);
        let text = table.markdown();
        assert!(text.starts_with("| test error |       x |       y |\n"), "{text}");
        assert!(text.contains("| a          | 10.00 % | 30.00 % |\n"), "{text}");
        assert!(text.contains("\n\n| data | variant | test error |\n"), "{text}");
        assert!(text.ends_with("| y    | b       |          – |\n"), "{text}");
    }
}
