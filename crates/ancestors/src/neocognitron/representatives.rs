//! The cells that are reinforced.

/// A cell that is reinforced, with its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Representative {
    /// Its plane.
    pub plane: usize,
    /// Its row and column.
    pub position: [usize; 2],
    /// Its answer.
    pub answer: f32,
}

/// Returns the representatives among `answers`, `[planes, height, width]`, by plane: in each S-column, the cell that
/// answers most is a candidate if it answers at all; of several candidates in a plane, the one that answers most is its
/// representative. An S-column consists of the cells of all planes in `side`×`side` positions, or in all where there
/// are fewer; columns overlap, and there is one at each position where it fits. Of equal answers, the first counts.
pub fn representatives(answers: &[f32], [height, width]: [usize; 2], side: usize) -> Vec<Representative> {
    let cells = height * width;
    let planes = answers.len().checked_div(cells).unwrap_or(0);
    // At each position, the best plane.
    let best: Vec<(usize, f32)> = (0..cells)
        .map(|cell| {
            let of_planes = (0..planes).map(|plane| (plane, answers[plane * cells + cell]));
            of_planes.fold((0, 0.0), |best, other| if other.1 > best.1 { other } else { best })
        })
        .collect();
    let [rows, columns] = [height, width].map(|extent| side.clamp(1, extent.max(1)));
    let mut of_plane: Vec<Option<Representative>> = vec![None; planes];
    for top in 0..=height.saturating_sub(rows) {
        for left in 0..=width.saturating_sub(columns) {
            let mut candidate = Representative { plane: 0, position: [top, left], answer: 0.0 };
            for row in top..(top + rows).min(height) {
                for column in left..(left + columns).min(width) {
                    let (plane, answer) = best[row * width + column];
                    if answer > candidate.answer {
                        candidate = Representative { plane, position: [row, column], answer };
                    }
                }
            }
            if candidate.answer > 0.0 {
                let own = &mut of_plane[candidate.plane];
                if own.is_none_or(|own| candidate.answer > own.answer) {
                    *own = Some(candidate);
                }
            }
        }
    }
    of_plane.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plane_has_one_representative_and_each_column_one_candidate() {
        // Two planes of 1×6; columns of 3 positions.
        let answers = [
            [0.1, 0.9, 0.2, 0.0, 0.0, 0.8], // best in every column but one; 0.9 represents the plane
            [0.0, 0.3, 0.4, 0.5, 0.0, 0.0], // best in none that contains 0.9 or 0.8
        ];
        let found = representatives(answers.as_flattened(), [1, 6], 3);
        let first = Representative { plane: 0, position: [0, 1], answer: 0.9 };
        let second = Representative { plane: 1, position: [0, 3], answer: 0.5 };
        // The column at positions 2 to 4 contains neither 0.9 nor 0.8.
        assert_eq!(found, [first, second]);
        // One column over everything: one candidate.
        assert_eq!(representatives(answers.as_flattened(), [1, 6], 9), [first]);
    }

    #[test]
    fn silent_cells_represent_nothing() {
        assert_eq!(representatives(&[0.0; 8], [2, 2], 2), []);
        assert_eq!(representatives(&[], [2, 2], 2), []);
        let equal = representatives(&[0.5; 8], [2, 2], 1);
        assert_eq!(equal, [Representative { plane: 0, position: [0, 0], answer: 0.5 }]);
    }
}
