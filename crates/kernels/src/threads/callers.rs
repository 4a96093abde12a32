//! The callers of a thread pool at one time, and the division of its workers among them.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::section::{Padded, Section};
use super::{INSIDE, lock};

thread_local! {
    /// The pool that this thread is a caller of, by its address, and its section.
    static CALLER: Cell<Option<(*const Shared, Option<usize>)>> = const { Cell::new(None) };
}

/// A number that no section has.
const NEVER: usize = usize::MAX;
/// In place of a section: the worker ends.
const END: usize = usize::MAX - 1;

/// What callers and workers of a pool share.
pub(super) struct Shared {
    /// A section for each caller that can have workers. In the last one, which no caller uses, workers without a caller
    /// wait.
    sections: Box<[Section]>,
    /// The section that each worker helps with, or [`END`]. Workers look at it all the time, so that it is only written
    /// when it changes.
    assigned: Box<[Padded<AtomicUsize>]>,
    /// The number of workers assigned to each section.
    workers: Box<[AtomicUsize]>,
    callers: Padded<Mutex<Callers>>,
}

/// The callers at one time.
struct Callers {
    count: usize,
    /// Whether each section has a caller.
    taken: Box<[bool]>,
    /// The section that has all workers, if one has.
    alone: Option<usize>,
}

impl Shared {
    pub fn new(threads: usize) -> Shared {
        // More callers than half of the threads leave no worker to some of them.
        let count = (threads / 2).max(1);
        Shared {
            sections: (0..=count).map(|_| Section::new(threads)).collect(),
            assigned: (1..threads).map(|_| Padded::default()).collect(),
            workers: (0..=count).map(|_| AtomicUsize::new(0)).collect(),
            callers: Padded(Mutex::new(Callers { count: 0, taken: vec![false; count].into(), alone: None })),
        }
    }

    /// Makes this thread a caller, unless it is one, until the result is dropped.
    pub fn enter(&self) -> Entered<'_> {
        let before = CALLER.get();
        if let Some((pool, section)) = before
            && std::ptr::eq(pool, self)
        {
            return Entered { shared: self, section, before: None };
        }
        let mut callers = lock(&self.callers.0);
        callers.count += 1;
        let section = callers.taken.iter().position(|taken| !taken);
        if let Some(section) = section {
            callers.taken[section] = true;
        }
        if callers.count > 1 || callers.alone.is_none() || callers.alone != section {
            self.divide(&mut callers);
        }
        CALLER.set(Some((self, section)));
        Entered { shared: self, section, before: Some(before) }
    }

    fn leave(&self, section: Option<usize>) {
        let mut callers = lock(&self.callers.0);
        callers.count -= 1;
        if let Some(section) = section {
            callers.taken[section] = false;
        }
        // The workers of the last caller stay for the next one.
        if callers.count > 0 {
            self.divide(&mut callers);
        }
    }

    /// Divides the workers among the callers, so that there are as many of both together as threads.
    fn divide(&self, callers: &mut Callers) {
        let threads = self.assigned.len() + 1;
        let helping = threads.saturating_sub(callers.count);
        let taken = || (0..callers.taken.len()).filter(|section| callers.taken[*section]);
        let count = taken().count();
        for (position, section) in taken().enumerate() {
            let [first, last] = [position, position + 1].map(|place| helping * place / count);
            self.workers[section].store(last - first, SeqCst);
            (first..last).for_each(|worker| self.assign(worker, section));
        }
        let idle = if count == 0 { 0 } else { helping };
        (idle..threads - 1).for_each(|worker| self.assign(worker, callers.taken.len()));
        callers.alone = taken().next().filter(|_| callers.count == 1);
    }

    /// Lets `worker` help with `section` from now on.
    fn assign(&self, worker: usize, section: usize) {
        let assigned = &self.assigned[worker].0;
        if assigned.load(SeqCst) != section {
            let before = assigned.swap(section, SeqCst);
            self.sections[before].wake();
        }
    }

    /// The main loop of the worker with the number `thread`.
    pub fn work(&self, thread: usize) {
        INSIDE.set(true);
        let assigned = &self.assigned[thread - 1].0;
        let mut seen = NEVER;
        let mut section = assigned.load(SeqCst);
        while section != END {
            let stays = || assigned.load(SeqCst) == section;
            match self.sections[section].help(seen, thread, &stays) {
                Some(number) => seen = number,
                None => (section, seen) = (assigned.load(SeqCst), NEVER),
            }
        }
    }

    /// Makes the workers leave their loops. No caller may remain.
    pub fn close(&self) {
        self.assigned.iter().for_each(|assigned| assigned.0.store(END, SeqCst));
        self.sections.iter().for_each(Section::wake);
    }
}

/// A thread as a caller of a pool.
pub(super) struct Entered<'a> {
    shared: &'a Shared,
    section: Option<usize>,
    /// The caller that this thread was before; `None` if it was this one.
    before: Option<Option<(*const Shared, Option<usize>)>>,
}

impl<'a> Entered<'a> {
    /// The section of the caller; `None` if it has no workers at the moment.
    pub fn section(&self) -> Option<&'a Section> {
        let section = self.section?;
        let has_workers = self.shared.workers[section].load(SeqCst) > 0;
        has_workers.then(|| &self.shared.sections[section])
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            CALLER.set(before);
            self.shared.leave(self.section);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of workers of each caller, in the order in which they came.
    fn divided(shared: &Shared, sections: &[Option<usize>]) -> Vec<usize> {
        sections.iter().map(|section| section.map_or(0, |at| shared.workers[at].load(SeqCst))).collect()
    }

    /// Registers a caller as another thread would.
    fn enter(shared: &Shared) -> Option<usize> {
        let entered = shared.enter();
        let section = entered.section;
        CALLER.set(None);
        std::mem::forget(entered);
        section
    }

    #[test]
    fn callers_and_their_workers_are_as_many_as_threads() {
        let shared = Shared::new(8);
        let expected = [&[7][..], &[3, 3], &[1, 2, 2], &[1; 4], &[0, 1, 1, 1, 0], &[0, 1, 0, 1, 0, 0]];
        let mut sections = Vec::new();
        for expected in expected {
            sections.push(enter(&shared));
            assert_eq!(divided(&shared, &sections), expected);
        }
        for _ in 0..3 {
            sections.push(enter(&shared));
        }
        assert_eq!(divided(&shared, &sections), [0; 9], "nine callers of eight threads run alone");
        for section in sections.drain(1..) {
            shared.leave(section);
        }
        assert_eq!(divided(&shared, &sections), [7]);
        shared.leave(sections[0]);
        assert_eq!(divided(&shared, &sections), [7], "workers stay for the next caller");
    }

    #[test]
    fn two_callers_of_two_threads_run_alone() {
        let shared = Shared::new(2);
        let first = enter(&shared);
        assert_eq!(divided(&shared, &[first]), [1]);
        let second = enter(&shared);
        assert_eq!(divided(&shared, &[first, second]), [0, 0]);
        shared.leave(first);
        // The second caller came when all sections were taken; the next one has the worker.
        assert_eq!(enter(&shared), first);
    }

    #[test]
    fn nested_callers_count_once() {
        let shared = Shared::new(2);
        let outer = shared.enter();
        let inner = shared.enter();
        assert_eq!((lock(&shared.callers.0).count, inner.section), (1, outer.section));
        drop(inner);
        assert!(outer.section().is_some());
        let other = Shared::new(2);
        drop(other.enter());
        assert_eq!((lock(&shared.callers.0).count, shared.enter().section), (1, outer.section));
    }
}
