//! External weights of an ONNX file: how much of them is read, and that no two tensors share bytes.

use std::fs::{self, File};
use std::process::Command;

use striate_formats::{Imported, read_onnx};
use striate_tensor::Result;

use crate::common::Folder;
use crate::common::onnx::{external, model, node};

mod common;

/// The model in `folder` that adds both `tensors`, v and w, to its data.
fn read(folder: &Folder, tensors: &[[(&str, &str); 2]; 2], extents: [i64; 2]) -> Result<Imported> {
    let nodes = [node("Add", &["x", "v"], "a", &[]), node("Add", &["a", "w"], "y", &[])];
    let tensors = [external("v", &extents, &tensors[0]), external("w", &extents, &tensors[1])];
    let path = folder.path().join("model.onnx");
    fs::write(&path, model(&nodes, &tensors)).unwrap();
    read_onnx(&path)
}

#[test]
fn overlapping_external_tensors_are_refused() {
    let folder = Folder::new("onnx-shared");
    let numbers: Vec<u8> = (0..128u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    fs::write(folder.path().join("w.bin"), &numbers).unwrap();
    fs::write(folder.path().join("v.bin"), &numbers).unwrap();
    let at = |file, offset| [("location", file), ("offset", offset)];
    for (first, second) in [("0", "0"), ("0", "252"), ("252", "0"), ("256", "4")] {
        for other in ["w.bin", "./w.bin"] {
            let error = read(&folder, &[at("w.bin", first), at(other, second)], [8, 8]).unwrap_err();
            let line = error.to_string();
            assert!(error.is_input() && line.contains("tensor w: external data: bytes"), "{line}");
            assert!(line.contains(&format!("overlap those from {first} on")), "{line}");
        }
    }
    for (first, second) in [(at("w.bin", "0"), at("w.bin", "256")), (at("w.bin", "4"), at("v.bin", "4"))] {
        let weights = read(&folder, &[first, second], [8, 8]).unwrap().weights;
        let start: f32 = second[1].1.parse::<f32>().unwrap() / 4.0;
        let values: Vec<f32> = (0..64u8).map(|i| start + f32::from(i)).collect();
        assert!(weights.values().any(|(_, found)| *found == values), "{second:?}");
    }
}

/// The file is long and sparse: it takes no space on the disk.
#[test]
fn oversized_external_file_is_not_read() {
    let folder = Folder::new("onnx-long");
    File::create(folder.path().join("w.bin")).unwrap().set_len(1 << 41).unwrap();
    let at = |offset| [("location", "w.bin"), ("offset", offset)];
    let error = read(&folder, &[at("0"), at("1099511627776")], [1 << 31, 1 << 7]).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("has too many numbers"), "{error}");
}

#[cfg(unix)]
#[test]
fn pipe_as_external_file_is_refused_without_waiting() {
    let folder = Folder::new("onnx-pipe");
    assert!(Command::new("mkfifo").arg(folder.path().join("w.bin")).status().unwrap().success());
    let at = [("location", "w.bin"), ("offset", "0")];
    let error = read(&folder, &[at, at], [8, 8]).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("w.bin: it is a pipe, not a file"), "{error}");
}

#[cfg(unix)]
#[test]
fn external_file_with_hard_links_is_refused() {
    let folder = Folder::new("onnx-links");
    fs::write(folder.path().join("w.bin"), [0; 512]).unwrap();
    let at = |offset| [("location", "w.bin"), ("offset", offset)];
    read(&folder, &[at("0"), at("256")], [8, 8]).unwrap();
    fs::hard_link(folder.path().join("w.bin"), folder.path().join("other.bin")).unwrap();
    let error = read(&folder, &[at("0"), at("256")], [8, 8]).unwrap_err();
    let line = error.to_string();
    assert!(error.is_input() && line.contains("w.bin has 2 hard links, which are not followed"), "{line}");
    assert!(line.contains("model.onnx: tensor v: external data:"), "{line}");
}

/// SHA-1 of 512 zero bytes, by sha1sum.
const SHA1: &str = "5c3eb80066420002bc3dcc7ca4ab6efad7ed4ae5";

#[test]
fn stated_checksum_is_verified() {
    let folder = Folder::new("onnx-checksum");
    fs::write(folder.path().join("w.bin"), [0; 512]).unwrap();
    let with = |sum: &str| {
        let entries = |offset| vec![("location", "w.bin"), ("offset", offset), ("checksum", sum)];
        let nodes = [node("Add", &["x", "v"], "a", &[]), node("Add", &["a", "w"], "y", &[])];
        let tensors = [external("v", &[8, 8], &entries("0")), external("w", &[8, 8], &entries("256"))];
        let path = folder.path().join("model.onnx");
        fs::write(&path, model(&nodes, &tensors)).unwrap();
        read_onnx(&path)
    };
    with(SHA1).unwrap();
    with(&SHA1.to_uppercase()).unwrap();
    let error = with("da39a3ee5e6b4b0d3255bfef95601890afd80709").unwrap_err();
    assert!(error.is_input() && error.to_string().contains(&format!("its SHA-1 is {SHA1}")), "{error}");
}
