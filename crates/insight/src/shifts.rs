//! Tolerance of shifts: how probable a class is if the image is moved.
//!
//! Recognition unaffected by shifts is what the Neocognitron was made for; Fukushima, Biological Cybernetics 36, 1980,
//! tests it by moving patterns over the input layer.

use striate_predict::Classifier;
use striate_tensor::{Error, Result, zeroed};
use striate_vision::{TableCell, table};

use crate::colors::viridis;
use crate::heat::Heat;
use crate::look::Picture;
use crate::probabilities::{Probabilities, no_class};

/// Images that run at once.
const BATCH: usize = 16;
/// The largest distance, so that a picture has cells that can be read.
pub const MOST_SHIFT: usize = 16;

/// What a class is given if an image is moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Shifts {
    /// The largest distance by which the image was moved up, down, left and right, in pixels of the network's input.
    pub most: usize,
    /// The class.
    pub class: usize,
    /// Its probability by vertical (rows, from up to down) and horizontal distance.
    pub probabilities: Heat,
    /// The most probable class at each of these.
    pub best: Vec<usize>,
}

impl Shifts {
    /// Moves an `input` of the network, `[C, H, W]`, or the pixels that lead to its features, by up to `most` pixels in
    /// each direction. Pixels at the edge are repeated where the image was. `progress` is called with the number of
    /// moved images done and that of all.
    ///
    /// # Errors
    /// If the class does not exist, the input does not fit the network, or `most` is 0, larger than [`MOST_SHIFT`] or
    /// as large as the image.
    pub fn new(
        classifier: &Classifier,
        shape: [usize; 3],
        input: &[f32],
        class: usize,
        most: usize,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Shifts> {
        let [_, height, width] = shape;
        let limit = MOST_SHIFT.min(height.min(width).saturating_sub(1));
        if !(1..=limit).contains(&most) {
            return Err(Error::input(format!(
                "cannot move an image of {height}x{width} pixels by up to {most}; choose a distance from 1 to {limit}"
            )));
        }
        let probabilities = Probabilities::new(classifier, shape, input)?;
        let side = 2 * most + 1;
        let distances: Vec<[isize; 2]> = (0..side * side)
            .map(|index| [index / side, index % side].map(|place| place as isize - most as isize))
            .collect();
        let mut images = zeroed(BATCH * input.len()).map_err(|e| e.at("images to move"))?;
        let (mut values, mut best) = (Vec::new(), Vec::new());
        for distances in distances.chunks(BATCH) {
            let images = &mut images[..distances.len() * input.len()];
            for (image, distance) in images.chunks_exact_mut(input.len()).zip(distances) {
                shift(input, [height, width], *distance, image);
            }
            for row in probabilities.of(images)? {
                values.push(*row.get(class).ok_or_else(|| no_class(class))?);
                let first = (0, f32::NEG_INFINITY);
                let larger =
                    |best: (usize, f32), other: (usize, f32)| if other.1 > best.1 { other } else { best };
                best.push(row.into_iter().enumerate().fold(first, larger).0);
            }
            progress(values.len(), side * side);
        }
        Ok(Shifts { most, class, probabilities: Heat { height: side, width: side, values }, best })
    }

    /// The number of moved images whose most probable class is the class.
    pub fn kept(&self) -> usize {
        self.best.iter().filter(|best| **best == self.class).count()
    }

    /// Draws a cell for each distance: its color and number are the probability of the class, of `classes`; where
    /// another class is more probable, its name stands below.
    pub fn picture(&self, classes: &[String], network: &str) -> Picture {
        let name = |class: usize| classes.get(class).map_or_else(|| class.to_string(), String::clone);
        let cell = |(index, value): (usize, &f32)| TableCell {
            color: viridis(*value),
            text: format!("{:.0} %", value * 100.0),
            below: if self.best[index] == self.class { String::new() } else { name(self.best[index]) },
            is_marked: index == self.best.len() / 2,
        };
        let cells: Vec<TableCell> = self.probabilities.values.iter().enumerate().map(cell).collect();
        let labels = |back: &str, forth: &str| -> Vec<String> {
            let most = self.most as isize;
            let label = |distance: isize| match distance {
                0 => "0".to_owned(),
                _ if distance < 0 => format!("{} {back}", -distance),
                _ => format!("{distance} {forth}"),
            };
            (-most..=most).map(label).collect()
        };
        let title = format!("{} if the image moves ({network})", name(self.class));
        let details = [
            format!(
                "probability by distance in pixels; {} of {} keep the class",
                self.kept(),
                self.best.len()
            ),
            "below: the best class, where it is another".to_owned(),
        ];
        let (rows, columns) = (labels("up", "down"), labels("left", "right"));
        let what = format!(
            "probability of the class if the image moves by up to {} pixels; {} of {} keep the class",
            self.most,
            self.kept(),
            self.best.len()
        );
        Picture { name: "shifts".into(), what, image: table(&title, &details, (&rows, &columns), &cells) }
    }
}

/// Writes `input`, `[C, height, width]`, moved down and to the right by `distance`, to `to`.
fn shift(input: &[f32], [height, width]: [usize; 2], distance: [isize; 2], to: &mut [f32]) {
    let from = |place: usize, distance: isize, extent: usize| {
        (place as isize - distance).clamp(0, extent as isize - 1) as usize
    };
    for (channel, moved) in input.chunks_exact(height * width).zip(to.chunks_exact_mut(height * width)) {
        for (row, moved) in moved.chunks_exact_mut(width).enumerate() {
            let source = &channel[from(row, distance[0], height) * width..][..width];
            for (column, value) in moved.iter_mut().enumerate() {
                *value = source[from(column, distance[1], width)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_move_and_their_edges_are_repeated() {
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let moved = |distance| {
            let mut to = [0.0; 6];
            shift(&image, [2, 3], distance, &mut to);
            to
        };
        assert_eq!(moved([0, 0]), image);
        assert_eq!(moved([0, 1]), [1.0, 1.0, 2.0, 4.0, 4.0, 5.0]);
        assert_eq!(moved([-1, -2]), [6.0; 6]);
    }
}
