//! The system's clock, for profiles.

use std::time::Instant;

use striate_engine::Clock;

/// Seconds since it was made.
pub struct SystemClock(Instant);

impl SystemClock {
    /// Begins to count.
    pub fn new() -> SystemClock {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
