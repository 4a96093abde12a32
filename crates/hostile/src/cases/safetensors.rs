//! Safetensors: wrong lengths, malformed headers, tensors outside the data.

use super::{Case, bad, good};

/// Returns a file with `header` and `data` zero bytes.
fn file(header: &str, data: usize) -> Vec<u8> {
    with_length(header.len() as u64, header, data)
}

/// Like [`file`], with `length` as the declared length of the header.
fn with_length(length: u64, header: &str, data: usize) -> Vec<u8> {
    [&length.to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
}

/// Returns a tensor in the header.
fn tensor(name: &str, dtype: &str, shape: &str, begin: &str, end: &str) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

/// Returns a file with one tensor `a` of floats.
fn one(shape: &str, begin: &str, end: &str, data: usize) -> Vec<u8> {
    file(&format!("{{{}}}", tensor("a", "F32", shape, begin, end)), data)
}

/// Returns a file with `a`, one float, and `other` in the header.
fn and(other: &str, data: usize) -> Vec<u8> {
    file(&format!("{{{},{other}}}", tensor("a", "F32", "[1]", "0", "4")), data)
}

fn f32s(name: &str, begin: &str, end: &str) -> String {
    tensor(name, "F32", "[1]", begin, end)
}

pub(super) fn cases() -> Vec<Case> {
    let max = u64::MAX;
    let deep = "[".repeat(1_000_000);
    let typed =
        |dtype: &str, data: usize| file(&format!("{{{}}}", tensor("a", dtype, "[2]", "0", "4")), data);
    let half = (1u64 << 61) - 1;
    let giants: Vec<String> = (0..8u64)
        .map(|i| {
            let (begin, end) = (i * half, (i + 1) * half);
            tensor(&format!("t{i}"), "F32", &format!("[{half}]"), &begin.to_string(), &end.to_string())
        })
        .collect();
    let all_types = [
        r#""__metadata__":{"format":"pt"}"#.to_owned(),
        tensor("a", "F32", "[2,1]", "0", "8"),
        tensor("b", "F16", "[2]", "8", "12"),
        tensor("c", "BF16", "[1,2]", "12", "16"),
        tensor("bn.num_batches_tracked", "I64", "[]", "16", "24"),
        tensor("none", "F32", "[0,3]", "24", "24"),
        tensor("double", "F64", "[1]", "24", "32"),
    ];
    vec![
        good("every type", file(&format!("{{{}}}", all_types.join(",")), 32)),
        good("no tensors", file("{}", 0)),
        good("spaces after the header", file("{}       ", 0)),
        bad("an empty file", "", "shorter than 8 bytes"),
        bad("seven bytes", [0; 7], "shorter than 8 bytes"),
        bad("plain text", "a few words that are none", "a header of 8031924157612957793 bytes in 25"),
        bad("header length 2^64 - 1", with_length(max, "{}", 0), "a header of 18446744073709551615 bytes"),
        bad(
            "header length 2^64 - 8",
            with_length(max - 7, "{}", 0),
            "a header of 18446744073709551608 bytes",
        ),
        bad("header length one too many", with_length(3, "{}", 0), "a header of 3 bytes in 10"),
        bad("header above the limit", with_length(100_000_001, "{}", 0), "a header of 100000001 bytes"),
        bad("header of no bytes", file("", 0), "EOF while parsing"),
        bad("header that is not UTF-8", [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat(), "expected value"),
        bad("name that is not UTF-8", [&6u64.to_le_bytes()[..], b"{\"\xff\":1}"].concat(), "invalid unicode"),
        bad("header that is a list", file("[]", 0), "expected an object of tensors"),
        bad("header that ends early", file(r#"{"a":"#, 0), "EOF while parsing"),
        bad("text after the header", file("{} and more", 0), "trailing characters"),
        bad("nested a million deep", file(&deep, 0), "expected an object of tensors"),
        bad("a tensor a million deep", file(&format!(r#"{{"a":{deep}"#), 0), "tensor a"),
        bad(
            "metadata a million deep",
            file(&format!(r#"{{"__metadata__":{{"x":{deep}"#), 0),
            "expected a string",
        ),
        bad("shape a million deep", one(&deep, "0", "4", 4), "tensor a"),
        bad("name twice", and(&f32s("a", "4", "8"), 8), "a occurs twice"),
        bad(
            "metadata twice",
            file(r#"{"__metadata__":{},"__metadata__":{}}"#, 0),
            "__metadata__ occurs twice",
        ),
        bad(
            "key of metadata twice",
            file(r#"{"__metadata__":{"x":"","x":""}}"#, 0),
            "metadata x occurs twice",
        ),
        bad("dtype twice", and(r#""b":{"dtype":"F32","dtype":"F32"}"#, 4), "duplicate field"),
        bad("metadata of numbers", file(r#"{"__metadata__":{"x":1}}"#, 0), "expected a string"),
        bad("tensor that is null", file(r#"{"a":null}"#, 0), "tensor a"),
        bad(
            "tensor without offsets",
            file(r#"{"a":{"dtype":"F32","shape":[1]}}"#, 4),
            "missing field `data_offsets`",
        ),
        bad(
            "tensor without a type",
            file(r#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, 4),
            "missing field `dtype`",
        ),
        bad(
            "tensor without a shape",
            file(r#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, 4),
            "missing field `shape`",
        ),
        bad(
            "three offsets",
            file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#, 4),
            "tensor a",
        ),
        bad("negative extent", one("[-1]", "0", "4", 4), "invalid value: integer `-1`"),
        bad("fractional extent", one("[1.5]", "0", "4", 4), "invalid type: floating point `1.5`"),
        bad("extent above 64 bits", one("[36893488147419103232]", "0", "4", 4), "tensor a"),
        bad(
            "extents whose product overflows",
            one("[9223372036854775807,9]", "0", "8", 8),
            "8 bytes for F32",
        ),
        bad("bytes that overflow", one("[4611686018427387904]", "0", "0", 0), "0 bytes for F32"),
        bad("overflow times zero", one("[18446744073709551615,2,0]", "0", "0", 0), "0 bytes for F32"),
        bad(
            "a billion floats in a tiny file",
            one("[1000000000]", "0", "4000000000", 4),
            "0 to 4000000000 of 4",
        ),
        bad(
            "huge tensors that add up beyond memory",
            file(&format!("{{{}}}", giants.join(",")), 0),
            "tensor t0",
        ),
        bad("fewer bytes than the shape", one("[3]", "0", "8", 8), "8 bytes for F32 [3]"),
        bad("more bytes than the shape", one("[1]", "0", "8", 8), "8 bytes for F32 [1]"),
        bad("end after the file", one("[2]", "0", "8", 4), "0 to 8 of 4"),
        bad("end before the start", one("[1]", "8", "4", 8), "8 to 4 of 8"),
        bad("offsets of 2^64 - 1", one("[0]", "18446744073709551615", "18446744073709551615", 4), "of 4"),
        bad("negative offset", one("[1]", "-4", "0", 4), "invalid value: integer `-4`"),
        bad("gap before a tensor", one("[1]", "4", "8", 8), "nvalid offset"),
        bad("gap between tensors", and(&f32s("b", "8", "12"), 12), "nvalid offset"),
        bad("two tensors at one offset", and(&f32s("b", "0", "4"), 4), "nvalid offset"),
        bad("overlap by half", and(&f32s("b", "2", "6"), 6), "nvalid offset"),
        bad("bytes after the tensors", one("[1]", "0", "4", 12), "file not fully covered"),
        bad("doubles of half the size", typed("F64", 4), "4 bytes for F64 [2]"),
        bad("integers of half the size", typed("I32", 4), "4 bytes for I32 [2]"),
        bad("eight-bit floats", typed("F8_E4M3", 4), "is of the unsupported type F8_E4M3"),
        bad("long integers of a quarter of the size", typed("I64", 4), "4 bytes for I64 [2]"),
        bad("an unknown type", typed("XYZ", 4), "is of the unsupported type XYZ"),
        bad("a type with control characters", typed(r"F\u001b[2J\n32", 4), "F [2J 32"),
        bad(
            "control characters in a name",
            file(r#"{"a\n\u001b[31m":{"dtype":"C64","shape":[],"data_offsets":[0,1]}}"#, 1),
            "tensor a  [31m is of the unsupported type",
        ),
        bad(
            "an overlong name",
            file(&format!("{{{}}}", tensor(&"x".repeat(100_000), "C64", "[1]", "0", "1")), 1),
            "x…",
        ),
    ]
}
