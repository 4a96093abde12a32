//! Bandwidth from memory, and from one core to another.

use std::hint::black_box;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use striate_kernels::threads::ThreadPool;

use super::{ROUNDS, median};

/// Returns the bandwidth in GB/s of reading an array larger than the caches, on all threads.
pub fn memory(thread_pool: &ThreadPool) -> f64 {
    const WORDS: usize = 32 << 20;
    const PIECES: usize = 64;
    let data = vec![1u64; WORDS];
    let round = || {
        let start = Instant::now();
        thread_pool.run(PIECES, |item| {
            let piece = WORDS / PIECES;
            black_box(sum(&data[item * piece..(item + 1) * piece]));
        });
        (WORDS * size_of::<u64>()) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    // Warm-up: in the first round, not every thread may have its own core yet.
    round();
    median(&(0..ROUNDS).map(|_| round()).collect::<Vec<_>>())
}

/// Returns the bandwidth in GB/s between two cores: two threads each write half a block, synchronize, and read the
/// other's half. Bytes written and read by both count; the result is the median of many exchanges. A half fits in
/// a core's own cache, so that reads cross from core to core.
pub fn core_to_core() -> f64 {
    const HALF: usize = 256 << 10;
    const EXCHANGES: usize = 1000;
    let words = HALF / size_of::<u64>();
    let halves = [(); 2].map(|()| RwLock::new(vec![0u64; words]));
    let barrier = Barrier::default();
    let exchange_all = |mine: usize| -> Vec<f64> {
        let exchange = |number: usize| {
            barrier.wait(2 * number);
            let start = Instant::now();
            halves[mine].write().expect("no thread panics").fill(number as u64);
            barrier.wait(2 * number + 1);
            black_box(sum(&halves[1 - mine].read().expect("no thread panics")));
            start.elapsed().as_secs_f64()
        };
        (0..EXCHANGES).map(exchange).collect()
    };
    let seconds = std::thread::scope(|scope| {
        scope.spawn(|| exchange_all(1));
        exchange_all(0)
    });
    (4 * HALF) as f64 / median(&seconds) / 1e9
}

/// A reusable spinning barrier for two threads.
#[derive(Default)]
struct Barrier(AtomicUsize);

impl Barrier {
    /// Returns once both threads have called this for wait `number`, counted from 0.
    fn wait(&self, number: usize) {
        self.0.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0usize;
        while self.0.load(Ordering::Acquire) < 2 * (number + 1) {
            spins += 1;
            // The other thread may need this core.
            if spins.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

/// Sums in many lanes, so that additions never limit the read rate.
fn sum(words: &[u64]) -> u64 {
    let mut lanes = [0u64; 16];
    for chunk in words.chunks_exact(16) {
        for (lane, word) in lanes.iter_mut().zip(chunk) {
            *lane = lane.wrapping_add(*word);
        }
    }
    lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
}
