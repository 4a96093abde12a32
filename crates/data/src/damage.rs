//! Tests: damage anywhere in lists, shards, their indexes and CIFAR files gives an error of one line, or is accepted.

use std::path::Path;

use striate_tensor::{Error, Result};
use striate_vision::{Image, encode_png};

use crate::images::Purpose;
use crate::scratch::Scratch;
use crate::{CifarKind, cifar, list, shards};

/// Writes `bytes` to the file `name`, cut off at every length and with each bit of the first `flipped` bytes inverted,
/// reads each version, and returns how many are refused.
fn attack<T>(
    folder: &Scratch,
    name: &str,
    bytes: &[u8],
    flipped: usize,
    read: impl Fn(&Path) -> Result<T>,
) -> usize {
    let mut refused = 0;
    let mut attempt = |bytes: &[u8]| {
        folder.file(name, bytes);
        if let Err(error) = read(folder.path()) {
            assert_one_line(&error);
            refused += 1;
        }
    };
    (0..bytes.len()).for_each(|end| attempt(&bytes[..end]));
    let mut bytes = bytes.to_vec();
    for index in 0..flipped.min(bytes.len()) {
        for bit in 0..8 {
            bytes[index] ^= 1 << bit;
            attempt(&bytes);
            bytes[index] ^= 1 << bit;
        }
    }
    folder.file(name, &bytes);
    read(folder.path()).unwrap_or_else(|error| panic!("{name}: the intact file is refused: {error}"));
    refused
}

fn assert_one_line(error: &Error) {
    let line = error.to_string();
    assert!(error.is_input() && !line.chars().any(char::is_control), "{line:?}");
}

/// A member of an archive.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn damaged_lists_are_refused_or_read() {
    let folder = Scratch::new();
    let list = b"# path, class\na.png\tcat\nb/c.png\tdog\n";
    let refused = attack(&folder, "all.tsv", list, list.len(), |path| {
        list::find(&path.join("all.tsv"), Purpose::Description)
    });
    assert!(refused > 10, "{refused}");
}

#[test]
fn damaged_shards_and_indexes_are_refused_or_read() {
    let folder = Scratch::new();
    let image = encode_png(&Image::filled(2, 2, [1, 2, 3])).unwrap();
    let samples = [("0.png", &image[..]), ("0.cls", b"0"), ("1.png", &image), ("1.cls", b"1")];
    let mut shard: Vec<u8> = samples.iter().flat_map(|(name, content)| member(name, content)).collect();
    shard.extend([0; 1024]);
    let find = |path: &Path| shards::find(path.to_str().unwrap(), Purpose::Description);
    // Only the first header is attacked bit by bit; the others are alike.
    assert!(attack(&folder, "train-0.tar", &shard, 512, find) > 1000);
    let index = b"v1.2 2\npng 512 9 0.png cls 1536 1 0.cls\npng 2560 9 1.png cls 3584 1 1.cls\n";
    assert!(attack(&folder, "train-0.idx", index, index.len(), find) > 100);
}

#[test]
fn damaged_cifar_files_are_refused_or_read() {
    let folder = Scratch::new();
    let record = [3; 3073];
    (1..=5).for_each(|batch| drop(folder.file(&format!("data_batch_{batch}.bin"), &record)));
    folder.file("test_batch.bin", &record);
    let names: String = (0..10).map(|class| format!("c{class}\n")).collect();
    let read = |path: &Path| cifar::find(CifarKind::Cifar10, Some(path))?.read();
    assert!(attack(&folder, "batches.meta.txt", names.as_bytes(), names.len(), read) > 10);
    // Of the bits of the label, those for 8 and more make it one that does not exist; pixels are arbitrary.
    assert_eq!(attack(&folder, "data_batch_2.bin", &record, 2, read), 3073 + 5);
}
