//! A data set: its parts, its class names, and the preprocessing of its images or the encoding of its samples.

use sha2::{Digest, Sha256};
use striate_tensor::Result;
use striate_tensor::encoding::Encoding;
use striate_vision::Preprocessing;

use crate::{Pixels, Split, Survey};

/// A data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The name by which it was loaded, such as `mnist`.
    pub name: String,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// The training part.
    pub train: Split,
    /// The validation part, if there is one.
    pub validation: Option<Split>,
    /// The test part, if there is one.
    pub test: Option<Split>,
    /// Preprocessing of the set's own images; `None` if they are used unchanged.
    pub preprocessing: Option<Preprocessing>,
    /// Preprocessing that converts any other image to the form of the set.
    pub predict: Option<Preprocessing>,
    /// How its samples were encoded, if they are not images.
    pub encoding: Option<Encoding>,
    /// The report of loading the set.
    pub survey: Survey,
}

impl Dataset {
    /// Returns the part used for evaluation, with its name: test, or else validation, or else all.
    pub fn evaluation(&self) -> (&'static str, &Split) {
        match (&self.test, &self.validation) {
            (Some(test), _) => ("test", test),
            (None, Some(validation)) => ("validation", validation),
            (None, None) => ("all", &self.train),
        }
    }

    /// Returns the SHA-256 of classes, sizes, pixels and labels in hexadecimal.
    ///
    /// # Errors
    /// If the file of an image cannot be read any more.
    pub fn fingerprint(&self) -> Result<String> {
        if let Some(fingerprint) = &self.survey.fingerprint {
            return Ok(fingerprint.clone());
        }
        fingerprint_of(self)
    }
}

/// Computes the fingerprint of a data set from its images.
pub(crate) fn fingerprint_of(set: &Dataset) -> Result<String> {
    fingerprint(&set.classes, [Some(&set.train), set.validation.as_ref(), set.test.as_ref()])
}

/// Returns the fingerprint of a data set with these classes and parts: training, validation, test.
pub(crate) fn fingerprint(classes: &[String], parts: [Option<&Split>; 3]) -> Result<String> {
    let mut hash = hash_of_classes(classes);
    for split in parts {
        let Some(split) = split else {
            hash.update([0]);
            continue;
        };
        hash_shape(&mut hash, split.shape);
        match &split.pixels {
            Pixels::Bytes(bytes) => hash.update(bytes),
            Pixels::Numbers(numbers) => hash.update(bytemuck::cast_slice::<f32, u8>(numbers)),
            Pixels::Characters(places) => hash.update(places),
            Pixels::Files => split.listed().each(|image| hash.update(image))?,
        }
        hash_labels(&mut hash, &split.labels);
    }
    Ok(hexadecimal(hash))
}

/// What a fingerprint begins with; shape, pixels and labels of each part follow, or a zero.
pub(crate) fn hash_of_classes(classes: &[String]) -> Sha256 {
    let mut hash = Sha256::new();
    for class in classes {
        hash.update((class.len() as u64).to_le_bytes());
        hash.update(class);
    }
    hash
}

pub(crate) fn hash_shape(hash: &mut Sha256, shape: [usize; 3]) {
    shape.iter().for_each(|side| hash.update((*side as u64).to_le_bytes()));
}

pub(crate) fn hash_labels(hash: &mut Sha256, labels: &[i64]) {
    hash.update(bytemuck::cast_slice::<i64, u8>(labels));
}

pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the first dozen class names on one line.
pub(crate) fn listed(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(12).map(String::as_str).collect();
    let more = if names.len() > 12 { format!(" … ({} in all)", names.len()) } else { String::new() };
    format!("[{}{more}]", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset() -> Dataset {
        let split = |labels: Vec<i64>| Split {
            shape: [1, 1, 2],
            pixels: Pixels::Bytes((0..labels.len() as u8 * 2).collect()),
            labels,
            files: None,
        };
        Dataset {
            name: "small".into(),
            classes: vec!["a".into(), "b".into()],
            train: split(vec![0, 1, 1]),
            validation: None,
            test: Some(split(vec![1])),
            preprocessing: None,
            predict: None,
            encoding: None,
            survey: Survey::default(),
        }
    }

    #[test]
    fn any_change_of_the_data_changes_the_fingerprint() {
        let first = dataset().fingerprint().unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(first, Dataset { name: "other".into(), ..dataset() }.fingerprint().unwrap());
        let changes: [fn(&mut Dataset); 6] = [
            |d| d.classes.swap(0, 1),
            |d| d.train.labels[0] = 1,
            |d| d.train.pixels = Pixels::Bytes(vec![0, 1, 2, 3, 4, 6]),
            |d| d.train.shape = [1, 2, 1],
            |d| d.validation = d.test.take(),
            |d| d.test = None,
        ];
        for change in changes {
            let mut changed = dataset();
            change(&mut changed);
            assert_ne!(changed.fingerprint().unwrap(), first, "{changed:?}");
        }
    }

    #[test]
    fn test_part_is_measured_first() {
        let mut set = dataset();
        assert_eq!(set.evaluation().0, "test");
        set.validation = set.test.take();
        assert_eq!(set.evaluation().0, "validation");
        set.validation = None;
        assert_eq!((set.evaluation().0, set.evaluation().1.len()), ("all", 3));
    }
}
