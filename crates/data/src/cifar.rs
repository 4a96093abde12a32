//! CIFAR-10 and CIFAR-100 in their binary version (Krizhevsky, 2009).
//!
//! A record is a label, or for CIFAR-100 a coarse and a fine one, and an image of 3×32×32 bytes, channel by channel.

use std::path::{Path, PathBuf};

use striate_tensor::file::{read_limited, read_text_limited};
use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

use crate::get::data_folder;
use crate::part::Part;
use crate::{Dataset, Pixels, Split, Survey};

/// CIFAR-10 or CIFAR-100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CifarKind {
    /// Ten classes.
    Cifar10,
    /// A hundred (fine) classes.
    Cifar100,
}

/// Height and width of an image.
const SIDE: usize = 32;
/// Bytes of an image.
const IMAGE: usize = 3 * SIDE * SIDE;
/// Largest size of a file; the largest has 153,700,000 bytes.
const MOST_BYTES: u64 = 256 << 20;

impl CifarKind {
    /// Returns the name of the data set.
    pub fn name(self) -> &'static str {
        match self {
            CifarKind::Cifar10 => "cifar10",
            CifarKind::Cifar100 => "cifar100",
        }
    }

    /// Returns the data set called `name`.
    pub fn find(name: &str) -> Option<CifarKind> {
        [CifarKind::Cifar10, CifarKind::Cifar100].into_iter().find(|kind| kind.name() == name)
    }

    /// The folder in the published archive.
    fn folder(self) -> &'static str {
        match self {
            CifarKind::Cifar10 => "cifar-10-batches-bin",
            CifarKind::Cifar100 => "cifar-100-binary",
        }
    }

    /// The files with class names, training images and test images.
    fn files(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            CifarKind::Cifar10 => (
                "batches.meta.txt",
                &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                ],
                "test_batch.bin",
            ),
            CifarKind::Cifar100 => ("fine_label_names.txt", &["train.bin"], "test.bin"),
        }
    }

    fn classes(self) -> usize {
        match self {
            CifarKind::Cifar10 => 10,
            CifarKind::Cifar100 => 100,
        }
    }

    /// Number of labels of a record; the last is that of the class.
    fn labels(self) -> usize {
        match self {
            CifarKind::Cifar10 => 1,
            CifarKind::Cifar100 => 2,
        }
    }
}

/// The files of a set.
pub(crate) struct Files {
    kind: CifarKind,
    names: PathBuf,
    train: Vec<PathBuf>,
    test: Vec<PathBuf>,
}

/// The content of the files.
pub(crate) struct Found {
    pub classes: Vec<String>,
    /// Training and test part, each with its files and their numbers of records.
    pub parts: [(Part, Split, Records); 2],
}

/// Files with their numbers of records.
pub(crate) type Records = Vec<(PathBuf, usize)>;

/// Finds the files of `kind` in `folder`, or else in the data folder.
///
/// # Errors
/// If one is missing.
pub(crate) fn find(kind: CifarKind, folder: Option<&Path>) -> Result<Files> {
    let base = match folder {
        Some(folder) => folder.to_owned(),
        None => data_folder()?.join(kind.name()),
    };
    let inner = base.join(kind.folder());
    let folder = if inner.is_dir() { inner } else { base };
    let (names, train, test) = kind.files();
    let paths = |names: &[&str]| names.iter().map(|name| folder.join(name)).collect::<Vec<PathBuf>>();
    if let Some(missing) = paths(&[train, &[names, test]].concat()).iter().find(|path| !path.is_file()) {
        let name = kind.name();
        return Err(Error::input(format!(
            "{name}: {} is missing; unpack the binary version from https://www.cs.toronto.edu/~kriz/cifar.html there",
            missing.display()
        )));
    }
    Ok(Files { kind, names: folder.join(names), train: paths(train), test: paths(&[test]) })
}

impl Files {
    /// Reads the class names and all records.
    ///
    /// # Errors
    /// If a file is not made of records with labels of the classes.
    pub fn read(&self) -> Result<Found> {
        let classes = class_names(self.kind, &self.names)?;
        let (train, in_train) = split(self.kind, &self.train)?;
        let (test, in_test) = split(self.kind, &self.test)?;
        Ok(Found { classes, parts: [(Part::Train, train, in_train), (Part::Test, test, in_test)] })
    }
}

/// Loads `kind` from `folder`, or else from the data folder.
pub(crate) fn load(kind: CifarKind, folder: Option<&Path>) -> Result<Dataset> {
    let Found { classes, parts: [(_, train, _), (_, test, _)] } = find(kind, folder)?.read()?;
    let (mean, std) = train.moments()?;
    let form = Preprocessing { channels: 3, steps: vec![], mean, std, features: None };
    let predict = Preprocessing { steps: crate::images::steps(Some([SIDE, SIDE])), ..form.clone() };
    Ok(Dataset {
        name: kind.name().into(),
        classes,
        train,
        validation: None,
        test: Some(test),
        preprocessing: Some(form),
        predict: Some(predict),
        encoding: None,
        survey: Survey::default(),
    })
}

fn class_names(kind: CifarKind, path: &Path) -> Result<Vec<String>> {
    let text = read_text_limited(path, 1 << 16)?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match names.len() == kind.classes() {
        true => Ok(names),
        false => {
            let what = format!("has {} names instead of {}", names.len(), kind.classes());
            Err(Error::input(what).at(path.display()))
        }
    }
}

/// The records of `files`, and how many each of them has.
fn split(kind: CifarKind, files: &[PathBuf]) -> Result<(Split, Records)> {
    let (mut bytes, mut labels, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    let size = kind.labels() + IMAGE;
    for path in files {
        let content = read_limited(path, MOST_BYTES)?;
        if content.is_empty() || !content.len().is_multiple_of(size) {
            let what = format!("has {} bytes, which is not a number of records of {size}", content.len());
            return Err(Error::input(what).at(path.display()));
        }
        for (number, record) in content.chunks_exact(size).enumerate() {
            let (label, image) = record.split_at(kind.labels());
            let label = usize::from(label[label.len() - 1]);
            if label >= kind.classes() {
                let what = format!("record {number} has the label {label} of {} classes", kind.classes());
                return Err(Error::input(what).at(path.display()));
            }
            labels.push(label as i64);
            bytes.extend(image);
        }
        counts.push((path.clone(), content.len() / size));
    }
    let split = Split { shape: [3, SIDE, SIDE], pixels: Pixels::Bytes(bytes), labels, files: None };
    Ok((split, counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    /// A record with these labels, whose channels are constant.
    fn record(labels: &[u8], colors: [u8; 3]) -> Vec<u8> {
        let pixels = colors.iter().flat_map(|color| vec![*color; SIDE * SIDE]);
        labels.iter().copied().chain(pixels).collect()
    }

    fn write(folder: &Scratch, kind: CifarKind, labels: &[u8]) {
        let (names, train, test) = kind.files();
        let text: String = (0..kind.classes()).map(|class| format!("class {class}\n")).collect();
        folder.file(names, (text + "\n").as_bytes());
        for (number, file) in train.iter().enumerate() {
            folder.file(file, &record(labels, [number as u8, 50, 100]));
        }
        folder.file(test, &record(labels, [9, 8, 7]));
    }

    #[test]
    fn records_are_read() {
        for (kind, labels, class) in [(CifarKind::Cifar10, &[7][..], 7), (CifarKind::Cifar100, &[19, 99], 99)]
        {
            let folder = Scratch::new();
            write(&folder, kind, labels);
            let set = load(kind, Some(folder.path())).unwrap();
            assert_eq!(set.classes[class], format!("class {class}"));
            assert!(set.train.labels.iter().all(|label| *label == class as i64));
            assert_eq!(set.train.len(), kind.files().1.len());
            let last = set.train.len() - 1;
            assert_eq!(set.train.image(last).unwrap().pixel(31, 31), [last as u8, 50, 100]);
            assert_eq!(set.test.unwrap().image(0).unwrap().pixel(0, 5), [9, 8, 7]);
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let folder = Scratch::new();
        let failure = || load(CifarKind::Cifar10, Some(folder.path())).unwrap_err().to_string();
        assert!(failure().contains("is missing; unpack"));
        write(&folder, CifarKind::Cifar10, &[10]);
        assert!(failure().contains("label 10"));
        write(&folder, CifarKind::Cifar10, &[3]);
        folder.file("data_batch_2.bin", &[0; 3000]);
        assert!(failure().contains("data_batch_2.bin") && failure().contains("records of 3073"));
        folder.file("batches.meta.txt", b"cat\ndog\n");
        assert!(failure().contains("has 2 names instead of 10"));
    }
}
