//! NumPy's `.npy`: wrong or malformed headers.

use striate_tensor::{Shape, npy};

use super::{Case, bad, good};

/// Returns a file of version 1 with this header and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// Returns a file of bytes with this shape in its header.
fn shaped(shape: &str, data: &[u8]) -> Vec<u8> {
    file(&format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n"), data)
}

/// Returns a file with elements of this type.
fn typed(descr: &str) -> Vec<u8> {
    file(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}\n"), &[0; 8])
}

pub(super) fn cases() -> Vec<Case> {
    let floats = npy::bytes(&Shape::from([2, 3]), &[1.0f32, 2.0, 3.0, 4.0, 5.0, f32::NAN]);
    let wide = |length: u32| [b"\x93NUMPY\x02\0", &length.to_le_bytes()[..], b"{}"].concat();
    vec![
        good("floats", floats.clone()),
        good("integers", npy::bytes(&Shape::from([2]), &[7i64, -7])),
        good("bytes", shaped("(2, 2)", &[1, 2, 3, 4])),
        good("a scalar", shaped("()", &[9])),
        good("no elements", shaped("(0, 5)", &[])),
        bad("an empty file", "", "too short"),
        bad("plain text", "a few words", "is not a .npy file"),
        bad("only the magic number", floats[..6].to_vec(), "too short"),
        bad("wrong magic number", [&[0x92], &floats[1..]].concat(), "is not a .npy file"),
        bad("no header length", floats[..8].to_vec(), "header"),
        bad("half a header length", floats[..9].to_vec(), "header"),
        bad("half a header", floats[..40].to_vec(), "header"),
        bad("no data", floats[..128].to_vec(), "claims 24 bytes"),
        bad("one byte missing", floats[..floats.len() - 1].to_vec(), "claims 24 bytes"),
        bad("one byte too many", [&floats[..], &[0]].concat(), "claims 24 bytes"),
        bad("a header of 4 GiB", wide(u32::MAX), "header length"),
        bad("a header of 2 MiB", wide(2 << 20), "header length"),
        bad("an empty header", file("", &[]), "elements of type"),
        bad("a header that is not a dictionary", file("[1, 2]\n", &[]), "elements of type"),
        bad(
            "a header that is not text",
            [b"\x93NUMPY\x01\0\x04\0", &[0xff; 4][..]].concat(),
            "elements of type",
        ),
        bad("objects", typed("|O"), "elements of type |O"),
        bad("big endian", typed(">f4"), "elements of type >f4"),
        bad("half precision", typed("<f2"), "elements of type <f2"),
        bad("complex numbers", typed("<c8"), "elements of type <c8"),
        bad("strings", typed("<U3"), "elements of type <U3"),
        bad("booleans", typed("|b1"), "elements of type |b1"),
        bad("an empty type", typed(""), "elements of type"),
        bad(
            "Fortran order",
            file("{'descr': '|u1', 'fortran_order': True, 'shape': (1,), }\n", &[0]),
            "Fortran order",
        ),
        bad("no order", file("{'descr': '|u1', 'shape': (1,), }\n", &[0]), "Fortran order"),
        bad("no shape", file("{'descr': '|u1', 'fortran_order': False, }\n", &[0]), "no shape"),
        bad("a numeric shape", shaped("1", &[0]), "no shape"),
        bad("a negative extent", shaped("(-1,)", &[0]), "unreadable shape"),
        bad("an extent of letters", shaped("(a,)", &[0]), "unreadable shape"),
        bad("a fractional extent", shaped("(1.5,)", &[0]), "unreadable shape"),
        bad("an extent above 2^64", shaped("(99999999999999999999,)", &[0]), "unreadable shape"),
        bad("extents whose product overflows", shaped("(4294967296, 4294967296)", &[0]), "memory"),
        bad("overflow times zero", shaped("(4294967296, 4294967296, 0)", &[]), "memory"),
        bad("a terabyte", shaped("(1099511627776,)", &[0]), "claims 1099511627776 bytes"),
    ]
}
