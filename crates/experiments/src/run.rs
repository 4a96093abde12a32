//! Runs an experiment: one training run for each seed and variant, each in a separate folder, which is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use striate_data::{Dataset, LoadOptions, Prepared};
use striate_engine::{Device, Inference};
use striate_formats::ModelFile;
use striate_graph::Network;
use striate_tensor::file::{create_folder, read_text_limited, write_atomically};
use striate_tensor::{Error, Result};
use striate_train::{
    Limits, Observer, Recipe, RunFacts, RunPath, Session, Trainer, evaluate, load_data, trained_loss,
};
use striate_vision::draw::Series;

use crate::definition::{Definition, Scale, Variant};
use crate::figures::Figures;
use crate::measure::Trained;
use crate::result::Table;

/// The file with the digest of the definition, in the folder of an experiment.
const DEFINITION: &str = "definition.txt";
/// Largest size of that file, in bytes.
const LARGEST_DEFINITION: u64 = 4096;

/// What happens in an experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A run begins, or continues.
    Begins {
        /// The variant.
        variant: &'a str,
        /// The seed.
        seed: u64,
        /// The number of this run, from 0.
        index: usize,
        /// The number of all runs.
        count: usize,
    },
    /// A run was done before.
    Kept {
        /// The variant.
        variant: &'a str,
        /// The seed.
        seed: u64,
    },
    /// A run is done.
    Done {
        /// The variant.
        variant: &'a str,
        /// The seed.
        seed: u64,
        /// Its figures.
        figures: &'a Figures,
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
    /// Makes all runs that are not done, seed by seed, so that a part of them compares all variants. Returns whether
    /// all are done; `observer` may stop a run, which a later call continues.
    ///
    /// # Errors
    /// If a run fails, or a file cannot be read or written.
    pub fn run(&self, observer: &mut dyn Observer, mut report: impl FnMut(Event)) -> Result<bool> {
        let runs =
            || (0..self.seeds).flat_map(|seed| self.definition.variants.iter().map(move |v| (v, seed)));
        let count = runs().count();
        self.claim_folder()?;
        for (index, (variant, seed)) in runs().enumerate() {
            let name = &variant.name;
            if Figures::read(&self.path(variant, seed))?.is_some() {
                report(Event::Kept { variant: name, seed });
                continue;
            }
            report(Event::Begins { variant: name, seed, index, count });
            match self.run_one(variant, seed, observer)? {
                Some(figures) => report(Event::Done { variant: name, seed, figures: &figures }),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Returns the figures of all runs that are done.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn table(&self) -> Result<Table> {
        let of_variant = |variant: &Variant| {
            let figures = (0..self.seeds).map(|seed| Figures::read(&self.path(variant, seed)));
            Ok((variant.name.clone(), figures.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()))
        };
        Ok(Table::new(self.definition.variants.iter().map(of_variant).collect::<Result<_>>()?))
    }

    /// Returns the mean training loss of each epoch over the seeds that are done, by variant, with the epochs.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn curves(&self) -> Result<Vec<Series>> {
        let of_variant = |variant: &Variant| {
            let mut runs = Vec::new();
            for seed in 0..self.seeds {
                let path = self.path(variant, seed);
                if Figures::read(&path)?.is_some() {
                    runs.push(RunFacts::read(&path)?.column("train_loss").to_vec());
                }
            }
            let length = runs.iter().map(Vec::len).min().unwrap_or(0);
            let mean = |place: usize| {
                let sum: f64 = runs.iter().map(|run| run[place].1).sum();
                (runs[0][place].0, sum / runs.len() as f64)
            };
            Ok((variant.name.clone(), (0..length).map(mean).collect()))
        };
        self.definition.variants.iter().map(of_variant).collect()
    }

    /// Records in the folder what its runs measure.
    ///
    /// # Errors
    /// If it contains runs of something else, or cannot be written.
    pub fn claim_folder(&self) -> Result<()> {
        let path = self.folder.join(DEFINITION);
        let own = format!("{} {}\n", self.definition.digest(self.scale), self.device.arithmetic());
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

    fn path(&self, variant: &Variant, seed: u64) -> PathBuf {
        self.folder.join(format!("{}-{seed}", variant.name))
    }

    /// Trains a variant and measures it; `None` if `observer` stopped it.
    fn run_one(&self, variant: &Variant, seed: u64, observer: &mut dyn Observer) -> Result<Option<Figures>> {
        let path = self.path(variant, seed);
        let recipe = self.definition.recipe(variant, seed, self.scale)?;
        let mut trainer = self.trainer(variant, &recipe, &path, observer)?;
        let outcome = trainer.train(Limits::default(), observer)?;
        if !outcome.finished {
            return Ok(None);
        }
        let (facts, model) = (RunFacts::read(&path)?, ModelFile::load(&outcome.model)?);
        let inference = Inference::new(model.network.clone(), &model.weights, self.device.clone())?;
        let loss = trained_loss(&model);
        let training = || trainer.measure_training();
        let measured = |images: &Prepared| evaluate(&inference, loss, images, |_| {});
        let data = || load(&recipe, &variant.network);
        let gradients = || {
            let (network, device) = (variant.network.clone(), self.device.clone());
            Session::new(recipe.clone(), network, data()?, None, device)?.gradient_norms()
        };
        let run = Trained {
            facts: &facts,
            model: &model,
            test: outcome.tally.as_ref().filter(|_| outcome.part == Some("test")),
            training: &training,
            gradients: &gradients,
            evaluate: &measured,
            data: &data,
        };
        let figures = self.definition.measures.iter().map(|measure| measure.figures(&run));
        let figures = Figures {
            arithmetic: self.device.arithmetic(),
            weights_sha256: outcome.weights_sha256.clone(),
            figures: figures.collect::<Result<Vec<_>>>()?.concat(),
        };
        figures.write(&path)?;
        Ok(Some(figures))
    }

    /// A new run in the folder `path`, or the one that was stopped there.
    fn trainer(
        &self,
        variant: &Variant,
        recipe: &Recipe,
        path: &Path,
        observer: &mut dyn Observer,
    ) -> Result<Trainer> {
        let device = self.device.clone();
        if path.join(striate_train::RECIPE).exists() {
            return Trainer::resume(path, None, load, device, Limits::default(), observer);
        }
        let dataset = load(recipe, &variant.network)?;
        let place = RunPath::Folder(path.to_owned());
        Trainer::create(recipe.clone(), variant.network.clone(), dataset, None, device, &place)
    }
}

fn load(recipe: &Recipe, network: &Network) -> Result<Dataset> {
    load_data(recipe, network, false, LoadOptions::default())
}
