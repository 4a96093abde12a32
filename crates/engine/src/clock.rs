//! Time, as the engine sees it: only where someone asks for a profile, and through this trait.

/// Something that tells time.
pub trait Clock {
    /// Seconds since any fixed moment.
    fn seconds(&self) -> f64;
}
