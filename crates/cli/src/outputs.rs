//! The files that a command is to write, checked before any work is done.

use std::path::Path;

use striate_data::Spec;
use striate_tensor::file::{is_same_file, is_stream, lies_in};
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};

/// A file to be written.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The flag or argument that names it.
    flag: &'static str,
    path: &'a Path,
    /// What is written, and how its name must end, if it has one format only.
    format: Option<(&'static str, &'static str)>,
}

impl<'a> Output<'a> {
    /// The file that `flag` names.
    pub fn file(flag: &'static str, path: &'a Path) -> Output<'a> {
        Output { flag, path, format: None }
    }

    /// The picture that `flag` names.
    pub fn picture(flag: &'static str, path: &'a Path) -> Output<'a> {
        Output { flag, path, format: Some(("pictures", "png")) }
    }

    /// The array that `flag` names.
    pub fn array(flag: &'static str, path: &'a Path) -> Output<'a> {
        Output { flag, path, format: Some(("arrays", "npy")) }
    }

    /// Whether its bytes go to a pipe or device, so that no file is replaced.
    fn is_stream(&self) -> bool {
        self.path == Path::new("/dev/stdout") || is_stream(self.path)
    }

    fn check(&self, inputs: &[&Path]) -> Result<()> {
        let (flag, path) = (self.flag, printable_path(self.path));
        check_folder(self.path)?;
        let extension = self.path.extension().unwrap_or_default();
        if let Some((what, ending)) =
            self.format.filter(|(_, ending)| !extension.eq_ignore_ascii_case(ending))
        {
            return Err(Error::input(format!(
                "{path}: {what} are written as .{ending}; choose a name that ends in .{ending} for {flag}"
            )));
        }
        match inputs.iter().any(|input| is_same_file(self.path, input)) {
            true => Err(Error::input(format!(
                "{path}: is read by this command and would be overwritten; choose another file for {flag}"
            ))),
            false => Ok(()),
        }
    }
}

/// Refuses `outputs` whose folder does not exist, that are one of the `inputs` or another output, or whose name
/// ends in another format than is written.
pub fn check<'a>(outputs: impl IntoIterator<Item = Output<'a>>, inputs: &[&Path]) -> Result<()> {
    let files: Vec<Output> = outputs.into_iter().filter(|output| !output.is_stream()).collect();
    for (index, output) in files.iter().enumerate() {
        output.check(inputs)?;
        if let Some(other) = files[..index].iter().find(|other| is_same_file(output.path, other.path)) {
            let path = printable_path(output.path);
            let what = format!(
                "{path}: is named by both {} and {}; give each its own file",
                other.flag, output.flag
            );
            return Err(Error::input(what));
        }
    }
    Ok(())
}

/// Refuses to write `path`, which `flag` names, into the image folder `spec`, whose contents are data.
pub fn refuse_in_data(flag: &str, path: &Path, spec: &Spec) -> Result<()> {
    match spec {
        Spec::Folder(folder) if lies_in(path, folder) => Err(Error::input(format!(
            "{}: lies in the data set {}, where it would be taken for data; choose another place with {flag}",
            printable_path(path),
            printable_path(folder)
        ))),
        _ => Ok(()),
    }
}

/// Refuses a file that could not be written because its folder does not exist.
fn check_folder(file: &Path) -> Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            let (file, folder) = (printable_path(file), printable_path(folder));
            Err(Error::input(format!(
                "cannot write {file}: the folder {folder} does not exist; make it first"
            )))
        }
        _ => Ok(()),
    }
}
