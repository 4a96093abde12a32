//! An idle thread pool uses no CPU time. A separate test binary, because it measures the whole process.

#![cfg(target_os = "linux")]

use std::time::Duration;

use striate_kernels::threads::ThreadPool;

/// The CPU time of all threads of this process, in hundredths of a second.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn idle_thread_pool_sleeps() {
    let pool = ThreadPool::new(4);
    pool.run(100, |_| {});
    std::thread::sleep(Duration::from_millis(100));
    let before = ticks();
    std::thread::sleep(Duration::from_secs(1));
    let used = ticks() - before;
    assert!(used <= 5, "idle workers used {used} ticks; three spinning workers would use 300");
}
