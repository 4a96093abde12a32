//! Zip archives of stored entries, as PyTorch writes them.
//!
//! Source: PKWARE, "APPNOTE.TXT, .ZIP File Format Specification", 6.3.10; zip64 included.

mod reader;
mod writer;

pub(crate) use reader::Archive;
pub(crate) use writer::write_archive;

/// Signature of an entry, before its data.
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Signature of an entry of the directory.
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
/// Signature of the end record.
const END: [u8; 4] = *b"PK\x05\x06";
/// Signature of the 64-bit end record.
const END64: [u8; 4] = *b"PK\x06\x06";
/// Signature of the record that locates the 64-bit end record.
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";

/// Sizes in bytes of the fixed parts of these.
const LOCAL_SIZE: usize = 30;
const CENTRAL_SIZE: usize = 46;
const END_SIZE: usize = 22;
const END64_SIZE: usize = 56;
const LOCATOR64_SIZE: usize = 20;
