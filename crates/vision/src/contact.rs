//! The contact sheet of a data set: a row of samples for each class.

use striate_tensor::text::counted;

use crate::Image;
use crate::canvas::{Canvas, LARGE, SMALL, shortened, text_width};
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
/// Size of captions.
const TINY: usize = 11;
/// Rows for a line of a caption.
const LINE: usize = 14;
/// The largest number of lines of a caption.
const MOST_LINES: usize = 3;

/// A class and some of its images.
#[derive(Debug, Clone)]
pub struct ClassRow {
    /// The name of the class.
    pub name: String,
    /// The number of its images.
    pub count: usize,
    /// Some of them.
    pub samples: Vec<Image>,
    /// For each image, the classes mixed into it with their shares, its own first; empty if none are mixed.
    pub mixtures: Vec<Vec<(String, f32)>>,
}

/// Draws a row with name, count and samples for each class, under a `title` and a line of `details`. Rows beyond
/// [`SHEET_ROWS`] and samples beyond [`SHEET_COLUMNS`] are left out, which the caller should state in `details`.
pub fn contact_sheet(title: &str, details: &str, rows: &[ClassRow]) -> Image {
    let rows = &rows[..rows.len().min(SHEET_ROWS)];
    let width = 2 * MARGIN + NAMES + SHEET_COLUMNS * (CELL + GAP);
    let top = 2 * MARGIN + LARGE + SMALL;
    let lines = rows.iter().flat_map(|row| &row.mixtures).map(Vec::len).max().unwrap_or(0).min(MOST_LINES);
    let height = CELL + GAP + lines * LINE;
    let mut canvas = Canvas::new(width, top + rows.len() * height + MARGIN, PAPER);
    let inner = width - 2 * MARGIN;
    canvas.text(MARGIN, MARGIN, LARGE, INK, &shortened(title, LARGE, inner));
    canvas.text(MARGIN, MARGIN + LARGE + 6, SMALL, FAINT, &shortened(details, SMALL, inner));
    for (index, row) in rows.iter().enumerate() {
        let y = top + index * height;
        let text = y + CELL / 2 - SMALL;
        canvas.text(MARGIN, text, SMALL, INK, &shortened(&row.name, SMALL, NAMES - GAP));
        let count = counted(row.count, "image");
        canvas.text(MARGIN, text + SMALL + 4, SMALL, FAINT, &shortened(&count, SMALL, NAMES - GAP));
        for (column, image) in row.samples.iter().take(SHEET_COLUMNS).enumerate() {
            let x = MARGIN + NAMES + column * (CELL + GAP);
            let sample = fit(image, CELL, CELL);
            canvas.rectangle(x - 1, y - 1, CELL + 2, CELL + 2, GRID);
            canvas.paste(x + (CELL - sample.width()) / 2, y + (CELL - sample.height()) / 2, &sample);
            let mixture = row.mixtures.get(column).into_iter().flatten().take(MOST_LINES);
            for (number, (class, share)) in mixture.enumerate() {
                let (sign, share) = (if number == 0 { "" } else { "+ " }, format!(" {share:.2}"));
                let rest = CELL.saturating_sub(text_width(TINY, sign) + text_width(TINY, &share));
                let line = format!("{sign}{}{share}", shortened(class, TINY, rest));
                canvas.text(x, y + CELL + 4 + number * LINE, TINY, INK, &line);
            }
        }
    }
    canvas.into_image()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, samples: Vec<Image>) -> ClassRow {
        ClassRow { name: name.into(), count: samples.len(), samples, mixtures: vec![] }
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
    fn classes_of_mixed_images_are_under_their_samples() {
        let black = || vec![Image::filled(72, 72, [0; 3]); 2];
        let plain = contact_sheet("", "", &[row("", black()), row("", black())]);
        let mixtures = vec![vec![("cat".to_owned(), 0.63), ("d".repeat(99), 0.37)], vec![]];
        let first = ClassRow { mixtures, ..row("", black()) };
        let sheet = contact_sheet("", "", &[first, row("", black())]);
        assert_eq!(sheet.height(), plain.height() + 4 * LINE);
        let top = 2 * MARGIN + LARGE + SMALL;
        let has_ink = |left: usize| {
            let rows = top + CELL + 2..top + CELL + 2 * LINE;
            rows.flat_map(|y| (left..left + CELL).map(move |x| (x, y)))
                .any(|(x, y)| sheet.pixel(x, y)[0] < 160)
        };
        assert!(has_ink(MARGIN + NAMES) && !has_ink(MARGIN + NAMES + CELL + GAP));
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
