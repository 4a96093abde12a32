//! `.pth` files from before PyTorch 1.6: a sequence of pickles, then raw storages.

use super::pickle::{Assembly, float_tensor, storage, tensor};
use super::{Case, bad, good};

/// Returns the first pickle: PyTorch's magic number.
fn magic() -> Vec<u8> {
    [&[0x80, 2, 0x8a, 10][..], &0x1950_a86a_20f9_469c_fc6c_u128.to_le_bytes()[..10], b"."].concat()
}

fn system(little: bool) -> Vec<u8> {
    Assembly::dict(&[("little_endian", Assembly::raw([if little { 0x88 } else { 0x89 }]))]).pickle()
}

fn version(number: i64) -> Vec<u8> {
    Assembly::int(number).pickle()
}

/// Returns a storage of floats, preceded by its declared length.
fn numbers(count: u64, values: usize) -> Vec<u8> {
    [count.to_le_bytes().to_vec(), vec![0; values * 4]].concat()
}

fn keys(keys: &[&str]) -> Vec<u8> {
    Assembly::list(&keys.iter().map(|key| Assembly::text(key)).collect::<Vec<_>>()).pickle()
}

/// Returns a file with the state dict `items`, the `listed` keys and the bytes of the storages.
fn file(items: &[(&str, Assembly)], listed: &[&str], storages: &[u8]) -> Vec<u8> {
    let parts = [magic(), version(1001), system(true), Assembly::dict(items).pickle(), keys(listed)];
    [&parts.concat()[..], storages].concat()
}

/// Returns a tensor over a view of a storage of two floats, as in old files.
fn view(offset: i64, len: i64) -> Assembly {
    let parts = [
        Assembly::text("storage"),
        Assembly::global("torch", "FloatStorage"),
        Assembly::text("0"),
        Assembly::text("cpu"),
        Assembly::int(2),
        Assembly::tuple(&[Assembly::text("1"), Assembly::int(offset), Assembly::int(len)]),
    ];
    let storage = Assembly([Assembly::tuple(&parts).0, b"Q".to_vec()].concat());
    tensor(storage, 0, &[len], &[1])
}

pub(super) fn cases() -> Vec<Case> {
    let one = || [("a", float_tensor("0", 2, 0, &[2], &[1]))];
    let with_view = |offset, len| file(&[("a", view(offset, len))], &["0"], &numbers(2, 2));
    let twice = [("a", float_tensor("0", 2, 0, &[2], &[1])), ("b", float_tensor("0", 3, 0, &[2], &[1]))];
    let start = |parts: &[Vec<u8>]| [&[magic()], parts].concat().concat();
    let parts = [
        Assembly::text("module"),
        Assembly::global("own", "Net"),
        Assembly::text("net.py"),
        Assembly::text("class Net: …"),
    ];
    let class = Assembly([Assembly::tuple(&parts).0, b"Q".to_vec()].concat());
    let tar = [&[b'0'; 257][..], b"ustar", &[0; 250]].concat();
    vec![
        good("the old format", file(&one(), &["0"], &numbers(2, 2))),
        good("a view in the old format", with_view(1, 1)),
        good(
            "a module class in the old format",
            file(&[("net", class), ("a", float_tensor("0", 2, 0, &[2], &[1]))], &["0"], &numbers(2, 2)),
        ),
        good(
            "complex numbers before others",
            file(
                &[
                    ("a", float_tensor("0", 2, 0, &[2], &[1])),
                    ("z", tensor(storage("ComplexFloatStorage", "1", 1), 0, &[1], &[1])),
                ],
                &["1", "0"],
                &[&1u64.to_le_bytes()[..], &[0; 8], &numbers(2, 2)].concat(),
            ),
        ),
        bad(
            "a storage of an unknown class",
            file(&[("a", tensor(storage("OwnStorage", "0", 2), 0, &[2], &[1]))], &["0"], &numbers(2, 2)),
            "storage 0 belongs to no tensor of a known type",
        ),
        bad("only the magic number", magic(), "the protocol's version: its pickle is damaged"),
        bad("an unsupported version", start(&[version(7)]), "has version 7 of PyTorch's protocol"),
        bad("an invalid version", start(&[Assembly::text("x").pickle()]), "its version is not an integer"),
        bad("an invalid system", start(&[version(1001), version(1)]), "its byte order is missing"),
        bad("an old big-endian file", start(&[version(1001), system(false)]), "big-endian"),
        bad("no object", start(&[version(1001), system(true)]), "the object: its pickle is damaged"),
        bad(
            "invalid keys",
            start(&[version(1001), system(true), version(1), version(1)]),
            "not a list of text",
        ),
        bad(
            "numeric keys",
            start(&[version(1001), system(true), version(1), Assembly::list(&[Assembly::int(1)]).pickle()]),
            "not a list of text",
        ),
        bad("no storages", file(&one(), &["0"], &[]), "is truncated before its storage 0"),
        bad("half a storage", file(&one(), &["0"], &numbers(2, 1)), "2 elements in 4 bytes"),
        bad("a different length", file(&one(), &["0"], &numbers(3, 2)), "has 3 elements, not 2"),
        bad(
            "a length of 2^64 - 1",
            file(&one(), &["0"], &numbers(u64::MAX, 2)),
            "has 18446744073709551615 elements, not 2",
        ),
        bad(
            "a storage of 2^62 numbers",
            file(&[("a", float_tensor("0", 1 << 62, 0, &[2], &[1]))], &["0"], &numbers(1 << 62, 2)),
            "4611686018427387904 elements in 8 bytes",
        ),
        bad("a key twice", file(&one(), &["0", "0"], &numbers(2, 2)), "storage 0 is listed twice"),
        bad(
            "a key without a tensor",
            file(&one(), &["7"], &numbers(2, 2)),
            "storage 7 belongs to no tensor of a known type",
        ),
        bad("a storage that is not listed", file(&one(), &[], &[]), "its storage 0 is missing"),
        bad(
            "a storage described in two ways",
            file(&twice, &["0"], &numbers(2, 2)),
            "two conflicting descriptions",
        ),
        bad(
            "bytes after the storages",
            file(&one(), &["0"], &numbers(2, 3)),
            "4 bytes after its last storage",
        ),
        bad("a view beyond its storage", with_view(1, 2), "a view of 2 elements at 1 of 2"),
        bad("a view that overflows", with_view(i64::MAX, i64::MAX), "at 9223372036854775807 of 2"),
        bad("a negative view", with_view(-1, 1), "-1 as a size"),
        bad(
            "os.system in the old format",
            start(&[version(1001), system(true), Assembly::global("os", "system").pickle()]),
            "the keys of the storages: its pickle is damaged",
        ),
        bad("the tar format", tar, "is in the tar form"),
        bad("another pickle", version(5), "is not a PyTorch file"),
        bad("plain text", "words", "is not a PyTorch file"),
    ]
}
