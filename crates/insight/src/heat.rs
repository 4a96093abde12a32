//! Maps of numbers over an image: where evidence for a class lies.

/// A map over an image, row by row. Its size is that of the layer it was computed at, or of the network's input.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// The numbers, row by row.
    pub values: Vec<f32>,
}

impl Heat {
    /// The largest number that is finite; 0 if there is none.
    pub fn largest(&self) -> f32 {
        self.values.iter().copied().filter(|x| x.is_finite()).reduce(f32::max).unwrap_or(0.0)
    }

    /// Returns the map divided by its largest number and clipped to 0 to 1; zeros if no number is positive.
    #[must_use]
    pub fn normalized(&self) -> Heat {
        let largest = self.largest();
        let share = |x: &f32| if largest > 0.0 && *x > 0.0 { (x / largest).min(1.0) } else { 0.0 };
        Heat { values: self.values.iter().map(share).collect(), ..*self }
    }

    /// Returns the map at another size, interpolated linearly between the centers of its cells, as by
    /// `torch.nn.functional.interpolate` with `mode="bilinear", align_corners=False`.
    #[must_use]
    pub fn resized(&self, height: usize, width: usize) -> Heat {
        let rows = neighbors(self.height, height);
        let columns = neighbors(self.width, width);
        let at = |row: usize, column: usize| self.values[row * self.width + column];
        let mut values = Vec::with_capacity(height * width);
        for (top, bottom, down) in &rows {
            for (left, right, across) in &columns {
                let mix = |row: usize| at(row, *left) * (1.0 - across) + at(row, *right) * across;
                values.push(mix(*top) * (1.0 - down) + mix(*bottom) * down);
            }
        }
        Heat { height, width, values }
    }
}

/// For each of `to` positions, the two of `from` cells between whose centers it lies, and the share of the second.
fn neighbors(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f64 / to as f64;
    let place = |position: usize| {
        let center = ((position as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (center as usize).min(from - 1);
        (first, (first + 1).min(from - 1), (center - first as f64) as f32)
    };
    (0..to).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.nn.functional.interpolate(x, (4, 3), mode="bilinear", align_corners=False)` of [[0, 1], [2, 4]].
    #[test]
    fn resizing_matches_pytorch() {
        let heat = Heat { height: 2, width: 2, values: vec![0.0, 1.0, 2.0, 4.0] };
        let expected = [0.0, 0.5, 1.0, 0.5, 1.125, 1.75, 1.5, 2.375, 3.25, 2.0, 3.0, 4.0];
        for (got, expected) in heat.resized(4, 3).values.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got}, not {expected}");
        }
        assert_eq!(heat.resized(2, 2), heat);
    }

    #[test]
    fn any_map_is_normalized() {
        let normalized =
            |values: Vec<f32>| Heat { height: 1, width: values.len(), values }.normalized().values;
        assert_eq!(normalized(vec![-1.0, 1.0, 4.0]), [0.0, 0.25, 1.0]);
        assert_eq!(normalized(vec![-1.0, 0.0]), [0.0, 0.0]);
        assert_eq!(normalized(vec![f32::NAN, f32::INFINITY, 2.0, 1.0]), [0.0, 1.0, 1.0, 0.5]);
    }
}
