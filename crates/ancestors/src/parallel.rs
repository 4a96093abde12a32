//! Items computed by several threads, each item by one of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns the results of `work` for the items `0..count`, in order, computed by up to `threads` threads.
pub(crate) fn parallel<T: Send>(threads: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    if threads.min(count) < 2 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<T>>> = Mutex::new((0..count).map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    let item = next.fetch_add(1, Ordering::Relaxed);
                    if item >= count {
                        break;
                    }
                    let result = work(item);
                    results.lock().expect("no thread panics with the lock")[item] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().expect("no thread panics with the lock");
    results.into_iter().map(|result| result.expect("every item was computed")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_for_any_number_of_threads() {
        for (threads, count) in [(0, 5), (1, 5), (3, 0), (3, 1), (3, 100), (100, 7)] {
            assert_eq!(parallel(threads, count, |i| i * i), (0..count).map(|i| i * i).collect::<Vec<_>>());
        }
    }
}
