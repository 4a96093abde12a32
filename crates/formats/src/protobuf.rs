//! The wire format of protocol buffers: a message is read field by field, and nothing is copied.
//!
//! A message inside a message is a run of bytes, which its owner reads with a [`Reader`] of its own; so
//! depth costs what the owner spends on it, and this file knows no recursion. Source: Google, "Protocol
//! Buffers: Encoding".

mod write;

use striate_tensor::{Error, Result};

pub(crate) use self::write::Message;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire<'a> {
    /// An integer, a bool or an enumeration.
    Varint(u64),
    /// A double or an integer of eight bytes.
    Fixed64([u8; 8]),
    /// Text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// A float or an integer of four bytes.
    Fixed32([u8; 4]),
}

/// The fields of a message, in the order in which they stand.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over the bytes of one message.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The next field with its number; `None` at the end of the message.
    ///
    /// # Errors
    /// If the message is cut off, or a field is none that the format knows. Groups, which the format has
    /// given up, are refused.
    pub fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let Some(number) = number else { return Err(damaged(format!("a field of number {}", key >> 3))) };
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(*self.array()?),
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.bytes(length)?)
            }
            3 | 4 => return Err(damaged(format!("field {number} is a group, which is not read"))),
            5 => Wire::Fixed32(*self.array()?),
            other => return Err(damaged(format!("field {number} is of wire type {other}"))),
        };
        Ok(Some((number, wire)))
    }

    /// An integer of seven bits a byte, lowest first.
    ///
    /// # Errors
    /// If it is cut off or has more than 64 bits.
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

    /// Whether everything is read.
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
            return Err(damaged("it is cut off"));
        };
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Wire<'a> {
    /// The integer of a field that must hold one.
    ///
    /// # Errors
    /// If it holds something else.
    pub fn integer(self) -> Result<u64> {
        match self {
            Wire::Varint(value) => Ok(value),
            other => Err(other.instead_of("an integer")),
        }
    }

    /// The bytes of a field that must hold some.
    ///
    /// # Errors
    /// If it holds something else.
    pub fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Wire::Bytes(bytes) => Ok(bytes),
            other => Err(other.instead_of("bytes")),
        }
    }

    /// The text of a field that must hold some.
    ///
    /// # Errors
    /// If it holds something else, or bytes that are no UTF-8.
    pub fn text(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| damaged("a text that is no UTF-8"))
    }

    /// The float of a field that must hold one.
    ///
    /// # Errors
    /// If it holds something else.
    pub fn float(self) -> Result<f32> {
        match self {
            Wire::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            other => Err(other.instead_of("a float")),
        }
    }

    /// Adds the floats of a repeated field, packed or one at a time, to `floats`.
    ///
    /// # Errors
    /// If it holds something else.
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

    /// Adds the doubles of a repeated field, packed or one at a time, to `floats`.
    ///
    /// # Errors
    /// If it holds something else.
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

    /// Adds the integers of a repeated field, packed or one at a time, to `integers`.
    ///
    /// # Errors
    /// If it holds something else.
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

    fn instead_of(self, wanted: &str) -> Error {
        let found = match self {
            Wire::Varint(_) => "an integer".to_owned(),
            Wire::Fixed64(_) => "eight bytes".to_owned(),
            Wire::Bytes(bytes) => format!("a run of {} bytes", bytes.len()),
            Wire::Fixed32(_) => "four bytes".to_owned(),
        };
        damaged(format!("{found} in place of {wanted}"))
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::input(format!("is damaged or no protocol buffer ({what})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Wire<'_>)>> {
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(|| reader.field().transpose()).collect()
    }

    /// The examples of Google's description.
    #[test]
    fn the_examples_of_the_format_are_read() {
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
    fn numbers_come_packed_and_one_by_one() {
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
    fn what_is_not_the_format_is_refused() {
        for (bytes, what) in [
            (&[0x08][..], "cut off"),
            (&[0x08, 0x80], "cut off"),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], "more than 64 bits"),
            (&[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], "more than 64 bits"),
            (&[0x12, 0x02, 0x00], "2 bytes where 1 are left"),
            (
                &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                "18446744073709551615 bytes",
            ),
            (&[0x0d, 0, 0, 0], "cut off"),
            (&[0x09, 0, 0, 0, 0, 0, 0, 0], "cut off"),
            (&[0x0b], "field 1 is a group"),
            (&[0x0e], "wire type 6"),
            (&[0x00, 0x00], "number 0"),
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
