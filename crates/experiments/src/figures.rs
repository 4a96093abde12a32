//! The figures of a run, as the file `figures.json` in its folder contains them.

use std::path::Path;

use serde::{Deserialize, Serialize};
use striate_tensor::file::{read_text_limited, write_atomically};
use striate_tensor::text::grouped;
use striate_tensor::{Error, Result};

/// The file of the figures; a run that has one is done.
const FIGURES: &str = "figures.json";
/// Largest size of the file, in bytes.
const LARGEST: u64 = 1 << 20;

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share in [0, 1], shown in percent.
    Share,
    /// A number that is counted.
    Count,
    /// Any other number, shown with three digits.
    Number,
    /// Seconds.
    Seconds,
}

/// A figure of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// The value; `None` if it was not reached.
    pub value: Option<f64>,
}

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// The device and its arithmetic.
    pub arithmetic: String,
    /// SHA-256 of the weights.
    pub weights_sha256: String,
    /// The figures, in the order of the definition.
    pub figures: Vec<Figure>,
    /// The probability of its class for each test image, if a model was only evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<f64>,
}

impl Unit {
    /// Returns `value` as text.
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Share => format!("{:.2} %", value * 100.0),
            Unit::Count => grouped(value.round() as u64),
            Unit::Number if (1e-3..1e4).contains(&value.abs()) || value == 0.0 => format!("{value:.4}"),
            Unit::Number => format!("{value:.2e}"),
            Unit::Seconds => format!("{value:.0} s"),
        }
    }

    /// Returns a mean with a standard deviation as text, the sign of the unit once.
    pub fn text_with(self, mean: f64, deviation: f64) -> String {
        let (mean, deviation) = (self.text(mean), self.text(deviation));
        let sign = mean.rsplit_once(' ').map_or("", |(_, sign)| sign);
        let bare = mean.trim_end_matches(sign).trim_end();
        if sign.is_empty() { format!("{mean} ± {deviation}") } else { format!("{bare} ± {deviation}") }
    }
}

impl Figures {
    /// Reads the figures of the run in the folder `run`; `None` if it is not done.
    ///
    /// # Errors
    /// If the file is damaged.
    pub(crate) fn read(run: &Path) -> Result<Option<Figures>> {
        let path = run.join(FIGURES);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text_limited(&path, LARGEST)?;
        let figures = serde_json::from_str(&text);
        figures
            .map(Some)
            .map_err(|e| Error::input(format!("{e}; remove the run's folder")).at(path.display()))
    }

    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("figures are finite or absent");
        write_atomically(&run.join(FIGURES), (text + "\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn values_are_shown_in_their_units() {
        for (unit, value, expected) in [
            (Unit::Share, 0.0931, "9.31 %"),
            (Unit::Count, 61_706.0, "61,706"),
            (Unit::Number, 0.25, "0.2500"),
            (Unit::Number, 3e-7, "3.00e-7"),
            (Unit::Seconds, 61.4, "61 s"),
        ] {
            assert_eq!(unit.text(value), expected);
        }
        assert_eq!(Unit::Share.text_with(0.0931, 0.0012), "9.31 ± 0.12 %");
        assert_eq!(Unit::Number.text_with(0.25, 0.01), "0.2500 ± 0.0100");
    }
}
