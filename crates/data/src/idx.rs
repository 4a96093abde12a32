//! IDX files, the format of MNIST: big-endian, unsigned bytes, plain or compressed by gzip.
//!
//! Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use striate_tensor::{Error, Result, Shape};

/// Files above this size, unpacked, are no data set of this kind.
const LARGEST_FILE: u64 = 4 << 30;

/// An array of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxArray {
    /// Its extents, images first.
    pub shape: Shape,
    /// Its elements.
    pub bytes: Vec<u8>,
}

/// Reads the IDX file at `path`.
///
/// # Errors
/// If the file cannot be read, is no IDX file of bytes, or its size does not fit its header.
pub fn read_idx(path: &Path) -> Result<IdxArray> {
    parse(&read_unpacked(path)?).map_err(|e| e.at(path.display()))
}

/// The content of a file, unpacked if it is compressed by gzip.
pub(crate) fn read_unpacked(path: &Path) -> Result<Vec<u8>> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(LARGEST_FILE).read_to_end(&mut bytes)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut unpacked = Vec::new();
            GzDecoder::new(&bytes[..]).take(LARGEST_FILE).read_to_end(&mut unpacked)?;
            return Ok(unpacked);
        }
        Ok(bytes)
    };
    read().map_err(|e| Error::read(path, e))
}

/// The array in `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Result<IdxArray> {
    let [0, 0, kind, dimensions, rest @ ..] = bytes else {
        return Err(Error::input("is no IDX file; MNIST's begin with two zero bytes"));
    };
    if *kind != 8 {
        return Err(Error::input(format!(
            "holds elements of IDX type {kind:#04x}; only bytes (0x08) are read"
        )));
    }
    let count = usize::from(*dimensions);
    let Some(extents) = rest.get(..4 * count) else {
        return Err(Error::input("is cut off in its header; fetch it again"));
    };
    let extents = extents.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let shape = Shape::new(extents.collect::<Vec<_>>());
    let data = &rest[4 * count..];
    let needed = shape.checked_len()?;
    if needed != data.len() {
        let present = data.len();
        return Err(Error::input(format!(
            "claims {needed} bytes of data (shape {shape}) but has {present}; fetch it again"
        )));
    }
    Ok(IdxArray { shape, bytes: data.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_arrays_are_read_and_damaged_ones_refused() {
        let mut file = vec![0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3];
        file.extend([1, 2, 3, 4, 5, 6]);
        assert_eq!(parse(&file).unwrap().shape, Shape::from([2, 3]));
        for cut in 0..file.len() {
            assert!(parse(&file[..cut]).unwrap_err().is_input(), "cut at {cut}");
        }
        assert!(parse(&[&file[..], &[7]].concat()).is_err(), "trailing bytes");
        assert!(parse(&[0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
        assert!(parse(&[0, 0, 13, 1, 0, 0, 0, 0]).unwrap_err().to_string().contains("0x0d"));
    }
}
