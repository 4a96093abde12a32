//! The scale space of an image: octaves of planes, each more blurred than the one before.

use super::descriptor::Window;
use super::extrema::Extremum;
use super::plane::Plane;
use super::{KeyPoint, Sift};
use crate::Image;

/// The assumed blur of an image, as standard deviation of a Gaussian in pixels.
pub(super) const BLUR_OF_IMAGE: f64 = 0.5;
/// Least variance of the first blur, in pixels².
const LEAST_VARIANCE: f64 = 0.01;
/// Pixels at the edges of a plane that cannot be extrema.
pub(super) const BORDER: usize = 5;

/// Planes of one size. The scale doubles from level 0 to level `intervals`; two more levels follow.
pub(super) struct Octave {
    pub levels: Vec<Plane>,
    /// Pixels of the image from one pixel to the next.
    step: f64,
    /// The coordinates of the first pixel in the image.
    offset: f64,
}

impl Octave {
    /// Computes the first octave of `image`.
    pub fn first(sift: &Sift, image: &Image) -> Octave {
        let (mut base, mut blur) = (Plane::of(image), BLUR_OF_IMAGE);
        if sift.doubled {
            base = base.doubled();
            blur *= 2.0;
        }
        let variance = (f64::from(sift.sigma).powi(2) - blur * blur).max(LEAST_VARIANCE);
        let (step, offset) = if sift.doubled { (0.5, -0.25) } else { (1.0, 0.0) };
        Octave::from(sift, base.blurred(variance.sqrt()), step, offset)
    }

    /// Computes the next octave; `None` if it would be too small to contain extrema.
    pub fn next(self, sift: &Sift) -> Option<Octave> {
        if self.is_last() {
            return None;
        }
        let base = self.levels[sift.intervals].halved();
        let (step, offset) = (self.step * 2.0, self.offset);
        drop(self);
        Some(Octave::from(sift, base, step, offset))
    }

    fn from(sift: &Sift, base: Plane, step: f64, offset: f64) -> Octave {
        let mut levels = vec![base];
        for level in 1..sift.intervals + 3 {
            let [before, after] = [level - 1, level].map(|level| scale(sift, level as f64));
            let blurred = levels[level - 1].blurred((after * after - before * before).sqrt());
            levels.push(blurred);
        }
        Octave { levels, step, offset }
    }

    fn is_last(&self) -> bool {
        self.levels[0].width.min(self.levels[0].height) / 2 <= 2 * BORDER
    }

    /// Returns the key point at an extremum, in the coordinates of the image.
    pub fn key_point(&self, extremum: &Extremum, angle: f32) -> KeyPoint {
        let place = |coordinate: f64| (coordinate * self.step + self.offset) as f32;
        KeyPoint {
            x: place(extremum.x),
            y: place(extremum.y),
            size: (2.0 * extremum.scale * self.step) as f32,
            angle,
            response: extremum.response as f32,
        }
    }

    /// Returns the level that is next to the scale of `point`, and the point in its coordinates; `None` if a later
    /// octave has it.
    pub fn window(&self, sift: &Sift, point: &KeyPoint) -> Option<(usize, Window)> {
        let scale = (0.5 * f64::from(point.size) / self.step).max(f64::MIN_POSITIVE);
        let level = (sift.intervals as f64 * (scale / f64::from(sift.sigma)).log2()).round().max(0.0);
        if level > sift.intervals as f64 && !self.is_last() {
            return None;
        }
        let place = |coordinate: f32| (f64::from(coordinate) - self.offset) / self.step;
        let window = Window { x: place(point.x), y: place(point.y), scale, angle: f64::from(point.angle) };
        Some(((level as usize).min(self.levels.len() - 1), window))
    }
}

/// Returns the scale of a level, which may lie between two: the standard deviation of its Gaussian, in its pixels.
pub(super) fn scale(sift: &Sift, level: f64) -> f64 {
    f64::from(sift.sigma) * (level / sift.intervals as f64).exp2()
}
