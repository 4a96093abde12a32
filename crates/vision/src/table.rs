//! A table of colored cells with numbered rows and columns.

use crate::Image;
use crate::canvas::{Canvas, Color, LARGE, SMALL, shortened, text_width};
use crate::draw::{FAINT, INK, PAPER};

const MARGIN: usize = 24;
/// Width of a cell, and of the labels of rows.
const WIDTH: usize = 76;
const HEIGHT: usize = 58;
/// Space between cells.
const GAP: usize = 2;
/// Size of the second line of a cell.
const TINY: usize = 15;
/// Brightness above which text is dark.
const BRIGHT: f32 = 140.0;

/// A cell of a [`table`].
#[derive(Debug, Clone, PartialEq)]
pub struct TableCell {
    /// Its color: red, green, blue.
    pub color: [u8; 3],
    /// A number in its middle.
    pub text: String,
    /// A line below it; may be empty.
    pub below: String,
    /// Whether a frame marks it.
    pub is_marked: bool,
}

/// Draws rows of `cells` under a `title` and lines of `details`, with a label for each column and each row.
///
/// # Panics
/// If `columns` is empty, or `cells` does not have one cell for each row and column.
pub fn table(
    title: &str,
    details: &[String],
    (rows, columns): (&[String], &[String]),
    cells: &[TableCell],
) -> Image {
    assert_eq!(cells.len(), rows.len() * columns.len(), "cells fill the rows");
    let inner = (columns.len() + 1) * (WIDTH + GAP);
    let top = MARGIN + LARGE + 12 + details.len() * (SMALL + 6);
    let height = top + (rows.len() + 1) * (HEIGHT + GAP) + MARGIN;
    let mut canvas = Canvas::new(2 * MARGIN + inner, height, PAPER);
    canvas.text(MARGIN, MARGIN, LARGE, INK, &shortened(title, LARGE, inner));
    for (index, line) in details.iter().enumerate() {
        let y = MARGIN + LARGE + 6 + index * (SMALL + 6);
        canvas.text(MARGIN, y, SMALL, FAINT, &shortened(line, SMALL, inner));
    }
    let x = |column: usize| MARGIN + (column + 1) * (WIDTH + GAP);
    let y = |row: usize| top + (row + 1) * (HEIGHT + GAP);
    for (column, label) in columns.iter().enumerate() {
        middle(&mut canvas, x(column), y(0) - SMALL - 8, (SMALL, FAINT), label);
    }
    for (row, label) in rows.iter().enumerate() {
        canvas.text_right(x(0) - 10, y(row) + (HEIGHT - SMALL) / 2, SMALL, FAINT, label);
    }
    for (index, cell) in cells.iter().enumerate() {
        let (x, y) = (x(index % columns.len()), y(index / columns.len()));
        if cell.is_marked {
            canvas.rectangle(x - GAP, y - GAP, WIDTH + 2 * GAP, HEIGHT + 2 * GAP, INK);
        }
        canvas.rectangle(x, y, WIDTH, HEIGHT, cell.color);
        let ink = if brightness(cell.color) > BRIGHT { INK } else { PAPER };
        let text = if cell.below.is_empty() { y + (HEIGHT - SMALL) / 2 } else { y + 8 };
        middle(&mut canvas, x, text, (SMALL, ink), &cell.text);
        middle(&mut canvas, x, y + HEIGHT - TINY - 8, (TINY, ink), &cell.below);
    }
    canvas.into_image()
}

/// Draws text in the middle of a cell that begins at `x`.
fn middle(canvas: &mut Canvas, x: usize, y: usize, (size, color): (usize, Color), text: &str) {
    let text = shortened(text, size, WIDTH - 4);
    canvas.text(x + (WIDTH - text_width(size, &text).min(WIDTH)) / 2, y, size, color, &text);
}

fn brightness([red, green, blue]: Color) -> f32 {
    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_color_and_frame() {
        let cell =
            |color, is_marked| TableCell { color, text: String::new(), below: String::new(), is_marked };
        let labels = |count: usize| (0..count).map(|i| i.to_string()).collect::<Vec<_>>();
        let cells = [cell([200, 0, 0], false), cell([0, 200, 0], true)];
        let picture = table("title", &["details".into()], (&labels(1), &labels(2)), &cells);
        let count =
            |color: [u8; 3]| picture.pixels().chunks_exact(3).filter(|pixel| **pixel == color).count();
        assert_eq!((count([200, 0, 0]), count([0, 200, 0])), (WIDTH * HEIGHT, WIDTH * HEIGHT));
        let frame = (WIDTH + 2 * GAP) * (HEIGHT + 2 * GAP) - WIDTH * HEIGHT;
        assert!(count(INK) >= frame, "{} pixels of ink", count(INK));
    }
}
