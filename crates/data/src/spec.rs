//! What `--data` names.

use std::fmt;
use std::path::{Path, PathBuf};

use striate_tensor::{Error, Result, nearest};

use crate::mnist::MnistKind;
use crate::{Dataset, LoadOptions, digits, folder, mnist, npy};

/// A data set by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// The digits that come with the program.
    Digits,
    /// MNIST or Fashion-MNIST.
    Mnist(MnistKind),
    /// A folder of NumPy files.
    Npy(PathBuf),
    /// A folder of image folders, one for each class.
    Folder(PathBuf),
}

const NAMES: [&str; 3] = ["digits", "mnist", "fashion-mnist"];

impl Spec {
    /// The data set that `text` names: `digits`, `mnist`, `fashion-mnist`, `npy:FOLDER`, or a folder with
    /// an image folder for each class.
    ///
    /// # Errors
    /// If it names none; the message gives the nearest.
    pub fn parse(text: &str) -> Result<Spec> {
        if let Some(folder) = text.strip_prefix("npy:") {
            return Ok(Spec::Npy(PathBuf::from(folder)));
        }
        if text == "digits" {
            return Ok(Spec::Digits);
        }
        if let Some(kind) = MnistKind::find(text) {
            return Ok(Spec::Mnist(kind));
        }
        if Path::new(text).is_dir() {
            return Ok(Spec::Folder(PathBuf::from(text)));
        }
        if text.contains(['/', '\\']) || text.starts_with('.') {
            return Err(Error::input(format!(
                "{text} is no folder; give one with an image folder for each class"
            )));
        }
        let hint = match nearest(text, NAMES) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}, npy:FOLDER and a folder of image folders", NAMES.join(", ")),
        };
        Err(Error::input(format!("unknown data set {text}; {hint}")))
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::Digits => f.write_str("digits"),
            Spec::Mnist(kind) => f.write_str(kind.name()),
            Spec::Npy(folder) => write!(f, "npy:{}", folder.display()),
            Spec::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

/// Loads the data set that `spec` names.
///
/// # Errors
/// If its files are missing or damaged, if images cannot be read (unless they are to be skipped), or if the
/// set cannot have the size or channels that `options` ask for.
pub fn load(spec: &Spec, options: &LoadOptions) -> Result<Dataset> {
    match spec {
        Spec::Digits => Ok(digits::digits()),
        Spec::Mnist(kind) => mnist::load(*kind),
        Spec::Npy(folder) => npy::load(folder),
        Spec::Folder(folder) => folder::load(folder, options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_spec_survives_its_text() {
        let folder = Scratch::new();
        for text in ["digits", "mnist", "fashion-mnist", "npy:some/where", folder.path().to_str().unwrap()] {
            assert_eq!(Spec::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Spec::parse(folder.path().to_str().unwrap()).unwrap(), Spec::Folder(folder.path().into()));
    }

    #[test]
    fn what_names_nothing_is_refused_with_a_hint() {
        for (text, hint) in [
            ("minst", "did you mean mnist?"),
            ("fashion_mnist", "did you mean fashion-mnist?"),
            ("imagenet22k", "known are digits"),
            ("./not-here", "is no folder"),
            ("", "known are"),
        ] {
            let error = Spec::parse(text).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(hint), "{error}");
        }
        assert!(load(&Spec::Npy("not-here".into()), &LoadOptions::default()).unwrap_err().is_input());
    }
}
