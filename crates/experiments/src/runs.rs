//! The runs of an experiment, and the time that is left for them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::data::DataSet;
use crate::variant::Variant;

/// A run: a variant on a data set with a seed.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The variant.
    pub variant: &'a Variant,
    /// The data set.
    pub data: &'a DataSet,
    /// The seed.
    pub seed: u64,
}

impl Run<'_> {
    /// Returns its folder in that of the experiment.
    pub(crate) fn folder(&self, experiment: &Path) -> PathBuf {
        let name = format!("{}-{}", self.variant.name, self.seed);
        match &self.data.name {
            Some(data) => experiment.join(data).join(name),
            None => experiment.join(name),
        }
    }

    /// Returns what runs that take about as long have in common.
    fn kind(&self) -> Kind {
        (self.variant.name.clone(), self.data.name.clone())
    }
}

impl fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.variant.name)?;
        if let Some(data) = &self.data.name {
            write!(f, " on {data}")?;
        }
        match self.variant.training() {
            Some(_) => write!(f, ", seed {}", self.seed),
            None => Ok(()),
        }
    }
}

/// A variant and a data set.
type Kind = (String, Option<String>);

/// The seconds that runs took.
#[derive(Default)]
pub(crate) struct Times(BTreeMap<Kind, Vec<f64>>);

impl Times {
    pub fn add(&mut self, run: Run, seconds: f64) {
        self.0.entry(run.kind()).or_default().push(seconds);
    }

    /// Estimates the seconds of all `runs`: of each, the mean of its kind, or else of its variant on any data, or else
    /// of all; `None` if none is known.
    pub fn estimate<'a>(&self, runs: impl Iterator<Item = Run<'a>>) -> Option<f64> {
        let mean = |known: &dyn Fn(&Kind) -> bool| {
            let seconds = self.0.iter().filter(|(kind, _)| known(kind)).flat_map(|(_, seconds)| seconds);
            let count = seconds.clone().count();
            (count > 0).then(|| seconds.sum::<f64>() / count as f64)
        };
        let of_run = |run: Run| {
            let own = run.kind();
            mean(&|kind| *kind == own).or_else(|| mean(&|kind| kind.0 == own.0)).or_else(|| mean(&|_| true))
        };
        runs.map(of_run).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    #[test]
    fn time_left_is_that_of_the_same_variants() {
        let definition = find("pooling").unwrap().definition().unwrap();
        let runs: Vec<Run> = definition.runs(2).collect();
        let mut times = Times::default();
        assert_eq!(times.estimate(runs.iter().copied()), None);
        times.add(runs[0], 10.0);
        times.add(runs[1], 20.0);
        // Variants 0 and 1 are known; variant 2 takes the mean.
        assert_eq!(times.estimate(runs[3..].iter().copied()), Some(10.0 + 20.0 + 15.0));
        assert_eq!(runs[3].to_string(), "overlapping, seed 1");
        assert_eq!(runs[3].folder(Path::new("a")), Path::new("a/overlapping-1"));
    }
}
