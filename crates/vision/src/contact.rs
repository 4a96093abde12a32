//! The contact sheet of a data set: a row of samples for each class.

use striate_tensor::text::counted;

use crate::Image;
use crate::canvas::{Canvas, LARGE, SMALL, shortened};
use crate::draw::{FAINT, GRID, INK, PAPER, fit};

/// The largest number of samples in a row.
pub const SHEET_COLUMNS: usize = 10;
/// The largest number of rows.
pub const SHEET_ROWS: usize = 40;

const MARGIN: usize = 24;
/// Width of the class names.
const NAMES: usize = 220;
const CELL: usize = 72;
const GAP: usize = 8;

/// A class and some of its images.
#[derive(Debug, Clone)]
pub struct ClassRow {
    /// The name of the class.
    pub name: String,
    /// The number of its images.
    pub count: usize,
    /// Some of them.
    pub samples: Vec<Image>,
}

/// Draws a row with name, count and samples for each class, under a `title` and a line of `details`. Rows beyond
/// [`SHEET_ROWS`] and samples beyond [`SHEET_COLUMNS`] are left out, which the caller should state in `details`.
pub fn contact_sheet(title: &str, details: &str, rows: &[ClassRow]) -> Image {
    let rows = &rows[..rows.len().min(SHEET_ROWS)];
    let width = 2 * MARGIN + NAMES + SHEET_COLUMNS * (CELL + GAP);
    let top = 2 * MARGIN + LARGE + SMALL;
    let mut canvas = Canvas::new(width, top + rows.len() * (CELL + GAP) + MARGIN, PAPER);
    let inner = width - 2 * MARGIN;
    canvas.text(MARGIN, MARGIN, LARGE, INK, &shortened(title, LARGE, inner));
    canvas.text(MARGIN, MARGIN + LARGE + 6, SMALL, FAINT, &shortened(details, SMALL, inner));
    for (index, row) in rows.iter().enumerate() {
        let y = top + index * (CELL + GAP);
        let text = y + CELL / 2 - SMALL;
        canvas.text(MARGIN, text, SMALL, INK, &shortened(&row.name, SMALL, NAMES - GAP));
        let count = counted(row.count, "image");
        canvas.text(MARGIN, text + SMALL + 4, SMALL, FAINT, &shortened(&count, SMALL, NAMES - GAP));
        for (column, image) in row.samples.iter().take(SHEET_COLUMNS).enumerate() {
            let x = MARGIN + NAMES + column * (CELL + GAP);
            let sample = fit(image, CELL, CELL);
            canvas.rectangle(x - 1, y - 1, CELL + 2, CELL + 2, GRID);
            canvas.paste(x + (CELL - sample.width()) / 2, y + (CELL - sample.height()) / 2, &sample);
        }
    }
    canvas.into_image()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, samples: Vec<Image>) -> ClassRow {
        ClassRow { name: name.into(), count: samples.len(), samples }
    }

    #[test]
    fn every_sample_is_drawn_in_its_row() {
        let red = Image::filled(24, 36, [200, 0, 0]);
        let blue = Image::filled(300, 100, [0, 0, 200]);
        let sheet = contact_sheet("set", "2 classes", &[row("a", vec![red; 3]), row("b", vec![blue])]);
        let count = |color: [u8; 3]| sheet.pixels().chunks_exact(3).filter(|pixel| **pixel == color).count();
        assert_eq!(count([200, 0, 0]), 3 * 48 * 72);
        assert_eq!(count([0, 0, 200]), 72 * 24);
    }

    #[test]
    fn size_is_bounded() {
        let rows: Vec<ClassRow> =
            (0..100).map(|i| row(&"猫".repeat(i * 9), vec![Image::filled(1, 1, [1, 2, 3]); 30])).collect();
        let sheet = contact_sheet(&"t".repeat(999), "", &rows);
        assert_eq!(sheet.width(), 2 * MARGIN + NAMES + SHEET_COLUMNS * (CELL + GAP));
        assert!(sheet.height() < 3400);
        assert!(contact_sheet("", "", &[]).height() > MARGIN);
    }
}
