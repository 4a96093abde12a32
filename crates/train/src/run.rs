//! The folder of a run: `recipe.toml`, `network.toml`, `data.json`, `plan.txt`, `metrics.csv`, events for TensorBoard,
//! models, checkpoints, and the lock that excludes other processes.

use std::path::{Path, PathBuf};

use striate_data::ImageFile;
use striate_engine::PlanReport;
use striate_graph::Network;
use striate_tensor::file::{
    Disk, RunLock, create_folder, create_new_folder, read_text_limited, remove_leftovers, write_atomically,
};
use striate_tensor::{Error, Result};

use crate::Recipe;
use crate::metrics::{EpochMetrics, METRICS, start};
use crate::recorded::{DATA, Recorded};
use crate::tensorboard::EVENTS;

/// Largest size of a network text, in bytes.
pub(crate) const LARGEST_NETWORK: u64 = 4 << 20;
/// Largest size of `plan.txt`, in bytes.
const LARGEST_PLAN: u64 = 16 << 20;
/// Longest stem of a run's name, in bytes.
const LONGEST_STEM: usize = 64;

/// The recipe of a run, in its folder.
pub const RECIPE: &str = "recipe.toml";
pub(crate) const NETWORK: &str = "network.toml";
/// The plans of a run.
pub const PLAN: &str = "plan.txt";
const UNREADABLE: &str = "unreadable.txt";
/// The model of the last step of a run.
pub const LAST: &str = "last.safetensors";
const BEST: &str = "best.safetensors";

/// The default parent folder of runs.
pub const RUNS: &str = "runs";

/// The location of a new run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunPath {
    /// In this folder, which must not contain a run.
    Folder(PathBuf),
    /// In the first of the folders `runs/STEM-1`, `runs/STEM-2`, ... that does not exist.
    Free {
        /// The stem; any text, of which [`safe_stem`] is used.
        stem: String,
    },
}

/// Returns `name` as part of a file name: letters, digits, `.`, `_` and `-`; everything else is replaced by `_`;
/// no leading dot, not empty, at most 64 bytes.
pub fn safe_stem(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let stem: String = name.chars().map(safe).skip_while(|c| *c == '.').take(LONGEST_STEM).collect();
    if stem.is_empty() { "run".into() } else { stem }
}

/// The folder of a run, locked against other processes.
#[derive(Debug)]
pub(crate) struct RunFolder {
    pub path: PathBuf,
    _lock: RunLock,
}

impl RunFolder {
    /// Creates the folder of a new run, with its recipe and network.
    pub fn create(place: &RunPath, recipe: &Recipe, network: &Network) -> Result<RunFolder> {
        let path = match place {
            RunPath::Folder(path) => {
                create_folder(path)?;
                path.clone()
            }
            RunPath::Free { stem } => new_folder(stem)?,
        };
        let lock = RunLock::acquire(&path)?;
        refuse_run(place)?;
        remove_leftovers(&Disk, &path)?;
        let folder = RunFolder { path, _lock: lock };
        write_atomically(&folder.path.join(NETWORK), network.to_text().as_bytes())?;
        folder.write_recipe(recipe)?;
        start(&folder.path)?;
        Ok(folder)
    }

    /// Opens the folder of a run, and reads its recipe and network.
    pub fn open(path: &Path) -> Result<(RunFolder, Recipe, Network)> {
        let recipe_path = path.join(RECIPE);
        if !recipe_path.is_file() {
            return Err(not_a_run(path));
        }
        let lock = RunLock::acquire(path)?;
        remove_leftovers(&Disk, path)?;
        let recipe = Recipe::load(&recipe_path)?;
        let network_path = path.join(NETWORK);
        let network = Network::from_text(&read_text_limited(&network_path, LARGEST_NETWORK)?);
        let network = network.map_err(|e| e.at(network_path.display()))?;
        Ok((RunFolder { path: path.to_owned(), _lock: lock }, recipe, network))
    }

    /// Records what the run is trained on.
    pub fn write_data(&self, data: &Recorded) -> Result<()> {
        data.write(&self.path)
    }

    /// Lists skipped unreadable images in `unreadable.txt`, one line each.
    pub fn write_unreadable(&self, images: &[(ImageFile, String)]) -> Result<()> {
        if images.is_empty() {
            return Ok(());
        }
        let line = |(file, reason): &(ImageFile, String)| format!("{file}: {reason}");
        let one_line = |line: String| line.replace(char::is_control, " ") + "\n";
        let text: String = images.iter().map(line).map(one_line).collect();
        write_atomically(&self.path.join(UNREADABLE), text.as_bytes())
    }

    /// Adds to `plan.txt` what computes the run from `step` on, unless it did before: the device with the versions of
    /// its libraries, and the implementation of each step.
    pub fn add_plan(&self, step: u64, arithmetic: &str, plan: &PlanReport) -> Result<()> {
        let path = self.path.join(PLAN);
        let before = match path.exists() {
            true => read_text_limited(&path, LARGEST_PLAN).map_err(|e| e.advising("remove the file"))?,
            false => String::new(),
        };
        let section = format!("device: {arithmetic}\n{}", plan.table(true, None));
        if before.trim_end().ends_with(section.trim_end()) {
            return Ok(());
        }
        write_atomically(&path, format!("{before}from step {step}\n{}\n\n", section.trim_end()).as_bytes())
    }

    pub fn write_recipe(&self, recipe: &Recipe) -> Result<()> {
        write_atomically(&self.path.join(RECIPE), recipe.to_text().as_bytes())
    }

    pub fn last_model(&self) -> PathBuf {
        self.path.join(LAST)
    }

    pub fn best_model(&self) -> PathBuf {
        self.path.join(BEST)
    }

    /// Adds an epoch to `metrics.csv`, replacing lines of epochs that a resumed run repeats.
    pub fn add_metrics(&self, metrics: &EpochMetrics) -> Result<()> {
        metrics.add(&self.path)
    }
}

/// The error that the folder at `path` does not contain a run.
pub(crate) fn not_a_run(path: &Path) -> Error {
    let path = path.display();
    Error::input(format!("{path}: not a run folder (no {RECIPE}); specify the folder of a run"))
}

/// Creates the folder of a new run with the first free number.
fn new_folder(stem: &str) -> Result<PathBuf> {
    let stem = safe_stem(stem);
    for number in 1.. {
        let path = Path::new(RUNS).join(format!("{stem}-{number}"));
        if create_new_folder(&path)? {
            return Ok(path);
        }
    }
    unreachable!("numbers do not end")
}

/// Refuses a folder in which a new run would overwrite another one.
pub(crate) fn refuse_run(place: &RunPath) -> Result<()> {
    let RunPath::Folder(path) = place else { return Ok(()) };
    let files = [RECIPE, METRICS, DATA, EVENTS, LAST, BEST, "checkpoints"];
    match files.into_iter().find(|name| path.join(name).symlink_metadata().is_ok()) {
        Some(RECIPE) => Err(Error::input(format!(
            "{} already contains a run; continue it with --resume, or choose another --out",
            path.display()
        ))),
        Some(name) => Err(Error::input(format!(
            "{} already contains {name}, which a run would overwrite; choose another --out",
            path.display()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stem_of_any_name_is_a_plain_file_name() {
        for (name, expected) in [
            ("lenet5-digits", "lenet5-digits"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..", "run"),
            ("", "run"),
            (".hidden", "hidden"),
            ("/tmp/x", "_tmp_x"),
            ("a\\b:c\n\u{202e}ä", "a_b_c___"),
        ] {
            assert_eq!(safe_stem(name), expected, "{name:?}");
        }
        assert_eq!(safe_stem(&"x".repeat(5000)).len(), LONGEST_STEM);
    }
}
