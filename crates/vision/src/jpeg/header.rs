//! Segments of a JPEG file: the frame, tables, and the headers of scans. ITU-T T.81, annex B.

use super::data::{Data, unstuff};
use super::huffman::{Codes, Table, Use};

/// A component of the image as the frame describes it.
#[derive(Debug, Clone)]
pub(super) struct Component {
    id: u8,
    /// Horizontal and vertical sampling factors: blocks per unit of an interleaved scan.
    pub across: usize,
    pub down: usize,
    quantization: usize,
    /// Samples per row, and rows.
    pub width: usize,
    pub height: usize,
}

/// The frame: size and components of the image.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub is_progressive: bool,
    pub width: usize,
    pub height: usize,
    pub components: Vec<Component>,
    /// The greatest sampling factors.
    pub across: usize,
    pub down: usize,
    /// Whether three components are red, green and blue, not YCbCr.
    pub is_rgb: bool,
}

impl Frame {
    /// Returns how many units of all components a row and a column of the image have.
    pub fn whole_units(&self) -> (usize, usize) {
        (self.width.div_ceil(8 * self.across), self.height.div_ceil(8 * self.down))
    }

    /// Returns how many units a row and a column have in a scan: of a single component, units are its blocks.
    pub fn units(&self, scan: &Scan) -> (usize, usize) {
        match &scan.components[..] {
            [part] => {
                let component = &self.components[part.component];
                (component.width.div_ceil(8), component.height.div_ceil(8))
            }
            _ => self.whole_units(),
        }
    }

    /// Returns how many blocks of a component lie side by side, and one below the other, in a unit of a scan.
    pub fn blocks(&self, scan: &Scan, part: &Part) -> (usize, usize) {
        let component = &self.components[part.component];
        if scan.components.len() == 1 { (1, 1) } else { (component.across, component.down) }
    }
}

/// The tables that a component uses in a scan.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Number of the component in the frame.
    pub component: usize,
    /// Numbers of its tables of Huffman codes.
    dc: usize,
    ac: usize,
}

/// The header of a scan.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub components: Vec<Part>,
    /// The first and the last coefficient, in zigzag order.
    pub first: usize,
    pub last: usize,
    /// Bits that are still missing from the coefficients after the scan before, or 0, and after this one.
    pub before: u8,
    pub after: u8,
}

/// Most blocks in a unit of a scan.
pub(super) const MOST_BLOCKS: usize = 10;

/// What follows in the file.
pub(super) enum Next {
    Scan(Scan),
    End,
}

/// A file that is read segment by segment.
pub(super) struct Header<'a> {
    bytes: &'a [u8],
    at: usize,
    pub frame: Option<Frame>,
    /// Quantization factors in row order. Products with them keep only their low 16 bits.
    quantization: [Option<[i16; 64]>; 4],
    dc: [Option<Codes>; 4],
    ac: [Option<Codes>; 4],
    /// Units between restarts, or 0.
    pub interval: usize,
    is_jfif: bool,
    /// The transform of colors that Adobe's segment states.
    transform: Option<u8>,
}

/// Numbers of the coefficients, in the order of rows, in zigzag order.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

impl<'a> Header<'a> {
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.starts_with(&[0xff, 0xd8]).then_some(Header {
            bytes,
            at: 2,
            frame: None,
            quantization: [None; 4],
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            interval: 0,
            is_jfif: false,
            transform: None,
        })
    }

    /// Reads segments up to the next scan or the end of the image.
    pub fn next(&mut self) -> Option<Next> {
        loop {
            self.at += self.bytes.get(self.at..)?.iter().position(|byte| *byte == 0xff)? + 1;
            let marker = *self.bytes.get(self.at)?;
            match marker {
                0 | 1 | 0xd0..=0xd7 => self.at += 1,
                0xff => {}
                0xd8 => return None,
                0xd9 => return Some(Next::End),
                _ => {
                    let length = usize::from(u16_at(self.bytes.get(self.at + 1..)?)?);
                    let segment = self.bytes.get(self.at + 3..self.at + 1 + length)?;
                    self.at += 1 + length;
                    if marker == 0xda {
                        return self.scan(segment).map(Next::Scan);
                    }
                    self.segment(marker, segment)?;
                }
            }
        }
    }

    /// Reads the coded data that follows.
    pub fn data(&mut self) -> Data {
        let (data, length) = unstuff(&self.bytes[self.at..]);
        self.at += length;
        data
    }

    fn segment(&mut self, marker: u8, segment: &[u8]) -> Option<()> {
        match marker {
            0xc0..=0xc2 => self.start_frame(segment, marker == 0xc2)?,
            0xc4 => self.huffman(segment)?,
            0xdb => self.quantization(segment)?,
            0xdd => self.interval = usize::from(u16_at(segment)?),
            0xe0 => self.is_jfif |= segment.starts_with(b"JFIF\0"),
            0xee if segment.starts_with(b"Adobe") => self.transform = Some(*segment.get(11)?),
            0xe1..=0xef | 0xfe => {}
            _ => return None,
        }
        Some(())
    }

    fn start_frame(&mut self, segment: &[u8], is_progressive: bool) -> Option<()> {
        let (&[8, h1, h0, w1, w0, count], rest) = segment.split_first_chunk()? else { return None };
        let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
        let (height, width) = (usize::from(height), usize::from(width));
        let (parts, _) = rest.as_chunks::<3>();
        let is_known = matches!(count, 1 | 3) && parts.len() == usize::from(count) && width > 0 && height > 0;
        if !is_known || self.frame.is_some() {
            return None;
        }
        let factors = parts.iter().map(|part| (usize::from(part[1] >> 4), usize::from(part[1] & 15)));
        let across = factors.clone().map(|(across, _)| across).max()?;
        let down = factors.clone().map(|(_, down)| down).max()?;
        let mut components = Vec::new();
        for (&[id, _, quantization], (own_across, own_down)) in parts.iter().zip(factors) {
            let is_whole = |all: usize, own: usize| (1..=4).contains(&own) && all.is_multiple_of(own);
            let is_new = components.iter().all(|other: &Component| other.id != id);
            if !is_whole(across, own_across) || !is_whole(down, own_down) || quantization > 3 || !is_new {
                return None;
            }
            components.push(Component {
                id,
                across: own_across,
                down: own_down,
                quantization: quantization.into(),
                width: (width * own_across).div_ceil(across),
                height: (height * own_down).div_ceil(down),
            });
        }
        let is_named = components.iter().map(|component| component.id).eq(*b"RGB");
        let is_rgb = !self.is_jfif && self.transform.map_or(is_named, |transform| transform == 0);
        self.frame = Some(Frame { is_progressive, width, height, components, across, down, is_rgb });
        Some(())
    }

    fn huffman(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((kind, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let (symbols, rest) =
                rest.split_at_checked(counts.iter().map(|count| usize::from(*count)).sum())?;
            let codes = Codes::new(*counts, symbols)?;
            let tables = [&mut self.dc, &mut self.ac].into_iter().nth((kind >> 4).into())?;
            *tables.get_mut(usize::from(kind & 15))? = Some(codes);
            segment = rest;
        }
        Some(())
    }

    fn quantization(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((kind, rest)) = segment.split_first() {
            let size = match kind >> 4 {
                0 => 1,
                1 => 2,
                _ => return None,
            };
            let (values, rest) = rest.split_at_checked(64 * size)?;
            let mut table = [0; 64];
            for (value, at) in values.chunks_exact(size).zip(ZIGZAG) {
                let value = value.iter().fold(0u16, |value, byte| value << 8 | u16::from(*byte));
                if value == 0 {
                    return None;
                }
                table[usize::from(at)] = value as i16;
            }
            *self.quantization.get_mut(usize::from(kind & 15))? = Some(table);
            segment = rest;
        }
        Some(())
    }

    fn scan(&mut self, segment: &[u8]) -> Option<Scan> {
        let frame = self.frame.as_ref()?;
        let (&count, rest) = segment.split_first()?;
        let (parts, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let &[first, last, bits] = rest else { return None };
        let mut components = Vec::new();
        for &[id, tables] in parts.as_chunks::<2>().0 {
            let component = frame.components.iter().position(|component| component.id == id)?;
            if components.iter().any(|part: &Part| part.component >= component) {
                return None;
            }
            components.push(Part { component, dc: (tables >> 4).into(), ac: (tables & 15).into() });
        }
        let scan =
            Scan { components, first: first.into(), last: last.into(), before: bits >> 4, after: bits & 15 };
        let is_valid = if frame.is_progressive {
            first <= last && last < 64 && (first > 0) == (last > 0) && (first == 0 || count == 1)
        } else {
            (first, last, bits) == (0, 63, 0)
        };
        let units = scan.components.iter().map(|part| &frame.components[part.component]);
        let blocks: usize = units.map(|component| component.across * component.down).sum();
        (is_valid && count > 0 && (count == 1 || blocks <= MOST_BLOCKS)).then_some(scan)
    }

    /// The factors of a component's coefficients.
    pub fn factors(&self, component: usize) -> Option<[i16; 64]> {
        let component = self.frame.as_ref()?.components.get(component)?;
        self.quantization[component.quantization]
    }

    /// The codes of a component's first coefficients.
    pub fn dc(&self, part: &Part) -> Option<Table> {
        Table::new(self.dc.get(part.dc)?.as_ref()?, Use::Dc)
    }

    /// The codes of a component's other coefficients.
    pub fn ac(&self, part: &Part, purpose: Use) -> Option<Table> {
        Table::new(self.ac.get(part.ac)?.as_ref()?, purpose)
    }
}

fn u16_at(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}
