//! How fast bytes come: from memory, and from one core to another.

use std::hint::black_box;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use striate_kernels::pool::Pool;

use super::{ROUNDS, median};

/// Reading an array that fits no cache, in GB/s, on all threads.
pub fn memory(pool: &Pool) -> f64 {
    const WORDS: usize = 32 << 20;
    const PIECES: usize = 64;
    let data = vec![1u64; WORDS];
    let round = || {
        let start = Instant::now();
        pool.run(PIECES, |item| {
            let piece = WORDS / PIECES;
            black_box(sum(&data[item * piece..(item + 1) * piece]));
        });
        (WORDS * size_of::<u64>()) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    // The first round may begin before all threads have a core of their own.
    round();
    median(&(0..ROUNDS).map(|_| round()).collect::<Vec<_>>())
}

/// Two threads write half a block each, meet, and read the other's half: bytes written and read by both
/// in GB/s, the median of many exchanges. A half fits the cache next to a core, so that reading is the
/// way between the cores.
pub fn core_to_core() -> f64 {
    const HALF: usize = 256 << 10;
    const EXCHANGES: usize = 1000;
    let words = HALF / size_of::<u64>();
    let halves = [(); 2].map(|()| RwLock::new(vec![0u64; words]));
    let meeting = Meeting::default();
    let play = |mine: usize| -> Vec<f64> {
        let exchange = |number: usize| {
            meeting.wait(2 * number);
            let start = Instant::now();
            halves[mine].write().expect("nobody panics").fill(number as u64);
            meeting.wait(2 * number + 1);
            black_box(sum(&halves[1 - mine].read().expect("nobody panics")));
            start.elapsed().as_secs_f64()
        };
        (0..EXCHANGES).map(exchange).collect()
    };
    let seconds = std::thread::scope(|scope| {
        scope.spawn(|| play(1));
        play(0)
    });
    (4 * HALF) as f64 / median(&seconds) / 1e9
}

/// Where two threads wait for each other, again and again.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    /// Returns when both have come for the time with this number, the first being 0.
    fn wait(&self, number: usize) {
        self.0.fetch_add(1, Ordering::AcqRel);
        let mut turns = 0usize;
        while self.0.load(Ordering::Acquire) < 2 * (number + 1) {
            turns += 1;
            // The other may need this very core.
            if turns.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

/// The sum in many lanes, so that adding is never what reading waits for.
fn sum(words: &[u64]) -> u64 {
    let mut lanes = [0u64; 16];
    for chunk in words.chunks_exact(16) {
        for (lane, word) in lanes.iter_mut().zip(chunk) {
            *lane = lane.wrapping_add(*word);
        }
    }
    lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
}
