//! Detects truncated JPEG files.
//!
//! Decoders fill missing data with gray instead of refusing the file. A file that ends with the end marker is
//! complete. Some writers omit the marker; such a file is complete if its image does not depend on the bytes
//! that follow. Source: ITU-T T.81, annexes B and G.

use super::data::plain;

/// How much of a JPEG file is present, judging by its markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The end marker is present, after this many bytes.
    Whole(usize),
    /// The file ends among coded data, after this many bytes, and every coefficient occurs in a scan.
    WithoutEnd(usize),
    /// Data is certainly missing.
    Cut,
}

const END: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Endings to append to a file without its end marker: the marker alone, and different coded data before it.
pub(crate) const TAILS: [&[u8]; 3] = [
    &[0xff, END],
    &[0x5a, 0x3c, 0x96, 0x0f, 0x71, 0xe2, 0x4d, 0xb8, 0x27, 0x93, 0x6c, 0xd5, 0xff, END],
    &[0xa5, 0xc3, 0x69, 0xf0, 0x8e, 0x1d, 0xb2, 0x47, 0xd8, 0x6c, 0x93, 0x2a, 0xff, END],
];

/// Returns how much of the file is present.
pub(crate) fn extent(bytes: &[u8]) -> Extent {
    let mut scans = Scans::default();
    let mut at = 2;
    loop {
        // A marker is 0xff, any number of times, and a byte that is neither that nor zero. In coded data
        // 0xff is followed by zero or by a restart marker.
        at += plain(&bytes[at.min(bytes.len())..]) + 1;
        if at > bytes.len() {
            return scans.end(bytes.len());
        }
        match bytes.get(at) {
            // Half an end marker, or half of anything else.
            None => return scans.end(bytes.len() - 1),
            Some(&END) => return Extent::Whole(at - 1),
            Some(0xff) => {}
            Some(0 | 1 | 0xd0..=0xd8) => at += 1,
            Some(marker) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return Extent::Cut };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let Some(segment) = bytes.get(at + 3..at + 1 + length) else { return Extent::Cut };
                match *marker {
                    START_OF_SCAN => scans.begin(segment),
                    0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => scans.frame(segment),
                    _ => scans.in_scan = false,
                }
                at += 1 + length;
            }
        }
    }
}

/// Returns the number of color components, four for CMYK and its variants; `None` if the file has no frame.
pub(crate) fn components(bytes: &[u8]) -> Option<u8> {
    let mut at = 2;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)? + 1;
        match *bytes.get(at)? {
            0xff => {}
            0 | 1 | 0xd0..=0xd9 => at += 1,
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => return bytes.get(at + 8).copied(),
            _ => at += 1 + usize::from(u16::from_be_bytes([*bytes.get(at + 1)?, *bytes.get(at + 2)?])),
        }
    }
}

/// The coefficients of each component that are at full precision after the scans so far.
#[derive(Default)]
struct Scans {
    components: Vec<(u8, u64)>,
    in_scan: bool,
}

impl Scans {
    fn frame(&mut self, segment: &[u8]) {
        self.in_scan = false;
        self.components = segment.iter().skip(6).step_by(3).map(|id| (*id, 0)).collect();
    }

    fn begin(&mut self, segment: &[u8]) {
        self.in_scan = true;
        let Some((&count, rest)) = segment.split_first() else { return };
        let selectors = 2 * usize::from(count);
        let Some(&[first, last, precision]) = rest.get(selectors..selectors + 3) else { return };
        if precision & 0xf > 0 {
            return;
        }
        let sent = (first..=last.min(63)).fold(0u64, |sent, at| sent | 1 << at);
        for id in rest[..selectors].iter().step_by(2) {
            self.components.iter_mut().filter(|(own, _)| own == id).for_each(|(_, all)| *all |= sent);
        }
    }

    fn end(&self, length: usize) -> Extent {
        let all = !self.components.is_empty() && self.components.iter().all(|(_, sent)| *sent == u64::MAX);
        if self.in_scan && all { Extent::WithoutEnd(length) } else { Extent::Cut }
    }
}
