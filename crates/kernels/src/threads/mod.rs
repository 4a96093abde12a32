//! A persistent thread pool for short parallel sections.
//!
//! A parallel section consists of a fixed number of items. Each thread starts with a share of consecutive
//! items, so that most of the data it needs is what it wrote to its own cache in the previous section, and
//! then helps with the shares of the others. The result of an item does not depend on the thread that takes
//! it, so results do not depend on the number of threads. After a section, workers spin for some
//! microseconds, because the next one usually follows at once, and then sleep. The caller works too, and
//! never waits for a worker that has not started: on a busy machine it does all the work itself.
//!
//! Several callers share the workers: with C callers, T − C of the T threads' workers are divided among them, so that
//! T threads compute in all. With T callers or more, each runs alone. Workers change over when a caller comes or
//! leaves, after the section in which they are.

mod callers;
mod section;

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use self::callers::Shared;

thread_local! {
    /// Whether this thread is inside a parallel section; nested sections run inline.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// A thread pool; the caller of [`ThreadPool::run`] counts as one of the threads.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// The largest number of threads.
const MOST_THREADS: usize = 0xFFFF;

impl ThreadPool {
    /// Creates a pool of `threads` threads, including the caller.
    ///
    /// # Panics
    /// If the system cannot create a thread.
    pub fn new(threads: usize) -> Self {
        let threads = threads.clamp(1, MOST_THREADS);
        let shared = Arc::new(Shared::new(threads));
        let worker = |index: usize| {
            let shared = shared.clone();
            let builder = std::thread::Builder::new().name(format!("striate-{index}"));
            builder.spawn(move || shared.work(index)).expect("the system can create a thread")
        };
        let workers = (1..threads).map(worker).collect();
        ThreadPool { shared, workers }
    }

    /// The number of threads, including the caller.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `run`, whose parallel sections share the workers fairly with those of other callers, and returns its
    /// result. Outside such a call, each section counts as a caller of its own.
    pub fn as_caller<T>(&self, run: impl FnOnce() -> T) -> T {
        if self.workers.is_empty() || INSIDE.get() {
            return run();
        }
        let _entered = self.shared.enter();
        run()
    }

    /// Calls `work` once for each of `0..items`, in any order, on any thread.
    ///
    /// # Panics
    /// If `work` panics; the first panic is resumed on the caller once all threads have left the section.
    pub fn run(&self, items: usize, work: impl Fn(usize) + Sync) {
        self.run_on_threads(items, |_, item| work(item));
    }

    /// Like [`ThreadPool::run`], but also passes the number of the thread, below [`ThreadPool::threads`], which no
    /// other thread in the section has.
    ///
    /// # Panics
    /// As [`ThreadPool::run`].
    pub fn run_on_threads(&self, items: usize, work: impl Fn(usize, usize) + Sync) {
        let alone = || (0..items).for_each(|item| work(0, item));
        if items <= 1 || self.workers.is_empty() || INSIDE.get() {
            return alone();
        }
        let entered = self.shared.enter();
        match entered.section() {
            // SAFETY: the section belongs to this thread as long as it has entered.
            Some(section) => unsafe { section.run(items, &work) },
            None => alone(),
        }
    }

    /// Splits `data` into pieces of `length` (the last may be shorter) and calls `work` with the index of each
    /// piece and the piece.
    ///
    /// # Panics
    /// If `length` is zero or `work` panics.
    pub fn pieces<T: Send>(&self, data: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        let (start, total) = (Pointer(data.as_mut_ptr()), data.len());
        self.run(total.div_ceil(length), |index| {
            let first = index * length;
            let count = length.min(total - first);
            // SAFETY: pieces with different indices do not overlap and lie within `data`, which is
            // borrowed for the whole section; each index is taken once.
            work(index, unsafe { std::slice::from_raw_parts_mut(start.get().add(first), count) });
        });
    }
}

/// A pointer shared between threads; its users must ensure that they write to disjoint locations.
pub(crate) struct Pointer<T>(pub *mut T);

// SAFETY: users of the type ensure disjoint writes, as its documentation requires.
unsafe impl<T> Send for Pointer<T> {}
// SAFETY: users of the type ensure disjoint writes, as its documentation requires.
unsafe impl<T> Sync for Pointer<T> {}

impl<T> Pointer<T> {
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.close();
        for worker in self.workers.drain(..) {
            // Workers do not panic: panics of items are caught.
            let _ = worker.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[test]
    fn each_item_is_processed_once() {
        for threads in [1, 2, 3] {
            let pool = ThreadPool::new(threads);
            for items in [0, 1, 2, 7, 100] {
                let counts: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                for _ in 0..200 {
                    pool.run(items, |item| {
                        counts[item].fetch_add(1, SeqCst);
                    });
                }
                assert!(counts.iter().all(|count| count.load(SeqCst) == 200));
            }
        }
    }

    #[test]
    fn threads_of_a_section_have_different_numbers() {
        let pool = ThreadPool::new(3);
        let inside: Vec<AtomicUsize> = (0..3).map(|_| AtomicUsize::new(0)).collect();
        for _ in 0..200 {
            pool.run_on_threads(50, |thread, _| {
                assert_eq!(inside[thread].fetch_add(1, SeqCst), 0, "thread {thread} runs two items at once");
                std::hint::spin_loop();
                inside[thread].fetch_sub(1, SeqCst);
            });
        }
    }

    #[test]
    fn sleeping_workers_wake_and_pieces_cover_all_data() {
        let pool = ThreadPool::new(2);
        let mut data = vec![0usize; 1001];
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            pool.pieces(&mut data, 10, |index, piece| piece.iter_mut().for_each(|x| *x += index + 1));
        }
        assert!(data.iter().enumerate().all(|(i, x)| *x == 3 * (i / 10 + 1)));
    }

    #[test]
    fn sections_nest_and_run_from_several_callers() {
        let pool = ThreadPool::new(2);
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    pool.run(10, |_| {
                        pool.run(10, |_| {
                            total.fetch_add(1, SeqCst);
                        })
                    })
                });
            }
        });
        assert_eq!(total.load(SeqCst), 300);
    }

    #[test]
    fn panic_reaches_the_caller_and_the_pool_remains_usable() {
        let pool = ThreadPool::new(2);
        let caught = catch_unwind(AssertUnwindSafe(|| pool.run(100, |item| assert_ne!(item, 50, "fifty"))));
        assert!(caught.is_err());
        let count = AtomicUsize::new(0);
        pool.run(100, |_| {
            count.fetch_add(1, SeqCst);
        });
        assert_eq!(count.load(SeqCst), 100);
    }

    #[test]
    fn concurrent_callers_process_each_item_once() {
        let pool = ThreadPool::new(4);
        std::thread::scope(|scope| {
            for caller in 1..7 {
                let pool = &pool;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let mut data = vec![0usize; 100 * caller];
                        pool.as_caller(|| {
                            for _ in 0..10 {
                                pool.pieces(&mut data, 7, |_, piece| piece.iter_mut().for_each(|x| *x += 1));
                            }
                        });
                        assert!(data.iter().all(|x| *x == 10));
                    }
                });
            }
        });
    }

    #[test]
    fn panic_of_a_caller_frees_its_workers() {
        let pool = ThreadPool::new(2);
        let panicking = || pool.as_caller(|| pool.run(10, |_| panic!("ten")));
        assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
        assert!(pool.as_caller(|| pool.shared.enter().section().is_some()));
    }
}
