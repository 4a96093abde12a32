//! The data set that `--data` names.

use std::fmt;
use std::path::{Path, PathBuf};

use striate_tensor::file::folder_of;
use striate_tensor::{Error, Result, nearest};
use striate_vision::{Filter, Preprocessing, Step};

use crate::cifar::CifarKind;
use crate::images::{Collection, Purpose};
use crate::mnist::MnistKind;
use crate::{
    Dataset, LoadOptions, Medium, PartSurvey, cifar, digits, folder, idx, list, mnist, npy, shards, sounds,
    texts,
};

/// A data set by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// The built-in digits.
    Digits,
    /// MNIST or Fashion-MNIST.
    Mnist(MnistKind),
    /// A folder of NumPy files.
    Npy(PathBuf),
    /// A folder of IDX files named as those of MNIST.
    Idx(PathBuf),
    /// CIFAR-10 or CIFAR-100, in this folder or else in the data folder.
    Cifar(CifarKind, Option<PathBuf>),
    /// A folder with a folder of images for each class, or with parts that contain such folders.
    Folder(PathBuf),
    /// A list file, or a folder of list files.
    List(PathBuf),
    /// A folder of shards, or a pattern of shards.
    Shards(String),
    /// A folder like [`Spec::Folder`], with sounds.
    Audio(PathBuf),
    /// A file of texts with labels, a folder of such files, or a folder like [`Spec::Folder`], with files of texts.
    Text(PathBuf),
}

const NAMES: [&str; 5] = ["digits", "mnist", "fashion-mnist", "cifar10", "cifar100"];
/// The other forms, for errors.
const FORMS: &str =
    "npy:FOLDER, idx:FOLDER, list:FILE, audio:FOLDER, text:FILE, a folder of image folders, or shards";

impl Spec {
    /// Parses the name of a data set: `digits`, `mnist`, `fashion-mnist`, `cifar10`, `cifar100`, `npy:FOLDER`,
    /// `idx:FOLDER`, `list:FILE`, `audio:FOLDER`, `text:FILE`, an image folder, or shards.
    ///
    /// # Errors
    /// If it is not the name of a data set; the message suggests the nearest.
    pub fn parse(text: &str) -> Result<Spec> {
        match text.split_once(':') {
            Some(("npy", folder)) => return Ok(Spec::Npy(folder.into())),
            Some(("idx", folder)) => return Ok(Spec::Idx(folder.into())),
            Some(("list", path)) => return Ok(Spec::List(path.into())),
            Some(("audio", folder)) => return Ok(Spec::Audio(folder.into())),
            Some(("text", path)) => return Ok(Spec::Text(path.into())),
            Some((name, folder)) if CifarKind::find(name).is_some() => {
                return Ok(Spec::Cifar(CifarKind::find(name).expect("was found"), Some(folder.into())));
            }
            _ => {}
        }
        if text == "digits" {
            return Ok(Spec::Digits);
        }
        if let Some(kind) = MnistKind::find(text) {
            return Ok(Spec::Mnist(kind));
        }
        if let Some(kind) = CifarKind::find(text) {
            return Ok(Spec::Cifar(kind, None));
        }
        let is_folder = Path::new(text).is_dir();
        if shards::is_pattern(text) && !is_folder || is_folder && shards::is_folder_of_shards(Path::new(text))
        {
            return Ok(Spec::Shards(text.to_owned()));
        }
        if is_folder {
            return Ok(Spec::Folder(PathBuf::from(text)));
        }
        if text.is_empty() {
            return Err(Error::input(format!("the data set has no name; use {}, {FORMS}", NAMES.join(", "))));
        }
        if list::is_list(Path::new(text)) {
            return Err(Error::input(format!("{text}: looks like a list of images; use list:{text}")));
        }
        if text.contains(['/', '\\']) || text.starts_with('.') {
            return Err(Error::input(format!(
                "{text}: not a folder; specify a folder with one subfolder of images per class"
            )));
        }
        let hint = match nearest(text, NAMES) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use {}, {FORMS}", NAMES.join(", ")),
        };
        Err(Error::input(format!("{text}: neither a built-in data set nor a folder; {hint}")))
    }

    /// Whether the set consists of image files, which are decoded as they are needed or in advance.
    pub fn has_image_files(&self) -> bool {
        matches!(self, Spec::Folder(_) | Spec::List(_) | Spec::Shards(_))
    }

    /// What the files of the set contain; `None` for one that does not consist of files of single samples.
    pub fn medium(&self) -> Option<Medium> {
        match self {
            Spec::Audio(_) => Some(Medium::Sound),
            Spec::Text(_) => Some(Medium::Text),
            spec => spec.has_image_files().then_some(Medium::Image),
        }
    }

    /// Finds the files of a set of image or sound files, for evaluation of a model with the classes `known`; `None` for
    /// others.
    pub(crate) fn find(&self, purpose: Purpose, known: &[String]) -> Result<Option<Collection>> {
        match self {
            Spec::Folder(root) | Spec::Audio(root) => {
                let medium = self.medium().expect("the set consists of files");
                match purpose {
                    Purpose::Training => folder::find(root, medium),
                    Purpose::Evaluation => folder::find_measured(root, known, medium),
                    Purpose::Description => folder::find_described(root, medium),
                }
            }
            Spec::List(path) => list::find(path, purpose),
            Spec::Shards(text) => shards::find(text, purpose),
            Spec::Digits | Spec::Mnist(_) | Spec::Npy(_) | Spec::Idx(_) | Spec::Cifar(..) | Spec::Text(_) => {
                return Ok(None);
            }
        }
        .map(Some)
    }

    /// Returns the folders in which a new file or folder would be read as data.
    pub fn data_folders(&self) -> Vec<PathBuf> {
        match self {
            Spec::Folder(root) | Spec::Audio(root) => folder::data_folders(root),
            Spec::Shards(text) if Path::new(text).is_dir() => vec![text.into()],
            Spec::Shards(text) => vec![folder_of(Path::new(text)).to_owned()],
            Spec::List(path) if path.is_dir() => vec![path.clone()],
            Spec::Text(path) if path.is_dir() => folder::data_folders(path),
            _ => vec![],
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::Digits => f.write_str("digits"),
            Spec::Mnist(kind) => f.write_str(kind.name()),
            Spec::Npy(folder) => write!(f, "npy:{}", folder.display()),
            Spec::Idx(folder) => write!(f, "idx:{}", folder.display()),
            Spec::Cifar(kind, None) => f.write_str(kind.name()),
            Spec::Cifar(kind, Some(folder)) => write!(f, "{}:{}", kind.name(), folder.display()),
            Spec::List(path) => write!(f, "list:{}", path.display()),
            Spec::Shards(text) => f.write_str(text),
            Spec::Folder(folder) => write!(f, "{}", folder.display()),
            Spec::Audio(folder) => write!(f, "audio:{}", folder.display()),
            Spec::Text(path) => write!(f, "text:{}", path.display()),
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
        Spec::Idx(folder) => idx::load(folder)?,
        Spec::Cifar(kind, folder) => cifar::load(*kind, folder.as_deref())?,
        Spec::Npy(folder) => return npy::load(folder, options),
        Spec::Folder(_) | Spec::List(_) | Spec::Shards(_) => {
            let found = spec.find(Purpose::Training, &[])?.expect("the set consists of image files");
            return found.load(options);
        }
        Spec::Audio(_) => {
            let found = spec.find(Purpose::Training, &[])?.expect("the set consists of sound files");
            return sounds::load(found, options);
        }
        Spec::Text(path) => return texts::load(path, options),
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
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        form.mean = vec![mean(&form.mean); channels];
        form.std = vec![mean(&form.std); channels];
    }
}

#[cfg(test)]
mod tests {
    use striate_vision::preprocess;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn text_round_trip_keeps_spec() {
        let folder = Scratch::new();
        for text in [
            "digits",
            "mnist",
            "fashion-mnist",
            "npy:some/where",
            "audio:some/where",
            "text:some/where.tsv",
            folder.path().to_str().unwrap(),
        ] {
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
            ("some/all.tsv", "use list:some/all.tsv"),
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
        let image = preprocess(set.preprocessing.as_ref().unwrap(), &set.train.image(0).unwrap());
        assert_eq!((image.width(), image.height(), image.channels()), (24, 20, 3));
        let usual = load(&Spec::Digits, &LoadOptions { size: Some([32, 32]), ..LoadOptions::default() });
        assert_eq!(usual.unwrap().preprocessing, digits::digits().preprocessing);
    }
}
