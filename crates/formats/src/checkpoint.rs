//! Checkpoints: the complete state of a training run at a step, safe against any interruption.
//!
//! A checkpoint is a folder `checkpoints/step-000000123` with Striate's marker, `state.safetensors` and,
//! written last, `manifest.json`: size and checksum of the state, and the position. Without a manifest, a
//! checkpoint is incomplete and ignored; one that its manifest does not match is refused. Folders without
//! the marker are never removed, and links are never followed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use striate_tensor::file::{
    Disk, Storage, create_folder, create_marked, is_marked, list_folder, read_limited, remove_leftovers,
    remove_marked, write_error, write_through,
};
use striate_tensor::{Error, Result};

use crate::safetensors::{read_safetensors_bytes, safetensors_bytes};
use crate::{Weights, sha256};

/// The position of a run; everything random or ordered in training follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The seed of the run.
    pub seed: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// Batches completed in the current epoch.
    pub batch: u64,
    /// Steps completed in total.
    pub step: u64,
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The position of the run.
    pub position: Position,
    /// The device and its arithmetic, such as `cpu avx512 f32`; only the same one gives bit-identical results.
    pub arithmetic: String,
    /// The trainer's state other than tensors.
    pub extra: serde_json::Value,
    /// Parameters, buffers and the optimizer's state.
    pub state: Weights,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    position: Position,
    /// The name in files is older than devices other than the CPU.
    #[serde(rename = "isa")]
    arithmetic: String,
    extra: serde_json::Value,
    bytes: u64,
    sha256: String,
    /// Checksum of this manifest with an empty string in this field.
    manifest_sha256: String,
}

impl Manifest {
    fn of(checkpoint: &Checkpoint, state: &[u8]) -> Manifest {
        Manifest {
            position: checkpoint.position,
            arithmetic: checkpoint.arithmetic.clone(),
            extra: checkpoint.extra.clone(),
            bytes: state.len() as u64,
            sha256: sha256(state),
            manifest_sha256: String::new(),
        }
    }

    /// Returns the content of the manifest file, with its own checksum in it.
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

/// Largest manifest that is read, in bytes.
const LARGEST_MANIFEST: u64 = 64 << 20;
const STATE: &str = "state.safetensors";
const MANIFEST: &str = "manifest.json";

impl Checkpoints {
    /// Returns the checkpoints in the run folder `run`, of which the last `keep` are kept.
    pub fn new(run: &Path, keep: usize) -> Checkpoints {
        Checkpoints::with_storage(run, keep, Disk)
    }

    /// As [`Checkpoints::new`], written through `storage`.
    pub fn with_storage(run: &Path, keep: usize, storage: impl Storage + 'static) -> Checkpoints {
        Checkpoints { folder: run.join("checkpoints"), keep: keep.max(1), storage: Box::new(storage) }
    }

    /// Writes a checkpoint, then removes older ones beyond the number to keep, and incomplete ones.
    ///
    /// # Errors
    /// If writing fails, or something that Striate did not create is in the way; older checkpoints stay.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        let folder = self.folder.join(format!("step-{:09}", checkpoint.position.step));
        let state = safetensors_bytes(&checkpoint.state, Default::default())?;
        let manifest = Manifest::of(checkpoint, &state).seal();
        // A resume that had nothing to do saves the same step again: a complete checkpoint is not put at
        // risk for an identical one.
        if !holds(&folder.join(MANIFEST), &manifest) || !holds(&folder.join(STATE), &state) {
            self.begin(&folder)?;
            write_through(&*self.storage, &folder.join(STATE), &state)?;
            write_through(&*self.storage, &folder.join(MANIFEST), &manifest)?;
        }
        self.remove_old(&folder)
    }

    /// Returns the last complete checkpoint, if there is one.
    ///
    /// # Errors
    /// If the last one with a manifest does not match it; the message names the one before.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        let folders = self.folders()?;
        let complete: Vec<&PathBuf> = folders.iter().filter(|folder| is_complete(folder)).collect();
        let Some((last, before)) = complete.split_last() else { return Ok(None) };
        load(last).map(Some).map_err(|e| {
            let advice = match before.last() {
                Some(before) => format!("remove it to resume from {}", before.display()),
                None => "it is the only one; start the run again".into(),
            };
            Error::input(format!("checkpoint {}: {e}; {advice}", last.display()))
        })
    }

    /// Creates or empties `folder` for a checkpoint and syncs its name to the disk.
    fn begin(&self, folder: &Path) -> Result<()> {
        create_folder(&self.folder)?;
        create_marked(&*self.storage, folder)?;
        remove_leftovers(&*self.storage, folder)?;
        let store = || -> std::io::Result<()> {
            self.storage.sync_folder(self.folder.parent().unwrap_or(&self.folder))?;
            self.storage.sync_folder(&self.folder)?;
            // An old manifest must never accompany a new state.
            self.storage.remove(&folder.join(MANIFEST))?;
            self.storage.sync_folder(folder)
        };
        store().map_err(|e| write_error(folder, &e))
    }

    /// Returns the folders of checkpoints in the order of their steps.
    fn folders(&self) -> Result<Vec<PathBuf>> {
        if self.folder.is_symlink() {
            let place = self.folder.display();
            return Err(Error::input(format!(
                "{place} is a link, which is not followed; replace it with a folder"
            )));
        }
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut folders = Vec::new();
        for path in list_folder(&self.folder)? {
            if let Some(step) = step_of(&path).filter(|_| path.is_dir() && !path.is_symlink()) {
                folders.push((step, path));
            }
        }
        folders.sort();
        Ok(folders.into_iter().map(|(_, path)| path).collect())
    }

    /// Removes incomplete checkpoints, and the oldest complete ones beyond the number to keep. `current`
    /// and folders without Striate's marker count but are never removed.
    fn remove_old(&self, current: &Path) -> Result<()> {
        let others = self.folders()?.into_iter().filter(|folder| folder != current);
        let (complete, unfinished): (Vec<_>, Vec<_>) = others.partition(|folder| is_complete(folder));
        let older: Vec<_> =
            complete.into_iter().filter(|folder| step_of(folder) < step_of(current)).collect();
        let surplus = (older.len() + 1).saturating_sub(self.keep);
        for folder in unfinished.iter().chain(older.iter().take(surplus)).filter(|folder| is_marked(folder)) {
            // The manifest is removed first: without it, the remainder is ignored.
            remove_marked(&*self.storage, folder, &[MANIFEST, STATE])?;
        }
        Ok(())
    }
}

/// Returns the step in the name of a checkpoint's folder.
fn step_of(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

fn is_complete(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// Returns whether the file at `path` has exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    !path.is_symlink() && read_limited(path, bytes.len() as u64).is_ok_and(|found| found == bytes)
}

fn load(folder: &Path) -> Result<Checkpoint> {
    let damaged = |what: String| Error::input(format!("is damaged ({what})"));
    let path = folder.join(MANIFEST);
    let raw = read_limited(&path, LARGEST_MANIFEST)?;
    let mut manifest: Manifest =
        serde_json::from_slice(&raw).map_err(|_| damaged(format!("{MANIFEST} is unreadable")))?;
    // Compared as bytes: `1e-9` and `1E-9` are the same number, but only one of them was written.
    if manifest.seal() != raw {
        return Err(damaged(format!("{MANIFEST} does not match its own checksum")));
    }
    let state = read_limited(&folder.join(STATE), manifest.bytes)?;
    if state.len() as u64 != manifest.bytes {
        let (length, expected) = (state.len(), manifest.bytes);
        return Err(damaged(format!("{STATE} has {length} bytes; {MANIFEST} says {expected}")));
    }
    if sha256(&state) != manifest.sha256 {
        return Err(damaged(format!("{STATE} does not match its checksum in {MANIFEST}")));
    }
    let (state, _) = read_safetensors_bytes(&state).map_err(|e| e.at(STATE))?;
    Ok(Checkpoint {
        position: manifest.position,
        arithmetic: manifest.arithmetic,
        extra: manifest.extra,
        state,
    })
}
