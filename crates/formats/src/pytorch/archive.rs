//! The zip form: `NAME/data.pkl`, and each storage under `NAME/data/KEY`.

use striate_tensor::{Error, Result};

use super::storage::Storages;
use super::unpickler::{Pickle, unpickle};
use super::value::Value;
use crate::zip::Archive;

/// Reads the archive in `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<(Pickle, Storages<'_>)> {
    let archive = Archive::read(bytes)?;
    let folder = folder(&archive)?;
    let content = |name: &str| archive.get(&format!("{folder}{name}"));
    match content("byteorder")? {
        None | Some(b"little") => {}
        Some(b"big") => {
            let what =
                "was written in big-endian order, which is not supported; save it again on another machine";
            return Err(Error::input(what));
        }
        Some(_) => return Err(Error::input("is damaged: its byte order is neither little nor big")),
    }
    let data = content("data.pkl")?.expect("the folder was found by it");
    let pickle = unpickle(data)?;
    if pickle.length != data.len() {
        let more = data.len() - pickle.length;
        return Err(Error::input(format!("{more} bytes follow its pickle")));
    }
    let mut storages = Storages::new();
    for value in &pickle.values {
        if let Value::Storage(storage) = value
            && !storages.contains_key(&storage.key)
            && let Some(bytes) = content(&format!("data/{}", storage.key))?
        {
            storages.insert(storage.key.clone(), bytes);
        }
    }
    Ok((pickle, storages))
}

/// The folder that holds everything, with its slash.
fn folder<'a>(archive: &Archive<'a>) -> Result<&'a str> {
    let mut found = archive.names().filter_map(|name| name.strip_suffix("data.pkl"));
    let mut found = found.by_ref().filter(|folder| folder.ends_with('/') && folder.matches('/').count() == 1);
    let Some(folder) = found.next() else {
        return Err(Error::input("is a zip archive that PyTorch did not write: it has no data.pkl"));
    };
    if let Some(other) = found.next() {
        return Err(Error::input(format!("is damaged: both {folder} and {other} contain a data.pkl")));
    }
    if archive.names().any(|name| name.strip_prefix(folder) == Some("constants.pkl")) {
        let what = "is a TorchScript program; save its weights alone, \
                    with torch.save(module.state_dict(), FILE)";
        return Err(Error::input(what));
    }
    Ok(folder)
}
