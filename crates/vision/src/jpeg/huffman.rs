//! Tables of Huffman codes. ITU-T T.81, annexes C and F.2.2.3.

use std::ops::Range;

use super::data::Bits;

/// Codes as a file describes them.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    /// The number of codes of each length from 1 to 16 bits.
    counts: [u8; 16],
    /// Their symbols.
    symbols: Vec<u8>,
}

impl Codes {
    /// Returns the codes if they are a prefix code.
    pub fn new(counts: [u8; 16], symbols: &[u8]) -> Option<Codes> {
        let share = |(count, length): (&u8, u32)| u32::from(*count) << (16 - length);
        let used: u32 = counts.iter().zip(1..).map(share).sum();
        (used <= 1 << 16).then(|| Codes { counts, symbols: symbols.to_vec() })
    }
}

/// What the symbols of a table mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The size of the difference of a block's first coefficient.
    Dc,
    /// The run of zeros and the size of a coefficient, or the end of a block.
    Ac,
    /// The same, or a number of blocks that end.
    Progressive,
}

/// Bits of codes that are looked up at once.
const LOOKUP: u32 = 10;
/// Symbols that can be read from the bits of one [`Bits::refill`]: up to 31 bits after others of `LOOKUP` bits; after
/// longer ones, the bits are refilled.
pub(super) const AT_ONCE: usize = 3;

/// What follows in the data. In bits from 0 on, the length of code and value; from 8, the coefficients to skip; from
/// 16, the value, of 16 bits. With [`BEYOND`], the value ends after the bits that are looked up: instead of it, the
/// length of the code, and from 24, the size of the value. [`BEYOND`] alone: the code itself is longer, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(u32);

/// A mark of an [`Entry`].
const BEYOND: u32 = 0x80;
/// Coefficients to skip at the end of a block: more than any block has.
const END: usize = 64;
/// Number of coefficients to skip if the bits match no code.
const INVALID: usize = 255;

impl Entry {
    /// An entry without its value.
    fn new(symbol: u8, length: u32, purpose: Use) -> Entry {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        let skip = if purpose == Use::Ac && size == 0 && run < 15 { END as u32 } else { run };
        Entry((length + size) | BEYOND | skip << 8 | length << 16 | size << 24)
    }

    /// The entry with its value, if that ends before `LOOKUP` bits, the first bits of `word`.
    fn with_value(self, word: u64) -> Entry {
        let length = self.0 & 63;
        let value = self.value(word) as u16;
        if length > LOOKUP { self } else { Entry(length | self.0 & 0xff00 | u32::from(value) << 16) }
    }

    #[inline(always)]
    fn skip(self) -> usize {
        (self.0 >> 8 & 0xff) as usize
    }

    /// The value after the code at the start of `word`, for an entry without it; 0 if there is none.
    #[inline(always)]
    fn value(self, word: u64) -> i32 {
        let (length, size) = (self.0 >> 16 & 31, self.0 >> 24);
        let bits = word << length;
        let value = (bits >> 1 >> (63 - size)) as i32;
        // Values that start with a zero are negative.
        let is_negative = !(bits >> 32) as i32 >> 31;
        value - (is_negative & ((1 << size) - 1))
    }
}

/// A symbol with the value after it.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    /// Coefficients to skip, more than 63 at the end of a block.
    pub skip: usize,
    pub value: i32,
}

impl Symbol {
    /// Whether the block ends.
    pub fn is_end(self) -> bool {
        self.skip == END
    }
}

/// Codes that are looked up.
pub(super) struct Table {
    /// By the next bits.
    entries: Box<[Entry; 1 << LOOKUP]>,
    /// For each length: the first 16 bits after its codes, and the number of its first symbol less its first code.
    limits: [u32; 17],
    offsets: [i32; 17],
    symbols: Vec<u8>,
    purpose: Use,
}

impl Table {
    /// Prepares the codes; `None` if a symbol has no meaning.
    pub fn new(codes: &Codes, purpose: Use) -> Option<Table> {
        if purpose == Use::Dc && codes.symbols.iter().any(|symbol| *symbol > 15) {
            return None;
        }
        let mut table = Table {
            entries: Box::new([Entry(BEYOND); 1 << LOOKUP]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: codes.symbols.clone(),
            purpose,
        };
        let (mut code, mut number) = (0u32, 0);
        for (count, length) in codes.counts.iter().zip(1u32..) {
            let count = usize::from(*count);
            table.offsets[length as usize] = number as i32 - code as i32;
            for symbol in &codes.symbols[number..number + count] {
                if length <= LOOKUP {
                    let entry = Entry::new(*symbol, length, purpose);
                    table.fill(entry, code << (LOOKUP - length)..(code + 1) << (LOOKUP - length));
                }
                code += 1;
            }
            number += count;
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Sets the entries of a code, with values where they fit.
    fn fill(&mut self, entry: Entry, range: Range<u32>) {
        let free = LOOKUP.saturating_sub(entry.0 & 63);
        let entries = &mut self.entries[range.start as usize..range.end as usize];
        for (same, first) in entries.chunks_mut(1 << free).zip((range.start..).step_by(1 << free)) {
            same.fill(entry.with_value(u64::from(first) << (64 - LOOKUP)));
        }
    }

    /// Reads a code and the value that follows it. If the bits match no code, the symbol skips past the end of any
    /// block but is not an end of block, which tells the caller that the data is damaged.
    #[inline(always)]
    pub fn read(&self, bits: &mut Bits) -> Symbol {
        bits.refill();
        self.next(bits)
    }

    /// Like [`Table::read`], after a [`Bits::refill`] and at most [`AT_ONCE`] − 1 symbols since.
    #[inline(always)]
    pub fn next(&self, bits: &mut Bits) -> Symbol {
        let word = bits.word();
        let entry = self.entries[(word >> (64 - LOOKUP)) as usize];
        if entry.0 & BEYOND == 0 {
            bits.pass(entry.0);
            return Symbol { skip: entry.skip(), value: entry.0 as i32 >> 16 };
        }
        let entry = if entry == Entry(BEYOND) { self.long(word) } else { entry };
        bits.pass(entry.0 & 63);
        bits.refill();
        Symbol { skip: entry.skip(), value: entry.value(word) }
    }

    /// Finds a code that is not looked up.
    #[cold]
    #[inline(never)]
    fn long(&self, word: u64) -> Entry {
        let next = (word >> 48) as u32;
        for length in LOOKUP + 1..=16 {
            if next < self.limits[length as usize] {
                let number = (next >> (16 - length)) as i32 + self.offsets[length as usize];
                if let Some(symbol) = self.symbols.get(number as usize) {
                    return Entry::new(*symbol, length, self.purpose);
                }
            }
        }
        Entry(1 | BEYOND | (INVALID as u32) << 8 | 1 << 16)
    }
}
