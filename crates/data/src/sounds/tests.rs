//! Data sets of sounds, from files written by the tests.

use std::path::Path;

use super::*;
use crate::scratch::Scratch;
use crate::{Spec, Unreadable, describe, load as load_spec, load_for_evaluation};

/// A WAV file of a tone, in 16 bits.
fn tone(rate: u32, hertz: f64, seconds: f64) -> Vec<u8> {
    let sample = |n: u32| {
        let phase = std::f64::consts::TAU * hertz * f64::from(n) / f64::from(rate);
        (phase.sin() * 8_000.0) as i16
    };
    let samples: Vec<i16> = (0..(seconds * f64::from(rate)) as u32).map(sample).collect();
    striate_testkit::wav(rate, 1, &samples)
}

fn set(parts: &[&str]) -> Scratch {
    let folder = Scratch::new();
    for part in parts {
        for (class, hertz) in [("high", 900.0), ("low", 300.0)] {
            for number in 0..4 {
                let seconds = 0.2 + 0.1 * f64::from(number);
                let file = format!("{part}{class}/{number}.wav");
                folder.file(&file, &tone([8_000, 16_000][number as usize % 2], hertz, seconds));
            }
        }
    }
    folder
}

fn spec(folder: &Scratch) -> Spec {
    Spec::Audio(folder.path().into())
}

fn loaded(folder: &Scratch) -> Result<Dataset> {
    load_spec(&spec(folder), &LoadOptions::default())
}

fn values(split: &Split) -> &[f32] {
    let Pixels::Numbers(numbers) = &split.pixels else { panic!("sounds are numbers") };
    numbers
}

#[test]
fn encoding_follows_the_training_sounds() {
    let folder = set(&["train/", "test/"]);
    folder.file("train/low/notes.txt", b"x");
    let data = loaded(&folder).unwrap();
    let Some(Encoding::Sound(encoding)) = &data.encoding else { panic!("sounds have an encoding") };
    assert_eq!((encoding.sample_rate, encoding.samples), (16_000, 8_000));
    assert_eq!((data.train.shape, data.train.len()), ([1, 64, 51], 8));
    assert_eq!((&data.classes[..], data.evaluation().0), (&["high".to_owned(), "low".into()][..], "test"));
    let (mean, std) = data.train.moments().unwrap();
    assert!(mean[0].abs() < 1e-4 && (std[0] - 1.0).abs() < 1e-4, "{mean:?} {std:?}");
    let notes = data.survey.notes.join("\n");
    assert!(notes.contains("the sounds last 0.20 to 0.50 s; 0.5 s are used, which 0 of 8 exceed"), "{notes}");
    assert_eq!((data.survey.skipped[0].kind.as_str(), data.survey.parts.len()), ("txt", 2));
}

#[test]
fn options_fix_the_encoding() {
    let folder = set(&[""]);
    let sound = crate::SoundOptions { is_waveform: true, seconds: Some(0.25), ..Default::default() };
    let options = LoadOptions { sound, ..LoadOptions::default() };
    let data = load_spec(&spec(&folder), &options).unwrap();
    assert_eq!(data.train.shape, [1, 1, 2_000]);
    let options = LoadOptions { encoding: data.encoding.clone(), ..LoadOptions::default() };
    let again = load_spec(&spec(&folder), &options).unwrap();
    assert_eq!((values(&again.train), again.encoding), (values(&data.train), data.encoding));
    let wrong = crate::SoundOptions { sample_rate: Some(10), ..Default::default() };
    let error =
        load_spec(&spec(&folder), &LoadOptions { sound: wrong, ..LoadOptions::default() }).unwrap_err();
    assert!(error.to_string().contains("sample rate must be from"), "{error}");
}

#[test]
fn evaluation_takes_the_encoding_of_the_model() {
    let folder = set(&["train/", "test/"]);
    let data = loaded(&folder).unwrap();
    let options = LoadOptions { encoding: data.encoding.clone(), ..LoadOptions::default() };
    let same = |_: &[String], classes: &[String]| Ok((0..classes.len()).collect());
    let measured = load_for_evaluation(&spec(&folder), &data.classes, &options, same).unwrap();
    assert_eq!((measured.part, values(&measured.split)), ("test", values(data.test.as_ref().unwrap())));
    let described = describe(&spec(&folder), &LoadOptions::default()).unwrap();
    assert_eq!(described.fingerprint().unwrap(), data.fingerprint().unwrap());
    let only = set(&["test/"]);
    assert_eq!(describe(&spec(&only), &LoadOptions::default()).unwrap().parts.len(), 1);
}

#[test]
fn unreadable_sounds_are_refused_or_skipped() {
    let folder = set(&[""]);
    let whole = tone(8_000, 300.0, 0.2);
    folder.file("low/short.wav", &whole[..whole.len() - 9]);
    folder.file("low/song.m4a", b"....ftypM4A ");
    let error = loaded(&folder).unwrap_err();
    assert!(error.to_string().contains("2 of 10 sounds cannot be read, first "), "{error}");
    let notes = error.notes().join("\n");
    assert!(
        notes.contains("short.wav: damaged sound (truncated)") && notes.contains("song.m4a: not a sound")
    );
    let options = LoadOptions { unreadable: Unreadable::Skip, ..LoadOptions::default() };
    let data = load_spec(&spec(&folder), &options).unwrap();
    assert_eq!((data.train.len(), data.survey.unreadable.len()), (8, 2));
    assert_eq!(values(&data.train), values(&loaded(&set(&[""])).unwrap().train));
}

#[test]
fn sounds_that_exceed_the_cache_are_refused() {
    let options = LoadOptions { cache_bytes: 1_000, ..LoadOptions::default() };
    let error = load_spec(&spec(&set(&[""])), &options).unwrap_err().to_string();
    assert!(error.contains("8 sounds take 0.1 MiB as mono") && error.contains("--cache"), "{error}");
}

#[test]
fn folders_without_sounds_are_refused() {
    let folder = Scratch::new();
    folder.file("a/x.png", b"\x89PNG\r\n\x1a\n");
    folder.file("b/x.png", b"\x89PNG\r\n\x1a\n");
    let error = loaded(&folder).unwrap_err().to_string();
    assert!(error.contains("has no sounds; add some or remove the folder"), "{error}");
    assert!(load_spec(&Spec::Audio(Path::new("not-here").into()), &LoadOptions::default()).is_err());
}
