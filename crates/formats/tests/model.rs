//! The model file: everything is read back, and inconsistent files are refused with one line.

use std::collections::HashMap;

use proptest::prelude::*;
use striate_engine::Inference;
use striate_formats::{
    Data, Evaluation, Golden, Integrity, ModelFile, Weights, check_weights, pytorch_bytes, read_safetensors,
    read_safetensors_bytes, read_weights, safetensors_bytes,
};
use striate_graph::{Builder, Network};
use striate_tensor::Shape;
use striate_tensor::encoding::{Encoding, SoundEncoding, SoundForm, TextEncoding};
use striate_tensor::names::check_class_names;
use striate_tensor::preprocessing::{Preprocessing, Step};

mod common;

fn network() -> Network {
    let net = Builder::new("small", [1, 4, 4]);
    let x = net.input().conv(2, 3).named("conv1").batch_norm().relu().flatten().linear(3).named("fc");
    x.finish().unwrap()
}

fn weights() -> Weights {
    let filled = |(name, shape): (String, Shape)| {
        let values = (0..shape.numel()).map(|i| i as f32 - 0.25).collect();
        (name, (shape, values))
    };
    network().variables().unwrap().into_iter().map(filled).collect()
}

fn form(steps: Vec<Step>) -> Preprocessing {
    Preprocessing { channels: 1, steps, mean: vec![0.1], std: vec![1e-9], features: None }
}

fn model() -> ModelFile {
    ModelFile {
        network: network(),
        classes: ["Hund", "chat", "猫"].map(String::from).to_vec(),
        preprocessing: Some(form(vec![])),
        predict: Some(form(vec![Step::CenterCrop { height: 4, width: 4 }])),
        encoding: None,
        evaluation: Some(Evaluation {
            part: "test".into(),
            n: 359,
            top1_error: 1.0 / 3.0,
            top5_error: 0.0,
            loss: 1e-7,
        }),
        data: Some(Data { spec: "digits".into(), fingerprint: "00ff".into() }),
        recipe: Some("[optim]\nlr = 0.1\n".into()),
        golden: Some(Golden {
            input: (Shape::from([1, 1, 4, 4]), vec![0.5; 16]),
            output: (Shape::from([1, 3]), vec![1.0, -0.0, f32::MIN_POSITIVE / 2.0]),
        }),
        weights: weights(),
    }
}

fn load(bytes: &[u8], name: &str) -> striate_tensor::Result<ModelFile> {
    let folder = common::Folder::new(name);
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    ModelFile::load(&path)
}

/// The model's file with tensors and metadata modified by `change`.
fn tampered(change: impl FnOnce(&mut Weights, &mut HashMap<String, String>)) -> Vec<u8> {
    let (mut tensors, mut metadata) = read_safetensors_bytes(&model().to_bytes().unwrap()).unwrap();
    change(&mut tensors, &mut metadata);
    safetensors_bytes(&tensors, metadata).unwrap()
}

proptest! {
    /// A model file is written and read back with any class names that training accepts; names that it
    /// refuses are not written either.
    #[test]
    fn written_class_names_are_read_back(
        mut names in prop::collection::vec(prop_oneof![".{0,40}", "[a-z\"\\\\/ ]{0,9}", "é{490,510}", "\\PC{1,9}"], 3),
        odd in prop_oneof![Just(None), any::<char>().prop_map(Some)],
    ) {
        names[1].extend(odd);
        let allowed = check_class_names(names.iter().map(String::as_str)).is_ok();
        let written = ModelFile { classes: names.clone(), ..model() }.to_bytes();
        prop_assert_eq!(allowed, written.is_ok());
        if let Ok(bytes) = written {
            prop_assert_eq!(ModelFile::from_bytes(&bytes).unwrap().classes, names);
        }
    }
}

/// The same for a file from a version without a digest.
fn changed(change: impl FnOnce(&mut Weights, &mut HashMap<String, String>)) -> Vec<u8> {
    tampered(|tensors, metadata| {
        metadata.remove("digest").unwrap();
        change(tensors, metadata);
    })
}

#[test]
fn model_round_trip_is_complete() {
    let folder = common::Folder::new("model");
    let path = folder.path().join("model.safetensors");
    let bare = ModelFile { evaluation: None, data: None, recipe: None, golden: None, ..model() };
    for model in [model(), bare] {
        model.save(&path).unwrap();
        assert_eq!(ModelFile::load(&path).unwrap(), model);
        assert_eq!(std::fs::read(&path).unwrap(), model.to_bytes().unwrap(), "the same bytes each time");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn file_holds_golden_pair_and_program() {
    let (tensors, metadata) = read_safetensors_bytes(&model().to_bytes().unwrap()).unwrap();
    assert_eq!(tensors["golden.input"].1, [0.5; 16]);
    assert_eq!(tensors.len(), weights().len() + 2);
    assert!(metadata["program"].starts_with("striate "));
}

#[test]
fn weights_alone_are_refused_with_advice() {
    let bytes = safetensors_bytes(&weights(), HashMap::new()).unwrap();
    let error = load(&bytes, "alone").unwrap_err();
    let line = error.to_string();
    assert!(
        error.is_input()
            && line.contains("`striate convert` and --model NAME")
            && line.contains("model.safetensors"),
        "{line}"
    );
}

/// A PyTorch file with the extension of another kind of file is read correctly, and the advice works.
#[test]
fn files_are_recognized_by_content_not_by_name() {
    let bytes = pytorch_bytes(&weights()).unwrap();
    let line = load(&bytes, "pytorch").unwrap_err().to_string();
    assert!(
        line.contains("model.safetensors ") && line.contains("model.model.safetensors --model"),
        "{line}"
    );
    let folder = common::Folder::new("named");
    for name in ["model.safetensors", "model.caffemodel", "model.pth", "model.tar"] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read_weights(&path).unwrap().weights, weights(), "{name}");
    }
    for name in ["model.pth", "model.onnx.bin", "model"] {
        let path = folder.path().join(name);
        model().save(&path).unwrap();
        assert_eq!(ModelFile::load(&path).unwrap(), model(), "{name}");
        assert!(read_weights(&path).unwrap().model.is_some(), "{name}");
    }
    for (name, content, words) in [
        ("page.pth", &b"<!DOCTYPE html><html>"[..], "page.pth: is a web page"),
        ("keras.pth", b"\x89HDF\r\n\x1a\n", "keras.pth: is an HDF5 file"),
        ("pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ("words.txt", b"words", "words.txt: is not a weights file; supported: .safetensors"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let error = read_weights(&path).unwrap_err();
        assert!(error.is_input() && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn digest_covers_everything_that_is_read() {
    let folder = common::Folder::new("digest");
    let path = folder.path().join("model.safetensors");
    model().save(&path).unwrap();
    assert_eq!(ModelFile::load_checked(&path).unwrap(), (model(), Integrity::Whole));
    std::fs::write(&path, changed(|_, _| ())).unwrap();
    assert_eq!(ModelFile::load_checked(&path).unwrap(), (model(), Integrity::Weights));

    let refused = |what: &str, bytes: Vec<u8>| {
        let line = load(&bytes, "tampered").expect_err(what).to_string();
        assert!(line.contains("does not match its digest"), "{what}: {line}");
    };
    let other = [
        ("program", "striate 0"),
        ("classes", r#"["Hund","chat","perro"]"#),
        ("preprocessing", "null"),
        ("predict", "null"),
        ("evaluation", r#"{"part":"test","n":359,"top1_error":0.0,"top5_error":0.0,"loss":0.0}"#),
        ("data", r#"{"spec":"mnist","fingerprint":"00ff"}"#),
        ("recipe", ""),
    ];
    for (key, text) in other {
        refused(key, tampered(|_, metadata| drop(metadata.insert(key.into(), text.into()))));
    }
    for key in ["program", "evaluation", "data", "recipe"] {
        refused(key, tampered(|_, metadata| drop(metadata.remove(key))));
    }
    let network = network().to_text().replace("relu", "tanh");
    refused("network", tampered(|_, metadata| drop(metadata.insert("network".into(), network))));
    for name in ["golden.input", "golden.output"] {
        refused(name, tampered(|tensors, _| tensors.get_mut(name).unwrap().1[0] += 1.0));
    }
    refused("golden pair", tampered(|tensors, _| tensors.retain(|name, _| !name.starts_with("golden."))));
    refused("digest", tampered(|_, metadata| drop(metadata.insert("digest".into(), "0".repeat(64)))));
    // Additions by other tools are not read, so they may change.
    let added = tampered(|_, metadata| drop(metadata.insert("format".into(), "pt".into())));
    assert_eq!(load(&added, "added").unwrap(), model());
}

#[test]
fn unreadable_model_files_are_not_written() {
    let refused = |change: &dyn Fn(&mut ModelFile), words: &str| {
        let mut model = model();
        change(&mut model);
        let line = model.to_bytes().expect_err(words).to_string();
        assert!(line.starts_with("the model cannot be written: ") && line.contains(words), "{line}");
    };
    refused(&|model| model.classes[1] = "a\x1b[2J".into(), "has the character U+001B, which cannot be shown");
    refused(&|model| model.classes[2] = "\u{202e}txt".into(), "has the character U+202E");
    refused(&|model| model.classes[0] = "x".repeat(1001), "has 1001 bytes; shorten it");
    refused(&|model| drop(model.classes.pop()), "2 class names for 3 outputs");
    refused(&|model| drop(model.weights.remove("fc.bias")), "1 parameter missing, first fc.bias");
    refused(&|model| model.weights.get_mut("fc.bias").unwrap().1[0] = f32::NAN, "fc.bias contains NaN");
    refused(&|model| model.golden.as_mut().unwrap().output.1[0] = f32::NAN, "golden pair contains NaN");
    refused(
        &|model| model.golden.as_mut().unwrap().input.1[0] = f32::INFINITY,
        "golden pair contains NaN or infinite",
    );
    refused(&|model| model.evaluation.as_mut().unwrap().loss = f64::NAN, "evaluation contains NaN");
    refused(&|model| model.predict.as_mut().unwrap().mean[0] = f32::NAN, "predict: ");
    let longest = ModelFile { classes: vec!["x".repeat(1000), "\u{200f}".into(), String::new()], ..model() };
    assert_eq!(ModelFile::from_bytes(&longest.to_bytes().unwrap()).unwrap(), longest);
}

/// The header's length comes first; here it starts with the letters of a zip archive.
#[test]
fn model_file_may_start_like_an_archive() {
    let length = usize::from(u16::from_le_bytes(*b"PK"));
    let header = |recipe: usize| {
        let bytes = ModelFile { recipe: Some("#".repeat(recipe)), ..model() }.to_bytes().unwrap();
        (u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize, bytes)
    };
    let (held, bytes) = header(length - header(0).0);
    assert_eq!(held, length);
    load(&bytes, "letters").unwrap();
}

#[test]
fn truncated_or_flipped_model_file_is_refused() {
    let good = model().to_bytes().unwrap();
    for cut in 0..good.len() {
        assert!(read_safetensors_bytes(&good[..cut]).is_err(), "cut at {cut}");
    }
    // The weights are stored after the golden pair or before it; each of their bits is covered.
    for name in weights().keys() {
        for bit in [0, 15, 31] {
            let flipped = changed(|tensors, _| {
                let value = &mut tensors.get_mut(name).unwrap().1[0];
                *value = f32::from_bits(value.to_bits() ^ (1 << bit));
            });
            let error = load(&flipped, "flipped").unwrap_err();
            assert!(error.is_input() && error.to_string().contains("checksum"), "{name}: {error}");
        }
    }
}

#[test]
fn missing_metadata_is_named() {
    for key in ["network", "classes", "preprocessing", "predict", "weights_sha256"] {
        let error = load(&changed(|_, metadata| drop(metadata.remove(key))), "missing").unwrap_err();
        assert!(error.is_input() && error.to_string().contains(key), "{key}: {error}");
    }
    for key in ["classes", "preprocessing", "predict", "evaluation", "data", "network"] {
        let broken = changed(|_, metadata| drop(metadata.insert(key.into(), "{".into())));
        let line = load(&broken, "broken").unwrap_err().to_string();
        assert!(line.contains(key) && !line.contains('\n'), "{key}: {line}");
    }
    let half = changed(|tensors, _| drop(tensors.remove("golden.output")));
    assert!(load(&half, "half").unwrap_err().to_string().contains("golden"));
    let classes = changed(|_, metadata| drop(metadata.insert("classes".into(), "[\"a\"]".into())));
    assert!(load(&classes, "names").unwrap_err().to_string().contains("1 class name for 3 outputs"));
}

#[test]
fn newer_version_is_refused_naming_its_writer() {
    let later = changed(|_, metadata| {
        metadata.insert("striate".into(), "7".into());
        metadata.insert("program".into(), "striate 9.1.0".into());
    });
    let error = load(&later, "later").unwrap_err();
    let line = error.to_string();
    assert!(error.is_input() && line.contains("version 7 written by striate 9.1.0"), "{line}");
}

#[test]
fn weights_of_another_network_are_listed() {
    let mut other = weights();
    check_weights(&network(), &other).unwrap();
    other.insert("bn.num_batches_tracked".into(), (Shape::from([]), vec![3.0]));
    check_weights(&network(), &other).unwrap();
    other.remove("conv1.weight");
    other.insert("fc.bias".into(), (Shape::from([7]), vec![0.0; 7]));
    for i in 0..6 {
        other.insert(format!("head{i}"), (Shape::from([1]), vec![0.0]));
    }
    let error = check_weights(&network(), &other).unwrap_err();
    assert!(error.is_input());
    assert_eq!(
        error.to_string(),
        "1 parameter missing, first conv1.weight; 6 tensors unexpected: head0, head1, head2, head3, …; \
         1 tensor of the wrong shape, first fc.bias [7] instead of [3]"
    );
}

#[test]
fn model_file_reads_as_plain_weights() {
    let folder = common::Folder::new("plain");
    let path = folder.path().join("model.safetensors");
    model().save(&path).unwrap();
    let (tensors, _) = read_safetensors(&path).unwrap();
    assert_eq!(tensors["fc.weight"], weights()["fc.weight"]);
}

/// A file of floats is read tensor by tensor, and any other in one piece.
#[test]
fn file_read_in_parts_gives_what_its_bytes_give() {
    let folder = common::Folder::new("parts");
    let path = folder.path().join("model.safetensors");
    let compare = |bytes: &[u8], case: &str| {
        std::fs::write(&path, bytes).unwrap();
        let (by_path, whole) = (ModelFile::load(&path), ModelFile::from_bytes(bytes));
        match (by_path, whole) {
            (Ok(by_path), Ok(whole)) => assert_eq!(by_path, whole, "{case}"),
            (Err(by_path), Err(whole)) => {
                assert_eq!(by_path.to_string(), whole.at(path.display()).to_string(), "{case}");
            }
            (by_path, whole) => panic!("{case}: {by_path:?} by path, {whole:?} from bytes"),
        }
        let read = (read_weights(&path).map(|loaded| loaded.weights), read_safetensors_bytes(bytes));
        if let (Ok(by_path), Ok((mut whole, _))) = read {
            whole.retain(|name, _| by_path.contains_key(name) || !name.starts_with("golden."));
            assert_eq!(by_path, whole, "{case}");
        }
    };
    let good = model().to_bytes().unwrap();
    compare(&good, "good");
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for at in (9..good.len()).step_by(11) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        compare(&bad, &format!("bit of byte {at} flipped"));
    }
    for cut in (header - 3..good.len()).step_by(17) {
        compare(&good[..cut], &format!("cut at {cut}"));
    }
    compare(&[&good[..], &[0; 4]].concat(), "longer");
    let mut infinite = good.clone();
    infinite[header..header + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    compare(&infinite, "infinite");
}

/// A model of waveforms of eight samples.
fn of_sounds() -> ModelFile {
    let network = Builder::new("sounds", [1, 1, 8]).input().flatten().linear(3).finish().unwrap();
    let weights = Inference::initial_weights(&network, 1).unwrap();
    let encoding =
        SoundEncoding { sample_rate: 8_000, samples: 8, form: SoundForm::Waveform, mean: 0.0, std: 1.0 };
    ModelFile { encoding: Some(Encoding::Sound(encoding)), ..ModelFile::bare(network, weights).unwrap() }
}

#[test]
fn encoding_of_sounds_is_kept_checked_and_covered_by_the_digest() {
    let bytes = of_sounds().to_bytes().unwrap();
    assert_eq!(ModelFile::from_bytes(&bytes).unwrap(), of_sounds());
    let text = String::from_utf8_lossy(&bytes);
    let at = text.find("8000").unwrap();
    let mut changed = bytes.clone();
    changed[at] = b'9';
    let error = ModelFile::from_bytes(&changed).unwrap_err().to_string();
    assert!(error.contains("does not match its digest"), "{error}");
    let mut wrong = of_sounds();
    let Some(Encoding::Sound(encoding)) = &mut wrong.encoding else { panic!("it takes sounds") };
    encoding.samples = 9;
    let error = wrong.to_bytes().unwrap_err().to_string();
    assert!(error.contains("takes inputs of [1, 1, 8], but its encoding gives [1, 1, 9]"), "{error}");
}

/// A model of texts of four characters.
fn of_texts(alphabet: &str) -> ModelFile {
    let network = Builder::new("texts", [2, 4]).input().flatten().linear(3).finish().unwrap();
    let weights = Inference::initial_weights(&network, 1).unwrap();
    let encoding = Encoding::Text(TextEncoding { alphabet: alphabet.into(), length: 4 });
    ModelFile { encoding: Some(encoding), ..ModelFile::bare(network, weights).unwrap() }
}

#[test]
fn encoding_of_texts_is_kept_and_checked() {
    let model = of_texts("aß");
    assert_eq!(ModelFile::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
    for (alphabet, reason) in
        [("abc", "encoding gives [3, 1, 4]"), ("aA", "lower case"), ("aa", "twice"), ("", "0 ")]
    {
        let error = of_texts(alphabet).to_bytes().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
