//! The result of an experiment: the figures of each variant, with mean and spread over the seeds.

use serde::Serialize;

use crate::figures::{Figures, Unit};

/// The figures of all variants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// The names of the figures.
    pub figures: Vec<String>,
    /// A row for each variant.
    pub rows: Vec<Row>,
}

/// The figures of a variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub variant: String,
    /// The seeds that are done.
    pub seeds: usize,
    /// The figures.
    pub cells: Vec<Cell>,
}

/// A figure over the seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    unit: Unit,
    /// The value of each seed; null where it was not reached.
    pub values: Vec<Option<f64>>,
    /// The mean over the seeds that reached it; null if none did.
    pub mean: Option<f64>,
    /// The standard deviation over these seeds; null for fewer than two.
    pub deviation: Option<f64>,
}

impl Table {
    /// The table of variants with the figures of their runs.
    pub(crate) fn new(variants: Vec<(String, Vec<Figures>)>) -> Table {
        let first = variants.iter().find_map(|(_, runs)| runs.first());
        let figures: Vec<String> = first
            .map(|run| run.figures.iter().map(|figure| figure.name.clone()).collect())
            .unwrap_or_default();
        let row = |(variant, runs): (String, Vec<Figures>)| {
            let cell = |name: &String| {
                let own = |run: &Figures| run.figures.iter().find(|figure| figure.name == *name).cloned();
                let found: Vec<_> = runs.iter().filter_map(own).collect();
                let unit = found.first().map_or(Unit::Number, |figure| figure.unit);
                Cell::new(unit, found.into_iter().map(|figure| figure.value).collect())
            };
            let cells = figures.iter().map(cell).collect();
            Row { variant, seeds: runs.len(), cells }
        };
        let rows = variants.into_iter().map(row).collect();
        Table { figures, rows }
    }

    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = ["variant".to_owned()].into_iter().chain(self.figures.iter().cloned()).collect();
        let mut text = line(head) + &"|---".repeat(self.figures.len() + 1) + "|\n";
        for row in &self.rows {
            let cells = row.cells.iter().map(Cell::text);
            text += &line([row.variant.clone()].into_iter().chain(cells).collect());
        }
        text
    }
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
        let spread = spread.map_or(String::new(), |deviation| format!(" ± {}", self.unit.text(deviation)));
        let some = match reached == self.values.len() {
            true => String::new(),
            false => format!(" ({reached} of {} seeds)", self.values.len()),
        };
        format!("{}{spread}{some}", self.unit.text(mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Figure;

    #[test]
    fn cells_have_mean_and_deviation_of_the_seeds_that_reached_them() {
        let figure = |value| Figure { name: "test error".into(), unit: Unit::Share, value };
        let run = |value| Figures {
            arithmetic: String::new(),
            weights_sha256: String::new(),
            figures: vec![figure(value)],
        };
        let table = Table::new(vec![
            ("a".into(), vec![run(Some(0.1)), run(Some(0.2)), run(None)]),
            ("b".into(), vec![run(None)]),
            ("c".into(), vec![]),
        ]);
        assert_eq!(
            table.markdown(),
            "| variant | test error |\n|---|---|\n| a | 15.00 % ± 7.07 % (2 of 3 seeds) |\n| b | not reached |\n| c | – |\n"
        );
    }
}
