//! A persistent pool of threads for short parallel regions.
//!
//! A region is a fixed number of items. Each thread begins with a share of neighboring items, so that it
//! mostly finds in its own cache what it wrote in the region before, and then helps with the shares of the
//! others. What an item computes never depends on who takes it, so results do not depend on the number of
//! threads. Workers spin for
//! some microseconds after a region, since the next one mostly follows at once, and then sleep. The
//! caller works too, and never waits for a worker that has not begun: on a busy machine it does the
//! work alone.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Turns of the spinning loop before a worker sleeps: some tens of microseconds.
const SPINS: usize = 4000;

thread_local! {
    /// Whether this thread is inside a region; regions within regions run inline.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// A pool of threads; the caller of [`Pool::run`] counts as one of them.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held while a region runs; a second caller runs its region inline.
    busy: Mutex<()>,
}

struct Shared {
    /// Regions begun, in the upper bits; whether one is open; workers inside it, in the lower bits.
    state: AtomicUsize,
    /// For each thread, how many items of its share are taken.
    taken: Box<[Taken]>,
    job: Mutex<Option<Job>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: AtomicUsize,
    bell: Condvar,
    door: Mutex<bool>,
}

/// A counter with cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Taken(AtomicUsize);

const INSIDE_MASK: usize = 0xFFFF;
const OPEN: usize = 0x1_0000;
const REGION: usize = 0x2_0000;

/// A region's work; the pointer is valid as long as the region is open or a worker is inside it.
#[derive(Clone, Copy)]
struct Job {
    work: *const (dyn Fn(usize) + Sync),
    items: usize,
}

// SAFETY: the work is `Sync`, and `Pool::run` keeps it alive until no worker is inside.
unsafe impl Send for Job {}

impl Pool {
    /// A pool of `threads` threads, the caller included.
    ///
    /// # Panics
    /// If the system refuses a thread.
    pub fn new(threads: usize) -> Self {
        let threads = threads.clamp(1, INSIDE_MASK);
        let shared = Arc::new(Shared {
            state: AtomicUsize::new(0),
            taken: (0..threads).map(|_| Taken::default()).collect(),
            job: Mutex::new(None),
            panic: Mutex::new(None),
            sleepers: AtomicUsize::new(0),
            bell: Condvar::new(),
            door: Mutex::new(false),
        });
        let worker = |index: usize| {
            let shared = shared.clone();
            let builder = std::thread::Builder::new().name(format!("striate-{index}"));
            builder.spawn(move || shared.work(index)).expect("the system has room for a thread")
        };
        let workers = (1..threads).map(worker).collect();
        Pool { shared, workers, busy: Mutex::new(()) }
    }

    /// Number of threads, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work` once for each of `0..items`, in any order, on any thread.
    ///
    /// # Panics
    /// If `work` panics; the first panic is passed on when all threads have left the region.
    pub fn run(&self, items: usize, work: impl Fn(usize) + Sync) {
        let alone = items <= 1 || self.workers.is_empty() || INSIDE.get();
        let guard = if alone { None } else { self.busy.try_lock().ok() };
        if guard.is_none() {
            (0..items).for_each(work);
            return;
        }
        let shared = &*self.shared;
        let work: &(dyn Fn(usize) + Sync) = &work;
        // SAFETY: only the lifetime is changed; below nobody returns before all workers have left.
        let work: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(work) };
        let job = Job { work, items };
        *lock(&shared.job) = Some(job);
        shared.taken.iter().for_each(|taken| taken.0.store(0, SeqCst));
        shared.state.fetch_add(REGION | OPEN, SeqCst);
        if shared.sleepers.load(SeqCst) > 0 {
            drop(lock(&shared.door));
            shared.bell.notify_all();
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

    /// Cuts `data` into pieces of `length` (the last may be shorter) and calls `work` with each
    /// piece's number and the piece.
    ///
    /// # Panics
    /// If `length` is zero or `work` panics.
    pub fn pieces<T: Send>(&self, data: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        let (start, total) = (Pointer(data.as_mut_ptr()), data.len());
        self.run(total.div_ceil(length), |index| {
            let first = index * length;
            let count = length.min(total - first);
            // SAFETY: pieces of different indices do not overlap and lie within `data`, which is
            // borrowed for the whole region; each index is taken once.
            work(index, unsafe { std::slice::from_raw_parts_mut(start.get().add(first), count) });
        });
    }
}

/// A pointer that threads may share; whoever uses it sees to it that they write different places.
pub(crate) struct Pointer<T>(pub *mut T);

// SAFETY: see the type's contract.
unsafe impl<T> Send for Pointer<T> {}
// SAFETY: see the type's contract.
unsafe impl<T> Sync for Pointer<T> {}

impl<T> Pointer<T> {
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

impl Shared {
    /// A worker's life: enter open regions, take items, spin, sleep.
    fn work(&self, thread: usize) {
        INSIDE.set(true);
        let mut seen = 0;
        loop {
            if !self.wait_for_region(&mut seen) {
                return;
            }
            let job = *lock(&self.job);
            if let Some(job) = job {
                self.take_items(job, thread);
            }
            self.state.fetch_sub(1, SeqCst);
        }
    }

    /// Waits until a region after `seen` is open and enters it; false when the pool closes.
    fn wait_for_region(&self, seen: &mut usize) -> bool {
        let mut spins = 0;
        loop {
            let state = self.state.load(SeqCst);
            let region = state / REGION;
            if region != *seen && state & OPEN != 0 {
                if self.state.compare_exchange(state, state + 1, SeqCst, SeqCst).is_ok() {
                    *seen = region;
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

    /// Sleeps until the state differs from `state`; false when the pool closes.
    fn sleep(&self, state: usize) -> bool {
        let mut closing = lock(&self.door);
        self.sleepers.fetch_add(1, SeqCst);
        // A region that opens now sees the sleeper, or is seen here.
        while !*closing && self.state.load(SeqCst) / REGION == state / REGION {
            closing = self.bell.wait(closing).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, SeqCst);
        !*closing
    }

    /// Does the items of the share of `thread`, then what is left of the others'.
    fn take_items(&self, job: Job, thread: usize) {
        // SAFETY: the region is open or this thread is inside it, so the work is alive.
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
                    work(item);
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

impl Drop for Pool {
    fn drop(&mut self) {
        *lock(&self.shared.door) = true;
        self.shared.bell.notify_all();
        for worker in self.workers.drain(..) {
            // A worker never panics itself: what items do is caught.
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
    fn each_item_is_done_once() {
        for threads in [1, 2, 3] {
            let pool = Pool::new(threads);
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
    fn sleeping_workers_wake_and_pieces_cover_everything() {
        let pool = Pool::new(2);
        let mut data = vec![0usize; 1001];
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            pool.pieces(&mut data, 10, |index, piece| piece.iter_mut().for_each(|x| *x += index + 1));
        }
        assert!(data.iter().enumerate().all(|(i, x)| *x == 3 * (i / 10 + 1)));
    }

    #[test]
    fn regions_nest_and_callers_share() {
        let pool = Pool::new(2);
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
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let caught = catch_unwind(AssertUnwindSafe(|| pool.run(100, |item| assert_ne!(item, 50, "fifty"))));
        assert!(caught.is_err());
        let count = AtomicUsize::new(0);
        pool.run(100, |_| {
            count.fetch_add(1, SeqCst);
        });
        assert_eq!(count.load(SeqCst), 100);
    }
}
