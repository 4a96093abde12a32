//! Data sets of texts, from files written by the tests.

use super::*;
use crate::scratch::Scratch;
use crate::{Spec, TextOptions, describe as describe_spec, load as load_spec, load_for_evaluation};

/// A folder of two classes with a training and a test part.
fn set() -> Scratch {
    let folder = Scratch::new();
    folder.file("train/greek/a.txt", "αβγ δ\n\nβα\n".as_bytes());
    folder.file("train/latin/a.txt", b"\xef\xbb\xbfAb c\r\nb");
    folder.file("train/latin/b.txt", b"cc\n");
    folder.file("train/latin/notes.md", b"x");
    folder.file("test/greek/a.txt", "γ?".as_bytes());
    folder.file("test/latin/a.txt", b"c\nba\n");
    folder
}

fn spec(folder: &Scratch) -> Spec {
    Spec::Text(folder.path().into())
}

fn loaded(folder: &Scratch) -> Result<Dataset> {
    load_spec(&spec(folder), &LoadOptions::default())
}

fn places(split: &Split) -> &[u8] {
    let Pixels::Characters(places) = &split.pixels else { panic!("texts are characters") };
    places
}

#[test]
fn encoding_follows_the_training_texts() {
    let folder = set();
    let data = loaded(&folder).unwrap();
    let expected = TextEncoding { alphabet: "abcαβγδ".into(), length: 5 };
    assert_eq!(data.encoding, Some(Encoding::Text(expected)));
    assert_eq!((data.train.shape, &data.train.labels[..]), ([7, 1, 5], &[0, 0, 1, 1, 1][..]));
    assert_eq!(places(&data.train)[..10], [7, 0, 6, 5, 4, 4, 5, 0, 0, 0]);
    assert_eq!(places(data.test.as_ref().unwrap())[..5], [0, 6, 0, 0, 0]);
    let notes = data.survey.notes.join("\n");
    assert!(
        notes.contains("train texts have 1 to 5 characters; the first 5 are used, which 0 of 5 exceed"),
        "{notes}"
    );
    assert!(notes.contains("the alphabet is all 7 characters of the train texts in lower case"), "{notes}");
    assert_eq!(data.survey.skipped[0].kind, "md");
    let files = data.train.files.as_ref().unwrap();
    assert!(files.list()[1].to_string().ends_with("train/greek/a.txt:3"), "{}", files.list()[1]);
    assert_eq!(files.list()[2].read().unwrap(), b"Ab c");
}

#[test]
fn lists_give_what_a_folder_gives() {
    let folder = Scratch::new();
    let train = "αβγ δ\tgreek\nβα\tgreek\nAb c\tlatin\nb\tlatin\ncc\tlatin\n";
    folder.file("train.tsv", train.as_bytes());
    folder.file("test.tsv", "γ?\tgreek\nc\tlatin\nba\tlatin".as_bytes());
    let (of_folder, of_lists) = (loaded(&set()).unwrap(), loaded(&folder).unwrap());
    assert_eq!(of_folder.fingerprint().unwrap(), of_lists.fingerprint().unwrap());
    let single = load_spec(&Spec::Text(folder.path().join("train.tsv")), &LoadOptions::default()).unwrap();
    assert_eq!((places(&single.train), &single.test), (places(&of_lists.train), &None));
    let described = describe_spec(&spec(&folder), &LoadOptions::default()).unwrap();
    assert_eq!(described.fingerprint().unwrap(), of_lists.fingerprint().unwrap());
}

#[test]
fn options_fix_the_encoding() {
    let text = TextOptions { length: Some(2), alphabet: Some("cβ".into()) };
    let options = LoadOptions { text, ..LoadOptions::default() };
    let data = load_spec(&spec(&set()), &options).unwrap();
    assert_eq!((data.train.shape, places(&data.train)), ([2, 1, 2], &[2, 0, 0, 2, 0, 0, 0, 0, 1, 1][..]));
    let notes = data.survey.notes.join("\n");
    assert!(notes.contains("the first 2 are used, which 2 of 5 exceed"), "{notes}");
    assert!(
        notes.contains("the alphabet is given; of the train texts, 58.33 % of the characters"),
        "{notes}"
    );
    let options = LoadOptions { encoding: data.encoding.clone(), ..LoadOptions::default() };
    let same = |_: &[String], classes: &[String]| Ok((0..classes.len()).collect());
    let measured = load_for_evaluation(&spec(&set()), &data.classes, &options, same).unwrap();
    assert_eq!((measured.part, measured.split.len()), ("test", 3));
    assert_eq!(places(&measured.split), places(data.test.as_ref().unwrap()));
    let text = TextOptions { alphabet: Some("aA".into()), ..TextOptions::default() };
    let error = load_spec(&spec(&set()), &LoadOptions { text, ..LoadOptions::default() }).unwrap_err();
    assert!(error.to_string().contains("use its lower case"), "{error}");
}

#[test]
fn unusable_lines_are_refused_or_skipped() {
    let folder = Scratch::new();
    let file = folder.file("all.tsv", b"a\tx\nb\ty\nno label\nc\t\n\xff\tx\n");
    let read = |unreadable| {
        load_spec(&Spec::Text(file.clone()), &LoadOptions { unreadable, ..LoadOptions::default() })
    };
    let error = read(Unreadable::Refuse).unwrap_err();
    let notes = error.notes().join("\n");
    assert!(
        error.to_string().contains("3 of 5 texts cannot be read") && notes.contains("all.tsv:3: has no tab")
    );
    assert!(notes.contains("all.tsv:4: the label") && notes.contains("all.tsv:5: is not UTF-8"), "{notes}");
    let data = read(Unreadable::Skip).unwrap();
    assert_eq!((data.train.len(), data.survey.unreadable.len()), (2, 3));
    folder.file("all.tsv", b"no tabs\nat all\n");
    let error = read(Unreadable::Skip).unwrap_err().to_string();
    assert!(
        error.contains("2 of 2 texts cannot be read") && error.contains("all.tsv:1: has no tab"),
        "{error}"
    );
}

#[test]
fn texts_that_exceed_the_cache_are_refused() {
    let folder = set();
    for (cache_bytes, reason) in
        [(4, "does not fit into the cache"), (39, "8 texts of 5 characters take 0.0 MiB")]
    {
        let error =
            load_spec(&spec(&folder), &LoadOptions { cache_bytes, ..LoadOptions::default() }).unwrap_err();
        assert!(error.to_string().contains(reason) && error.to_string().contains("--cache"), "{error}");
    }
}

#[test]
fn sets_without_texts_are_refused() {
    let folder = Scratch::new();
    folder.file("a/x.png", b"x");
    folder.file("b/x.txt", b"x");
    assert!(loaded(&folder).unwrap_err().to_string().contains("has no texts; add some or remove the folder"));
    folder.file("a/x.txt", b"\n \n");
    assert!(loaded(&folder).unwrap_err().to_string().contains("the class a has no texts for training"));
    folder.file("b/x.txt", b"\n");
    assert!(loaded(&folder).unwrap_err().to_string().contains("no texts that can be read"));
    assert!(load_spec(&Spec::Text("not-here.tsv".into()), &LoadOptions::default()).unwrap_err().is_input());
    assert!(load_spec(&Spec::Text("".into()), &LoadOptions::default()).is_err());
}
