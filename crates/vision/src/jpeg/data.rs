//! The coded data of a scan, and its bits. ITU-T T.81, annexes B.1.1.5 and F.2.2.5.

use std::ops::Range;

/// The coded data of a scan without stuffed bytes and restart markers.
pub(super) struct Data {
    /// The data, and [`PADDING`] zeros.
    bytes: Vec<u8>,
    /// What lies between restarts; empty where the numbers of restart markers are out of order.
    pieces: Vec<Range<usize>>,
}

/// Zeros after the data, so that bits are read from whole words.
const PADDING: usize = 8;
/// Bytes that are searched for markers at once.
const STEP: usize = 32;

/// Copies the coded data at the start of `bytes`, and returns how many bytes it takes.
pub(super) fn unstuff(bytes: &[u8]) -> (Data, usize) {
    let mut data = Data { bytes: Vec::with_capacity(bytes.len() + PADDING), pieces: Vec::new() };
    let (mut at, mut start) = (0, 0);
    loop {
        let plain = plain(&bytes[at..]);
        data.bytes.extend_from_slice(&bytes[at..at + plain]);
        at += plain;
        match bytes.get(at + 1) {
            Some(0) => {
                data.bytes.push(0xff);
                at += 2;
            }
            Some(0xff) => at += 1,
            Some(&marker @ 0xd0..=0xd7) if usize::from(marker - 0xd0) == data.pieces.len() % 8 => {
                data.pieces.push(start..data.bytes.len());
                start = data.bytes.len();
                at += 2;
            }
            _ => break,
        }
    }
    data.pieces.push(start..data.bytes.len());
    data.bytes.extend([0; PADDING]);
    (data, at)
}

/// Returns the number of bytes before the first 0xff, or all.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<STEP>();
    let has_marker = |chunk: &[u8; STEP]| chunk.iter().fold(false, |any, byte| any | (*byte == 0xff));
    let skipped = STEP * chunks.iter().position(has_marker).unwrap_or(chunks.len());
    skipped + bytes[skipped..].iter().position(|byte| *byte == 0xff).unwrap_or(bytes.len() - skipped)
}

impl Data {
    /// Returns the bits of a piece between restarts.
    pub fn bits(&self, piece: usize) -> Option<Bits<'_>> {
        let piece = self.pieces.get(piece)?;
        Some(Bits { bytes: &self.bytes, at: piece.start, end: piece.end, word: 0, count: 0 })
    }
}

/// Reads bits, the highest of each byte first. Beyond the end, other bits are read, which [`Bits::is_valid`] reports.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte for `word`, and the end of the piece.
    at: usize,
    end: usize,
    /// The next bits, from the highest on, and how many of them have been counted.
    word: u64,
    count: u8,
}

impl Bits<'_> {
    /// Provides at least 56 bits.
    #[inline(always)]
    pub fn refill(&mut self) {
        let next = self.bytes.get(self.at..).and_then(|bytes| bytes.first_chunk::<8>());
        self.word |= next.map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
    }

    /// Provides at least `count` bits, up to 56.
    #[inline(always)]
    pub fn require(&mut self, count: u32) {
        if u32::from(self.count) < count {
            self.refill();
        }
    }

    /// The next bits, from the highest on; required before.
    #[inline(always)]
    pub fn word(&self) -> u64 {
        self.word
    }

    /// Passes as many bits as the lowest byte of `count` says, at most 31, which were required. The other bytes need
    /// not be masked, which shortens the longest chain of instructions of decoding.
    #[inline(always)]
    pub fn pass(&mut self, count: u32) {
        self.word = self.word.wrapping_shl(count);
        self.count = self.count.wrapping_sub(count as u8);
    }

    /// Reads `count` bits, from 0 to 16.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        self.require(count);
        let bits = (self.word >> 1 >> (63 - count)) as u32;
        self.pass(count);
        bits
    }

    /// Returns whether all bits so far were in the piece.
    pub fn is_valid(&self) -> bool {
        self.at * 8 <= self.end * 8 + usize::from(self.count)
    }
}
