//! Checks a folder of sounds: what cannot be decoded, duplicates, silence, sounds outside classes, imbalance.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use striate_sound::{decibels, decode};
use striate_tensor::file::read_limited;
use striate_tensor::{Error, Result};

use super::finding::{self, Copies, Finding, FindingKind, Severity};
use super::scan::{Place, Scan, scan};
use super::{Check, CheckProgress, classes, names, outside};
use crate::folder::file_kind;
use crate::images::MOST_BYTES;
use crate::{Medium, Spec};

/// Sounds below this loudness, in decibels relative to full scale, are reported as silent.
const SILENT: f64 = -60.0;

/// What a file contains.
enum Content {
    /// A sound, by the digest of its samples.
    Sound([u8; 32]),
    /// A sound that cannot be decoded.
    Faulty,
    /// Something else, by its kind.
    Other(String),
}

/// Checks the folder `root`.
pub(super) fn check(root: &Path, progress: &dyn CheckProgress) -> Result<Check> {
    let Scan { files: places, classes: class_names, sets, mut findings } = scan(root)?;
    progress.begin(places.len());
    let one = |place: &Place| {
        let file = content(&place.path);
        progress.checked();
        file
    };
    let files: Vec<(Content, Option<Finding>)> = places.par_iter().map(one).collect();
    progress.comparing();
    let are_sounds: Vec<bool> =
        files.iter().map(|(content, _)| !matches!(content, Content::Other(_))).collect();
    let is_explained = findings.iter().any(|finding| finding.severity == Severity::Error);
    if !is_explained && !are_sounds.contains(&true) {
        return Err(Error::input(format!("{}: has no sounds", Spec::Audio(root.to_owned()))));
    }
    findings.extend(files.iter().filter_map(|(_, finding)| finding.clone()));
    findings.extend(skipped(&places, &files));
    let outside = outside(&places, &are_sounds, !class_names.is_empty());
    findings.extend(outside);
    findings.extend(names::classes(&class_names));
    findings.extend(names::files(&places));
    let mut counts = vec![vec![0; class_names.len()]; sets.len()];
    let mut readable = 0;
    for (place, (content, _)) in places.iter().zip(&files) {
        let Content::Sound(_) = content else { continue };
        readable += 1;
        let set = sets.iter().position(|set| set.part == place.part);
        if let (Some(set), Some(class)) = (set, place.class) {
            counts[set][class] += 1;
        }
    }
    findings.extend(classes::balance(&sets, &class_names, &counts, Medium::Sound));
    findings.extend(duplicates(&places, &files));
    finding::sort(&mut findings);
    let parts = sets.iter().zip(&counts).map(|(set, counts)| {
        let name = set.part.map_or("all", |part| part.name());
        (name, counts.iter().sum())
    });
    let of_class = |class: usize| counts.iter().map(|counts| counts[class]).sum();
    Ok(Check {
        files: places.len(),
        images: are_sounds.iter().filter(|is_sound| **is_sound).count(),
        readable,
        parts: parts.collect(),
        classes: class_names
            .iter()
            .enumerate()
            .map(|(class, name)| (name.clone(), of_class(class)))
            .collect(),
        findings,
    })
}

/// Looks at one file.
fn content(path: &Path) -> (Content, Option<Finding>) {
    if !Medium::Sound.is_in(path) {
        return (Content::Other(file_kind(path)), None);
    }
    let found = |finding: Finding| Some(finding.of([path.to_owned()]));
    let bytes = match read_limited(path, MOST_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            return (Content::Faulty, found(Finding::error(FindingKind::Unreadable, error.to_string())));
        }
    };
    if bytes.is_empty() {
        return (Content::Faulty, found(Finding::error(FindingKind::Empty, "the file is empty")));
    }
    let sound = match decode(&bytes) {
        Ok(sound) => sound,
        Err(error) => {
            return (Content::Faulty, found(Finding::error(FindingKind::Corrupt, error.to_string())));
        }
    };
    let mut hash = Sha256::new();
    hash.update(sound.sample_rate.to_le_bytes());
    sound.samples.iter().for_each(|sample| hash.update(sample.to_le_bytes()));
    let loudness = decibels(&sound);
    let silence = (loudness < SILENT).then(|| {
        let what = format!("is silent: {loudness:.0} dB of full scale");
        Finding::warning(FindingKind::Blank, what).of([path.to_owned()])
    });
    (Content::Sound(hash.finalize().into()), silence)
}

/// The files that are not sounds, by kind.
fn skipped(places: &[Place], files: &[(Content, Option<Finding>)]) -> Vec<Finding> {
    let mut skipped: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for (place, (content, _)) in places.iter().zip(files) {
        if let Content::Other(kind) = content {
            skipped.entry(kind).or_default().push(place.path.clone());
        }
    }
    let finding = |(kind, paths): (&str, Vec<PathBuf>)| {
        Finding::information(FindingKind::Skipped, format!("not a sound ({kind})")).of(paths)
    };
    skipped.into_iter().map(finding).collect()
}

/// Sounds with the same samples: an error across parts or classes, else a warning.
fn duplicates(places: &[Place], files: &[(Content, Option<Finding>)]) -> Vec<Finding> {
    let mut groups: BTreeMap<[u8; 32], Vec<&Place>> = BTreeMap::new();
    for (place, (content, _)) in places.iter().zip(files) {
        if let Content::Sound(digest) = content {
            groups.entry(*digest).or_default().push(place);
        }
    }
    let several = groups.into_values().filter(|group| group.len() > 1);
    let finding = |group: Vec<&Place>| {
        let copies = Copies {
            across_parts: group.iter().any(|place| place.part != group[0].part),
            across_classes: group.iter().any(|place| place.class != group[0].class),
            distance: None,
        };
        let what = match (copies.across_parts, copies.across_classes) {
            (_, true) => "the same sound in several classes",
            (true, false) => "the same sound in several parts",
            (false, false) => "the same sound",
        };
        let severity = match copies.across_parts || copies.across_classes {
            true => Severity::Error,
            false => Severity::Warning,
        };
        let paths = group.iter().map(|place| place.path.clone());
        Finding { copies: Some(copies), ..Finding::new(severity, FindingKind::Duplicate, what).of(paths) }
    };
    several.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    struct Silent;

    impl CheckProgress for Silent {
        fn begin(&self, _: usize) {}
        fn checked(&self) {}
    }

    fn tone(pitch: i16, count: i16) -> Vec<u8> {
        let samples: Vec<i16> = (0..count).map(|n| n.wrapping_mul(pitch).wrapping_mul(97) / 4).collect();
        striate_testkit::wav(8_000, 1, &samples)
    }

    #[test]
    fn problems_of_sounds_are_named() {
        let folder = Scratch::new();
        for class in ["a", "b"] {
            for number in 0..12 {
                folder.file(
                    &format!("train/{class}/{number}.wav"),
                    &tone(number + 1, 400 + class.len() as i16),
                );
            }
        }
        let whole = tone(40, 400);
        folder.file("train/a/cut.wav", &whole[..whole.len() - 3]);
        folder.file("train/a/empty.wav", b"");
        folder.file("train/a/silent.wav", &striate_testkit::wav(8_000, 1, &[1; 400]));
        folder.file("train/a/notes.txt", b"x");
        folder.file("test/a/0.wav", &tone(1, 401));
        folder.file("test/b/1.wav", &tone(41, 400));
        let check = check(folder.path(), &Silent).unwrap();
        let found: Vec<(&str, FindingKind)> =
            check.findings.iter().map(|finding| (finding.severity.name(), finding.kind)).collect();
        for expected in [
            ("error", FindingKind::Empty),
            ("error", FindingKind::Corrupt),
            ("error", FindingKind::Duplicate),
            ("warning", FindingKind::Blank),
            ("information", FindingKind::Skipped),
        ] {
            assert!(found.contains(&expected), "{expected:?} in {found:?}");
        }
        assert_eq!((check.files, check.images, check.readable), (30, 29, 27));
        assert_eq!(check.parts, [("train", 25), ("test", 2)]);
        let error = super::check(Scratch::new().path(), &Silent).map(|check| check.findings);
        assert!(error.is_err() || !error.unwrap().is_empty());
    }
}
