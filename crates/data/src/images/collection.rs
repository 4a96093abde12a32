//! The images of a data set before they are read, and the data set that they become.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use striate_tensor::names::check_class_names;
use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

use super::ImageFile;
use super::reader::{ReadPart, Reader, joined, keep_one_channel};
use crate::dataset::{hash_of_classes, hexadecimal, listed};
use crate::evaluation::Measured;
use crate::part::Part;
use crate::{Dataset, Described, LoadOptions, PartSurvey, Split, Survey};

/// The image files of a part with their labels.
#[derive(Default)]
pub(crate) struct Listing {
    pub files: Vec<ImageFile>,
    pub labels: Vec<i64>,
}

/// A part of a data set before its images are read.
pub(crate) struct FoundPart {
    /// `None` for a set without parts.
    pub part: Option<Part>,
    /// The folder, list or shards that hold it.
    pub place: PathBuf,
    pub listing: Listing,
}

impl FoundPart {
    pub fn name(&self) -> &'static str {
        self.part.map_or("all", Part::name)
    }
}

/// The images of a data set before they are read.
pub(crate) struct Collection {
    /// The name by which it was found.
    pub name: String,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// The parts in order, at least one.
    pub parts: Vec<FoundPart>,
    /// What was found so far.
    pub survey: Survey,
}

impl Collection {
    /// Reads a set with a training part, or without parts.
    pub fn load(mut self, options: &LoadOptions) -> Result<Dataset> {
        self.refuse_unfit()?;
        let mut reading = Reading::start(&mut self, options)?;
        reading.hash_if_decoded(&self.classes);
        let Collection { name, classes, parts, .. } = self;
        let place = parts[0].place.clone();
        let [mut train, mut validation, mut test] = [None, None, None];
        let mut moments = None;
        let mut parts = parts.into_iter().peekable();
        for wanted in Part::ALL {
            let Some(found) = parts.next_if(|found| found.part.unwrap_or(Part::Train) == wanted) else {
                reading.hash_absent();
                continue;
            };
            let (split, of_part) = reading.read(found, &classes)?;
            match wanted {
                Part::Train => (train, moments) = (Some(split), of_part),
                Part::Validation => validation = Some(split).filter(|split| !split.is_empty()),
                Part::Test => test = Some(split).filter(|split| !split.is_empty()),
            }
        }
        let mut train = train.expect("the first part is for training");
        reading.refuse_unreadable()?;
        if let Some(class) = train.counts(classes.len()).iter().position(|count| *count == 0) {
            let what = format!("none of the images of {} can be read", classes[class]);
            return Err(Error::input(what).at(place.display()));
        }
        let all = [Some(&mut train), validation.as_mut(), test.as_mut()];
        reading.make_gray(all.into_iter().flatten());
        let form = normalization(&train, moments)?;
        Ok(Dataset {
            name,
            classes,
            predict: Some(Preprocessing { steps: reading.reader.steps(), ..form.clone() }),
            preprocessing: Some(form),
            train,
            validation,
            test,
            encoding: None,
            survey: reading.finish(),
        })
    }

    /// Reads the last part, on which a model is evaluated.
    pub fn measure(mut self, options: &LoadOptions) -> Result<Measured> {
        let last = self.parts.pop().expect("there is a part");
        self.parts = vec![last];
        let mut reading = Reading::start(&mut self, options)?;
        let found = self.parts.remove(0);
        let (part, place) = (found.name(), found.place.clone());
        let (mut split, moments) = reading.read(found, &self.classes)?;
        reading.refuse_unreadable()?;
        if split.is_empty() {
            return Err(Error::input("has no images that can be read").at(place.display()));
        }
        reading.make_gray([&mut split].into_iter());
        let preprocessing = Some(normalization(&split, moments)?);
        Ok(Measured { part, split, classes: self.classes, preprocessing, survey: reading.finish() })
    }

    /// Reads all parts, which need not include one for training.
    pub fn describe(mut self, options: &LoadOptions) -> Result<Described> {
        if self.parts.first().is_some_and(|first| first.part.is_none_or(|part| part == Part::Train)) {
            return Ok(self.load(options)?.into());
        }
        let mut reading = Reading::start(&mut self, options)?;
        let Collection { name, classes, parts, .. } = self;
        let place = parts.first().expect("there is a part").place.clone();
        let mut splits = Vec::new();
        for found in parts {
            splits.push((found.name(), reading.read(found, &classes)?.0));
        }
        reading.refuse_unreadable()?;
        splits.retain(|(_, split)| !split.is_empty());
        if splits.is_empty() {
            return Err(Error::input("has no images that can be read").at(place.display()));
        }
        reading.make_gray(splits.iter_mut().map(|(_, split)| split));
        Ok(Described { name, classes, parts: splits, survey: reading.finish() })
    }

    /// Refuses a set that cannot be trained on.
    fn refuse_unfit(&self) -> Result<()> {
        let FoundPart { place, listing, .. } = &self.parts[0];
        check_class_names(self.classes.iter().map(String::as_str)).map_err(|e| e.at(place.display()))?;
        let mut is_present = vec![false; self.classes.len()];
        listing.labels.iter().for_each(|label| is_present[*label as usize] = true);
        match is_present.iter().position(|is_present| !is_present) {
            None => Ok(()),
            Some(class) => {
                let what = format!("the class {} has no images for training", self.classes[class]);
                Err(Error::input(what).at(place.display()))
            }
        }
    }
}

/// Mean and standard deviation of each channel.
type Moments = (Vec<f32>, Vec<f32>);

/// Reads one part after another.
struct Reading {
    reader: Reader,
    survey: Survey,
    /// Number of images in all parts.
    total: usize,
    /// Whether images are decoded whenever they are needed.
    is_decoded_anew: bool,
    /// The fingerprint of what was read, if it is computed on the way.
    hash: Option<Sha256>,
}

impl Reading {
    /// Decides how the images of `found` are read, and whether they are held in memory.
    fn start(found: &mut Collection, options: &LoadOptions) -> Result<Reading> {
        let mut survey = std::mem::take(&mut found.survey);
        let deciding = match found.parts[0].part {
            None | Some(Part::Train) => &found.parts[..1],
            Some(_) => &found.parts[..],
        };
        let files: Vec<&ImageFile> = deciding.iter().flat_map(|part| &part.listing.files).collect();
        let reader = Reader::new(&files, options)?;
        let total = found.parts.iter().map(|part| part.listing.files.len()).sum();
        let bytes = reader.shape().iter().product::<usize>() as u64 * total as u64;
        if bytes > options.cache_bytes {
            let (taken, cache) = (bytes as f64 / f64::from(1 << 20), options.cache_bytes >> 20);
            survey.notes.push(format!(
                "{total} images take {taken:.1} MiB at this size, more than the cache of {cache} MiB: each is decoded \
                 whenever it is needed"
            ));
        }
        reader.expect(total);
        let is_decoded_anew = bytes > options.cache_bytes || options.keeps_originals;
        Ok(Reading { reader, survey, total, is_decoded_anew, hash: None })
    }

    /// If images are not held in memory, computes the fingerprint while they are read.
    fn hash_if_decoded(&mut self, classes: &[String]) {
        self.hash = self.is_decoded_anew.then(|| hash_of_classes(classes));
    }

    /// Adds an absent part to the fingerprint.
    fn hash_absent(&mut self) {
        if let Some(hash) = &mut self.hash {
            hash.update([0]);
        }
    }

    /// Reads a part and records the findings in the survey.
    fn read(&mut self, found: FoundPart, classes: &[String]) -> Result<(Split, Option<Moments>)> {
        let name = found.name();
        let FoundPart { place, listing, .. } = found;
        let ReadPart { split, sizes, unreadable, moments } = match self.is_decoded_anew {
            true => self.reader.scan(listing, self.hash.as_mut())?,
            false => self.reader.read(listing)?,
        };
        self.survey.unreadable.extend(unreadable);
        self.survey.sizes = sizes.map(|sizes| joined(self.survey.sizes, sizes)).or(self.survey.sizes);
        let missing = classes.iter().zip(split.counts(classes.len())).filter(|(_, count)| *count == 0);
        let missing: Vec<String> = missing.map(|(name, _)| name.clone()).collect();
        if split.is_empty() {
            self.survey.notes.push(format!("the {name} part has no images"));
        } else if !missing.is_empty() {
            let what =
                format!("the {name} part has no images of {} of {} classes", missing.len(), classes.len());
            self.survey.notes.push(format!("{what}: {}", listed(&missing)));
        }
        self.survey.parts.push(PartSurvey { name, folder: Some(place), count: split.len(), missing });
        Ok((split, moments))
    }

    /// Refuses unreadable images, unless they are to be skipped.
    fn refuse_unreadable(&self) -> Result<()> {
        self.reader.refuse_unreadable(&self.survey, self.total)
    }

    /// Makes all parts gray if all images are.
    fn make_gray<'a>(&mut self, splits: impl Iterator<Item = &'a mut Split>) {
        if self.reader.is_gray() {
            for split in splits.filter(|split| split.shape[0] == 3) {
                keep_one_channel(split);
                // The bytes of three equal channels went into it.
                self.hash = None;
            }
        }
    }

    fn finish(mut self) -> Survey {
        self.survey.notes.extend(self.reader.channel_note());
        Survey { fingerprint: self.hash.map(hexadecimal), ..self.survey }
    }
}

/// Normalization by mean and deviation of `split`, which may be known, of as many channels or of more that are equal.
fn normalization(split: &Split, known: Option<Moments>) -> Result<Preprocessing> {
    let (mut mean, mut std) = known.map_or_else(|| split.moments(), Ok)?;
    mean.truncate(split.shape[0]);
    std.truncate(split.shape[0]);
    // A constant channel has no deviation to divide by.
    std.iter_mut().filter(|x| **x < 1e-3).for_each(|x| *x = 1.0);
    Ok(Preprocessing { channels: split.shape[0], steps: vec![], mean, std, features: None })
}
