//! The event file of a run: records of TensorFlow, each with its length and checksums.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use striate_tensor::Result;
use striate_tensor::file::{open_part, read_limited, write_error};

use super::checksum::masked;
use super::event::{start, step_of};

/// The name of the file, in which TensorBoard looks for `tfevents`. It is the same for the whole run, which a resumed
/// run continues.
pub(crate) const EVENTS: &str = "events.out.tfevents.striate";
/// Largest size of the file, in bytes. Nothing is added to a larger one.
const LARGEST: u64 = 256 << 20;
/// Bytes of a record before and after its event.
const FRAME: usize = 16;

/// A record with this event.
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked(event).to_le_bytes());
    record
}

/// The number of bytes of the intact records at the start of a file before the first one of a step from `step` on.
fn kept(bytes: &[u8], step: u64) -> usize {
    let mut end = 0;
    while let Some(event) =
        first_event(&bytes[end..]).filter(|event| step_of(event).is_none_or(|own| own < step))
    {
        end += event.len() + FRAME;
    }
    end
}

/// The event of the record at the start of `bytes`, if it is whole.
fn first_event(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length))?;
    let rest = usize::try_from(length).ok().and_then(|length| length.checked_add(4))?;
    let (event, checksum) = bytes.get(12..)?.split_at_checked(rest)?.0.split_at_checked(rest - 4)?;
    (checksum == masked(event).to_le_bytes()).then_some(event)
}

/// Appends `event`, of a step, to the event file in the folder `run`; `time` is in seconds since 1970. Removes events
/// of this and later steps, which a resumed run repeats, and a record that a killed run left unfinished.
///
/// # Errors
/// If the file cannot be read or written.
pub(super) fn append(run: &Path, event: &[u8], time: f64) -> Result<()> {
    let path = run.join(EVENTS);
    let mut file = open_part(&path)?;
    let failed = |e| write_error(&path, &e);
    let length = file.metadata().map_err(failed)?.len();
    if length > LARGEST {
        return Ok(());
    }
    let step = step_of(event).unwrap_or_default();
    let kept = kept(&read_limited(&path, LARGEST)?, step);
    let mut added = if kept == 0 { record(&start(time)) } else { Vec::new() };
    added.extend(record(event));
    file.set_len(kept as u64).map_err(failed)?;
    file.seek(SeekFrom::End(0)).map_err(failed)?;
    file.write_all(&added).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensorboard::event::Summary;

    fn event(step: u64) -> Vec<u8> {
        let mut summary = Summary::default();
        summary.scalar("loss", step as f64);
        summary.event(step, 0.0)
    }

    fn steps(bytes: &[u8]) -> Vec<Option<u64>> {
        let (mut steps, mut rest) = (Vec::new(), bytes);
        while let Some(event) = first_event(rest) {
            steps.push(step_of(event));
            rest = &rest[event.len() + FRAME..];
        }
        assert!(rest.is_empty());
        steps
    }

    #[test]
    fn damage_anywhere_ends_the_intact_records() {
        let whole: Vec<u8> = [10, 20].iter().flat_map(|step| record(&event(*step))).collect();
        let first = record(&event(10)).len();
        assert_eq!((kept(&whole, 99), kept(&whole, 20), kept(&whole, 10)), (whole.len(), first, 0));
        for end in 0..whole.len() {
            assert_eq!(kept(&whole[..end], 99), if end < first { 0 } else { first }, "{end}");
        }
        let mut damaged = whole.clone();
        for index in 0..whole.len() {
            for bit in 0..8 {
                damaged[index] ^= 1 << bit;
                // The checksum of the length is only for other readers.
                let is_unread = |start: usize| (start + 8..start + 12).contains(&index);
                if !is_unread(0) && !is_unread(first) {
                    assert_eq!(kept(&damaged, 99), if index < first { 0 } else { first }, "{index}");
                }
                let _ = step_of(&damaged[12..]);
                damaged[index] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn repeated_steps_replace_their_events() {
        let folder = std::env::temp_dir().join(format!("striate-events-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(EVENTS);
        let read = || std::fs::read(&path).unwrap();
        for step in [10, 20, 30] {
            append(&folder, &event(step), 0.0).unwrap();
        }
        assert_eq!(steps(&read()), [None, Some(10), Some(20), Some(30)]);
        let whole = read();
        append(&folder, &event(20), 0.0).unwrap();
        assert_eq!(steps(&read()), [None, Some(10), Some(20)]);
        append(&folder, &event(30), 0.0).unwrap();
        assert_eq!(read(), whole);
        // As a killed run may leave it.
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        append(&folder, &event(40), 0.0).unwrap();
        assert_eq!(steps(&read()), [None, Some(10), Some(20), Some(40)]);
        std::fs::write(&path, b"not events").unwrap();
        append(&folder, &event(1), 0.0).unwrap();
        assert_eq!(steps(&read()), [None, Some(1)]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
