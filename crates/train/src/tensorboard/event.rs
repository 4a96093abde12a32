//! Events of TensorBoard as protocol buffers: `Event`, `Summary`, `Summary.Value` and `Summary.Image` of TensorFlow's
//! `event.proto` and `summary.proto`.

use striate_tensor::Result;
use striate_vision::{Image, encode_png};

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn double(mut self, field: u8, value: f64) -> Message {
        self.0.push(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn float(mut self, field: u8, value: f32) -> Message {
        self.0.push(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn int(mut self, field: u8, value: u64) -> Message {
        self.0.push(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u8, bytes: impl AsRef<[u8]>) -> Message {
        let bytes = bytes.as_ref();
        self.0.push(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// The figures and pictures of a step.
#[derive(Default)]
pub(super) struct Summary(Message);

impl Summary {
    /// Adds a number under a name.
    pub fn scalar(&mut self, tag: &str, value: f64) {
        let value = Message::default().bytes(1, tag).float(2, value as f32);
        self.0 = std::mem::take(&mut self.0).bytes(1, value.0);
    }

    /// Adds a picture under a name.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn image(&mut self, tag: &str, image: &Image) -> Result<()> {
        let sides = Message::default().int(1, image.height() as u64).int(2, image.width() as u64);
        let image = sides.int(3, image.channels() as u64).bytes(4, encode_png(image)?);
        let value = Message::default().bytes(1, tag).bytes(4, image.0);
        self.0 = std::mem::take(&mut self.0).bytes(1, value.0);
        Ok(())
    }

    /// The event of this summary after step number `step`, at `time` in seconds since 1970.
    pub fn event(self, step: u64, time: f64) -> Vec<u8> {
        Message::default().double(1, time).int(2, step).bytes(5, self.0.0).0
    }
}

/// The event at the start of a file, which names its format.
pub(super) fn start(time: f64) -> Vec<u8> {
    Message::default().double(1, time).bytes(3, "brain.Event:2").0
}

/// The step of an event written here; `None` for that at the start of a file.
pub(super) fn step_of(event: &[u8]) -> Option<u64> {
    // The time takes nine bytes.
    let [0x10, digits @ ..] = event.get(9..)? else { return None };
    let end = digits.iter().take(10).position(|byte| *byte < 0x80)?;
    Some(digits[..=end].iter().rev().fold(0, |step, byte| step << 7 | u64::from(byte & 0x7f)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_of_event_is_read_back() {
        for step in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1] {
            let mut summary = Summary::default();
            summary.scalar("loss", 0.5);
            assert_eq!(step_of(&summary.event(step, 1e9)), Some(step));
        }
        assert_eq!(step_of(&start(0.0)), None);
        assert_eq!(step_of(&[]), None);
    }

    /// `Event(wall_time=1.5, step=300, summary=Summary(value=[Summary.Value(tag="a", simple_value=0.5)]))`, serialized
    /// by TensorBoard's own classes (`scripts/reference/read_tensorboard.py --bytes`).
    #[test]
    fn event_is_that_of_tensorboard() {
        let mut summary = Summary::default();
        summary.scalar("a", 0.5);
        let expected = "09000000000000f83f10ac022a0a0a080a0161150000003f";
        let hexadecimal: String = summary.event(300, 1.5).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hexadecimal, expected);
    }
}
