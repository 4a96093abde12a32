//! What one parallel region costs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use striate_kernels::pool::Pool;

use super::median;

/// The gap after which workers may already sleep.
const GAP: Duration = Duration::from_micros(50);

/// Medians in microseconds of a region of one item a thread. In an empty one the caller may have done all
/// before a worker comes, which is what a small region costs; in one where all threads meet, each of them
/// must have come, which is what it takes to share work. Null without a second thread.
pub fn cost(pool: &Pool) -> Value {
    if pool.threads() < 2 {
        return json!({ "region_us": null, "region_after_gap_us": null,
                       "region_all_us": null, "region_all_after_gap_us": null });
    }
    let empty = || pool.run(pool.threads(), |_| {});
    let all = || {
        let here = AtomicUsize::new(0);
        pool.run(pool.threads(), |_| {
            here.fetch_add(1, Ordering::AcqRel);
            let mut turns = 0usize;
            while here.load(Ordering::Acquire) < pool.threads() {
                turns += 1;
                // One who is missing may need this very core.
                if turns.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
        });
    };
    json!({
        "region_us": in_a_row(empty),
        "region_after_gap_us": after_gap(empty),
        "region_all_us": in_a_row(all),
        "region_all_after_gap_us": after_gap(all),
    })
}

fn in_a_row(region: impl Fn()) -> f64 {
    const REGIONS: u32 = 100;
    let row = |_| {
        let start = Instant::now();
        (0..REGIONS).for_each(|_| region());
        microseconds(start) / f64::from(REGIONS)
    };
    median(&(0..300).map(row).collect::<Vec<_>>())
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
