//! An allocator that counts: to prove that a plan allocates nothing while it runs, and that a small file
//! takes no large memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

static COUNT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Bytes that this thread took more than it gave back, and the most that this has been.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, counting; a test binary installs it with `#[global_allocator]`.
pub struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, SeqCst);
        add(layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, SeqCst);
        add(layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn add(bytes: isize) {
    let (now, most) = HELD.get();
    let now = now.wrapping_add(bytes);
    HELD.set((now, most.max(now)));
}

/// Allocations so far, of all threads.
pub fn count() -> usize {
    COUNT.load(SeqCst)
}

/// What `run` makes, and the most bytes that this thread held during it beyond those that it held before.
/// An allocation that fails counts too.
pub fn held<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let made = run();
    (made, (HELD.get().1 - before).cast_unsigned())
}
