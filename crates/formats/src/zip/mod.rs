//! Zip archives of stored entries, which is what PyTorch writes.
//!
//! Source: PKWARE, "APPNOTE.TXT, .ZIP File Format Specification", 6.3.10; zip64 included.

mod reader;
mod writer;

pub(crate) use reader::Archive;
pub(crate) use writer::write_archive;

/// Begins an entry, in front of its data.
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Begins an entry of the directory.
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
/// Begins the record that ends the archive.
const END: [u8; 4] = *b"PK\x05\x06";
/// Begins that record's extension to 64 bits.
const END64: [u8; 4] = *b"PK\x06\x06";
/// Begins the record that says where the extension lies.
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";

/// Bytes of the fixed part of each of these.
const LOCAL_SIZE: usize = 30;
const CENTRAL_SIZE: usize = 46;
const END_SIZE: usize = 22;
const END64_SIZE: usize = 56;
const LOCATOR64_SIZE: usize = 20;
