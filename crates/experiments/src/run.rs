//! Runs an experiment: one run for each seed, data set and variant, each in a separate folder, which is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use striate_data::{Dataset, LoadOptions, Prepared};
use striate_engine::{Device, Inference};
use striate_formats::ModelFile;
use striate_graph::Network;
use striate_tensor::file::{create_folder, read_text_limited, write_atomically};
use striate_tensor::{Error, Result};
use striate_train::{
    Limits, Observer, Recipe, RunFacts, RunPath, Session, Trainer, evaluate, load_data, trained_loss,
};

use crate::definition::{Definition, Scale};
use crate::evaluation::{self, Outcome};
use crate::figures::Figures;
use crate::measure::{Evaluated, Trained};
use crate::record::{Curve, Record};
use crate::result::{Done, Table};
use crate::runs::{Run, Times};
use crate::variant::{Evaluation, Training, Work};

/// The file with the digest of the definition, in the folder of an experiment.
const DEFINITION: &str = "definition.txt";
/// Largest size of that file, in bytes.
const LARGEST_DEFINITION: u64 = 4096;

/// What happens in an experiment.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A run begins, or continues.
    Begins {
        /// The run.
        run: Run<'a>,
        /// The number of this run, from 0.
        index: usize,
        /// The number of all runs.
        count: usize,
        /// An estimate of the time for this run and those after it; `None` before a run is done.
        seconds_left: Option<f64>,
    },
    /// A run was done before.
    Kept {
        /// The run.
        run: Run<'a>,
    },
    /// A run is done.
    Done {
        /// The run.
        run: Run<'a>,
        /// Its figures.
        figures: &'a Figures,
        /// The time that it took in this call.
        seconds: f64,
    },
}

/// Runs an experiment.
pub struct Runner {
    /// What it does.
    pub definition: Definition,
    /// Its scale.
    pub scale: Scale,
    /// The number of seeds of each variant, from 0.
    pub seeds: u64,
    /// The folder of its runs.
    pub folder: PathBuf,
    /// The device.
    pub device: Arc<dyn Device>,
}

impl Runner {
    /// Makes all runs that are not done, in the order of [`Definition::runs`]. Returns whether all are done; `observer`
    /// may stop a run, which a later call continues.
    ///
    /// # Errors
    /// If a run fails, or a file cannot be read or written.
    pub fn run(&self, observer: &mut dyn Observer, mut report: impl FnMut(Event)) -> Result<bool> {
        self.claim_folder()?;
        let mut times = Times::default();
        let (mut left, count) = (Vec::new(), self.runs().count());
        for run in self.runs() {
            let path = run.folder(&self.folder);
            if Figures::read(&path)?.is_none() {
                left.push(run);
                continue;
            }
            if run.variant.training().is_some()
                && let Some(seconds) = RunFacts::read(&path)?.seconds()
            {
                times.add(run, seconds);
            }
            report(Event::Kept { run });
        }
        for (index, run) in left.iter().copied().enumerate() {
            if observer.stop() {
                return Ok(false);
            }
            let seconds_left = times.estimate(left[index..].iter().copied());
            report(Event::Begins { run, index: count - left.len() + index, count, seconds_left });
            let start = Instant::now();
            let Some(figures) = self.run_one(run, observer)? else { return Ok(false) };
            let seconds = start.elapsed().as_secs_f64();
            times.add(run, seconds);
            report(Event::Done { run, figures: &figures, seconds });
        }
        Ok(true)
    }

    /// All runs, done or not.
    fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.definition.runs(self.seeds)
    }

    /// The runs that are done of each variant on each data set, read by `read`.
    fn done<T>(&self, read: impl Fn(&Path) -> Result<Option<T>>) -> Result<Vec<(Run<'_>, Vec<T>)>> {
        let of_seeds = |first: Run| -> Result<Vec<T>> {
            let runs = (0..self.seeds).map(|seed| read(&Run { seed, ..first }.folder(&self.folder)));
            Ok(runs.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        };
        self.definition.runs(1).map(|run| Ok((run, of_seeds(run)?))).collect()
    }

    /// Returns the figures of all runs that are done.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn table(&self) -> Result<Table> {
        let done = self.done(Figures::read)?.into_iter();
        let done = done.map(|(Run { variant, data, .. }, runs)| Done {
            variant: variant.name.clone(),
            data: data.name.clone(),
            runs,
        });
        Ok(Table::new(done.collect()))
    }

    /// Returns the mean training loss of each epoch over the seeds that are done, for each variant on each data set
    /// that is trained in several epochs.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn curves(&self) -> Result<Vec<Curve>> {
        let losses = |path: &Path| match Figures::read(path)? {
            Some(figures) if figures.probabilities.is_empty() => {
                Ok(Some(RunFacts::read(path)?.column("train_loss").to_vec()))
            }
            _ => Ok(None),
        };
        let curve = |(Run { variant, data, .. }, runs): (Run, Vec<Vec<(f64, f64)>>)| {
            let length = runs.iter().map(Vec::len).min().unwrap_or(0);
            let mean = |place: usize| {
                let sum: f64 = runs.iter().map(|run| run[place].1).sum();
                (runs[0][place].0, sum / runs.len() as f64)
            };
            let points = (0..length).map(mean).collect();
            Curve { variant: variant.name.clone(), data: data.name.clone(), points }
        };
        let curves = self.done(losses)?.into_iter().map(curve);
        Ok(curves.filter(|curve| curve.points.len() > 1).collect())
    }

    /// Returns the result so far with what it was measured by.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn record(&self) -> Result<Record> {
        Ok(Record {
            name: self.definition.name.to_owned(),
            definition: self.definition.digest().to_owned(),
            full: self.scale == Scale::Full,
            seeds: self.seeds,
            device: self.device.arithmetic(),
            table: self.table()?,
            curves: self.curves()?,
        })
    }

    /// Records in the folder what its runs measure.
    ///
    /// # Errors
    /// If it contains runs of something else, or cannot be written.
    pub fn claim_folder(&self) -> Result<()> {
        let path = self.folder.join(DEFINITION);
        let scale = if self.scale == Scale::Full { "full" } else { "small" };
        let own = format!("{} {scale} {}\n", self.definition.digest(), self.device.arithmetic());
        if path.exists() {
            if read_text_limited(&path, LARGEST_DEFINITION)? == own {
                return Ok(());
            }
            let what = "contains runs of another definition, scale, device or precision; remove it, or choose another \
                        folder with --out";
            return Err(Error::input(what).at(self.folder.display()));
        }
        create_folder(&self.folder)?;
        write_atomically(&path, own.as_bytes())
    }

    /// Makes a run; `None` if `observer` stopped it.
    fn run_one(&self, run: Run, observer: &mut dyn Observer) -> Result<Option<Figures>> {
        match &run.variant.work {
            Work::Training(training) => self.train(run, training, observer),
            Work::Evaluation(evaluation) => self.evaluate(run, evaluation, observer).map(Some),
        }
    }

    /// Evaluates the model of a variant.
    fn evaluate(&self, run: Run, evaluation: &Evaluation, observer: &mut dyn Observer) -> Result<Figures> {
        let path = run.folder(&self.folder);
        let Outcome { network, weights_sha256, tally, probabilities, views, seconds } =
            evaluation::evaluate(evaluation, run.data, self.device.clone(), observer)?;
        let baseline = match &run.variant.baseline {
            None => probabilities.clone(),
            Some(name) => self.probabilities_of(name, run)?,
        };
        let evaluated = Evaluated {
            network: &network,
            tally: &tally,
            probabilities: &probabilities,
            baseline: &baseline,
            views,
            seconds,
        };
        let figures = self.definition.measures.iter().map(|measure| measure.of_evaluation(&evaluated));
        let figures = Figures {
            arithmetic: self.device.arithmetic(),
            weights_sha256,
            figures: figures.collect::<Result<Vec<_>>>()?.concat(),
            probabilities,
        };
        create_folder(&path)?;
        figures.write(&path)?;
        Ok(figures)
    }

    /// The probabilities of the variant `name`, which has run before `run` on the same images.
    fn probabilities_of(&self, name: &str, run: Run) -> Result<Vec<f64>> {
        let named = self.runs().find(|other| {
            other.variant.name == name && other.data.name == run.data.name && other.seed == run.seed
        });
        let figures = named.map(|other| Figures::read(&other.folder(&self.folder))).transpose()?.flatten();
        let figures = figures.ok_or_else(|| Error::input(format!("{name} has not run yet")))?;
        Ok(figures.probabilities)
    }

    /// Trains a variant and measures it; `None` if `observer` stopped it.
    fn train(&self, run: Run, training: &Training, observer: &mut dyn Observer) -> Result<Option<Figures>> {
        let (path, network) = (run.folder(&self.folder), &training.network);
        let recipe = self.definition.recipe(run, self.scale)?;
        let mut trainer = self.trainer(network, &recipe, &path, observer)?;
        let outcome = trainer.train(Limits::default(), observer)?;
        if !outcome.finished {
            return Ok(None);
        }
        let (facts, model) = (RunFacts::read(&path)?, ModelFile::load(&outcome.model)?);
        let inference = Inference::new(model.network.clone(), &model.weights, self.device.clone())?;
        let loss = trained_loss(&model);
        let on_training = || trainer.measure_training();
        let measured = |images: &Prepared| evaluate(&inference, loss, images, |_| {});
        let data = || load(&recipe, network);
        let gradients = || {
            let (network, device) = (network.clone(), self.device.clone());
            Session::new(recipe.clone(), network, data()?, None, device)?.gradient_norms()
        };
        let trained = Trained {
            facts: &facts,
            model: &model,
            test: outcome.tally.as_ref().filter(|_| outcome.part == Some("test")),
            training: &on_training,
            gradients: &gradients,
            evaluate: &measured,
            data: &data,
        };
        let figures = self.definition.measures.iter().map(|measure| measure.of_training(&trained));
        let figures = Figures {
            arithmetic: self.device.arithmetic(),
            weights_sha256: outcome.weights_sha256.clone(),
            figures: figures.collect::<Result<Vec<_>>>()?.concat(),
            probabilities: Vec::new(),
        };
        figures.write(&path)?;
        Ok(Some(figures))
    }

    /// A new run in the folder `path`, or the one that was stopped there.
    fn trainer(
        &self,
        network: &Network,
        recipe: &Recipe,
        path: &Path,
        observer: &mut dyn Observer,
    ) -> Result<Trainer> {
        let device = self.device.clone();
        if path.join(striate_train::RECIPE).exists() {
            return Trainer::resume(path, None, load, device, Limits::default(), observer);
        }
        let dataset = load(recipe, network)?;
        let place = RunPath::Folder(path.to_owned());
        Trainer::create(recipe.clone(), network.clone(), dataset, None, device, &place)
    }
}

fn load(recipe: &Recipe, network: &Network) -> Result<Dataset> {
    load_data(recipe, network, false, LoadOptions::default())
}
