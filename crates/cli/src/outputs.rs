//! Output files: checks before any work is done, and writing.

use std::path::{Path, PathBuf};

use striate_data::Spec;
use striate_formats::external_files;
use striate_tensor::file::{folder_of, is_same_file, is_stream, lies_in, write_atomically, write_stream};
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};

use crate::print;
use crate::signals::catch_file_size_limit;

/// An output file.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The flag or argument that specifies it.
    flag: &'static str,
    path: &'a Path,
    /// What is written and the extensions that name its format, if only one format is supported.
    format: Option<(&'static str, &'static [&'static str])>,
}

const PICTURES: &str = "pictures";

impl<'a> Output<'a> {
    /// The file specified by `flag`.
    pub fn file(flag: &'static str, path: &'a Path) -> Output<'a> {
        Output { flag, path, format: None }
    }

    /// The picture specified by `flag`.
    pub fn picture(flag: &'static str, path: &'a Path) -> Output<'a> {
        Output { flag, path, format: Some((PICTURES, &["png"])) }
    }

    /// The table specified by `flag`.
    pub fn table(flag: &'static str, path: &'a Path) -> Output<'a> {
        Output { flag, path, format: Some(("tables", &["csv"])) }
    }

    /// The web page specified by `flag`.
    pub fn page(flag: &'static str, path: &'a Path) -> Output<'a> {
        Output { flag, path, format: Some(("web pages", &["html", "htm"])) }
    }

    /// The array specified by `flag`.
    pub fn array(flag: &'static str, path: &'a Path) -> Output<'a> {
        Output { flag, path, format: Some(("arrays", &["npy"])) }
    }

    fn is_picture(&self) -> bool {
        self.format.is_some_and(|(what, _)| what == PICTURES)
    }

    /// Whether it is a pipe or device, so that no file is replaced.
    fn is_stream(&self) -> bool {
        self.path == Path::new("/dev/stdout") || is_stream(self.path)
    }

    fn check(&self, inputs: &[&Path]) -> Result<()> {
        let (flag, path) = (self.flag, printable_path(self.path));
        check_folder(self.path)?;
        let extension = self.path.extension().unwrap_or_default();
        let is_named = |ending: &&str| extension.eq_ignore_ascii_case(ending);
        if let Some((what, endings)) = self.format.filter(|(_, endings)| !endings.iter().any(is_named)) {
            let ending = endings[0];
            return Err(Error::input(format!(
                "{path}: {what} are written as .{ending}; choose a name ending in .{ending} for {flag}"
            )));
        }
        match inputs.iter().any(|input| is_same_file(self.path, input)) {
            true => Err(Error::input(format!(
                "{path}: this command reads the file and would overwrite it; choose another file for {flag}"
            ))),
            false => Ok(()),
        }
    }
}

/// Refuses `outputs` whose folder does not exist, or that are one of the `inputs`, external data of one, or another
/// output, or whose extension does not match their format.
pub fn check<'a>(outputs: impl IntoIterator<Item = Output<'a>>, inputs: &[&Path]) -> Result<()> {
    let files: Vec<Output> = outputs.into_iter().filter(|output| !output.is_stream()).collect();
    if files.is_empty() {
        return Ok(());
    }
    let external: Vec<PathBuf> = inputs.iter().flat_map(|input| external_files(input)).collect();
    let inputs: Vec<&Path> = inputs.iter().copied().chain(external.iter().map(PathBuf::as_path)).collect();
    for (index, output) in files.iter().enumerate() {
        output.check(&inputs)?;
        if let Some(other) = files[..index].iter().find(|other| is_same_file(output.path, other.path)) {
            let path = printable_path(output.path);
            let what =
                format!("{path}: used by both {} and {}; choose different files", other.flag, output.flag);
            return Err(Error::input(what));
        }
    }
    Ok(())
}

/// Refuses to write `path`, specified by `flag`, where it would be read as data of the data set `spec`.
pub fn refuse_in_data(flag: &str, path: &Path, spec: &Spec) -> Result<()> {
    match spec.data_folders().iter().find(|folder| lies_in(path, folder)) {
        None => Ok(()),
        Some(folder) => Err(Error::input(format!(
            "{}: is inside the data set ({}) and would be read as data; choose another location with {flag}",
            printable_path(path),
            printable_path(folder)
        ))),
    }
}

/// Refuses pictures among the `outputs` in one of `folders`, whose images the command reads: the next call would read
/// them too.
pub fn refuse_beside_images<'a>(
    outputs: impl IntoIterator<Item = Output<'a>>,
    folders: &[&Path],
) -> Result<()> {
    let pictures = outputs.into_iter().filter(|output| output.is_picture() && !output.is_stream());
    for Output { flag, path, .. } in pictures {
        let is_beside = |folder: &&&Path| is_same_file(folder_of(path), folder);
        if let Some(folder) = folders.iter().find(is_beside) {
            return Err(Error::input(format!(
                "{}: is inside the image folder ({}) and would be read as one of its images; choose another location \
                 with {flag}",
                printable_path(path),
                printable_path(folder)
            )));
        }
    }
    Ok(())
}

/// Refuses a file that could not be written because its folder does not exist.
fn check_folder(file: &Path) -> Result<()> {
    let folder = folder_of(file);
    if folder.is_dir() {
        return Ok(());
    }
    let what =
        if folder.exists() { "is a file; choose another path" } else { "does not exist; create it first" };
    let (file, folder) = (printable_path(file), printable_path(folder));
    Err(Error::input(format!("cannot write {file}: the folder {folder} {what}")))
}

/// Writes a file completely or not at all; a device or pipe receives the bytes directly.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    catch_file_size_limit()?;
    if path == Path::new("/dev/stdout") {
        // This is a link to the target of stdout, which may be a file that must not be replaced.
        print::bytes(bytes);
        return Ok(());
    }
    match write_stream(path, bytes)? {
        true => Ok(()),
        false => write_atomically(path, bytes),
    }
}
