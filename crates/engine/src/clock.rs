//! The clock interface, which the engine uses only for profiles.

/// A source of time.
pub trait Clock {
    /// Seconds since an arbitrary fixed moment.
    fn seconds(&self) -> f64;
}
