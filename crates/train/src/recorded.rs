//! What a run was trained on, recorded in its folder, so that later changes of the data can be named.

use std::path::Path;

use serde::{Deserialize, Serialize};
use striate_data::{Dataset, Inventory};
use striate_tensor::file::{read_limited, write_atomically};
use striate_tensor::{Error, Result};

/// The inventory of the data of a run, in its folder.
pub(crate) const DATA: &str = "data.json";
/// Largest size of [`DATA`] in bytes; the paths in it take at most a quarter, unless they need escapes.
const LARGEST: u64 = 64 << 20;

/// The data of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// The fingerprint of the data that the inventory is about.
    pub fingerprint: String,
    #[serde(flatten)]
    pub inventory: Inventory,
}

impl Recorded {
    /// Writes it into the folder of a run.
    pub fn write(&self, run: &Path) -> Result<()> {
        write_atomically(&run.join(DATA), &serde_json::to_vec(self).expect("plain data has a JSON form"))
    }

    /// Reads it from the folder of a run; `None` for runs of earlier versions, which lack the file, and for damaged
    /// files.
    fn read(run: &Path) -> Option<Recorded> {
        serde_json::from_slice(&read_limited(&run.join(DATA), LARGEST).ok()?).ok()
    }
}

/// Refuses `dataset` if its fingerprint is not `then`, that of the data that the run in the folder `run` was
/// trained on. The error says what differs if the folder has a record of that data. `advice` is what to do about
/// it, if anything. The fingerprint is kept in the survey of `dataset`.
///
/// # Errors
/// If the data has changed, or cannot be read any more.
pub fn refuse_changed_data(run: &Path, then: &str, dataset: &mut Dataset, advice: &str) -> Result<()> {
    let now = dataset.fingerprint()?;
    if now == then {
        dataset.survey.fingerprint = Some(now);
        return Ok(());
    }
    let recorded = Recorded::read(run).filter(|recorded| recorded.fingerprint == then);
    let difference = recorded.map(|own| format!(": {}", own.inventory.difference(&Inventory::of(dataset))));
    let (name, difference) = (&dataset.name, difference.unwrap_or_default());
    Err(Error::input(format!("the data set {name} has changed since the run began{difference}{advice}")))
}
