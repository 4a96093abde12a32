//! NumPy's `.npy` files: versions 1 to 3, row-major, little-endian.
//!
//! Source: NumPy enhancement proposal 1, "A simple file format for NumPy arrays".

use std::io::{BufReader, Read};
use std::path::Path;

use crate::file::{open, write_atomically};
use crate::{DType, Element, Error, Result, Shape, zeroed};

/// An array read from a file.
#[derive(Debug, Clone)]
pub struct Array {
    /// The extents.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// The elements, row-major, little-endian.
    pub bytes: Vec<u8>,
}

impl Array {
    /// The elements as `f32`.
    ///
    /// # Errors
    /// If the element type is not `f32`.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        self.elements()
    }

    /// The elements as `i64`; narrower integers are widened.
    ///
    /// # Errors
    /// If they are not integers.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        match self.dtype {
            DType::I32 => Ok(self.elements::<i32>()?.into_iter().map(i64::from).collect()),
            DType::U8 => Ok(self.bytes.iter().map(|b| i64::from(*b)).collect()),
            _ => self.elements(),
        }
    }

    fn elements<T: Element>(&self) -> Result<Vec<T>> {
        if self.dtype != T::DTYPE {
            return Err(Error::input(format!("contains {}; expected {}", self.dtype, T::DTYPE)));
        }
        Ok(bytemuck::pod_collect_to_vec(&self.bytes))
    }
}

/// Reads the array in the file at `path`.
///
/// # Errors
/// If the file cannot be read, is not a `.npy` file, or its size does not match its header.
pub fn read(path: &Path) -> Result<Array> {
    let (file, length) = open(path)?;
    parse(&mut BufReader::new(file), length).map_err(|e| e.at(path.display()))
}

/// Encodes `values` of `shape` as a `.npy` file.
///
/// # Panics
/// If the number of values does not match the shape.
pub fn bytes<T: Element>(shape: &Shape, values: &[T]) -> Vec<u8> {
    assert_eq!(shape.numel(), values.len(), "the number of values must match the shape");
    [&header(T::DTYPE, shape)[..], bytemuck::cast_slice(values)].concat()
}

/// Writes `values` of `shape` to the file at `path`.
///
/// # Errors
/// If the file cannot be written.
///
/// # Panics
/// If the number of values does not match the shape.
pub fn write<T: Element>(path: &Path, shape: &Shape, values: &[T]) -> Result<()> {
    write_atomically(path, &bytes(shape, values))
}

fn header(dtype: DType, shape: &Shape) -> Vec<u8> {
    let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
    let descr = match dtype {
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::I64 => "<i8",
        DType::I32 => "<i4",
        DType::U8 => "|u1",
        DType::BF16 => "<V2",
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    // Magic, version and header length take 10 bytes; the data must start at a multiple of 64.
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Reads the array in the `.npy` file `bytes`.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8]) -> Result<Array> {
    parse(&mut &bytes[..], bytes.len() as u64)
}

fn parse(file: &mut impl Read, length: u64) -> Result<Array> {
    let damaged = |what: &str| Error::input(format!("{what}; save it again with numpy.save"));
    let mut start = [0u8; 8];
    file.read_exact(&mut start).map_err(|_| damaged("is not a .npy file (too short)"))?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(damaged("is not a .npy file"));
    }
    let wide = usize::from(start[6] >= 2) * 2 + 2;
    let mut size = [0u8; 4];
    file.read_exact(&mut size[..wide]).map_err(|_| damaged("is truncated in its header"))?;
    let size = u32::from_le_bytes(size) as usize;
    if size as u64 > length || size > 1 << 20 {
        return Err(damaged("has an implausible header length"));
    }
    let mut text = vec![0u8; size];
    file.read_exact(&mut text).map_err(|_| damaged("is truncated in its header"))?;
    let text = String::from_utf8_lossy(&text).into_owned();

    let dtype = match field(&text, "'descr'").and_then(|rest| rest.split('\'').nth(1)) {
        Some("<f4") => DType::F32,
        Some("<f8") => DType::F64,
        Some("<i8") => DType::I64,
        Some("<i4") => DType::I32,
        Some("|u1") => DType::U8,
        other => {
            let found = other.unwrap_or("(unreadable)");
            return Err(Error::input(format!(
                "contains elements of type {found}; supported types are little-endian f4, f8, i8, i4 and u1"
            )));
        }
    };
    if field(&text, "'fortran_order'").is_none_or(|rest| !rest.starts_with("False")) {
        return Err(Error::input("is in Fortran order; save numpy.ascontiguousarray(x) instead"));
    }
    let inside = field(&text, "'shape'")
        .and_then(|rest| rest.strip_prefix('('))
        .and_then(|rest| rest.split(')').next())
        .ok_or_else(|| damaged("has no shape in its header"))?;
    let extents = inside
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| word.parse::<usize>().map_err(|_| damaged("has an unreadable shape in its header")))
        .collect::<Result<Vec<_>>>()?;
    let shape = Shape::new(extents);
    let needed = shape
        .checked_len()?
        .checked_mul(dtype.size())
        .ok_or_else(|| Error::input(format!("claims the shape {shape}, more than memory can hold")))?;
    let present = length.saturating_sub((8 + wide + size) as u64);
    if needed as u64 != present {
        return Err(damaged(&format!(
            "claims {needed} bytes of data (shape {shape}, {dtype}) but contains {present}"
        )));
    }
    let mut bytes = zeroed(needed)?;
    file.read_exact(&mut bytes).map_err(|_| damaged("is truncated in its data"))?;
    Ok(Array { shape, dtype, bytes })
}

/// Returns the text after `key:` in the header's dictionary.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest = &text[text.find(key)? + key.len()..];
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(shape: [usize; 2], values: &[f32]) -> Vec<u8> {
        let mut bytes = header(DType::F32, &shape.into());
        bytes.extend(bytemuck::cast_slice::<f32, u8>(values));
        bytes
    }

    #[test]
    fn written_header_is_read_back() {
        let array = read_bytes(&file([2, 1], &[1.5, -2.0])).unwrap();
        assert_eq!((array.shape, array.dtype), (Shape::from([2, 1]), DType::F32));
        assert_eq!(header(DType::F32, &Shape::from([2, 1])).len() % 64, 0);
    }

    #[test]
    fn damaged_files_are_refused_before_allocation() {
        let good = file([2, 1], &[1.5, -2.0]);
        for cut in [0, 5, 9, 40, good.len() - 1] {
            assert!(read_bytes(&good[..cut]).unwrap_err().is_input(), "cut at {cut}");
        }
        let huge = header(DType::F32, &Shape::from([1 << 40, 1 << 40]));
        assert!(read_bytes(&huge).unwrap_err().to_string().contains("memory can hold"));
        assert!(
            read_bytes(&header(DType::F32, &Shape::from([1 << 40])))
                .unwrap_err()
                .to_string()
                .contains("claims")
        );
        assert!(read(&std::env::temp_dir()).unwrap_err().to_string().contains("it is a folder, not a file"));
    }
}
