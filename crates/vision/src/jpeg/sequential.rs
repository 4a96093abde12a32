//! Scans of sequential files: each has all coefficients of its components, which become samples at once. ITU-T T.81,
//! annex F.2.

use striate_tensor::{Vectorize, vectorized};

use super::data::{Bits, Data};
use super::header::{Header, MOST_BLOCKS, Scan, ZIGZAG};
use super::huffman::{AT_ONCE, Table, Use};
use super::idct::transform;
use super::plane::Plane;

/// Decodes a scan to samples of those blocks that are needed, and stops after their last row.
pub(super) fn decode(header: &mut Header, scan: &Scan, planes: &mut [Plane]) -> Option<()> {
    let data = header.data();
    let frame = header.frame.as_ref()?;
    let (columns, rows) = frame.units(scan);
    let mut parts = Vec::new();
    let mut each = planes.iter_mut().enumerate();
    for part in &scan.components {
        let (_, plane) = each.find(|(number, _)| *number == part.component)?;
        let (across, down) = frame.blocks(scan, part);
        parts.push(Part {
            dc: header.dc(part)?,
            ac: header.ac(part, Use::Ac)?,
            factors: header.factors(part.component)?,
            plane,
            across,
            down,
            previous: 0,
        });
    }
    let start = parts.iter().map(|part| part.plane.rows().start / part.down).min()?;
    let end = parts.iter().map(|part| part.plane.rows().end.div_ceil(part.down)).max()?.min(rows);
    let restart = Restart { interval: header.interval, first: start * columns };
    vectorized(Work { data: &data, restart, columns, end, parts: &mut parts })
}

/// A component of the scan.
struct Part<'a> {
    dc: Table,
    ac: Table,
    factors: [i16; 64],
    plane: &'a mut Plane,
    /// Blocks in a unit.
    across: usize,
    down: usize,
    /// The first coefficient of the block before.
    previous: i32,
}

/// A block of a unit.
#[derive(Clone, Copy)]
struct Block {
    coefficients: [i16; 64],
    /// The number of the last coefficient in zigzag order.
    last: usize,
    is_needed: bool,
}

/// Units between restarts, or 0, and the first unit that is needed.
struct Restart {
    interval: usize,
    first: usize,
}

struct Work<'a, 'b> {
    data: &'a Data,
    restart: Restart,
    /// Units per row, and the row of units at which to stop.
    columns: usize,
    end: usize,
    parts: &'a mut [Part<'b>],
}

impl Vectorize for Work<'_, '_> {
    type Output = Option<()>;

    #[inline(always)]
    fn run(self) -> Option<()> {
        let Work { data, restart: Restart { interval, first }, columns, end, parts } = self;
        // What lies before the last restart ahead of the first unit is passed over.
        let mut piece = first.checked_div(interval).unwrap_or(0);
        let start = piece * interval;
        let mut bits = data.bits(piece)?;
        let (mut row, mut column) = (start / columns, start % columns);
        let mut unit = [Block { coefficients: [0; 64], last: 0, is_needed: false }; MOST_BLOCKS];
        let mut left = if interval > 0 { interval } else { usize::MAX };
        while row < end {
            if left == 0 {
                piece += 1;
                if !bits.is_valid() {
                    return None;
                }
                bits = data.bits(piece)?;
                left = interval;
                parts.iter_mut().for_each(|part| part.previous = 0);
            }
            left -= 1;
            // Blocks are transformed after the whole unit was read, when their coefficients have arrived in memory.
            let mut blocks = unit.iter_mut();
            for part in parts.iter_mut() {
                for (y, x) in part.places() {
                    let block = blocks.next()?;
                    block.is_needed = part.plane.needs(column * part.across + x, row * part.down + y);
                    if block.is_needed {
                        block.coefficients = [0; 64];
                        block.last = read::<true>(
                            &mut bits,
                            [&part.dc, &part.ac],
                            &mut part.previous,
                            &mut block.coefficients,
                        )?;
                    } else {
                        read::<false>(
                            &mut bits,
                            [&part.dc, &part.ac],
                            &mut part.previous,
                            &mut block.coefficients,
                        )?;
                    }
                }
            }
            let mut blocks = unit.iter();
            for part in parts.iter_mut() {
                for (y, x) in part.places() {
                    let block = blocks.next()?;
                    if block.is_needed {
                        let samples = transform(&block.coefficients, &part.factors, block.last);
                        part.plane.put(column * part.across + x, row * part.down + y, &samples);
                    }
                }
            }
            column += 1;
            if column == columns {
                (row, column) = (row + 1, 0);
                if !bits.is_valid() {
                    return None;
                }
            }
        }
        Some(())
    }
}

impl Part<'_> {
    /// The rows and columns of the blocks in a unit.
    #[inline(always)]
    fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let across = self.across;
        (0..self.down).flat_map(move |y| (0..across).map(move |x| (y, x)))
    }
}

/// Reads the coefficients of a block, and returns the number of the last one in zigzag order. `KEEP`: whether they are
/// stored. A function of its own, since the variables of this loop must stay in registers.
#[inline(never)]
fn read<const KEEP: bool>(
    from: &mut Bits,
    [dc, ac]: [&Table; 2],
    previous: &mut i32,
    coefficients: &mut [i16; 64],
) -> Option<usize> {
    let mut bits = *from;
    let first = dc.read(&mut bits);
    if first.skip > 0 {
        return None;
    }
    *previous = previous.wrapping_add(first.value);
    coefficients[0] = *previous as i16;
    let (mut at, mut last) = (1, 0);
    'block: loop {
        bits.refill();
        for _ in 0..AT_ONCE {
            let symbol = ac.next(&mut bits);
            at += symbol.skip;
            if at > 63 {
                if !symbol.is_end() {
                    return None;
                }
                break 'block;
            }
            if KEEP {
                coefficients[usize::from(ZIGZAG[at]) & 63] = symbol.value as i16;
                last = at;
            }
            if at == 63 {
                break 'block;
            }
            at += 1;
        }
    }
    *from = bits;
    Some(last)
}
