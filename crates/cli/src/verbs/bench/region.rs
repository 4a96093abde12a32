//! The cost of one parallel section.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use striate_kernels::threads::ThreadPool;

use super::median;

/// Pause after which workers may be asleep.
const GAP: Duration = Duration::from_micros(50);

/// Returns median times in microseconds of a section with one item per thread. In an empty section the caller may
/// finish all items before a worker starts: the cost of a small section. In a section where all threads wait for each
/// other, every worker must have started: the cost of sharing work. Null without a second thread.
pub fn cost(thread_pool: &ThreadPool) -> Value {
    if thread_pool.threads() < 2 {
        return json!({ "region_us": null, "region_after_gap_us": null,
                       "region_all_us": null, "region_all_after_gap_us": null });
    }
    let empty = || thread_pool.run(thread_pool.threads(), |_| {});
    let all = || {
        let arrived = AtomicUsize::new(0);
        thread_pool.run(thread_pool.threads(), |_| {
            arrived.fetch_add(1, Ordering::AcqRel);
            let mut spins = 0usize;
            while arrived.load(Ordering::Acquire) < thread_pool.threads() {
                spins += 1;
                // The missing thread may need this core.
                if spins.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
        });
    };
    // As in a run, in which the caller keeps its workers from section to section.
    thread_pool.as_caller(|| {
        json!({
            "region_us": back_to_back(empty),
            "region_after_gap_us": after_gap(empty),
            "region_all_us": back_to_back(all),
            "region_all_after_gap_us": after_gap(all),
        })
    })
}

fn back_to_back(region: impl Fn()) -> f64 {
    const REGIONS: u32 = 100;
    let batch = |_| {
        let start = Instant::now();
        (0..REGIONS).for_each(|_| region());
        microseconds(start) / f64::from(REGIONS)
    };
    median(&(0..300).map(batch).collect::<Vec<_>>())
}

fn after_gap(region: impl Fn()) -> f64 {
    let one = |_| {
        let gap = Instant::now();
        while gap.elapsed() < GAP {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        region();
        microseconds(start)
    };
    median(&(0..1000).map(one).collect::<Vec<_>>())
}

fn microseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}
