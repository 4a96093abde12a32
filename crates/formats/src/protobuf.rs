//! The wire format of protocol buffers: messages are read field by field, without copying.
//!
//! A nested message is a byte slice that the caller reads with another [`Reader`], so this module never recurses and
//! the caller limits the depth. Source: Google, "Protocol Buffers: Encoding".

mod write;

use striate_tensor::{Error, Result};

pub(crate) use self::write::Message;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire<'a> {
    /// An integer, a bool or an enum.
    Varint(u64),
    /// A double or an 8-byte integer.
    Fixed64([u8; 8]),
    /// Text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// A float or a 4-byte integer.
    Fixed32([u8; 4]),
}

/// Reads the fields of a message in order.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Creates a reader of the message in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Returns the next field with its number, or `None` at the end of the message.
    ///
    /// # Errors
    /// If the message ends early, or a field is malformed or a group; groups are deprecated.
    pub fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let Some(number) = number else { return Err(damaged(format!("invalid field number {}", key >> 3))) };
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(*self.array()?),
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.bytes(length)?)
            }
            3 | 4 => return Err(damaged(format!("field {number} is a group, which is not supported"))),
            5 => Wire::Fixed32(*self.array()?),
            other => return Err(damaged(format!("field {number} has wire type {other}"))),
        };
        Ok(Some((number, wire)))
    }

    /// Reads an integer of seven bits per byte, lowest bits first.
    ///
    /// # Errors
    /// If it ends early or has more than 64 bits.
    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("an integer of more than 64 bits"))
    }

    /// Returns whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8]> {
        let parts = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((taken, rest)) = parts else {
            return Err(damaged(format!("a field of {length} bytes where {} are left", self.rest.len())));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return Err(damaged("it ends early"));
        };
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Wire<'a> {
    /// Returns the value as an integer.
    ///
    /// # Errors
    /// If it is not one.
    pub fn integer(self) -> Result<u64> {
        match self {
            Wire::Varint(value) => Ok(value),
            other => Err(other.instead_of("an integer")),
        }
    }

    /// Returns the value as bytes.
    ///
    /// # Errors
    /// If it is of another wire type.
    pub fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Wire::Bytes(bytes) => Ok(bytes),
            other => Err(other.instead_of("bytes")),
        }
    }

    /// Returns the value as text.
    ///
    /// # Errors
    /// If it is of another wire type or not valid UTF-8.
    pub fn text(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| damaged("text that is not valid UTF-8"))
    }

    /// Returns the value as a float.
    ///
    /// # Errors
    /// If it is not one.
    pub fn float(self) -> Result<f32> {
        match self {
            Wire::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            other => Err(other.instead_of("a float")),
        }
    }

    /// Appends the floats of a repeated field, packed or not, to `floats`.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn floats(self, floats: &mut Vec<f32>) -> Result<()> {
        match self {
            Wire::Fixed32(bytes) => floats.push(f32::from_le_bytes(bytes)),
            Wire::Bytes(bytes) if bytes.len().is_multiple_of(4) => {
                floats.extend(bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)));
            }
            other => return Err(other.instead_of("floats")),
        }
        Ok(())
    }

    /// Appends the doubles of a repeated field, packed or not, to `floats`.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn doubles(self, floats: &mut Vec<f32>) -> Result<()> {
        match self {
            Wire::Fixed64(bytes) => floats.push(f64::from_le_bytes(bytes) as f32),
            Wire::Bytes(bytes) if bytes.len().is_multiple_of(8) => {
                floats.extend(bytes.as_chunks().0.iter().map(|word| f64::from_le_bytes(*word) as f32));
            }
            other => return Err(other.instead_of("doubles")),
        }
        Ok(())
    }

    /// Appends the integers of a repeated field, packed or not, to `integers`.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn integers(self, integers: &mut Vec<i64>) -> Result<()> {
        match self {
            Wire::Varint(value) => integers.push(value.cast_signed()),
            Wire::Bytes(bytes) => {
                let mut reader = Reader::new(bytes);
                while !reader.is_empty() {
                    integers.push(reader.varint()?.cast_signed());
                }
            }
            other => return Err(other.instead_of("integers")),
        }
        Ok(())
    }

    fn instead_of(self, expected: &str) -> Error {
        let found = match self {
            Wire::Varint(_) => "an integer".to_owned(),
            Wire::Fixed64(_) => "eight bytes".to_owned(),
            Wire::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Wire::Fixed32(_) => "four bytes".to_owned(),
        };
        damaged(format!("{found} instead of {expected}"))
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::input(format!("is damaged or not a protocol buffer ({what}); copy or download it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Wire<'_>)>> {
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(|| reader.field().transpose()).collect()
    }

    /// The examples in the description of the format.
    #[test]
    fn examples_of_the_specification_are_read() {
        assert_eq!(fields(&[0x08, 0x96, 0x01]).unwrap(), [(1, Wire::Varint(150))]);
        let text = fields(b"\x12\x07testing").unwrap();
        assert_eq!((text[0].0, text[0].1.text().unwrap()), (2, "testing"));
        let mut packed = Vec::new();
        fields(&[0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]).unwrap()[0]
            .1
            .integers(&mut packed)
            .unwrap();
        assert_eq!(packed, [3, 270, 86_942]);
    }

    #[test]
    fn numbers_are_read_packed_and_unpacked() {
        let (mut floats, mut integers) = (Vec::new(), Vec::new());
        let bytes =
            [&[0x0d][..], &1.5f32.to_le_bytes(), &[0x0a, 8], &2f32.to_le_bytes(), &(-3f32).to_le_bytes()];
        for (_, wire) in fields(&bytes.concat()).unwrap() {
            wire.floats(&mut floats).unwrap();
        }
        let bytes = [&[0x09][..], &0.25f64.to_le_bytes(), &[0x0a, 8], &4f64.to_le_bytes()].concat();
        for (_, wire) in fields(&bytes).unwrap() {
            wire.doubles(&mut floats).unwrap();
        }
        assert_eq!(floats, [1.5, 2.0, -3.0, 0.25, 4.0]);
        let minus_one = [&[0x08][..], &[0xff; 9], &[0x01]].concat();
        fields(&minus_one).unwrap()[0].1.integers(&mut integers).unwrap();
        assert_eq!(integers, [-1]);
    }

    #[test]
    fn malformed_messages_are_refused() {
        for (bytes, what) in [
            (&[0x08][..], "ends early"),
            (&[0x08, 0x80], "ends early"),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], "more than 64 bits"),
            (&[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], "more than 64 bits"),
            (&[0x12, 0x02, 0x00], "2 bytes where 1 are left"),
            (
                &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                "18446744073709551615 bytes",
            ),
            (&[0x0d, 0, 0, 0], "ends early"),
            (&[0x09, 0, 0, 0, 0, 0, 0, 0], "ends early"),
            (&[0x0b], "field 1 is a group"),
            (&[0x0e], "wire type 6"),
            (&[0x00, 0x00], "invalid field number 0"),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00], "number"),
        ] {
            let error = fields(bytes).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(what), "{bytes:?}: {error}");
        }
        let mut none = Vec::new();
        assert!(Wire::Bytes(&[0; 3]).floats(&mut none).is_err());
        assert!(Wire::Bytes(&[0; 9]).doubles(&mut Vec::new()).is_err());
        assert!(Wire::Bytes(&[0x80]).integers(&mut Vec::new()).is_err());
        assert!(Wire::Varint(1).text().is_err() && Wire::Bytes(&[0xff]).text().is_err());
        assert!(Wire::Fixed64([0; 8]).float().is_err() && Wire::Fixed32([0; 4]).integer().is_err());
    }
}
