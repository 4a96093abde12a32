//! Work on the items of a list, several at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `work` for each item, the first ones first, on `threads` threads.
///
/// # Panics
/// If `work` panics.
pub fn each_of<T: Sync>(items: &[T], threads: usize, work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}
