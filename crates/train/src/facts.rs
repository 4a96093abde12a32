//! What the folder of a run tells about it, whether it is complete or not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use striate_formats::{Evaluation, read_evaluation};
use striate_graph::Network;
use striate_tensor::Result;
use striate_tensor::file::read_text_limited;

use crate::Recipe;
use crate::metrics::{Column, METRICS, read_metrics};
use crate::run::{LARGEST_NETWORK, LAST, NETWORK, RECIPE, not_a_run};
use crate::state::RunState;

/// The facts in a run folder.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// The folder.
    pub path: PathBuf,
    /// The name of the network.
    pub network: String,
    /// The recipe.
    pub recipe: Recipe,
    /// The columns of `metrics.csv`.
    pub metrics: Vec<Column>,
    /// The figures on the test part, if the run is complete and has one.
    pub test: Option<Evaluation>,
}

impl RunFacts {
    /// Reads the folder of a run, which another process may be continuing.
    ///
    /// # Errors
    /// If it is not the folder of a run, or a file of it is damaged.
    pub fn read(path: &Path) -> Result<RunFacts> {
        let recipe = path.join(RECIPE);
        if !recipe.is_file() {
            return Err(not_a_run(path));
        }
        let network = path.join(NETWORK);
        let text = read_text_limited(&network, LARGEST_NETWORK)?;
        let network = Network::from_text(&text).map_err(|e| e.at(network.display()))?.name;
        // A run that was stopped early may not have figures yet.
        let metrics = if path.join(METRICS).exists() { read_metrics(path)? } else { Vec::new() };
        let recipe = Recipe::load(&recipe)?;
        let mut facts = RunFacts { path: path.to_owned(), network, recipe, metrics, test: None };
        let model = path.join(LAST);
        // A model with figures may be older than the epochs that a resumed run has added.
        if facts.is_complete() && model.exists() {
            facts.test = read_evaluation(&model)?.filter(|evaluation| evaluation.part == "test");
        }
        Ok(facts)
    }

    /// The values of a column of `metrics.csv` with their epochs; empty if it has none.
    pub fn column(&self, name: &str) -> &[(f64, f64)] {
        self.metrics.iter().find(|(other, _)| other == name).map_or(&[], |(_, points)| points)
    }

    /// The last value of a column.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.column(name).last().map(|(_, value)| *value)
    }

    /// The smallest value of a column.
    pub fn best(&self, name: &str) -> Option<f64> {
        let values = self.column(name).iter().map(|(_, value)| *value).filter(|value| !value.is_nan());
        values.reduce(f64::min)
    }

    /// The number of epochs that are done.
    pub fn epochs(&self) -> u64 {
        self.last("epoch").unwrap_or_default() as u64
    }

    /// Whether all epochs are done, or early stopping has ended the run.
    pub fn is_complete(&self) -> bool {
        self.epochs() >= self.recipe.epochs() || self.has_stopped_early()
    }

    /// Whether the validation loss has not improved for the number of epochs in `train.patience`.
    pub fn has_stopped_early(&self) -> bool {
        let mut state = RunState::default();
        for (_, loss) in self.column("val_loss") {
            state.is_best(*loss);
        }
        state.has_stopped(self.recipe.train.patience)
    }

    /// The seconds of training steps, from their number and the rate; without validation.
    pub fn seconds(&self) -> Option<f64> {
        let (steps, rate) = (self.last("step")?, self.last("images_per_second")?);
        (rate > 0.0).then(|| steps * self.recipe.step_images() as f64 / rate)
    }
}

/// The fields of a recipe in which runs differ, with the value of each run; `None` where a recipe lacks the field.
pub type Differences = Vec<(String, Vec<Option<String>>)>;

/// Returns the fields in which the recipes of `runs` differ, in alphabetical order.
pub fn recipe_differences(runs: &[RunFacts]) -> Differences {
    let fields: Vec<BTreeMap<String, String>> =
        runs.iter().map(|run| run.recipe.fields().into_iter().collect()).collect();
    let mut names: Vec<&String> = fields.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    let values = |name: &String| fields.iter().map(|own| own.get(name).cloned()).collect::<Vec<_>>();
    let all = names.into_iter().map(|name| (name.clone(), values(name)));
    all.filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn run(set: &[(&str, &str)], metrics: &[(&str, &[f64])]) -> RunFacts {
        let mut settings = Settings::from(Recipe::default());
        set.iter().for_each(|(field, value)| settings.set("--set", &format!("{field}={value}")).unwrap());
        let recipe = settings.recipe;
        let column = |(name, values): &(&str, &[f64])| {
            let points = values.iter().enumerate().map(|(i, value)| ((i + 1) as f64, *value));
            ((*name).to_owned(), points.collect())
        };
        let metrics = metrics.iter().map(column).collect();
        RunFacts { path: PathBuf::from("run"), network: "net".into(), recipe, metrics, test: None }
    }

    #[test]
    fn differences_of_recipes_are_listed_by_field() {
        let runs = [run(&[], &[]), run(&[("optim.lr", "0.5"), ("train.epochs", "3")], &[])];
        let differences = recipe_differences(&runs);
        let names: Vec<&str> = differences.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["optim.lr", "train.epochs"]);
        assert_eq!(differences[1].1[1].as_deref(), Some("3"));
        assert!(recipe_differences(&runs[..1]).is_empty());
    }

    #[test]
    fn figures_are_best_and_last_of_the_columns() {
        let metrics: [(&str, &[f64]); 4] = [
            ("epoch", &[1.0, 2.0, 3.0]),
            ("step", &[10.0, 20.0, 30.0]),
            ("images_per_second", &[100.0, 50.0, 60.0]),
            ("val_top1_error", &[0.5, 0.25, f64::NAN]),
        ];
        let facts = run(&[("train.epochs", "4"), ("train.batch", "8")], &metrics);
        assert_eq!((facts.epochs(), facts.is_complete()), (3, false));
        assert_eq!((facts.best("val_top1_error"), facts.best("val_loss")), (Some(0.25), None));
        assert_eq!(facts.seconds(), Some(4.0));
        let empty = run(&[], &[]);
        assert_eq!((empty.epochs(), empty.is_complete(), empty.seconds()), (0, false, None));
    }
}
