//! `verify`: what it reports about the digest of a model file, and what it refuses.

mod common;

use common::Folder;
use striate_formats::{ModelFile, read_safetensors_bytes, safetensors_bytes};

#[test]
fn verify_reports_what_the_digest_covers() {
    let folder = Folder::new("digest");
    folder.json(&["train", "--steps", "1", "--out", "run"]);
    let path = folder.path("run/last.safetensors");
    let path = common::text(&path);
    let whole = std::fs::read(path).unwrap();
    assert_eq!(folder.json(&["verify", path])["digest"], true);
    let (mut tensors, mut metadata) = read_safetensors_bytes(&whole).unwrap();
    let mut renamed = metadata.clone();
    renamed.insert("classes".into(), metadata["classes"].replace('7', "1"));
    folder.write("renamed.safetensors", safetensors_bytes(&tensors, renamed).unwrap());
    let line = folder.refusal(&["verify", "renamed.safetensors"]);
    assert!(line.contains("renamed.safetensors: ") && line.contains("does not match its digest"), "{line}");
    // Older files have no digest.
    metadata.remove("digest").unwrap();
    folder.write("older.safetensors", safetensors_bytes(&tensors, metadata.clone()).unwrap());
    assert_eq!(folder.json(&["verify", "older.safetensors"])["digest"], false);
    let output = folder.run(&["verify", "older.safetensors"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no digest of the rest"), "{text}");
    tensors.get_mut("golden.output").unwrap().1.fill(f32::NAN);
    folder.write("nan.safetensors", safetensors_bytes(&tensors, metadata).unwrap());
    let line = folder.refusal(&["verify", "nan.safetensors"]);
    assert!(line.contains("nan.safetensors: the output for its stored example differs by NaN"), "{line}");
    assert!(ModelFile::load(&folder.path("nan.safetensors")).unwrap().to_bytes().is_err());
    let without = ModelFile { golden: None, ..ModelFile::load(&folder.path("older.safetensors")).unwrap() };
    folder.write("without.safetensors", without.to_bytes().unwrap());
    assert_eq!(folder.json(&["verify", "without.safetensors"])["difference"], serde_json::Value::Null);
    let output = folder.run(&["verify", "without.safetensors"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("matches the digest; no example is stored whose output"), "{text}");
}
