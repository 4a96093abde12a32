//! The memory of a plan, and views into it that are checked once.
//!
//! A plan names the [`Region`]s that a step reads and writes. When the plan is compiled, [`Access::new`]
//! proves that no written region overlaps any other; from then on [`Memory::open`] hands out plain slices
//! in constant time, and the engine itself needs no `unsafe`.

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use striate_tensor::{Buffer, Element, Error, Result};

/// The maximum number of views of a step.
const MAX_VIEWS: usize = 4096;
/// The maximum number of slices that a kernel can be called with outside a plan.
const MAX_SLICES: usize = 32;

/// The buffer of a [`Memory`] that a region lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The buffer with this index among those owned by the memory.
    Own(usize),
    /// The buffer with this index among those shared with other memories, which are never written.
    Shared(usize),
}

/// A range of bytes in one buffer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    /// The buffer.
    pub place: Place,
    /// The range of bytes within it.
    pub bytes: Range<usize>,
}

/// The regions of one step, reads first; written regions are proved not to overlap any other.
#[derive(Debug, Clone)]
pub struct Access {
    regions: Vec<Region>,
    reads: usize,
}

impl Access {
    /// Creates the access to `reads` and `writes`. Written regions must not overlap any other.
    ///
    /// # Errors
    /// If a written region overlaps another region, lies in a shared buffer, or there are more than
    /// 4096 regions.
    pub fn new(reads: Vec<Region>, writes: Vec<Region>) -> Result<Self> {
        let count = reads.len();
        let mut regions = reads;
        regions.extend(writes);
        if regions.len() > MAX_VIEWS {
            return Err(Error::input(format!(
                "a step has {} operands; at most {MAX_VIEWS} are supported",
                regions.len()
            )));
        }
        for (i, written) in regions.iter().enumerate().skip(count) {
            if matches!(written.place, Place::Shared(_)) {
                return Err(Error::failed(format!(
                    "region {written:?} is in a shared buffer and cannot be written"
                )));
            }
            for (j, other) in regions.iter().enumerate() {
                if i != j && overlap(written, other) {
                    return Err(Error::failed(format!("regions {written:?} and {other:?} overlap")));
                }
            }
        }
        Ok(Access { regions, reads: count })
    }

    /// The regions, reads first.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }
}

fn overlap(a: &Region, b: &Region) -> bool {
    a.place == b.place && a.bytes.start < b.bytes.end && b.bytes.start < a.bytes.end
}

/// The buffers that a plan runs in.
#[derive(Debug, Default)]
pub struct Memory {
    /// Buffers owned by this memory.
    pub own: Vec<Buffer>,
    /// Buffers shared with other memories, such as a network's weights.
    pub shared: Vec<Arc<Buffer>>,
}

impl Memory {
    /// Returns views of the regions of `access`.
    ///
    /// # Panics
    /// If a region extends past its buffer, that is, if the access belongs to the memory of another plan.
    pub fn open<'a>(&'a mut self, access: &'a Access) -> Views<'a> {
        let regions = &access.regions[..];
        Views::new(Source::Plan { memory: self, regions }, regions.len(), access.reads)
    }

    /// Returns the start and length of `region`.
    fn raw(&self, region: &Region) -> Raw {
        let buffer: &Buffer = match region.place {
            Place::Own(index) => &self.own[index],
            Place::Shared(index) => &self.shared[index],
        };
        let Range { start, end } = region.bytes;
        assert!(start <= end && end <= buffer.len(), "region {region:?} extends past its buffer");
        // SAFETY: the range was checked to lie within the buffer.
        Raw { start: unsafe { buffer.start().add(start) }, bytes: end - start }
    }

    /// The bytes of `region`.
    ///
    /// # Panics
    /// If the region extends past its buffer.
    pub fn bytes(&self, region: &Region) -> &[u8] {
        match region.place {
            Place::Own(index) => &self.own[index].as_bytes()[region.bytes.clone()],
            Place::Shared(index) => &self.shared[index].as_bytes()[region.bytes.clone()],
        }
    }

    /// The bytes of `region`, mutably.
    ///
    /// # Panics
    /// If the region extends past its buffer or lies in a shared one.
    pub fn bytes_mut(&mut self, region: &Region) -> &mut [u8] {
        match region.place {
            Place::Own(index) => &mut self.own[index].as_bytes_mut()[region.bytes.clone()],
            Place::Shared(_) => panic!("a shared buffer must not be written"),
        }
    }
}

#[derive(Clone, Copy)]
struct Raw {
    start: NonNull<u8>,
    bytes: usize,
}

/// Where the slices of [`Views`] come from.
// Views are created for every step, and a box would be an allocation each time.
#[allow(clippy::large_enum_variant)]
enum Source<'a> {
    /// Regions of a memory that is borrowed mutably for as long as the views live.
    Plan { memory: &'a Memory, regions: &'a [Region] },
    /// Ordinary slices.
    Slices([Raw; MAX_SLICES]),
}

/// The operands of a kernel: slices to read and slices to write, where no written slice overlaps any other.
pub struct Views<'a> {
    source: Source<'a>,
    count: usize,
    reads: usize,
    /// One bit for each slice that was handed out for writing.
    taken: [u64; MAX_VIEWS / 64],
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> Views<'a> {
    fn new(source: Source<'a>, count: usize, reads: usize) -> Self {
        Views { source, count, reads, taken: [0; MAX_VIEWS / 64], memory: PhantomData }
    }

    /// Views of ordinary slices: how a kernel is called without a plan.
    ///
    /// # Panics
    /// With more than 32 slices.
    pub fn of<T: Element>(reads: &[&'a [T]], writes: impl IntoIterator<Item = &'a mut [T]>) -> Self {
        let mut raw = [Raw { start: NonNull::dangling(), bytes: 0 }; MAX_SLICES];
        let mut count = 0;
        let mut push = |start: NonNull<u8>, bytes: usize| {
            raw[count] = Raw { start, bytes };
            count += 1;
        };
        for slice in reads {
            push(NonNull::from(*slice).cast(), size_of_val(*slice));
        }
        for slice in writes {
            push(NonNull::from(&mut *slice).cast(), size_of_val(&*slice));
        }
        Views::new(Source::Slices(raw), count, reads.len())
    }

    fn raw(&self, position: usize) -> Raw {
        match &self.source {
            Source::Plan { memory, regions } => memory.raw(&regions[position]),
            Source::Slices(raw) => raw[position],
        }
    }

    /// The number of slices to read.
    pub fn reads(&self) -> usize {
        self.reads
    }

    /// The number of slices to write.
    pub fn writes(&self) -> usize {
        self.count - self.reads
    }

    /// The `index`th slice to read.
    ///
    /// # Panics
    /// If the slice does not exist, or its bytes are not a whole number of aligned elements.
    pub fn read<T: Element>(&self, index: usize) -> &'a [T] {
        assert!(index < self.reads, "operand {index} is not read");
        let raw = self.raw(index);
        // SAFETY: valid for 'a by construction; `Access` or the borrow checker proved that nothing
        // written overlaps it.
        bytemuck::cast_slice(unsafe { std::slice::from_raw_parts(raw.start.as_ptr(), raw.bytes) })
    }

    /// The `index`th slice to write; each can be taken only once.
    ///
    /// # Panics
    /// If the slice does not exist, it was taken before, or its bytes are not a whole number of aligned elements.
    pub fn write<T: Element>(&mut self, index: usize) -> &'a mut [T] {
        let position = self.reads + index;
        assert!(position < self.count, "operand {index} is not written");
        let (word, bit) = (position / 64, 1 << (position % 64));
        assert!(self.taken[word] & bit == 0, "operand {index} is taken twice");
        self.taken[word] |= bit;
        let raw = self.raw(position);
        // SAFETY: valid for 'a, overlaps no other view, and handed out only this once.
        bytemuck::cast_slice_mut(unsafe { std::slice::from_raw_parts_mut(raw.start.as_ptr(), raw.bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(bytes: Range<usize>) -> Region {
        Region { place: Place::Own(0), bytes }
    }

    #[test]
    fn overlapping_writes_are_refused() {
        assert!(Access::new(vec![region(0..64)], vec![region(32..96)]).is_err());
        assert!(Access::new(vec![], vec![region(0..64), region(60..96)]).is_err());
        assert!(Access::new(vec![region(0..64), region(0..64)], vec![region(64..96)]).is_ok());
    }

    #[test]
    fn writes_to_shared_regions_are_refused() {
        let shared = Region { place: Place::Shared(0), bytes: 0..4 };
        assert!(Access::new(vec![shared.clone()], vec![]).is_ok());
        assert!(Access::new(vec![], vec![shared]).is_err());
    }

    #[test]
    fn views_cover_their_regions() {
        let mut memory =
            Memory { own: vec![Buffer::from_slice(&[1f32, 2., 3., 4.]).unwrap()], shared: vec![] };
        let access = Access::new(vec![region(0..8)], vec![region(8..16)]).unwrap();
        let mut views = memory.open(&access);
        let (x, y) = (views.read::<f32>(0), views.write::<f32>(0));
        y.copy_from_slice(x);
        assert_eq!(memory.own[0].as_slice::<f32>(), [1., 2., 1., 2.]);
    }

    #[test]
    #[should_panic(expected = "taken twice")]
    fn taking_a_slice_twice_panics() {
        let mut data = [0f32; 4];
        let mut views = Views::of(&[], vec![&mut data[..]]);
        let _first = views.write::<f32>(0);
        let _second = views.write::<f32>(0);
    }

    #[test]
    #[should_panic(expected = "extends past")]
    fn opening_the_access_of_another_plan_panics() {
        let mut memory = Memory { own: vec![Buffer::zeroed(8).unwrap()], shared: vec![] };
        memory.open(&Access::new(vec![region(0..64)], vec![]).unwrap()).read::<f32>(0);
    }

    #[test]
    fn each_of_many_regions_has_its_own_view() {
        let numbers: Vec<f32> = (0..100u8).map(f32::from).collect();
        let mut memory = Memory { own: vec![Buffer::from_slice(&numbers).unwrap()], shared: vec![] };
        let four = |index: usize| region(4 * index..4 * index + 4);
        let access = Access::new((0..90).map(four).collect(), (90..100).map(four).collect()).unwrap();
        let mut views = memory.open(&access);
        assert_eq!((views.reads(), views.writes(), views.read::<f32>(70)), (90, 10, &[70.0f32][..]));
        let (first, last) = (views.write::<f32>(0), views.write::<f32>(9));
        assert_eq!((first[0], last[0]), (90.0, 99.0));
        let error = Access::new((0..5000).map(four).collect(), vec![]).unwrap_err();
        assert!(error.is_input() && error.to_string().contains("5000 operands"), "{error}");
    }
}
