//! Checkpoints: the whole state of a training run at a step, safe against any interruption.
//!
//! A checkpoint is a folder `checkpoints/step-000000123` with `state.safetensors` and, written last,
//! `manifest.json`: sizes and checksums of the file, and the position. Without a manifest a checkpoint
//! does not count; with one that does not match it is refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result};

use crate::atomic::{Disk, Storage, write_atomically};
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

/// The checkpoints of a run.
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
    storage: Box<dyn Storage>,
}

const STATE: &str = "state.safetensors";
const MANIFEST: &str = "manifest.json";

impl Checkpoints {
    /// The checkpoints under the run folder `run`, of which the last `keep` stay.
    pub fn new(run: &Path, keep: usize) -> Checkpoints {
        Checkpoints { folder: run.join("checkpoints"), keep: keep.max(1), storage: Box::new(Disk) }
    }

    /// Writes a checkpoint, then removes those that are too many.
    ///
    /// # Errors
    /// If the disk refuses; older checkpoints stay.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        let folder = self.folder.join(format!("step-{:09}", checkpoint.position.step));
        fs::create_dir_all(&folder).map_err(|e| Error::write(&folder, e))?;
        let state = safetensors_bytes(&checkpoint.state, Default::default())?;
        let mut manifest = Manifest {
            position: checkpoint.position,
            isa: checkpoint.isa.clone(),
            extra: checkpoint.extra.clone(),
            bytes: state.len() as u64,
            sha256: sha256(&state),
            manifest_sha256: String::new(),
        };
        manifest.manifest_sha256 = sha256(&text(&manifest));
        write_atomically(&*self.storage, &folder.join(STATE), &state)?;
        self.storage.sync_folder(&self.folder).map_err(|e| Error::write(&self.folder, e))?;
        write_atomically(&*self.storage, &folder.join(MANIFEST), &text(&manifest))?;
        self.remove_old(checkpoint.position.step)
    }

    /// The last whole checkpoint, if there is one.
    ///
    /// # Errors
    /// If the last one with a manifest does not match it; the message names the one before.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        let complete: Vec<PathBuf> =
            self.folders()?.into_iter().filter(|folder| folder.join(MANIFEST).is_file()).collect();
        let Some((last, before)) = complete.split_last() else { return Ok(None) };
        load(last).map(Some).map_err(|e| {
            let advice = match before.last() {
                Some(before) => format!("remove it to go on from {}", before.display()),
                None => "there is none before it; start the run again".into(),
            };
            Error::input(format!("checkpoint {}: {e}; {advice}", last.display()))
        })
    }

    /// The folders of checkpoints, oldest first.
    fn folders(&self) -> Result<Vec<PathBuf>> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.folder).map_err(|e| Error::read(&self.folder, e))?;
        let mut folders: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-")))
            .collect();
        folders.sort();
        Ok(folders)
    }

    /// Removes what is older than the last `keep` up to `step`.
    fn remove_old(&self, step: u64) -> Result<()> {
        let current = self.folder.join(format!("step-{step:09}"));
        let older: Vec<PathBuf> = self.folders()?.into_iter().filter(|folder| *folder < current).collect();
        let surplus = (older.len() + 1).saturating_sub(self.keep);
        for folder in older.iter().take(surplus) {
            // The manifest goes first: what is left without one does not count.
            let remove = || -> std::io::Result<()> {
                let manifest = folder.join(MANIFEST);
                if manifest.exists() {
                    fs::remove_file(manifest)?;
                }
                fs::remove_dir_all(folder)
            };
            remove().map_err(|e| Error::write(folder, e))?;
        }
        Ok(())
    }
}

fn text(manifest: &Manifest) -> Vec<u8> {
    serde_json::to_vec_pretty(manifest).expect("plain data has a JSON form")
}

fn load(folder: &Path) -> Result<Checkpoint> {
    let damaged = |what: &str| Error::input(format!("is damaged ({what})"));
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).map_err(|e| Error::read(&path, e))
    };
    let mut manifest: Manifest =
        serde_json::from_slice(&read(MANIFEST)?).map_err(|_| damaged("its manifest is unreadable"))?;
    let written = std::mem::take(&mut manifest.manifest_sha256);
    if sha256(&text(&manifest)) != written {
        return Err(damaged("its manifest does not match its checksum"));
    }
    let state = read(STATE)?;
    if state.len() as u64 != manifest.bytes || sha256(&state) != manifest.sha256 {
        return Err(damaged("its state does not match its manifest"));
    }
    let (state, _) = read_safetensors_bytes(&state)?;
    Ok(Checkpoint { position: manifest.position, isa: manifest.isa, extra: manifest.extra, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Shape;
    use striate_tensor::random::{Random, Stream};

    fn checkpoint(step: u64) -> Checkpoint {
        let values = (0..50).map(|i| i as f32 + step as f32).collect();
        Checkpoint {
            position: Position { seed: 1, epoch: 2, batch: 3, step },
            isa: "avx2".into(),
            extra: serde_json::json!({"best": 0.5}),
            state: Weights::from([("a".into(), (Shape::from([5, 10]), values))]),
        }
    }

    fn run(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("striate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn the_last_is_found_and_old_ones_go() {
        let run = run("keep");
        let checkpoints = Checkpoints::new(&run, 2);
        assert_eq!(checkpoints.latest().unwrap(), None);
        for step in [1, 2, 10] {
            checkpoints.save(&checkpoint(step)).unwrap();
        }
        assert_eq!(checkpoints.latest().unwrap(), Some(checkpoint(10)));
        assert_eq!(checkpoints.folders().unwrap().len(), 2);
        fs::remove_file(run.join("checkpoints/step-000000010/manifest.json")).unwrap();
        assert_eq!(
            checkpoints.latest().unwrap(),
            Some(checkpoint(2)),
            "without a manifest it does not count"
        );
        fs::remove_dir_all(run).unwrap();
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let run = run("flip");
        let checkpoints = Checkpoints::new(&run, 3);
        checkpoints.save(&checkpoint(1)).unwrap();
        checkpoints.save(&checkpoint(2)).unwrap();
        let folder = run.join("checkpoints/step-000000002");
        let mut random = Random::new(9, Stream::Other, 0);
        for name in [STATE, MANIFEST] {
            let good = fs::read(folder.join(name)).unwrap();
            for _ in 0..200 {
                let mut bad = good.clone();
                bad[random.below(good.len())] ^= 1 << random.below(8);
                fs::write(folder.join(name), bad).unwrap();
                let error = checkpoints.latest().unwrap_err();
                assert!(error.is_input() && error.to_string().contains("step-000000001"), "{error}");
            }
            fs::write(folder.join(name), good).unwrap();
        }
        assert_eq!(checkpoints.latest().unwrap(), Some(checkpoint(2)));
        fs::remove_dir_all(run).unwrap();
    }
}
