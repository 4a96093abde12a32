//! An allocator that places large blocks in huge pages.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::buffer::ALIGNMENT;

/// The system's allocator, with two exceptions. Blocks of 128 KiB or more start on a cache line, so that a
/// [`Buffer`](crate::Buffer) can take them over. On Linux, blocks of at least a huge page (2 MiB) are mapped on their
/// own, at addresses at which huge pages start, with the advice to use them. This spares hundreds of page faults per
/// block, zeroed blocks cost no writes, and released ones return to the system at once. A program installs it with
/// `#[global_allocator]`.
pub struct HugePages;

/// Blocks of this many bytes start on a cache line.
const ALIGNED: usize = 128 << 10;

/// The layout that the system's allocator gets for a block of `layout`.
fn aligned(layout: Layout) -> Layout {
    if layout.size() < ALIGNED {
        return layout;
    }
    layout.align_to(ALIGNMENT).unwrap_or(layout)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::alloc::Layout;
    use std::ptr::null_mut;

    /// The size of a huge page.
    const HUGE: usize = 2 << 20;
    /// The size of a page.
    const PAGE: usize = 4096;

    pub fn is_large(layout: Layout) -> bool {
        layout.size() >= HUGE && layout.align() <= HUGE
    }

    /// The length of the mapping for a block of `size` bytes.
    fn mapped(size: usize) -> usize {
        size.next_multiple_of(PAGE)
    }

    /// Maps a block of `size` zero bytes; null if the system refuses.
    pub fn map(size: usize) -> *mut u8 {
        let Some(whole) = mapped(size).checked_add(HUGE) else { return null_mut() };
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping at any address.
        let start = unsafe { libc::mmap(null_mut(), whole, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return null_mut();
        }
        let start = start.cast::<u8>();
        let before = start.align_offset(HUGE);
        let after = HUGE - before;
        // SAFETY: the block and the parts around it lie within the mapping, which nothing else uses yet.
        unsafe {
            let block = start.add(before);
            if before > 0 {
                libc::munmap(start.cast(), before);
            }
            if after > 0 {
                libc::munmap(block.add(mapped(size)).cast(), after);
            }
            // Only advice: without huge pages, the block works as well.
            libc::madvise(block.cast(), mapped(size), libc::MADV_HUGEPAGE);
            block
        }
    }

    /// Unmaps a block of `size` bytes.
    ///
    /// # Safety
    /// [`map`] returned the block for this size, and it is not used any more.
    pub unsafe fn unmap(block: *mut u8, size: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe { libc::munmap(block.cast(), mapped(size)) };
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use std::alloc::Layout;

    pub fn is_large(_: Layout) -> bool {
        false
    }

    pub fn map(_: usize) -> *mut u8 {
        std::ptr::null_mut()
    }

    pub unsafe fn unmap(_: *mut u8, _: usize) {}
}

// SAFETY: whether a block is mapped or the system's, and its alignment, depend on its layout alone, so each is released
// as it was made. Mapped blocks are aligned to huge pages, and thus to all smaller alignments.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if linux::is_large(layout) {
            return linux::map(layout.size());
        }
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc(aligned(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if linux::is_large(layout) {
            return linux::map(layout.size());
        }
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc_zeroed(aligned(layout)) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: guaranteed by the caller; the layout decides as in `alloc`.
        unsafe {
            if linux::is_large(layout) {
                linux::unmap(block, layout.size())
            } else {
                System.dealloc(block, layout)
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that the size with this alignment is a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if layout.size() < ALIGNED && size < ALIGNED {
            // SAFETY: guaranteed by the caller.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller guarantees a size other than zero and a block of this layout; the new block is another
        // one.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of sizes around the limit, which grow and shrink across it.
    #[test]
    fn blocks_keep_their_content_and_alignment_whatever_their_size() {
        const HUGE: usize = 2 << 20;
        for size in [100, ALIGNED - 1, ALIGNED, HUGE - 1, HUGE, HUGE + 1, 3 * HUGE + 5000] {
            for align in [4, 64, 4096] {
                let mut layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the sizes are not zero, and only bytes within the blocks are accessed.
                unsafe {
                    let mut block = HugePages.alloc_zeroed(layout);
                    assert!(!block.is_null() && block.addr().is_multiple_of(align));
                    assert!(size < ALIGNED || block.addr().is_multiple_of(ALIGNMENT));
                    assert!(std::slice::from_raw_parts(block, size).iter().all(|byte| *byte == 0));
                    block.write(7);
                    for new in [2 * HUGE, 200, 5 * HUGE, size] {
                        block = HugePages.realloc(block, layout, new);
                        layout = Layout::from_size_align(new, align).unwrap();
                        assert!(!block.is_null() && block.addr().is_multiple_of(align));
                        assert_eq!(block.read(), 7);
                        block.add(new - 1).write(9);
                    }
                    HugePages.dealloc(block, layout);
                }
            }
        }
    }

    #[test]
    fn block_larger_than_the_address_space_is_refused() {
        let layout = Layout::from_size_align(isize::MAX as usize - 4096, 64).unwrap();
        // SAFETY: the size is not zero.
        assert!(unsafe { HugePages.alloc(layout) }.is_null());
    }
}
