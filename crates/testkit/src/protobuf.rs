//! Protocol buffers written field by field, well formed or not.

/// A message that grows.
#[derive(Clone, Default)]
pub struct Message {
    /// What was written so far.
    pub bytes: Vec<u8>,
}

impl Message {
    /// Without a field.
    pub fn new() -> Message {
        Message::default()
    }

    /// Adds an integer of seven bits a byte, without a key.
    pub fn varint(mut self, mut value: u64) -> Message {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    /// Adds bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Message {
        self.bytes.extend(bytes);
        self
    }

    fn key(self, number: u64, wire: u64) -> Message {
        self.varint(number << 3 | wire)
    }

    /// Adds a field of an integer.
    pub fn integer(self, number: u64, value: u64) -> Message {
        self.key(number, 0).varint(value)
    }

    /// Adds a field of four bytes.
    pub fn float(self, number: u64, value: f32) -> Message {
        self.key(number, 5).raw(&value.to_le_bytes())
    }

    /// Adds a field of bytes.
    pub fn bytes(self, number: u64, bytes: &[u8]) -> Message {
        self.key(number, 2).varint(bytes.len() as u64).raw(bytes)
    }

    /// Adds a field of text.
    pub fn text(self, number: u64, text: &str) -> Message {
        self.bytes(number, text.as_bytes())
    }

    /// Adds a message as a field.
    pub fn message(self, number: u64, message: &Message) -> Message {
        self.bytes(number, &message.bytes)
    }

    /// A field that claims `length` bytes.
    pub fn claim(self, number: u64, length: u64) -> Message {
        self.key(number, 2).varint(length)
    }

    /// Adds a field of packed integers.
    pub fn packed(self, number: u64, values: &[u64]) -> Message {
        let packed = values.iter().fold(Message::new(), |packed, value| packed.varint(*value));
        self.message(number, &packed)
    }
}

/// Caffe's `BlobProto` with a `BlobShape`.
pub fn blob(extents: &[u64], values: &[f32]) -> Message {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Message::new().message(7, &Message::new().packed(1, extents)).bytes(5, &data)
}

/// Caffe's `BlobProto` with number, channels, height and width.
pub fn legacy_blob(extents: [u64; 4], values: &[f32]) -> Message {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let numbered = extents.iter().zip(1..);
    numbered.fold(Message::new(), |blob, (extent, number)| blob.integer(number, *extent)).bytes(5, &data)
}
