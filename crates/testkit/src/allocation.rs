//! A counting allocator, to verify that running a plan allocates nothing, and that a small file does not
//! cause large allocations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

static COUNT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The net number of bytes that this thread has allocated, and its maximum.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system allocator, with counters. A test binary installs it with `#[global_allocator]`.
pub struct Counting;

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, SeqCst);
        add(layout.size().cast_signed());
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, SeqCst);
        add(layout.size().cast_signed());
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-layout.size().cast_signed());
        // SAFETY: guaranteed by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn add(bytes: isize) {
    let (now, most) = HELD.get();
    let now = now.wrapping_add(bytes);
    HELD.set((now, most.max(now)));
}

/// The number of allocations so far, in all threads.
pub fn count() -> usize {
    COUNT.load(SeqCst)
}

/// Returns the result of `run`, and the maximum number of bytes that this thread held during it beyond those
/// held before. Failed allocations count too.
pub fn held<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let result = run();
    (result, (HELD.get().1 - before).cast_unsigned())
}
