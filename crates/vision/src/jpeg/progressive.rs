//! Progressive files: scans add coefficients, or bits of them, until all are there. ITU-T T.81, annex G.

use striate_tensor::{Vectorize, vectorized};

use super::data::Bits;
use super::header::{Header, Next, Scan, ZIGZAG};
use super::huffman::{Symbol, Table, Use};
use super::idct::transform;
use super::plane::Plane;

/// Most scans: several times as many as encoders write.
const MOST_SCANS: usize = 100;
/// Bits that are missing from a coefficient of which nothing was sent.
const UNSENT: u8 = u8::MAX;
/// Most bits that may be missing after a scan.
const MOST_MISSING: u8 = 13;

/// The coefficients of a component so far.
struct Coefficients {
    /// Of each block in zigzag order, row by row.
    values: Vec<[i16; 64]>,
    /// Blocks per row.
    columns: usize,
    /// For each coefficient, the bits that are missing.
    missing: [u8; 64],
    factors: Option<[i16; 64]>,
}

/// Decodes all scans from `scan` on, and then the samples of those blocks that are needed. Files without all
/// coefficients are not decoded.
pub(super) fn decode(header: &mut Header, mut scan: Scan, planes: &mut [Plane]) -> Option<()> {
    let frame = header.frame.clone()?;
    let (columns, rows) = frame.whole_units();
    let empty = |component: &super::header::Component| Coefficients {
        values: vec![[0; 64]; columns * component.across * rows * component.down],
        columns: columns * component.across,
        missing: [UNSENT; 64],
        factors: None,
    };
    let mut all: Vec<Coefficients> = frame.components.iter().map(empty).collect();
    for _ in 0..MOST_SCANS {
        for part in &scan.components {
            let coefficients = &mut all[part.component];
            coefficients.expect(&scan)?;
            coefficients.factors = coefficients.factors.or(header.factors(part.component));
        }
        decode_scan(header, &scan, &mut all)?;
        match header.next()? {
            Next::Scan(next) => scan = next,
            Next::End => {
                for (coefficients, plane) in all.iter().zip(planes) {
                    let is_complete = coefficients.missing.iter().all(|bits| *bits == 0);
                    let factors = coefficients.factors.filter(|_| is_complete)?;
                    vectorized(Transform { coefficients, factors: &factors, plane });
                }
                return Some(());
            }
        }
    }
    None
}

impl Coefficients {
    /// Notes what a scan adds; `None` if it does not continue where the scans before ended.
    fn expect(&mut self, scan: &Scan) -> Option<()> {
        let is_next = |missing: &u8| match scan.before {
            0 => *missing == UNSENT && scan.after <= MOST_MISSING,
            before => *missing == before && scan.after + 1 == before,
        };
        let is_known = scan.first == 0 || self.missing[0] != UNSENT;
        let added = &mut self.missing[scan.first..=scan.last];
        if !is_known || !added.iter().all(is_next) {
            return None;
        }
        added.fill(scan.after);
        Some(())
    }
}

/// What is carried on from block to block, until a restart.
#[derive(Default)]
struct State {
    /// The first coefficient of the last block, by component of the scan.
    previous: [i32; 3],
    /// Blocks that end without further coefficients.
    ended: u32,
}

fn decode_scan(header: &mut Header, scan: &Scan, all: &mut [Coefficients]) -> Option<()> {
    let data = header.data();
    let frame = header.frame.as_ref()?;
    let (columns, rows) = frame.units(scan);
    let mut tables = Vec::new();
    for part in &scan.components {
        let is_plain = scan.first == 0 && scan.before > 0;
        let table = if scan.first == 0 { header.dc(part) } else { header.ac(part, Use::Progressive) };
        tables.push(if is_plain { None } else { Some(table?) });
    }
    let (mut piece, mut bits, mut state) = (0, data.bits(0)?, State::default());
    for unit in 0..columns * rows {
        if header.interval > 0 && unit > 0 && unit % header.interval == 0 {
            piece += 1;
            if !bits.is_valid() {
                return None;
            }
            (bits, state) = (data.bits(piece)?, State::default());
        }
        for (at, (part, table)) in scan.components.iter().zip(&tables).enumerate() {
            let (across, down) = frame.blocks(scan, part);
            let coefficients = &mut all[part.component];
            for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
                let row = unit / columns * down + y;
                let block = row * coefficients.columns + unit % columns * across + x;
                let block = coefficients.values.get_mut(block)?;
                match (table, scan.before) {
                    (None, _) => block[0] |= (bits.take(1) << scan.after) as i16,
                    (Some(table), _) if scan.first == 0 => {
                        let first = table.read(&mut bits);
                        state.previous[at] = state.previous[at].wrapping_add(first.value);
                        block[0] = (state.previous[at] << scan.after) as i16;
                        if first.skip > 0 {
                            return None;
                        }
                    }
                    (Some(table), 0) => first_bits(&mut bits, table, scan, block, &mut state.ended)?,
                    (Some(table), _) => more_bits(&mut bits, table, scan, block, &mut state.ended)?,
                }
            }
        }
        if unit % columns == 0 && !bits.is_valid() {
            return None;
        }
    }
    bits.is_valid().then_some(())
}

/// Reads how many blocks end, this one included.
fn ended(bits: &mut Bits, run: usize) -> u32 {
    (1 << run) + bits.take(run as u32)
}

/// Reads the first bits of coefficients.
fn first_bits(
    bits: &mut Bits,
    table: &Table,
    scan: &Scan,
    block: &mut [i16; 64],
    ends: &mut u32,
) -> Option<()> {
    let mut at = scan.first;
    while *ends == 0 && at <= scan.last {
        let Symbol { skip, value } = table.read(bits);
        if value == 0 && skip < 15 {
            *ends = ended(bits, skip);
            break;
        }
        at += skip;
        if at > scan.last {
            return None;
        }
        block[at] = (value << scan.after) as i16;
        at += 1;
    }
    *ends = ends.saturating_sub(1);
    Some(())
}

/// Reads one more bit of the coefficients that are not zero, and the first bit of others.
fn more_bits(
    bits: &mut Bits,
    table: &Table,
    scan: &Scan,
    block: &mut [i16; 64],
    ends: &mut u32,
) -> Option<()> {
    let bit = 1i16 << scan.after;
    let mut at = scan.first;
    while *ends == 0 && at <= scan.last {
        let Symbol { skip: mut zeros, value } = table.read(bits);
        match value {
            0 if zeros < 15 => {
                *ends = ended(bits, zeros);
                break;
            }
            -1..=1 if zeros <= 15 => {}
            _ => return None,
        }
        loop {
            let coefficient = block[..=scan.last].get_mut(at)?;
            at += 1;
            if *coefficient != 0 {
                refine(bits, coefficient, bit);
            } else if zeros == 0 {
                *coefficient = value as i16 * bit;
                break;
            } else {
                zeros -= 1;
            }
        }
    }
    if *ends > 0 {
        let others = block[at..=scan.last].iter_mut().filter(|coefficient| **coefficient != 0);
        others.for_each(|coefficient| refine(bits, coefficient, bit));
        *ends -= 1;
    }
    Some(())
}

/// Reads a bit of a coefficient that is not zero.
fn refine(bits: &mut Bits, coefficient: &mut i16, bit: i16) {
    if bits.take(1) > 0 && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(bit * coefficient.signum());
    }
}

/// Transforms the blocks of a component that are needed.
struct Transform<'a> {
    coefficients: &'a Coefficients,
    factors: &'a [i16; 64],
    plane: &'a mut Plane,
}

impl Vectorize for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Transform { coefficients, factors, plane } = self;
        for row in plane.rows() {
            for column in plane.columns() {
                let values = &coefficients.values[row * coefficients.columns + column];
                let mut block = [0; 64];
                for (value, at) in values.iter().zip(ZIGZAG) {
                    block[usize::from(at) & 63] = *value;
                }
                let last = values.iter().rposition(|value| *value != 0).unwrap_or(0);
                plane.put(column, row, &transform(&block, factors, last));
            }
        }
    }
}
