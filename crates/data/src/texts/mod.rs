//! Data sets of texts: the lines of files, held in memory as the places of their characters in an alphabet.

mod find;
#[cfg(test)]
mod tests;

use std::path::Path;

use rayon::prelude::*;
use striate_tensor::encoding::Encoding;
use striate_tensor::names::check_class_names;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, zeroed};
use striate_text::{Encoder, Statistics, TextEncoding};

use self::find::Contents;
pub(crate) use self::find::{Found, find};
use crate::evaluation::Measured;
use crate::images::{FoundPart, Purpose, digest, refuse_unreadable};
use crate::part::Part;
use crate::{Dataset, Described, Files, LoadOptions, PartSurvey, Pixels, Split, Survey, Unreadable};

/// The largest length that is chosen, in characters: that of Zhang, Zhao and LeCun, NIPS 2015.
const USUAL_LENGTH: usize = 1014;

/// Reads a set with a training part, or without parts.
pub(crate) fn load(path: &Path, options: &LoadOptions) -> Result<Dataset> {
    let Found { collection, contents } = find(path, Purpose::Training, &[], options.cache_bytes)?;
    let place = collection.parts[0].place.clone();
    check_class_names(collection.classes.iter().map(String::as_str)).map_err(|e| e.at(place.display()))?;
    let (name, classes) = (collection.name, collection.classes);
    let (parts, survey, encoding) = read(collection.parts, collection.survey, &contents, &classes, options)?;
    let [mut train, mut validation, mut test] = [None, None, None];
    for (part, split) in parts {
        let to = match part.unwrap_or(Part::Train) {
            Part::Train => &mut train,
            Part::Validation => &mut validation,
            Part::Test => &mut test,
        };
        *to = Some(split);
    }
    let train = train.ok_or_else(|| no_texts(&place))?;
    if let Some(class) = train.counts(classes.len()).iter().position(|count| *count == 0) {
        let what = format!("the class {} has no texts for training", classes[class]);
        return Err(Error::input(what).at(place.display()));
    }
    Ok(Dataset {
        name,
        classes,
        train,
        validation,
        test,
        preprocessing: None,
        predict: None,
        encoding: Some(Encoding::Text(encoding)),
        survey,
    })
}

/// Reads the last part, on which a model with the classes `known` is evaluated.
pub(crate) fn measure(path: &Path, known: &[String], options: &LoadOptions) -> Result<Measured> {
    let Found { mut collection, contents } = find(path, Purpose::Evaluation, known, options.cache_bytes)?;
    let last = collection.parts.pop().expect("there is a part");
    let (part, place, classes) = (last.name(), last.place.clone(), collection.classes);
    let (mut parts, survey, _) = read(vec![last], collection.survey, &contents, &classes, options)?;
    let (_, split) = parts.pop().ok_or_else(|| no_texts(&place))?;
    Ok(Measured { part, split, classes, preprocessing: None, survey })
}

/// Reads all parts, which need not include one for training.
pub(crate) fn describe(path: &Path, options: &LoadOptions) -> Result<Described> {
    let Found { collection, contents } = find(path, Purpose::Description, &[], options.cache_bytes)?;
    let (name, classes, place) = (collection.name, collection.classes, collection.parts[0].place.clone());
    let (parts, survey, _) = read(collection.parts, collection.survey, &contents, &classes, options)?;
    let parts: Vec<_> =
        parts.into_iter().map(|(part, split)| (part.map_or("train", Part::name), split)).collect();
    match parts.is_empty() {
        true => Err(no_texts(&place)),
        false => Ok(Described { name, classes, parts, survey }),
    }
}

fn no_texts(place: &Path) -> Error {
    Error::input("has no texts that can be read").at(place.display())
}

/// A part with its texts; `None` for a set without parts.
type ReadPart = (Option<Part>, Split);

/// Encodes the texts of all parts as that of `options`, or else as the first part suggests. Returns the parts with
/// texts.
fn read(
    parts: Vec<FoundPart>,
    mut survey: Survey,
    contents: &Contents,
    classes: &[String],
    options: &LoadOptions,
) -> Result<(Vec<ReadPart>, Survey, TextEncoding)> {
    let total = parts.iter().map(|part| part.listing.files.len()).sum::<usize>();
    let encoding = choose(&parts[0], contents, options, &mut survey)?;
    check_cache(total, &encoding, options)?;
    let encoder = Encoder::new(encoding.clone())?;
    let mut splits = Vec::new();
    let mut done = 0;
    let all = total + survey.unreadable.len();
    for found in parts {
        let (name, part, place) = (found.name(), found.part, found.place.clone());
        done += found.listing.files.len();
        let split = encode(found, contents, &encoder, &mut survey)?;
        options.watch.call(done, total);
        let missing = classes.iter().zip(split.counts(classes.len())).filter(|(_, count)| *count == 0);
        let missing: Vec<String> = missing.map(|(name, _)| name.clone()).collect();
        survey.parts.push(PartSurvey { name, folder: Some(place), count: split.len(), missing });
        splits.extend((!split.is_empty()).then_some((part, split)));
    }
    if options.unreadable == Unreadable::Refuse {
        refuse_unreadable(&survey, all, "text")?;
    }
    Ok((splits, survey, encoding))
}

/// Encodes the texts of a part on all cores; those that are not UTF-8 are left out and listed.
fn encode(found: FoundPart, contents: &Contents, encoder: &Encoder, survey: &mut Survey) -> Result<Split> {
    let length = encoder.encoding().length;
    let (mut files, mut labels, mut texts) = (vec![], vec![], vec![]);
    for (file, label) in found.listing.files.into_iter().zip(found.listing.labels) {
        match contents.text(&file) {
            Ok(text) => {
                files.push(file);
                labels.push(label);
                texts.push(text);
            }
            Err(error) => survey.unreadable.push((file, error.to_string())),
        }
    }
    let mut places = zeroed(length * texts.len()).map_err(|e| e.at(counted(texts.len(), "text")))?;
    let encoded = texts.par_iter().zip(places.par_chunks_exact_mut(length));
    let digests = encoded.map(|(text, to)| {
        encoder.write_places(text, to);
        digest(text.as_bytes())
    });
    let files = Some(Files::of_encoded(files, digests.collect()));
    Ok(Split { shape: encoder.encoding().output_shape(), pixels: Pixels::Characters(places), labels, files })
}

/// Chooses the encoding: that of `options`, or else what they leave open by the texts of `first`. What is decided, and
/// what is lost of these texts, is noted in the survey.
fn choose(
    first: &FoundPart,
    contents: &Contents,
    options: &LoadOptions,
    survey: &mut Survey,
) -> Result<TextEncoding> {
    let mut statistics = Statistics::default();
    let texts = first.listing.files.iter().filter_map(|line| contents.text(line).ok());
    texts.for_each(|text| statistics.add(text));
    let [shortest, longest] = statistics.lengths().ok_or_else(|| no_texts(&first.place))?;
    let (encoding, has_own_alphabet) = match &options.encoding {
        Some(Encoding::Text(encoding)) => (encoding.clone(), true),
        _ => {
            let own = &options.text;
            let length = own.length.unwrap_or(longest.min(USUAL_LENGTH));
            let alphabet = own.alphabet.clone().unwrap_or_else(|| statistics.alphabet());
            (TextEncoding { alphabet, length }, own.alphabet.is_some())
        }
    };
    if encoding.alphabet.is_empty() {
        return Err(Error::input("the texts have only white space, so they have no alphabet")
            .at(first.place.display()));
    }
    encoding.check()?;
    let length = encoding.length;
    let texts = first.part.map_or("the texts".to_owned(), |part| format!("the {} texts", part.name()));
    survey.notes.push(format!(
        "{texts} have {shortest} to {longest} characters; the first {length} are used, which {} of {} exceed \
         (data.length sets another length)",
        statistics.longer_than(length),
        statistics.texts()
    ));
    let outside = statistics.share_outside(&encoding.alphabet) * 100.0;
    let kept = encoding.alphabet.chars().count();
    let what = match (has_own_alphabet, statistics.distinct()) {
        (true, _) => "the alphabet is given".to_owned(),
        (false, count) if count == kept => {
            format!("the alphabet is all {} of {texts} in lower case", counted(count, "character"))
        }
        (false, count) => {
            format!("the alphabet is the {kept} most frequent of {count} characters of {texts} in lower case")
        }
    };
    survey.notes.push(format!(
        "{what}; of {texts}, {outside:.2} % of the characters are outside it, besides white space, and have no \
         plane (data.alphabet sets another alphabet)"
    ));
    Ok(encoding)
}

/// Refuses encoded texts that do not fit into the cache.
fn check_cache(count: usize, encoding: &TextEncoding, options: &LoadOptions) -> Result<()> {
    let bytes = encoding.length as u64 * count as u64;
    if bytes <= options.cache_bytes {
        return Ok(());
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Err(Error::input(format!(
        "{} of {} take {:.1} MiB, more than the cache of {:.1} MiB; raise it with --cache, or shorten the texts with --set \
         data.length=N",
        counted(count, "text"),
        counted(encoding.length, "character"),
        mib(bytes),
        mib(options.cache_bytes)
    )))
}
