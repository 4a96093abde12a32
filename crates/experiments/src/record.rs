//! The record of an experiment: its result as `result.json` contains it, which `experiments/NAME` keeps and the program
//! includes.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result};

use crate::result::Table;
use crate::{Definition, Scale};

/// The name of the file.
pub const RECORD: &str = "result.json";

/// The result of an experiment with what it was measured by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The name of the experiment.
    pub name: String,
    /// The digest of its definition.
    pub definition: String,
    /// Whether it ran at the scale of the paper.
    pub full: bool,
    /// The number of seeds.
    pub seeds: u64,
    /// The device and its arithmetic.
    pub device: String,
    /// The figures.
    pub table: Table,
    /// The mean training loss of each epoch over the seeds.
    pub curves: Vec<Curve>,
}

/// A curve of a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// The variant.
    pub variant: String,
    /// The data set, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Epochs and losses.
    pub points: Vec<(f64, f64)>,
}

impl Record {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// If it is not one.
    pub fn from_text(text: &str) -> Result<Record> {
        let record: Record =
            serde_json::from_str(text).map_err(|e| Error::input(e.to_string()).at(RECORD))?;
        let width = record.table.figures.len();
        match record.table.rows.iter().all(|row| row.cells.len() == width) {
            true => Ok(record),
            false => Err(Error::input("a row has more or fewer cells than there are figures").at(RECORD)),
        }
    }

    /// Returns the text of the file.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("figures are finite or absent") + "\n"
    }

    /// Whether it was measured by this definition as it is now.
    pub fn is_of(&self, definition: &Definition) -> bool {
        self.name == definition.name && self.definition == definition.digest()
    }

    /// Returns the scale.
    pub fn scale(&self) -> Scale {
        if self.full { Scale::Full } else { Scale::Small }
    }

    /// Returns the first figure of each variant in a line; with several data sets, that of the variant with the lowest
    /// mean on each.
    pub fn summary(&self) -> String {
        let sets = self.table.data();
        let mean = |row: &&crate::Row| row.cells.first().and_then(|cell| cell.mean);
        let lines: Vec<String> = match sets.len() {
            1 => self
                .table
                .rows_on(sets[0])
                .filter_map(|row| Some(format!("{} {}", row.variant, row.cells.first()?.text())))
                .collect(),
            _ => sets
                .iter()
                .filter_map(|set| {
                    let rows = self.table.rows_on(*set).filter(|row| mean(row).is_some());
                    let best =
                        rows.min_by(|a, b| mean(a).unwrap_or(0.0).total_cmp(&mean(b).unwrap_or(0.0)))?;
                    let text = best.cells.first()?.text();
                    Some(format!("{}: {} {text}", set.unwrap_or_default(), best.variant))
                })
                .collect(),
        };
        let figure = self.table.figures.first().map(|name| format!("{name}: ")).unwrap_or_default();
        figure + &lines.join(if sets.len() == 1 { ", " } else { "; " })
    }
}
