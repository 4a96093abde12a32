//! A writer of protocol buffers, field by field, valid or not.

/// A message under construction.
#[derive(Clone, Default)]
pub struct Message {
    /// The bytes written so far.
    pub bytes: Vec<u8>,
}

impl Message {
    /// Starts an empty message.
    pub fn new() -> Message {
        Message::default()
    }

    /// Adds a varint without a key.
    pub fn varint(mut self, mut value: u64) -> Message {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    /// Adds raw bytes without a key.
    pub fn raw(mut self, bytes: &[u8]) -> Message {
        self.bytes.extend(bytes);
        self
    }

    fn key(self, number: u64, wire: u64) -> Message {
        self.varint(number << 3 | wire)
    }

    /// Adds an integer field.
    pub fn integer(self, number: u64, value: u64) -> Message {
        self.key(number, 0).varint(value)
    }

    /// Adds a float field.
    pub fn float(self, number: u64, value: f32) -> Message {
        self.key(number, 5).raw(&value.to_le_bytes())
    }

    /// Adds a bytes field.
    pub fn bytes(self, number: u64, bytes: &[u8]) -> Message {
        self.key(number, 2).varint(bytes.len() as u64).raw(bytes)
    }

    /// Adds a string field.
    pub fn text(self, number: u64, text: &str) -> Message {
        self.bytes(number, text.as_bytes())
    }

    /// Adds a message field.
    pub fn message(self, number: u64, message: &Message) -> Message {
        self.bytes(number, &message.bytes)
    }

    /// Adds the start of a field that claims to have `length` bytes.
    pub fn claim(self, number: u64, length: u64) -> Message {
        self.key(number, 2).varint(length)
    }

    /// Adds a packed field of integers.
    pub fn packed(self, number: u64, values: &[u64]) -> Message {
        let packed = values.iter().fold(Message::new(), |packed, value| packed.varint(*value));
        self.message(number, &packed)
    }
}

/// A Caffe `BlobProto` with a `BlobShape`.
pub fn blob(extents: &[u64], values: &[f32]) -> Message {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Message::new().message(7, &Message::new().packed(1, extents)).bytes(5, &data)
}

/// A Caffe `BlobProto` with the legacy fields number, channels, height and width.
pub fn legacy_blob(extents: [u64; 4], values: &[f32]) -> Message {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let numbered = extents.iter().zip(1..);
    numbered.fold(Message::new(), |blob, (extent, number)| blob.integer(number, *extent)).bytes(5, &data)
}
