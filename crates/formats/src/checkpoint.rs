//! Checkpoints: the whole state of a training run at a step, safe against any interruption.
//!
//! A checkpoint is a folder `checkpoints/step-000000123` with `state.safetensors` and, written last,
//! `manifest.json`: size and checksum of the state, and the position. Without a manifest a checkpoint
//! does not count; with one that does not match it is refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use striate_tensor::file::read_limited;
use striate_tensor::{Error, Result};

use crate::atomic::{Disk, Storage, folder_of, write_atomically};
use crate::safetensors::{read_safetensors_bytes, safetensors_bytes};
use crate::{Weights, sha256};

/// Where a run stands; everything random or ordered in training follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The seed of the run.
    pub seed: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// Batches done in the epoch that is running.
    pub batch: u64,
    /// Steps done in all.
    pub step: u64,
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Where it stands.
    pub position: Position,
    /// Instruction set that made it; the same bits are promised on the same one.
    pub isa: String,
    /// What the trainer keeps besides tensors.
    pub extra: serde_json::Value,
    /// Parameters, buffers and the optimizer's state.
    pub state: Weights,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    position: Position,
    isa: String,
    extra: serde_json::Value,
    bytes: u64,
    sha256: String,
    /// Of this manifest with an empty string here.
    manifest_sha256: String,
}

impl Manifest {
    fn of(checkpoint: &Checkpoint, state: &[u8]) -> Manifest {
        Manifest {
            position: checkpoint.position,
            isa: checkpoint.isa.clone(),
            extra: checkpoint.extra.clone(),
            bytes: state.len() as u64,
            sha256: sha256(state),
            manifest_sha256: String::new(),
        }
    }

    /// The manifest's file, its own checksum in it.
    fn seal(&mut self) -> Vec<u8> {
        self.manifest_sha256.clear();
        self.manifest_sha256 = sha256(&self.text());
        self.text()
    }

    fn text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("plain data has a JSON form")
    }
}

/// The checkpoints of a run.
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
    storage: Box<dyn Storage>,
}

/// Bytes of a manifest at most.
const LARGEST_MANIFEST: u64 = 64 << 20;
const STATE: &str = "state.safetensors";
const MANIFEST: &str = "manifest.json";

impl Checkpoints {
    /// The checkpoints under the run folder `run`, of which the last `keep` stay.
    pub fn new(run: &Path, keep: usize) -> Checkpoints {
        Checkpoints::with_storage(run, keep, Disk)
    }

    /// As [`Checkpoints::new`], written through `storage`.
    pub fn with_storage(run: &Path, keep: usize, storage: impl Storage + 'static) -> Checkpoints {
        Checkpoints { folder: run.join("checkpoints"), keep: keep.max(1), storage: Box::new(storage) }
    }

    /// Writes a checkpoint, then removes those that are too many or were never finished.
    ///
    /// # Errors
    /// If the disk refuses; older checkpoints stay.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        let folder = self.folder.join(format!("step-{:09}", checkpoint.position.step));
        let state = safetensors_bytes(&checkpoint.state, Default::default())?;
        let manifest = Manifest::of(checkpoint, &state).seal();
        // The same step again, as after a resume that had nothing to do: a whole checkpoint is not put at
        // risk for its own twin.
        if !holds(&folder.join(MANIFEST), &manifest) || !holds(&folder.join(STATE), &state) {
            self.begin(&folder)?;
            write_atomically(&*self.storage, &folder.join(STATE), &state)?;
            write_atomically(&*self.storage, &folder.join(MANIFEST), &manifest)?;
        }
        self.remove_old(&folder)
    }

    /// The last whole checkpoint, if there is one.
    ///
    /// # Errors
    /// If the last one with a manifest does not match it; the message names the one before.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        let folders = self.folders()?;
        let complete: Vec<&PathBuf> = folders.iter().filter(|folder| is_complete(folder)).collect();
        let Some((last, before)) = complete.split_last() else { return Ok(None) };
        load(last).map(Some).map_err(|e| {
            let advice = match before.last() {
                Some(before) => format!("remove it to go on from {}", before.display()),
                None => "there is none before it; start the run again".into(),
            };
            Error::input(format!("checkpoint {}: {e}; {advice}", last.display()))
        })
    }

    /// Makes `folder` an empty place for a checkpoint, its name safe on the disk.
    fn begin(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
        let store = || -> std::io::Result<()> {
            self.storage.sync_folder(folder_of(&self.folder))?;
            self.storage.sync_folder(&self.folder)?;
            // An old manifest must not stand beside a new state.
            self.storage.remove(&folder.join(MANIFEST))?;
            self.storage.sync_folder(folder)
        };
        store().map_err(|e| Error::write(folder, e))
    }

    /// The folders of checkpoints, by step.
    fn folders(&self) -> Result<Vec<PathBuf>> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let failed = |e| Error::read(&self.folder, e);
        let mut folders = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if let Some(step) = step_of(&path).filter(|_| path.is_dir()) {
                folders.push((step, path));
            }
        }
        folders.sort();
        Ok(folders.into_iter().map(|(_, path)| path).collect())
    }

    /// Removes checkpoints without a manifest, and of the older ones those that are more than `keep` with
    /// `current`.
    fn remove_old(&self, current: &Path) -> Result<()> {
        let others = self.folders()?.into_iter().filter(|folder| folder != current);
        let (complete, unfinished): (Vec<_>, Vec<_>) = others.partition(|folder| is_complete(folder));
        let older: Vec<_> =
            complete.into_iter().filter(|folder| step_of(folder) < step_of(current)).collect();
        let surplus = (older.len() + 1).saturating_sub(self.keep);
        for folder in unfinished.iter().chain(older.iter().take(surplus)) {
            // The manifest goes first: what is left without one does not count.
            let remove = || -> std::io::Result<()> {
                self.storage.remove(&folder.join(MANIFEST))?;
                self.storage.remove(folder)
            };
            remove().map_err(|e| Error::write(folder, e))?;
        }
        Ok(())
    }
}

/// The step in a checkpoint folder's name.
fn step_of(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

fn is_complete(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// Whether the file at `path` has exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let same_size = fs::metadata(path).is_ok_and(|found| found.len() == bytes.len() as u64);
    same_size && fs::read(path).is_ok_and(|found| found == bytes)
}

fn load(folder: &Path) -> Result<Checkpoint> {
    let damaged = |what: String| Error::input(format!("is damaged ({what})"));
    let path = folder.join(MANIFEST);
    let raw = read_limited(&path, LARGEST_MANIFEST)?;
    let mut manifest: Manifest =
        serde_json::from_slice(&raw).map_err(|_| damaged(format!("{MANIFEST} is unreadable")))?;
    // Compared as bytes: `1e-9` and `1E-9` are one number, but only one of them was written.
    if manifest.seal() != raw {
        return Err(damaged(format!("{MANIFEST} does not match its own checksum")));
    }
    let path = folder.join(STATE);
    let length = fs::metadata(&path).map_err(|e| Error::read(&path, e))?.len();
    if length != manifest.bytes {
        let wanted = manifest.bytes;
        return Err(damaged(format!("{STATE} has {length} bytes, {wanted} by {MANIFEST}")));
    }
    let state = fs::read(&path).map_err(|e| Error::read(&path, e))?;
    if sha256(&state) != manifest.sha256 {
        return Err(damaged(format!("{STATE} does not match its checksum in {MANIFEST}")));
    }
    let (state, _) = read_safetensors_bytes(&state).map_err(|e| e.at(STATE))?;
    Ok(Checkpoint { position: manifest.position, isa: manifest.isa, extra: manifest.extra, state })
}
