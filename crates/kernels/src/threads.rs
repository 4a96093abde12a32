//! A persistent thread pool for short parallel sections.
//!
//! A parallel section consists of a fixed number of items. Each thread starts with a share of consecutive
//! items, so that most of the data it needs is what it wrote to its own cache in the previous section, and
//! then helps with the shares of the others. The result of an item does not depend on the thread that takes
//! it, so results do not depend on the number of threads. After a section, workers spin for some
//! microseconds, because the next one usually follows at once, and then sleep. The caller works too, and
//! never waits for a worker that has not started: on a busy machine it does all the work itself.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Iterations of the spin loop before a worker sleeps: some tens of microseconds.
const SPINS: usize = 4000;

thread_local! {
    /// Whether this thread is inside a parallel section; nested sections run inline.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// A thread pool; the caller of [`ThreadPool::run`] counts as one of the threads.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held while a section runs; a second caller runs its section inline.
    busy: Mutex<()>,
}

struct Shared {
    /// The number of sections started (upper bits), whether one is open ([`OPEN`]), and the number of workers
    /// inside it (lower bits).
    state: AtomicUsize,
    /// For each thread, the number of items of its share that are taken.
    taken: Box<[Taken]>,
    job: Mutex<Option<Job>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: AtomicUsize,
    wake: Condvar,
    /// Whether the pool is shutting down.
    closing: Mutex<bool>,
}

/// A counter on separate cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Taken(AtomicUsize);

const INSIDE_MASK: usize = 0xFFFF;
const OPEN: usize = 0x1_0000;
const SECTION: usize = 0x2_0000;

/// The work of a section; the pointer is valid while the section is open or a worker is inside it.
#[derive(Clone, Copy)]
struct Job {
    /// Called with the number of a thread and that of an item.
    work: *const (dyn Fn(usize, usize) + Sync),
    items: usize,
}

// SAFETY: the work is `Sync`, and `ThreadPool::run` keeps it alive until no worker is inside the section.
unsafe impl Send for Job {}

impl ThreadPool {
    /// Creates a pool of `threads` threads, including the caller.
    ///
    /// # Panics
    /// If the system cannot create a thread.
    pub fn new(threads: usize) -> Self {
        let threads = threads.clamp(1, INSIDE_MASK);
        let shared = Arc::new(Shared {
            state: AtomicUsize::new(0),
            taken: (0..threads).map(|_| Taken::default()).collect(),
            job: Mutex::new(None),
            panic: Mutex::new(None),
            sleepers: AtomicUsize::new(0),
            wake: Condvar::new(),
            closing: Mutex::new(false),
        });
        let worker = |index: usize| {
            let shared = shared.clone();
            let builder = std::thread::Builder::new().name(format!("striate-{index}"));
            builder.spawn(move || shared.work(index)).expect("the system can create a thread")
        };
        let workers = (1..threads).map(worker).collect();
        ThreadPool { shared, workers, busy: Mutex::new(()) }
    }

    /// The number of threads, including the caller.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
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
        let alone = items <= 1 || self.workers.is_empty() || INSIDE.get();
        let guard = if alone { None } else { self.busy.try_lock().ok() };
        if guard.is_none() {
            (0..items).for_each(|item| work(0, item));
            return;
        }
        let shared = &*self.shared;
        let work: &(dyn Fn(usize, usize) + Sync) = &work;
        // SAFETY: only the lifetime changes, and this function does not return or unwind before all workers
        // have left the section.
        let work: &'static (dyn Fn(usize, usize) + Sync) = unsafe { std::mem::transmute(work) };
        let job = Job { work, items };
        *lock(&shared.job) = Some(job);
        shared.taken.iter().for_each(|taken| taken.0.store(0, SeqCst));
        shared.state.fetch_add(SECTION | OPEN, SeqCst);
        if shared.sleepers.load(SeqCst) > 0 {
            drop(lock(&shared.closing));
            shared.wake.notify_all();
        }
        shared.take_items(job, 0);
        shared.state.fetch_and(!OPEN, SeqCst);
        let mut turns = 0usize;
        while shared.state.load(SeqCst) & INSIDE_MASK != 0 {
            turns += 1;
            if turns.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        *lock(&shared.job) = None;
        if let Some(panic) = lock(&shared.panic).take() {
            drop(guard);
            resume_unwind(panic);
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

impl Shared {
    /// The main loop of a worker: enter open sections, take items, spin, sleep.
    fn work(&self, thread: usize) {
        INSIDE.set(true);
        let mut seen = 0;
        loop {
            if !self.wait_for_section(&mut seen) {
                return;
            }
            let job = *lock(&self.job);
            if let Some(job) = job {
                self.take_items(job, thread);
            }
            self.state.fetch_sub(1, SeqCst);
        }
    }

    /// Waits until a section after `seen` is open and enters it; returns false if the pool shuts down.
    fn wait_for_section(&self, seen: &mut usize) -> bool {
        let mut spins = 0;
        loop {
            let state = self.state.load(SeqCst);
            let section = state / SECTION;
            if section != *seen && state & OPEN != 0 {
                if self.state.compare_exchange(state, state + 1, SeqCst, SeqCst).is_ok() {
                    *seen = section;
                    return true;
                }
                continue;
            }
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            spins = 0;
            if !self.sleep(state) {
                return false;
            }
        }
    }

    /// Sleeps until a section after that of `state` has started; returns false if the pool shuts down.
    fn sleep(&self, state: usize) -> bool {
        let mut closing = lock(&self.closing);
        self.sleepers.fetch_add(1, SeqCst);
        // A caller that opens a section now either sees this sleeper or is seen by the check below.
        while !*closing && self.state.load(SeqCst) / SECTION == state / SECTION {
            closing = self.wake.wait(closing).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, SeqCst);
        !*closing
    }

    /// Processes the share of `thread`, then the remaining items of the other shares.
    fn take_items(&self, job: Job, thread: usize) {
        // SAFETY: the section is open or this thread is inside it, so the work is alive.
        let work = unsafe { &*job.work };
        let before = INSIDE.replace(true);
        let threads = self.taken.len();
        let result = catch_unwind(AssertUnwindSafe(|| {
            for share in (thread..threads).chain(0..thread) {
                let [first, last] = [share, share + 1].map(|share| job.items * share / threads);
                loop {
                    let item = first + self.taken[share].0.fetch_add(1, SeqCst);
                    if item >= last {
                        break;
                    }
                    work(thread, item);
                }
            }
        }));
        INSIDE.set(before);
        if let Err(panic) = result {
            self.taken.iter().for_each(|taken| taken.0.store(job.items, SeqCst));
            lock(&self.panic).get_or_insert(panic);
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        *lock(&self.shared.closing) = true;
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // Workers do not panic: panics of items are caught.
            let _ = worker.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
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
}
