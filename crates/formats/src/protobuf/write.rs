//! Writes protocol buffers, field by field.

use striate_tensor::{Error, Result};

/// Largest size of a protocol buffer.
const LARGEST: usize = i32::MAX as usize;

/// A message under construction.
#[derive(Default)]
pub(crate) struct Message(pub Vec<u8>);

impl Message {
    /// Appends an integer.
    pub fn int(mut self, field: u32, value: i64) -> Message {
        self.varint(u64::from(field) << 3);
        self.varint(value.cast_unsigned());
        self
    }

    /// Appends a float.
    pub fn float(mut self, field: u32, value: f32) -> Message {
        self.varint(u64::from(field) << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Appends bytes, text or a message.
    pub fn bytes(mut self, field: u32, bytes: impl AsRef<[u8]>) -> Message {
        let bytes = bytes.as_ref();
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// Returns the bytes of the finished message, described by `what` in errors.
    ///
    /// # Errors
    /// If they exceed the limit of the format (2 GiB).
    pub fn finish(self, what: &str) -> Result<Vec<u8>> {
        match self.0.len() {
            0..=LARGEST => Ok(self.0),
            len => Err(Error::input(format!("{len} bytes are too many for {what}"))),
        }
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
