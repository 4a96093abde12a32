//! What `--data` names.

use std::fmt;
use std::path::PathBuf;

use striate_tensor::{Error, Result, nearest};

use crate::mnist::MnistKind;
use crate::{Dataset, digits, mnist, npy};

/// A data set by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// The digits that come with the program.
    Digits,
    /// MNIST or Fashion-MNIST.
    Mnist(MnistKind),
    /// A folder of NumPy files.
    Npy(PathBuf),
}

const NAMES: [&str; 3] = ["digits", "mnist", "fashion-mnist"];

impl Spec {
    /// The data set that `text` names: `digits`, `mnist`, `fashion-mnist` or `npy:FOLDER`.
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
        MnistKind::find(text).map(Spec::Mnist).ok_or_else(|| {
            let hint = match nearest(text, NAMES) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are {} and npy:FOLDER", NAMES.join(", ")),
            };
            Error::input(format!("unknown data set {text}; {hint}"))
        })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::Digits => f.write_str("digits"),
            Spec::Mnist(kind) => f.write_str(kind.name()),
            Spec::Npy(folder) => write!(f, "npy:{}", folder.display()),
        }
    }
}

/// Loads the data set.
///
/// # Errors
/// If its files are missing or damaged.
pub fn load(spec: &Spec) -> Result<Dataset> {
    match spec {
        Spec::Digits => Ok(digits::digits()),
        Spec::Mnist(kind) => mnist::load(*kind),
        Spec::Npy(folder) => npy::load(folder),
    }
}
