//! The memory of a plan, and views into it that are checked once.
//!
//! A plan names the [`Region`]s that a step reads and writes. When the plan is compiled, [`Access::new`]
//! proves that no written region overlaps any other; from then on [`Memory::open`] hands out plain slices,
//! and the engine itself needs no `unsafe`.

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use striate_tensor::{Buffer, Element, Error, Result};

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
    /// If a written region overlaps another region or lies in a shared buffer.
    pub fn new(reads: Vec<Region>, writes: Vec<Region>) -> Result<Self> {
        let count = reads.len();
        let mut regions = reads;
        regions.extend(writes);
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
    /// The operands of the current step.
    operands: Vec<Slice>,
}

impl Memory {
    /// Memory that consists of these buffers.
    pub fn new(own: Vec<Buffer>, shared: Vec<Arc<Buffer>>) -> Memory {
        Memory { own, shared, operands: Vec::new() }
    }

    /// Makes room for the operands of the largest of these steps, so that [`Memory::open`] does not allocate.
    pub fn reserve<'a>(&mut self, steps: impl IntoIterator<Item = &'a Access>) {
        self.operands.clear();
        self.operands.reserve(steps.into_iter().map(|access| access.regions.len()).max().unwrap_or(0));
    }

    /// Returns views of the regions of `access`.
    ///
    /// # Panics
    /// If a region extends past its buffer, that is, if the access belongs to the memory of another plan.
    pub fn open<'a>(&'a mut self, access: &Access) -> Views<'a> {
        let Memory { own, shared, operands } = self;
        operands.clear();
        operands.extend(access.regions.iter().enumerate().map(|(index, region)| {
            let buffer: &Buffer = match region.place {
                Place::Own(index) => &own[index],
                Place::Shared(index) => &shared[index],
            };
            let Range { start, end } = region.bytes;
            assert!(start <= end && end <= buffer.len(), "region {region:?} extends past its buffer");
            let purpose = if index < access.reads { Purpose::Read } else { Purpose::Write };
            // SAFETY: the range was checked to lie within the buffer.
            Slice { start: unsafe { buffer.start().add(start) }, bytes: end - start, purpose }
        }));
        Views { operands, reads: access.reads, memory: PhantomData }
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

/// The place of an operand in memory.
#[derive(Debug)]
struct Slice {
    start: NonNull<u8>,
    bytes: usize,
    purpose: Purpose,
}

/// What a kernel may do with an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
    /// Written through a slice that was handed out before.
    Taken,
}

// SAFETY: the address is used only through `Views`, which borrow what it points to.
unsafe impl Send for Slice {}
// SAFETY: as above.
unsafe impl Sync for Slice {}

/// An ordinary slice as an operand of a kernel.
#[derive(Debug)]
#[repr(transparent)]
pub struct Operand<'a> {
    slice: Slice,
    borrowed: PhantomData<&'a mut [u8]>,
}

impl<'a> Operand<'a> {
    /// A slice to read.
    pub fn read<T: Element>(slice: &'a [T]) -> Operand<'a> {
        Operand::new(NonNull::from(slice).cast(), size_of_val(slice), Purpose::Read)
    }

    /// A slice to write.
    pub fn write<T: Element>(slice: &'a mut [T]) -> Operand<'a> {
        let bytes = size_of_val(slice);
        Operand::new(NonNull::from(slice).cast(), bytes, Purpose::Write)
    }

    fn new(start: NonNull<u8>, bytes: usize, purpose: Purpose) -> Operand<'a> {
        Operand { slice: Slice { start, bytes, purpose }, borrowed: PhantomData }
    }
}

/// The operands of a kernel: slices to read and slices to write, where no written slice overlaps any other.
pub struct Views<'a> {
    operands: &'a mut [Slice],
    reads: usize,
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> Views<'a> {
    /// Views of ordinary slices, first those to read: how a kernel is called without a plan.
    ///
    /// # Panics
    /// If a slice to read follows one to write.
    pub fn of(operands: &'a mut [Operand<'_>]) -> Self {
        let is_read = |operand: &&Operand| operand.slice.purpose == Purpose::Read;
        let reads = operands.iter().take_while(is_read).count();
        assert_eq!(reads, operands.iter().filter(is_read).count(), "slices to read come first");
        // SAFETY: an operand consists of a slice, and what it borrows outlives the borrow of the operand.
        let operands = unsafe { &mut *(std::ptr::from_mut(operands) as *mut [Slice]) };
        Views { operands, reads, memory: PhantomData }
    }

    /// The number of slices to read.
    pub fn reads(&self) -> usize {
        self.reads
    }

    /// The number of slices to write.
    pub fn writes(&self) -> usize {
        self.operands.len() - self.reads
    }

    /// The `index`th slice to read.
    ///
    /// # Panics
    /// If the slice does not exist, or its bytes are not a whole number of aligned elements.
    pub fn read<T: Element>(&self, index: usize) -> &'a [T] {
        assert!(index < self.reads, "operand {index} is not read");
        let Slice { start, bytes, .. } = self.operands[index];
        // SAFETY: valid for 'a by construction; `Access` or the borrow checker proved that nothing
        // written overlaps it.
        bytemuck::cast_slice(unsafe { std::slice::from_raw_parts(start.as_ptr(), bytes) })
    }

    /// The `index`th slice to write; each can be taken only once.
    ///
    /// # Panics
    /// If the slice does not exist, it was taken before, or its bytes are not a whole number of aligned elements.
    pub fn write<T: Element>(&mut self, index: usize) -> &'a mut [T] {
        assert!(index < self.writes(), "operand {index} is not written");
        let Slice { start, bytes, purpose } = &mut self.operands[self.reads + index];
        assert!(*purpose == Purpose::Write, "operand {index} is taken twice");
        *purpose = Purpose::Taken;
        // SAFETY: valid for 'a, overlaps no other view, and handed out only this once.
        bytemuck::cast_slice_mut(unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), *bytes) })
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
        let mut memory = Memory::new(vec![Buffer::from_slice(&[1f32, 2., 3., 4.]).unwrap()], vec![]);
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
        let mut operands = [Operand::write(&mut data[..])];
        let mut views = Views::of(&mut operands);
        let _first = views.write::<f32>(0);
        let _second = views.write::<f32>(0);
    }

    #[test]
    #[should_panic(expected = "come first")]
    fn slices_to_read_after_slices_to_write_are_refused() {
        let (x, mut y) = ([0f32; 4], [0f32; 4]);
        Views::of(&mut [Operand::write(&mut y), Operand::read(&x)]);
    }

    #[test]
    fn opening_reserved_memory_does_not_move_its_operands() {
        let mut memory = Memory::new(vec![Buffer::zeroed(64).unwrap()], vec![]);
        let [one, two] = [1, 2].map(|count| {
            Access::new((0..count).map(|index| region(8 * index..8 * index + 8)).collect(), vec![]).unwrap()
        });
        memory.reserve([&one, &two]);
        let capacity = memory.operands.capacity();
        assert!(capacity >= 2);
        for access in [&two, &one, &two] {
            memory.open(access);
        }
        assert_eq!(memory.operands.capacity(), capacity);
    }

    #[test]
    #[should_panic(expected = "extends past")]
    fn opening_the_access_of_another_plan_panics() {
        let mut memory = Memory::new(vec![Buffer::zeroed(8).unwrap()], vec![]);
        memory.open(&Access::new(vec![region(0..64)], vec![]).unwrap()).read::<f32>(0);
    }

    #[test]
    fn each_of_many_regions_has_its_own_view() {
        let numbers: Vec<f32> = (0..100u8).map(f32::from).collect();
        let mut memory = Memory::new(vec![Buffer::from_slice(&numbers).unwrap()], vec![]);
        let four = |index: usize| region(4 * index..4 * index + 4);
        let access = Access::new((0..90).map(four).collect(), (90..100).map(four).collect()).unwrap();
        let mut views = memory.open(&access);
        assert_eq!((views.reads(), views.writes(), views.read::<f32>(70)), (90, 10, &[70.0f32][..]));
        let (first, last) = (views.write::<f32>(0), views.write::<f32>(9));
        assert_eq!((first[0], last[0]), (90.0, 99.0));
    }
}
