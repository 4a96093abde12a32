//! Data sets of sounds: found by [`crate::folder`], decoded and encoded once, and held in memory as numbers.

mod length;
mod reader;

use striate_tensor::encoding::{Encoding, LogMel, SoundEncoding, SoundForm};
use striate_tensor::names::check_class_names;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

use self::length::Lengths;
use self::reader::Reader;
use crate::evaluation::Measured;
use crate::images::Collection;
use crate::part::Part;
use crate::{Dataset, Described, LoadOptions, Pixels, Split};

/// The sample rates of waveforms and of spectrograms, in Hz. The former is that of Dai et al., ICASSP 2017.
const WAVEFORM_RATE: u32 = 8_000;
const SPECTROGRAM_RATE: u32 = 16_000;
/// Bands of a spectrogram.
const MELS: usize = 64;

/// Reads a set with a training part, or without parts.
pub(crate) fn load(mut found: Collection, options: &LoadOptions) -> Result<Dataset> {
    let place = found.parts[0].place.clone();
    check_class_names(found.classes.iter().map(String::as_str)).map_err(|e| e.at(place.display()))?;
    let mut encoding = choose(&mut found, options)?;
    let mut reader = Reader::start(&mut found, &encoding, options)?;
    let Collection { name, classes, parts, .. } = found;
    let [mut train, mut validation, mut test] = [None, None, None];
    for part in parts {
        let to = match part.part.unwrap_or(Part::Train) {
            Part::Train => &mut train,
            Part::Validation => &mut validation,
            Part::Test => &mut test,
        };
        *to = Some(reader.read(part, &classes)?).filter(|split| !split.is_empty());
    }
    reader.refuse_unreadable()?;
    let none = || Error::input("has no sounds that can be read").at(place.display());
    let mut train = train.ok_or_else(none)?;
    if let Some(class) = train.counts(classes.len()).iter().position(|count| *count == 0) {
        let what = format!("none of the sounds of {} can be read", classes[class]);
        return Err(Error::input(what).at(place.display()));
    }
    if options.encoding.is_none() && encoding.form != SoundForm::Waveform {
        let (mean, std) = train.moments()?;
        (encoding.mean, encoding.std) = (mean[0], if std[0] < 1e-3 { 1.0 } else { std[0] });
        let parts = [Some(&mut train), validation.as_mut(), test.as_mut()];
        parts.into_iter().flatten().for_each(|split| normalize(split, &encoding));
    }
    Ok(Dataset {
        name,
        classes,
        train,
        validation,
        test,
        preprocessing: None,
        predict: None,
        encoding: Some(Encoding::Sound(encoding)),
        survey: reader.finish(),
    })
}

/// Reads the last part, on which a model is evaluated.
pub(crate) fn measure(mut found: Collection, options: &LoadOptions) -> Result<Measured> {
    let last = found.parts.pop().expect("there is a part");
    found.parts = vec![last];
    let encoding = choose(&mut found, options)?;
    let mut reader = Reader::start(&mut found, &encoding, options)?;
    let last = found.parts.remove(0);
    let (part, place) = (last.name(), last.place.clone());
    let split = reader.read(last, &found.classes)?;
    reader.refuse_unreadable()?;
    if split.is_empty() {
        return Err(Error::input("has no sounds that can be read").at(place.display()));
    }
    Ok(Measured { part, split, classes: found.classes, preprocessing: None, survey: reader.finish() })
}

/// Reads all parts, which need not include one for training.
pub(crate) fn describe(mut found: Collection, options: &LoadOptions) -> Result<Described> {
    if found.parts[0].part.is_none_or(|part| part == Part::Train) {
        return Ok(load(found, options)?.into());
    }
    let place = found.parts[0].place.clone();
    let encoding = choose(&mut found, options)?;
    let mut reader = Reader::start(&mut found, &encoding, options)?;
    let Collection { name, classes, parts, .. } = found;
    let mut splits = Vec::new();
    for part in parts {
        splits.push((part.name(), reader.read(part, &classes)?));
    }
    reader.refuse_unreadable()?;
    splits.retain(|(_, split)| !split.is_empty());
    match splits.is_empty() {
        true => Err(Error::input("has no sounds that can be read").at(place.display())),
        false => Ok(Described { name, classes, parts: splits, survey: reader.finish() }),
    }
}

/// Chooses the encoding: that of `options`, or else what they leave open by the sounds of the first part, without
/// normalization. What is decided is noted in the survey.
fn choose(found: &mut Collection, options: &LoadOptions) -> Result<SoundEncoding> {
    if let Some(Encoding::Sound(encoding)) = &options.encoding {
        encoding.check()?;
        return Ok(encoding.clone());
    }
    let own = options.sound;
    let usual = if own.is_waveform { WAVEFORM_RATE } else { SPECTROGRAM_RATE };
    let sample_rate = own.sample_rate.unwrap_or(usual);
    let seconds = match own.seconds {
        Some(seconds) => seconds,
        None => {
            let lengths = Lengths::of(&found.parts[0].listing.files, options);
            let seconds = lengths.usual();
            found.survey.notes.push(lengths.note(seconds));
            seconds
        }
    };
    let form = match own.is_waveform {
        true => SoundForm::Waveform,
        false => SoundForm::LogMel(LogMel::for_speech(own.mels.unwrap_or(MELS), sample_rate)),
    };
    let samples = (seconds * f64::from(sample_rate)).round() as usize;
    let encoding = SoundEncoding { sample_rate, samples, form, mean: 0.0, std: 1.0 };
    encoding.check()?;
    Ok(encoding)
}

fn normalize(split: &mut Split, encoding: &SoundEncoding) {
    if let Pixels::Numbers(numbers) = &mut split.pixels {
        numbers.iter_mut().for_each(|value| *value = (*value - encoding.mean) / encoding.std);
    }
}

/// Refuses encoded sounds that do not fit into the cache.
fn check_cache(count: usize, encoding: &SoundEncoding, options: &LoadOptions) -> Result<()> {
    let values = encoding.output_shape().iter().product::<usize>() as u64;
    let bytes = values * 4 * count as u64;
    if bytes <= options.cache_bytes {
        return Ok(());
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Err(Error::input(format!(
        "{} take {:.1} MiB as {encoding}, more than the cache of {:.0} MiB; raise it with --cache, or shorten the sounds \
         with --set data.seconds=S",
        counted(count, "sound"),
        mib(bytes),
        mib(options.cache_bytes)
    )))
}

#[cfg(test)]
mod tests;
