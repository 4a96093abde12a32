//! Finds texts: the lines of files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use striate_tensor::file::{open, read_limited};
use striate_tensor::text::grouped;
use striate_tensor::{Error, Result};
use striate_text::{decode, labeled, lines};

use crate::images::{Collection, ImageFile, Labeled, LabeledPart, Listing, Purpose, join, refuse_unreadable};
use crate::{Medium, Survey, folder, list};

/// Largest number of texts of a data set; each takes about 150 bytes beside its characters.
const MOST_TEXTS: usize = 1 << 22;

/// A data set of texts before they are encoded.
pub(crate) struct Found {
    /// Its files are lines.
    pub collection: Collection,
    pub contents: Contents,
}

/// The contents of all files.
pub(crate) struct Contents {
    files: HashMap<Arc<Path>, Vec<u8>>,
    /// Bytes that may still be read.
    left: u64,
    cache: u64,
    /// Number of texts so far.
    texts: usize,
}

/// Finds the texts at `path`, for evaluation of a model with the classes `known`. The contents of all files must fit
/// into a cache of `cache` bytes.
pub(crate) fn find(path: &Path, purpose: Purpose, known: &[String], cache: u64) -> Result<Found> {
    let mut contents = Contents { files: HashMap::new(), left: cache, cache, texts: 0 };
    if path.as_os_str().is_empty() {
        return Err(Error::input("text: needs a file or a folder, as in text:reviews.tsv"));
    }
    let is_folder_of_classes = path.is_dir() && !folder::has_file_ending(path, list::EXTENSION)?;
    let collection = match is_folder_of_classes {
        false => lists(path, purpose, &mut contents)?,
        true => {
            let mut found = match purpose {
                Purpose::Training => folder::find(path, Medium::Text)?,
                Purpose::Evaluation => folder::find_measured(path, known, Medium::Text)?,
                Purpose::Description => folder::find_described(path, Medium::Text)?,
            };
            for part in &mut found.parts {
                part.listing = contents.lines_of(std::mem::take(&mut part.listing))?;
            }
            found
        }
    };
    Ok(Found { collection, contents })
}

/// Finds the texts in a file with a label in each line, or in a folder of such files, one for each part.
fn lists(path: &Path, purpose: Purpose, contents: &mut Contents) -> Result<Collection> {
    let (mut parts, mut unusable, mut usable) = (Vec::new(), Vec::new(), 0);
    for (part, place) in list::lists(path)? {
        let mut of_part = Labeled::default();
        for line in contents.lines(&place)? {
            match contents.labeled(&line) {
                Ok((text, label)) => {
                    of_part.add(text, label);
                    usable += 1;
                }
                Err(error) => unusable.push((line, error.to_string())),
            }
        }
        parts.push(LabeledPart { part, place, labeled: of_part });
    }
    if usable == 0 {
        let survey = Survey { unreadable: unusable, ..Survey::default() };
        refuse_unreadable(&survey, survey.unreadable.len(), "text")?;
        return Err(Error::input("has no texts").at(path.display()));
    }
    let mut collection = join(format!("text:{}", path.display()), parts, None, purpose)?;
    collection.survey.unreadable = unusable;
    Ok(collection)
}

impl Contents {
    /// Reads the file at `path`, and returns its lines that are not blank.
    fn lines(&mut self, path: &Path) -> Result<Vec<ImageFile>> {
        let file: Arc<Path> = path.into();
        if open(path)?.1 > self.left {
            let cache = self.cache as f64 / f64::from(1 << 20);
            let what = format!(
                "does not fit into the cache of {cache:.1} MiB with the files before it; raise it with --cache"
            );
            return Err(Error::input(what).at(path.display()));
        }
        let bytes = read_limited(path, self.left)?;
        self.left -= bytes.len() as u64;
        let found: Vec<ImageFile> = lines(&bytes)
            .take(MOST_TEXTS + 1 - self.texts)
            .map(|line| ImageFile::Member {
                file: file.clone(),
                name: line.number.to_string().into(),
                start: line.range.start as u64,
                length: line.range.len() as u64,
            })
            .collect();
        self.texts += found.len();
        if self.texts > MOST_TEXTS {
            let what = format!("the data set has more than {} texts, the limit", grouped(MOST_TEXTS as u64));
            return Err(Error::input(what).at(path.display()));
        }
        self.files.insert(file, bytes);
        Ok(found)
    }

    /// The lines of the files of a listing, each with the label of its file.
    fn lines_of(&mut self, files: Listing) -> Result<Listing> {
        let mut texts = Listing::default();
        for (file, label) in files.files.iter().zip(files.labels) {
            let ImageFile::File(path) = file else { unreachable!("folders list files") };
            texts.files.extend(self.lines(path)?);
            texts.labels.resize(texts.files.len(), label);
        }
        Ok(texts)
    }

    /// The bytes of a line.
    pub fn bytes(&self, line: &ImageFile) -> &[u8] {
        let ImageFile::Member { file, start, length, .. } = line else {
            unreachable!("texts are lines of files")
        };
        &self.files[file][*start as usize..][..*length as usize]
    }

    /// The text of a line.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn text(&self, line: &ImageFile) -> Result<&str> {
        decode(self.bytes(line))
    }

    /// Splits a line into its text and its label.
    fn labeled(&self, line: &ImageFile) -> Result<(ImageFile, &str)> {
        let (text, label) = labeled(self.text(line)?)?;
        let ImageFile::Member { file, name, start, .. } = line.clone() else {
            unreachable!("texts are lines of files")
        };
        Ok((ImageFile::Member { file, name, start, length: text.len() as u64 }, label))
    }
}
