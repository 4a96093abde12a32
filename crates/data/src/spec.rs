//! The data set that `--data` names.

use std::fmt;
use std::path::{Path, PathBuf};

use striate_tensor::{Error, Result, nearest};
use striate_vision::{Filter, Preprocessing, Step};

use crate::mnist::MnistKind;
use crate::{Dataset, LoadOptions, PartSurvey, digits, folder, mnist, npy};

/// A data set by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// The built-in digits.
    Digits,
    /// MNIST or Fashion-MNIST.
    Mnist(MnistKind),
    /// A folder of NumPy files.
    Npy(PathBuf),
    /// A folder with a folder of images for each class, or with parts that contain such folders.
    Folder(PathBuf),
}

const NAMES: [&str; 3] = ["digits", "mnist", "fashion-mnist"];

impl Spec {
    /// Parses the name of a data set: `digits`, `mnist`, `fashion-mnist`, `npy:FOLDER`, or an image folder.
    ///
    /// # Errors
    /// If it is not the name of a data set; the message suggests the nearest.
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
        if text.is_empty() {
            return Err(Error::input(format!(
                "the data set has no name; use {}, npy:FOLDER or a folder",
                NAMES.join(", ")
            )));
        }
        if text.contains(['/', '\\']) || text.starts_with('.') {
            return Err(Error::input(format!(
                "{text}: not a folder; specify a folder with one subfolder of images per class"
            )));
        }
        let hint = match nearest(text, NAMES) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use {}, npy:FOLDER or a folder of image folders", NAMES.join(", ")),
        };
        Err(Error::input(format!("{text}: neither a built-in data set nor a folder; {hint}")))
    }

    /// Returns the folders in which a new file or folder would be read as data; empty unless it is an image folder.
    pub fn data_folders(&self) -> Vec<PathBuf> {
        match self {
            Spec::Folder(root) => folder::data_folders(root),
            Spec::Digits | Spec::Mnist(_) | Spec::Npy(_) => vec![],
        }
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
/// set cannot have the size or channels requested by `options`.
pub fn load(spec: &Spec, options: &LoadOptions) -> Result<Dataset> {
    let mut dataset = match spec {
        Spec::Digits => digits::digits(),
        Spec::Mnist(kind) => mnist::load(*kind)?,
        Spec::Npy(folder) => return npy::load(folder, options),
        Spec::Folder(folder) => return folder::find(folder)?.load(options),
    };
    let forms = [&mut dataset.preprocessing, &mut dataset.predict];
    forms.into_iter().flatten().for_each(|form| adapt(form, options));
    dataset.survey.parts = [("train", Some(&dataset.train)), ("test", dataset.test.as_ref())]
        .into_iter()
        .filter_map(|(name, split)| Some((name, split?.len())))
        .map(|(name, count)| PartSurvey { name, folder: None, count, missing: vec![] })
        .collect();
    Ok(dataset)
}

/// Makes `form` yield the size and channels requested by `options`.
fn adapt(form: &mut Preprocessing, options: &LoadOptions) {
    if let Some(size) = options.size.filter(|size| form.output_shape().is_none_or(|own| own[1..] != *size)) {
        // Replaces resizing and padding to another size.
        if let Some(Step::Resize { .. } | Step::CenterCrop { .. } | Step::Pad { .. }) = form.steps.last() {
            form.steps.pop();
        }
        let [height, width] = size;
        form.steps.push(Step::Resize { height, width, filter: Filter::Bilinear });
    }
    if let Some(channels) = options.channels.filter(|channels| *channels != form.channels) {
        form.channels = channels;
        // The built-in sets are gray.
        form.mean = vec![form.mean[0]; channels];
        form.std = vec![form.std[0]; channels];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn text_round_trip_keeps_spec() {
        let folder = Scratch::new();
        for text in ["digits", "mnist", "fashion-mnist", "npy:some/where", folder.path().to_str().unwrap()] {
            assert_eq!(Spec::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Spec::parse(folder.path().to_str().unwrap()).unwrap(), Spec::Folder(folder.path().into()));
    }

    #[test]
    fn unknown_names_are_refused_with_a_hint() {
        for (text, hint) in [
            ("minst", "did you mean mnist?"),
            ("fashion_mnist", "did you mean fashion-mnist?"),
            ("imagenet22k", "use digits"),
            ("./not-here", "not a folder"),
            ("", "use digits"),
        ] {
            let error = Spec::parse(text).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(hint), "{error}");
        }
        assert!(load(&Spec::Npy("not-here".into()), &LoadOptions::default()).unwrap_err().is_input());
    }

    /// Digits of 8×8 for a network of 20×24 color pixels.
    #[test]
    fn built_in_sets_take_size_and_channels() {
        let options = LoadOptions { size: Some([20, 24]), channels: Some(3), ..LoadOptions::default() };
        let set = load(&Spec::Digits, &options).unwrap();
        for form in [&set.preprocessing, &set.predict].map(|form| form.as_ref().unwrap()) {
            form.check().unwrap();
            assert_eq!(form.output_shape(), Some([3, 20, 24]));
        }
        let image = set.preprocessing.as_ref().unwrap().image(&set.train.image(0).unwrap());
        assert_eq!((image.width(), image.height(), image.channels()), (24, 20, 3));
        let usual = load(&Spec::Digits, &LoadOptions { size: Some([32, 32]), ..LoadOptions::default() });
        assert_eq!(usual.unwrap().preprocessing, digits::digits().preprocessing);
    }
}
