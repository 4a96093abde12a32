//! A matrix of training examples, one in each row.

use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

/// Training examples `[N, D]`: `N` rows of `D` finite features.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f32],
    features: usize,
}

impl<'a> Rows<'a> {
    /// Creates rows of `features` features from their values, row by row.
    ///
    /// # Errors
    /// If `values` is empty, its length is not a multiple of `features`, or a value is not finite.
    pub fn new(values: &'a [f32], features: usize) -> Result<Self> {
        if values.is_empty() || features == 0 || !values.len().is_multiple_of(features) {
            let (values, features) = (counted(values.len(), "value"), counted(features, "feature"));
            return Err(Error::input(format!("{values} are not rows of {features}")));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (row, feature) = (at / features, at % features);
            return Err(Error::input(format!("feature {feature} of row {row} is not finite")));
        }
        Ok(Rows { values, features })
    }

    /// Returns the number of rows.
    pub fn count(&self) -> usize {
        self.values.len() / self.features
    }

    /// Returns the number of features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Returns a row.
    ///
    /// # Panics
    /// If there are not that many rows.
    #[inline(always)]
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.features..][..self.features]
    }

    /// Returns all values, row by row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Checks that each row has a label below `classes`.
    ///
    /// # Errors
    /// If a label is missing or out of range.
    pub(crate) fn check_labels(&self, labels: &[usize], classes: usize) -> Result<()> {
        if labels.len() != self.count() {
            let (labels, rows) = (counted(labels.len(), "label"), counted(self.count(), "row"));
            return Err(Error::input(format!("{labels} for {rows}")));
        }
        match labels.iter().position(|label| *label >= classes) {
            None => Ok(()),
            Some(row) => {
                let (label, classes) = (labels[row], counted(classes, "class"));
                Err(Error::input(format!("label {label} of row {row} is out of range for {classes}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_labels_are_checked() {
        let rows = Rows::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3).unwrap();
        assert_eq!((rows.count(), rows.features(), rows.row(1)), (2, 3, &[4.0, 5.0, 6.0][..]));
        rows.check_labels(&[0, 1], 2).unwrap();
        for labels in [&[0][..], &[0, 2], &[0, 1, 1]] {
            assert!(rows.check_labels(labels, 2).unwrap_err().is_input());
        }
        for (values, features) in [(&[][..], 1), (&[1.0], 0), (&[1.0, 2.0, 3.0], 2), (&[1.0, f32::NAN], 1)] {
            assert!(Rows::new(values, features).unwrap_err().is_input());
        }
    }
}
