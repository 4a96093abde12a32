//! A decoded sound.

/// A sound of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Samples per second.
    pub sample_rate: u32,
    /// The samples; full scale is from −1 to 1.
    pub samples: Vec<f32>,
}

impl Sound {
    /// Returns the length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate.max(1))
    }
}
