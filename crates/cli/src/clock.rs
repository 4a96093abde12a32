//! The system clock, used for profiling.

use std::time::Instant;

use striate_engine::Clock;

/// A clock that starts at zero when it is created.
pub struct SystemClock(Instant);

impl SystemClock {
    /// Starts the clock.
    pub fn new() -> SystemClock {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
