//! A parallel section of one caller, and the workers that help with it.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};

use super::{INSIDE, lock};

/// Iterations of the spin loop before a worker sleeps: some tens of microseconds.
const SPINS: usize = 4000;

const INSIDE_MASK: usize = 0xFFFF;
const OPEN: usize = 0x1_0000;
const SECTION: usize = 0x2_0000;

/// A place where one caller at a time runs sections, one after another.
pub(super) struct Section {
    gate: Padded<Gate>,
    /// For each thread of the pool, the number of items of its share that are taken.
    taken: Box<[Padded<AtomicUsize>]>,
    /// Whether there is a panic.
    panicked: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: AtomicUsize,
    /// Held between the last check before a worker sleeps and its sleep.
    asleep: Mutex<()>,
    wake: Condvar,
}

/// What workers wait for, and then read.
struct Gate {
    /// The number of sections started (upper bits), whether one is open ([`OPEN`]), and the number of workers
    /// inside it (lower bits).
    state: AtomicUsize,
    /// Written by the caller while no section is open and no worker is inside, and read by workers inside.
    job: UnsafeCell<Option<Job>>,
}

// SAFETY: the state orders the accesses to the job, as its documentation says.
unsafe impl Sync for Gate {}

/// A value on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub T);

/// The work of a section; the pointer is valid while the section is open or a worker is inside it.
#[derive(Clone, Copy)]
struct Job {
    /// Called with the number of a thread and that of an item.
    work: *const (dyn Fn(usize, usize) + Sync),
    items: usize,
}

// SAFETY: the work is `Sync`, and `Section::run` keeps it alive until no worker is inside the section.
unsafe impl Send for Job {}

impl Section {
    pub fn new(threads: usize) -> Section {
        Section {
            gate: Padded(Gate { state: AtomicUsize::new(0), job: UnsafeCell::new(None) }),
            taken: (0..threads).map(|_| Padded::default()).collect(),
            panicked: AtomicBool::new(false),
            panic: Mutex::new(None),
            sleepers: AtomicUsize::new(0),
            asleep: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    /// Calls `work` for `0..items` with the workers that come.
    ///
    /// # Safety
    /// Only one thread at a time may do so, the caller to whom the section belongs.
    pub unsafe fn run(&self, items: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        // SAFETY: only the lifetime changes, and this function does not return or unwind before all workers
        // have left the section.
        let work: &'static (dyn Fn(usize, usize) + Sync) = unsafe { std::mem::transmute(work) };
        let job = Job { work, items };
        let Gate { state, job: published } = &self.gate.0;
        // SAFETY: the section before is closed and no worker is inside, and none enters before this one opens.
        unsafe { *published.get() = Some(job) };
        self.taken.iter().for_each(|taken| taken.0.store(0, SeqCst));
        state.fetch_add(SECTION | OPEN, SeqCst);
        self.wake();
        self.take_items(job, 0);
        state.fetch_and(!OPEN, SeqCst);
        let mut turns = 0usize;
        while state.load(SeqCst) & INSIDE_MASK != 0 {
            turns += 1;
            if turns.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        if self.panicked.load(SeqCst)
            && let Some(panic) = lock(&self.panic).take()
        {
            self.panicked.store(false, SeqCst);
            resume_unwind(panic);
        }
    }

    /// Wakes the workers that sleep here.
    pub fn wake(&self) {
        if self.sleepers.load(SeqCst) > 0 {
            drop(lock(&self.asleep));
            self.wake.notify_all();
        }
    }

    /// Helps, as `thread`, with the next section after number `seen`, and returns its number. Spins, then sleeps until
    /// it starts; returns `None` as soon as the worker no longer `stays` here.
    pub fn help(&self, seen: usize, thread: usize, stays: &dyn Fn() -> bool) -> Option<usize> {
        let number = self.enter(seen, stays)?;
        // SAFETY: a worker inside the section reads what its caller wrote before it opened.
        if let Some(job) = unsafe { *self.gate.0.job.get() } {
            self.take_items(job, thread);
        }
        self.gate.0.state.fetch_sub(1, SeqCst);
        Some(number)
    }

    /// Waits until a section other than `seen` is open and enters it.
    fn enter(&self, seen: usize, stays: &dyn Fn() -> bool) -> Option<usize> {
        let mut spins = 0;
        while stays() {
            let state = self.gate.0.state.load(SeqCst);
            let number = state / SECTION;
            if number != seen && state & OPEN != 0 {
                if self.gate.0.state.compare_exchange(state, state + 1, SeqCst, SeqCst).is_ok() {
                    return Some(number);
                }
                continue;
            }
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            spins = 0;
            self.sleep(number, stays);
        }
        None
    }

    /// Sleeps until a section after `number` has started, or the worker no longer stays.
    fn sleep(&self, number: usize, stays: &dyn Fn() -> bool) {
        let mut asleep = lock(&self.asleep);
        self.sleepers.fetch_add(1, SeqCst);
        // A caller that opens a section now either sees this sleeper or is seen by the check below.
        while stays() && self.gate.0.state.load(SeqCst) / SECTION == number {
            asleep = self.wake.wait(asleep).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, SeqCst);
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
            self.panicked.store(true, SeqCst);
        }
    }
}
