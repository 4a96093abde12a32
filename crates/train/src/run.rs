//! The folder of a run: `recipe.toml`, `network.toml`, `metrics.csv`, checkpoints, models.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use striate_formats::{Disk, write_atomically};
use striate_graph::Network;
use striate_tensor::file::read_text_limited;
use striate_tensor::{Error, Result};

use crate::Recipe;

/// Bytes of a network's text at most.
const LARGEST_NETWORK: u64 = 4 << 20;

/// A folder `runs/STEM-N` that does not exist yet.
pub fn free_run_folder(stem: &str) -> PathBuf {
    let name = |i: usize| PathBuf::from("runs").join(format!("{stem}-{i}"));
    (1..).map(name).find(|path| !path.exists()).expect("some name is free")
}

/// The figures of an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EpochMetrics {
    pub epoch: u64,
    pub step: u64,
    pub rate: f64,
    pub train_loss: f64,
    pub val_loss: Option<f64>,
    pub val_top1_error: Option<f64>,
    pub images_per_second: f64,
}

const HEADER: &str = "epoch,step,rate,train_loss,val_loss,val_top1_error,images_per_second";

/// A run's folder.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    pub path: PathBuf,
}

impl RunFolder {
    /// A new folder with its recipe and network.
    pub fn create(path: &Path, recipe: &Recipe, network: &Network) -> Result<RunFolder> {
        if path.join("recipe.toml").exists() {
            return Err(Error::input(format!(
                "{} holds a run already; continue it with --resume, or choose another --out",
                path.display()
            )));
        }
        fs::create_dir_all(path).map_err(|e| Error::write(path, e))?;
        let folder = RunFolder { path: path.to_owned() };
        write_atomically(&Disk, &path.join("network.toml"), network.to_text().as_bytes())?;
        folder.write_recipe(recipe)?;
        write_atomically(&Disk, &path.join("metrics.csv"), format!("{HEADER}\n").as_bytes())?;
        Ok(folder)
    }

    /// An existing folder with its recipe and network.
    pub fn open(path: &Path) -> Result<(RunFolder, Recipe, Network)> {
        let recipe_path = path.join("recipe.toml");
        if !recipe_path.is_file() {
            return Err(Error::input(format!(
                "{} holds no run (no recipe.toml); name a run's folder",
                path.display()
            )));
        }
        let recipe = Recipe::load(&recipe_path)?;
        let network_path = path.join("network.toml");
        let network = Network::from_text(&read_text_limited(&network_path, LARGEST_NETWORK)?);
        let network = network.map_err(|e| e.at(network_path.display()))?;
        Ok((RunFolder { path: path.to_owned() }, recipe, network))
    }

    pub fn write_recipe(&self, recipe: &Recipe) -> Result<()> {
        write_atomically(&Disk, &self.path.join("recipe.toml"), recipe.to_text().as_bytes())
    }

    pub fn last_model(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    pub fn best_model(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// Adds an epoch to `metrics.csv`, dropping what a resumed run repeats.
    pub fn add_metrics(&self, m: &EpochMetrics) -> Result<()> {
        let path = self.path.join("metrics.csv");
        let text = fs::read_to_string(&path).unwrap_or_else(|_| format!("{HEADER}\n"));
        let epoch_of = |line: &str| line.split(',').next().and_then(|word| word.parse::<u64>().ok());
        let repeats = text.lines().any(|line| epoch_of(line).is_some_and(|epoch| epoch >= m.epoch));
        let optional = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.6}"));
        let line = format!(
            "{},{},{:.6},{:.6},{},{},{:.0}\n",
            m.epoch,
            m.step,
            m.rate,
            m.train_loss,
            optional(m.val_loss),
            optional(m.val_top1_error),
            m.images_per_second
        );
        if repeats {
            let kept = text.lines().filter(|line| epoch_of(line).is_none_or(|epoch| epoch < m.epoch));
            let kept: String = kept.map(|line| format!("{line}\n")).collect();
            return write_atomically(&Disk, &path, (kept + &line).as_bytes());
        }
        let append = || OpenOptions::new().append(true).create(true).open(&path)?.write_all(line.as_bytes());
        append().map_err(|e| Error::write(&path, e))
    }
}

/// A column of `metrics.csv`: its name, and its values as (epoch, value).
pub type Column = (String, Vec<(f64, f64)>);

/// The columns of a run's `metrics.csv` by name, empty fields left out, as (epoch, value).
///
/// # Errors
/// If the file cannot be read.
pub fn read_metrics(run: &Path) -> Result<Vec<Column>> {
    let path = run.join("metrics.csv");
    let text = fs::read_to_string(&path).map_err(|e| Error::read(&path, e))?;
    let mut lines = text.lines();
    let names = lines.next().unwrap_or_default().split(',');
    let mut columns: Vec<Column> = names.map(|name| (name.to_owned(), Vec::new())).collect();
    for line in lines {
        let values: Vec<Option<f64>> = line.split(',').map(|word| word.parse().ok()).collect();
        let Some(Some(epoch)) = values.first() else { continue };
        for ((_, points), value) in columns.iter_mut().zip(&values) {
            points.extend(value.map(|value| (*epoch, value)));
        }
    }
    Ok(columns)
}
