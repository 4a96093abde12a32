//! Images over the time spent on training steps.

use std::time::Duration;

#[derive(Default)]
pub(crate) struct Meter {
    images: usize,
    seconds: f64,
    /// Those of them in which training waited for images.
    waited: f64,
}

impl Meter {
    pub fn add(&mut self, images: usize, time: Duration, waited: Duration) {
        self.images += images;
        self.seconds += time.as_secs_f64();
        self.waited += waited.as_secs_f64();
    }

    /// The share of the time in which training waited for images.
    pub fn waiting(&self) -> f64 {
        if self.seconds > 0.0 { self.waited / self.seconds } else { 0.0 }
    }

    /// Images per second.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.images as f64 / self.seconds } else { 0.0 }
    }
}
