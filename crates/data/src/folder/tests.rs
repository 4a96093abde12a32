//! Image folders with typical layouts.

use std::fs;
use std::sync::Arc;

use striate_tensor::random::{Random, Stream};
use striate_vision::augment::Compose;
use striate_vision::{Image, decode, encode_png};

use super::*;
use crate::{Dataset, Described, LoadOptions, Split};

fn load(root: &Path, options: &LoadOptions) -> Result<Dataset> {
    find(root, Medium::Image)?.load(options)
}

fn describe(root: &Path, options: &LoadOptions) -> Result<Described> {
    find_described(root, Medium::Image)?.describe(options)
}
use crate::scratch::Scratch;
use crate::{
    Augmentation, Batch, Loader, Order, Pixels, Prepared, Sampling, Spec, Unreadable, dataset,
    load_for_evaluation,
};

fn png(width: usize, height: usize, color: [u8; 3]) -> Vec<u8> {
    encode_png(&Image::filled(width, height, color)).unwrap()
}

/// A folder with an image of 6×4 pixels at each of `paths`.
fn with_images(paths: &[&str]) -> Scratch {
    let folder = Scratch::new();
    for (i, path) in paths.iter().enumerate() {
        folder.file(path, &png(6, 4, [i as u8 * 20, 100, 200]));
    }
    folder
}

fn loaded(folder: &Scratch) -> Result<Dataset> {
    load(folder.path(), &LoadOptions::default())
}

fn failure(folder: &Scratch) -> String {
    let error = loaded(folder).unwrap_err();
    assert!(error.is_input() && !error.to_string().contains('\n'));
    error.to_string()
}

/// Index of each class by its exact name.
fn by_name(model: &[String], data: &[String]) -> Result<Vec<usize>> {
    let index = |name: &String| model.iter().position(|other| other == name);
    data.iter().map(|name| index(name).ok_or_else(|| Error::input(format!("no class {name}")))).collect()
}

fn evaluated(folder: &Scratch, classes: &[&str]) -> Result<crate::Evaluation> {
    let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
    let spec = Spec::Folder(folder.path().into());
    load_for_evaluation(&spec, &classes, &LoadOptions::default(), by_name)
}

fn counts(set: &Dataset) -> [Option<usize>; 3] {
    [Some(set.train.len()), set.validation.as_ref().map(Split::len), set.test.as_ref().map(Split::len)]
}

#[test]
fn parts_are_recognized_regardless_of_case_and_spelling() {
    for (train, validation, test) in [
        ("train", "val", "test"),
        ("Train", "VALID", "Test"),
        ("TRAINING", "Validation", "testing"),
        ("trn", "dev", "eval"),
        ("seg_train", "seg_val", "seg_test"),
        ("train_2024", "my_val", "test"),
    ] {
        let path = |part: &str, class: &str, i: usize| format!("{part}/{class}/{i}.png");
        let paths = [
            path(train, "cat", 0),
            path(train, "cat", 1),
            path(train, "dog", 0),
            path(validation, "cat", 0),
            path(validation, "dog", 0),
            path(test, "dog", 0),
        ];
        let folder = with_images(&paths.each_ref().map(String::as_str));
        let set = loaded(&folder).unwrap();
        assert_eq!(set.classes, ["cat", "dog"]);
        assert_eq!(counts(&set), [Some(3), Some(2), Some(1)], "{train} {validation} {test}");
        let parts: Vec<_> = set.survey.parts.iter().map(|part| (part.name, part.folder.clone())).collect();
        let expected = [("train", train), ("validation", validation), ("test", test)];
        assert_eq!(parts, expected.map(|(name, own)| (name, Some(folder.path().join(own)))));
        assert_eq!(set.survey.parts[2].missing, ["cat"]);
    }
}

#[test]
fn train_and_test_without_class_folders_are_not_classes() {
    let text = failure(&with_images(&["Train/a.png", "Test/b.png"]));
    assert!(text.contains("Train: has no class folders"), "{text}");
    let text = failure(&with_images(&["Test/cat/a.png", "Test/dog/b.png"]));
    assert!(text.contains("has a test part (Test) but no training part"), "{text}");
}

#[test]
fn class_named_train_is_accepted() {
    let set = loaded(&with_images(&["bus/a.png", "car/a.png", "train/a.png"])).unwrap();
    assert_eq!(set.classes, ["bus", "car", "train"]);
    let set = loaded(&with_images(&["beach/day/a.png", "train_station/day/a.png"])).unwrap();
    assert_eq!(set.classes, ["beach", "train_station"]);
}

#[test]
fn two_folders_for_one_part_are_refused_by_name() {
    let text = failure(&with_images(&["train/a/x.png", "Training/a/x.png", "train/b/x.png"]));
    assert!(text.contains("two folders for the train part: Training and train"), "{text}");
}

#[test]
fn class_folders_that_look_like_parts_are_refused() {
    let text =
        failure(&with_images(&["learn/cat/a.png", "learn/dog/a.png", "check/cat/a.png", "check/dog/a.png"]));
    assert!(
        text.contains(
            "[check, learn] look like parts, not classes: they contain only folders, named [cat, dog];"
        ),
        "{text}"
    );
    assert!(text.contains("rename them to train, val and test"), "{text}");
    // The smaller part may lack classes.
    let text = failure(&with_images(&["learn/cat/a.png", "learn/dog/a.png", "check/cat/a.png"]));
    assert!(text.contains("[check, learn] look like parts"), "{text}");
    // A single folder in each is a convention: Tiny ImageNet has CLASS/images.
    let set = loaded(&with_images(&["train/cat/images/a.png", "train/dog/images/a.png"])).unwrap();
    assert_eq!(set.classes, ["cat", "dog"]);
}

#[test]
fn enclosing_folder_is_entered_and_reported() {
    let paths = ["animals/train/cat/a.png", "animals/train/dog/a.png", "__MACOSX/animals/._a.png"];
    let set = loaded(&with_images(&paths)).unwrap();
    assert_eq!(set.classes, ["cat", "dog"]);
    assert!(set.survey.notes[0].contains("animals, the only folder in"), "{:?}", set.survey.notes);
    let set = loaded(&with_images(&["animals/cat/a.png", "animals/dog/a.png"])).unwrap();
    assert_eq!(set.classes, ["cat", "dog"]);
}

#[test]
fn other_files_are_skipped_and_counted() {
    let folder = with_images(&["train/9/deep/a.PNG", "train/10/deep/a.PNG", "train/10/b.dat"]);
    folder.file("train/.hidden/x.png", b"not an image");
    folder.file("train/9/.x.png", b"not an image");
    folder.file("train/9/notes.txt", b"BMW is not an image");
    folder.file("train/9/more.TXT", b"P5 is not an image");
    folder.file("train/9/Thumbs.db", b"");
    folder.file("train/10/@eaDir/a.PNG", b"not an image");
    folder.file("train/10/.ipynb_checkpoints/a.png", b"not an image");
    folder.file("train/readme", b"not an image");
    folder.file("labels/a.csv", b"");
    let set = loaded(&folder).unwrap();
    assert_eq!((set.classes, set.train.labels), (vec!["10".to_owned(), "9".into()], vec![0, 0, 1]));
    let skipped: Vec<_> =
        set.survey.skipped.iter().map(|skipped| (skipped.kind.as_str(), skipped.count)).collect();
    let expected =
        [("folder that is not a part", 1), ("hidden", 2), ("no extension", 1), ("system", 3), ("txt", 2)];
    assert_eq!(skipped, expected);
    assert_eq!(set.survey.skipped[4].first, folder.path().join("train/9/more.TXT"));
    assert_eq!(set.survey.sizes, Some([[4, 6], [4, 6]]));
}

#[test]
fn images_are_preprocessed_as_specified() {
    let folder = with_images(&["train/a/0.png", "train/b/1.png", "train/b/2.png", "val/a/3.png"]);
    let set = loaded(&folder).unwrap();
    assert_eq!((set.train.shape, set.evaluation().0), ([3, 4, 6], "validation"));
    assert_eq!(set.train.image(2).unwrap().pixel(0, 0), [40, 100, 200]);
    let own = Prepared::new(set.train, set.preprocessing.as_ref()).unwrap();
    let mut values = vec![0.0; 72];
    own.write(2, &mut values).unwrap();
    let outside = decode(&fs::read(folder.path().join("train/b/2.png")).unwrap()).unwrap();
    assert_eq!(striate_vision::network_input(&set.predict.unwrap(), &outside).unwrap(), ([3, 4, 6], values));
    assert_eq!(set.survey.notes, ["the validation part has no images of 1 of 2 classes: [b]"]);
}

#[test]
fn size_channels_and_steps_can_be_requested() {
    let folder = Scratch::new();
    for (class, side) in [("cat", 30), ("dog", 50)] {
        let gray = Image::filled(side, 40, [90; 3]).to_gray();
        folder.file(&format!("{class}/a.png"), &encode_png(&gray).unwrap());
    }
    let shape = |options: LoadOptions| load(folder.path(), &options).unwrap().train.shape;
    let usual = LoadOptions::default;
    assert_eq!(shape(usual()), [1, 224, 224]);
    assert_eq!(shape(LoadOptions { size: Some([16, 20]), ..usual() }), [1, 16, 20]);
    assert_eq!(shape(LoadOptions { size: Some([16, 16]), channels: Some(3), ..usual() }), [3, 16, 16]);
    let steps = Some(vec![striate_vision::Step::CenterCrop { height: 8, width: 9 }]);
    assert_eq!(shape(LoadOptions { steps, channels: Some(1), ..usual() }), [1, 8, 9]);
    let set = load(folder.path(), &usual()).unwrap();
    assert_eq!(set.survey.sizes, Some([[40, 30], [40, 50]]));
    assert!(set.validation.is_none() && set.test.is_none());
    assert!(set.survey.notes.is_empty(), "{:?}", set.survey.notes);
    let set = load(folder.path(), &LoadOptions { channels: Some(3), ..usual() }).unwrap();
    assert_eq!(set.survey.notes, ["converted to three channels: 2 gray images"]);
    let color = with_images(&["cat/a.png", "dog/a.png"]);
    let set = load(color.path(), &LoadOptions { channels: Some(1), ..usual() }).unwrap();
    assert_eq!(set.train.shape, [1, 4, 6]);
    assert_eq!(set.survey.notes, ["converted to gray: 2 color images"]);
    color.file("cat/gray.png", &encode_png(&Image::filled(6, 4, [90; 3]).to_gray()).unwrap());
    let set = load(color.path(), &usual()).unwrap();
    assert_eq!(set.survey.notes, ["converted to three channels: 1 gray image"]);
}

#[test]
fn all_unreadable_images_are_named_or_skipped() {
    let folder =
        with_images(&["train/a/0.png", "train/a/1.png", "train/b/2.png", "val/a/3.png", "val/b/4.png"]);
    let torn = folder.file("train/a/00torn.png", &png(6, 4, [0; 3])[..40]);
    let heic = folder.file("val/b/zebra.dat", b"\0\0\0\x18ftypheic\0\0\0\0");
    let large = folder.file("train/b/large.png", &png(200, 100, [0; 3]));
    let options = LoadOptions { max_pixels: 10_000, ..LoadOptions::default() };
    let error = load(folder.path(), &options).unwrap_err();
    assert!(error.is_input());
    let text = error.to_string();
    assert!(
        text.contains("3 of 8 images cannot be read, first") && text.contains("--skip-unreadable"),
        "{text}"
    );
    let notes = error.notes();
    for (note, path, why) in [
        (&notes[0], &torn, "damaged image"),
        (&notes[1], &large, "200x100 pixels, above the limit of 10000"),
        (&notes[2], &heic, "HEIC images are not supported"),
    ] {
        assert!(note.starts_with(path.to_str().unwrap()) && note.contains(why), "{note}");
    }
    let options = LoadOptions { unreadable: Unreadable::Skip, ..options };
    let set = load(folder.path(), &options).unwrap();
    assert_eq!((counts(&set), &set.train.labels[..]), ([Some(3), Some(2), None], &[0, 0, 1][..]));
    assert_eq!(set.train.image(0).unwrap().pixel(0, 0), [0, 100, 200]);
    assert_eq!(set.train.image(2).unwrap().pixel(0, 0), [40, 100, 200]);
    let skipped: Vec<_> = set.survey.unreadable.iter().map(|(path, _)| path).collect();
    assert_eq!(skipped, [torn, large, heic].map(ImageFile::File).each_ref());
    fs::write(folder.path().join("train/b/2.png"), "torn").unwrap();
    let text = load(folder.path(), &options).unwrap_err().to_string();
    assert!(text.contains("train: none of the images of b can be read"), "{text}");
}

#[test]
fn part_may_lack_classes_but_not_add_any() {
    let folder = with_images(&["train/a/0.png", "train/b/1.png", "test/b/2.png", "val/x.png"]);
    let set = loaded(&folder).unwrap();
    assert_eq!((counts(&set), set.test.unwrap().labels), ([Some(2), None, Some(1)], vec![1]));
    assert!(
        set.survey.notes[0].contains("val has no class folders and is skipped"),
        "{:?}",
        set.survey.notes
    );
    fs::create_dir(folder.path().join("test/new")).unwrap();
    let text = failure(&folder);
    assert!(
        text.contains(
            "training does not have: [new]; its classes are [b, new], but those of training are [a, b]"
        ),
        "{text}"
    );
}

#[test]
fn evaluation_accepts_a_test_part_or_only_classes() {
    let folder = with_images(&["Test/dog/0.png", "Test/dog/1.png"]);
    let found = evaluated(&folder, &["cat", "dog", "owl"]).unwrap();
    assert_eq!((found.part, &found.split.labels[..]), ("test", &[1, 1][..]));
    assert_eq!(found.missing, ["cat", "owl"]);
    let found = evaluated(&with_images(&["owl/0.png", "cat/1.png"]), &["cat", "dog", "owl"]).unwrap();
    assert_eq!(
        (found.part, &found.split.labels[..], &found.missing[..]),
        ("all", &[0, 2][..], &["dog".to_owned()][..])
    );
    // A single class is not an enclosing folder.
    let found = evaluated(&with_images(&["dog/day/0.png", "dog/night/1.png"]), &["cat", "dog"]).unwrap();
    assert_eq!(found.split.labels, [1, 1]);
    let all = with_images(&["train/cat/0.png", "train/dog/0.png", "val/dog/0.png", "test/loose.png"]);
    assert_eq!(evaluated(&all, &["cat", "dog"]).unwrap().part, "validation");
    let error = evaluated(&with_images(&["cat/0.png", "emu/1.png"]), &["cat", "dog"]).unwrap_err();
    assert!(error.to_string().contains("no class emu"), "{error}");
    let error = evaluated(&with_images(&["0.png"]), &["cat"]).unwrap_err();
    assert!(error.to_string().contains("has no class folders"), "{error}");
    let empty = with_images(&["train/cat/0.png"]);
    fs::create_dir_all(empty.path().join("test/cat")).unwrap();
    let error = evaluated(&empty, &["cat"]).unwrap_err().to_string();
    assert!(error.ends_with("test: has no images; add some or remove the folder"), "{error}");
}

#[test]
fn invalid_folders_are_refused() {
    let folder = with_images(&["train/a/0.png", "train/b/1.png"]);
    fs::create_dir(folder.path().join("train/new")).unwrap();
    assert!(failure(&folder).contains("new: has no images; add some or remove the folder"));
    let empty = Scratch::new();
    assert!(failure(&empty).contains("has no class folders"));
    fs::create_dir(empty.path().join("only")).unwrap();
    assert!(failure(&empty).contains("has only one class folder, only"));
    let text = failure(&with_images(&["cat/0.png", "dog\u{202e}/1.png"]));
    assert!(text.contains("U+202E, which cannot be shown; rename it"), "{text}");
}

#[cfg(unix)]
#[test]
fn link_cycles_are_refused_in_bounded_time() {
    let folder = with_images(&["a/0.png", "b/1.png"]);
    for name in ["x", "y", "z"] {
        std::os::unix::fs::symlink(folder.path().join("a"), folder.path().join("a").join(name)).unwrap();
    }
    assert!(failure(&folder).contains("is there a link to a parent folder?"));
}

#[test]
fn part_folders_are_recognized_in_common_spellings() {
    for (train, test) in [
        ("train", "test"),
        ("Train", "Testing"),
        ("train_set", "test_set"),
        ("training-images", "validation_data"),
        ("trainset", "testset"),
        ("seg_train", "seg_test"),
        ("train_10k", "val_10k"),
        ("train", "test_set"),
        ("train/train", "test/Test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("training_set/training_set", "test_set/test_set"),
    ] {
        let paths =
            [(train, "a"), (train, "b"), (test, "a")].map(|(part, class)| format!("{part}/{class}/0.png"));
        let set = loaded(&with_images(&paths.each_ref().map(String::as_str)))
            .unwrap_or_else(|e| panic!("{train}: {e}"));
        assert_eq!((set.classes.len(), set.train.len()), (2, 2), "{train}");
        assert_eq!(set.evaluation().1.len(), 1, "{test}");
        assert!(set.survey.skipped.is_empty(), "{:?}", set.survey.skipped);
    }
}

/// Complete data sets next to each other, and classes that are split separately.
#[test]
fn parts_within_class_folders_are_refused() {
    for (paths, parts, classes) in [
        (
            &["a/train/x/0.png", "a/test/x/0.png", "b/train/y/0.png", "b/test/y/0.png"][..],
            "[test, train]",
            "[a, b]",
        ),
        (&["a/Train/0.png", "b/Train/0.png", "a/1.png"], "[Train]", "[a, b]"),
        (&["a/train/0.png", "b/val/0.png"], "[train, val]", "[a, b]"),
        (&["a/train/0.png", "b/1.png"], "[train]", "[a]"),
    ] {
        let folder = with_images(paths);
        let text = failure(&folder);
        assert!(
            text.contains(&format!("there are parts ({parts}) in {classes}; if these are data sets, choose")),
            "{text}"
        );
        assert!(text.contains(folder.path().join("a").to_str().unwrap()), "{text}");
        let first = parts.trim_matches(['[', ']']).split(", ").next().unwrap();
        assert!(
            text.ends_with(&format!("if they are classes, move the parts above them, such as {first}/a")),
            "{text}"
        );
    }
    // A class of vehicles.
    let vehicles = with_images(&["a/train/0.png", "a/bus/0.png", "b/day/0.png"]);
    assert_eq!(loaded(&vehicles).unwrap().classes, ["a", "b"]);
}

#[test]
fn images_in_subfolders_of_class_folders_are_reported() {
    for (paths, note) in [
        (
            &["a/apple/0.png", "a/pear/0.png", "b/apple/0.png", "b/plum/0.png"][..],
            "images come from 4 subfolders of the class folders, first a/apple",
        ),
        (
            &["a/0.png", "a/in/1.png", "b/2.png"],
            "images also come from a subfolder of the class folders, first a/in",
        ),
        (
            &["train/a/0.png", "train/b/0.png", "test/b/new/1.png", "test/b/old/2.png"],
            "images also come from 2 subfolders of the class folders, first test/b/new",
        ),
    ] {
        let set = loaded(&with_images(paths)).unwrap();
        assert_eq!(set.classes, ["a", "b"]);
        assert!(set.survey.notes.iter().any(|own| own == note), "{:?}", set.survey.notes);
    }
    let set = loaded(&with_images(&["a/0.png", "b/0.png"])).unwrap();
    assert!(set.survey.notes.is_empty(), "{:?}", set.survey.notes);
}

#[test]
fn set_without_training_part_can_be_described() {
    let folder = with_images(&["Test/dog/0.png", "Test/emu/1.png", "val/cat/2.png", "val/dog/3.png"]);
    let set = describe(folder.path(), &LoadOptions::default()).unwrap();
    assert_eq!(set.classes, ["cat", "dog", "emu"]);
    let parts: Vec<_> = set.parts.iter().map(|(name, split)| (*name, split.labels.clone())).collect();
    assert_eq!(parts, [("validation", vec![0, 1]), ("test", vec![1, 2])]);
    assert_eq!(set.parts[1].1.image(1).unwrap().pixel(0, 0), [20, 100, 200]);
    assert_eq!(
        set.survey.notes[0],
        "no training part, only val and Test; `eval` accepts this, `train` does not"
    );
    assert_eq!(set.fingerprint().unwrap().len(), 64);
    let whole = with_images(&["train/a/0.png", "train/b/1.png", "test/a/2.png"]);
    let described = describe(whole.path(), &LoadOptions::default()).unwrap();
    let set = loaded(&whole).unwrap();
    assert_eq!(described.fingerprint().unwrap(), set.fingerprint().unwrap());
    assert_eq!(described, set.into());
}

#[test]
fn parts_without_classes_or_readable_images_cannot_be_described() {
    let error = |folder: &Scratch| describe(folder.path(), &LoadOptions::default()).unwrap_err().to_string();
    let text = error(&with_images(&["test/0.png"]));
    assert!(text.contains("its parts have no class folders"), "{text}");
    let empty = Scratch::new();
    fs::create_dir_all(empty.path().join("test/a")).unwrap();
    let text = error(&empty);
    assert!(text.ends_with("has no images that can be read"), "{text}");
}

/// Batches of an epoch with augmentation.
fn batches(set: &Dataset) -> Vec<Batch> {
    let prepared = Prepared::new(set.train.clone(), set.preprocessing.as_ref()).unwrap();
    let order = Order::Shuffled(1);
    let sampling =
        Sampling { batch: 2, min_last: 0, order, augmentation: Augmentation::ShiftFlip(1), seed: 1 };
    let mut loader = Loader::new(Arc::new(prepared), sampling, 0, 0);
    (0..3).map(|_| loader.next_batch().unwrap()).collect()
}

/// Images that exceed the cache are decoded whenever they are needed, and everything else is as with those in memory.
#[test]
fn cache_changes_nothing_but_memory() {
    let color = with_images(&["train/a/0.png", "train/b/1.png", "train/b/2.png", "test/a/3.png"]);
    color.file("train/a/torn.png", &png(6, 4, [0; 3])[..40]);
    let gray = Scratch::new();
    for (path, level) in [("a/0.png", 10), ("a/1.png", 90), ("b/2.png", 200)] {
        gray.file(path, &encode_png(&Image::filled(6, 4, [level; 3]).to_gray()).unwrap());
    }
    for (folder, shape) in [(&color, [3, 4, 6]), (&gray, [1, 4, 6])] {
        let set = |cache_bytes| {
            let options = LoadOptions { cache_bytes, unreadable: Unreadable::Skip, ..LoadOptions::default() };
            load(folder.path(), &options).unwrap()
        };
        let (held, decoded) = (set(1 << 20), set(0));
        assert!(matches!(held.train.pixels, Pixels::Bytes(_)));
        assert!(matches!(decoded.train.pixels, Pixels::Files));
        assert!(
            decoded.survey.notes[0].contains("more than the cache of 0 MiB"),
            "{:?}",
            decoded.survey.notes
        );
        assert_eq!((decoded.train.shape, held.train.shape), (shape, shape));
        assert_eq!(decoded.fingerprint().unwrap(), held.fingerprint().unwrap());
        assert_eq!(dataset::fingerprint_of(&decoded).unwrap(), held.fingerprint().unwrap());
        assert_eq!(decoded.preprocessing, held.preprocessing);
        assert_eq!(decoded.train.moments().unwrap(), held.train.moments().unwrap());
        assert_eq!(decoded.survey.unreadable, held.survey.unreadable);
        assert_eq!(decoded.train.image(1).unwrap(), held.train.image(1).unwrap());
        assert_eq!(batches(&decoded), batches(&held));
    }
}

/// Transforms see the original image, and give the same pixels whatever thread computes them.
#[test]
fn original_images_are_transformed() {
    let folder = Scratch::new();
    for class in ["a", "b"] {
        let mut image = Image::filled(30, 20, [0; 3]);
        image.pixels_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7 % 256) as u8);
        for number in 0..3 {
            folder.file(&format!("{class}/{number}.png"), &encode_png(&image).unwrap());
        }
    }
    let options = LoadOptions { size: Some([8, 8]), keeps_originals: true, ..LoadOptions::default() };
    let set = load(folder.path(), &options).unwrap();
    let prepared = Arc::new(Prepared::new(set.train, set.preprocessing.as_ref()).unwrap());
    let transforms: Compose =
        serde_json::from_str(r#"[{"name": "RandomCrop", "size": [8, 8]}, {"name": "RandomHorizontalFlip"}]"#)
            .unwrap();
    prepared.check_transforms(&transforms).unwrap();
    let augmentation = Augmentation::Transforms(transforms.clone());
    let sampling = Sampling { batch: 6, min_last: 0, order: Order::AsStored, augmentation, seed: 9 };
    let mut loader = Loader::new(prepared.clone(), sampling, 0, 0);
    for epoch in 0..2 {
        let batch = loader.next_batch().unwrap();
        let mut expected = vec![0.0; 3 * 8 * 8];
        for (index, image) in batch.images.chunks_exact(expected.len()).enumerate() {
            let mut random = Random::new(9, Stream::Augmentation, epoch << 32 | index as u64);
            prepared.write_transformed(index, &transforms, &mut random, &mut expected).unwrap();
            assert_eq!(image, expected, "epoch {epoch}, image {index}");
        }
        // Crops come from the original image, not from the resized one.
        prepared.write(0, &mut expected).unwrap();
        assert_ne!(batch.images[..expected.len()], expected);
    }
}
