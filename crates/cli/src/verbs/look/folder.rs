//! The folder that `look` writes to: always new or empty, so that nothing is overwritten.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use striate_tensor::file::{create_folder, create_new_folder, list_folder};
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};

use super::Written;
use crate::outputs::write_file;

/// The largest number added to the default name.
const MOST: usize = 10_000;

/// A folder to write to.
pub struct Target {
    path: PathBuf,
    /// Whether it must be created; otherwise it may exist, if it is empty.
    is_new: bool,
}

impl Target {
    /// The folder `out`, or by default `look-IMAGE` in the current one, with a number if that exists.
    ///
    /// # Errors
    /// If `out` is a file or contains anything.
    pub fn of(out: Option<&Path>, image: Option<&Path>) -> Result<Target> {
        let Some(out) = out else {
            let mut name = OsString::from("look-");
            name.push(image.and_then(Path::file_stem).unwrap_or("patches".as_ref()));
            return Ok(Target { path: unused(PathBuf::from(name))?, is_new: true });
        };
        let path = printable_path(out);
        if out.is_dir() && !list_folder(out)?.is_empty() {
            return Err(Error::input(format!("{path} already contains files; choose another --out")));
        }
        if out.exists() && !out.is_dir() {
            return Err(Error::input(format!("{path} is a file; choose a folder for --out")));
        }
        Ok(Target { path: out.to_owned(), is_new: false })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the folder and writes `files`.
    pub fn write(&self, files: &[Written]) -> Result<()> {
        if self.is_new && !create_new_folder(&self.path)? {
            let path = printable_path(&self.path);
            return Err(Error::input(format!(
                "{path} has appeared in the meantime; choose a folder with --out"
            )));
        }
        create_folder(&self.path)?;
        files.iter().try_for_each(|(name, _, bytes)| write_file(&self.path.join(name), bytes))
    }
}

/// Returns `path`, or the first of `path-2`, `path-3` and so on that does not exist.
fn unused(path: PathBuf) -> Result<PathBuf> {
    let numbered = |number: usize| match number {
        1 => path.clone(),
        number => {
            let mut name = path.clone().into_os_string();
            name.push(format!("-{number}"));
            name.into()
        }
    };
    let free = (1..=MOST).map(numbered).find(|path| !path.exists() && !path.is_symlink());
    free.ok_or_else(|| {
        let path = printable_path(&path);
        Error::input(format!("{path} and {MOST} numbered folders exist; choose a folder with --out"))
    })
}
