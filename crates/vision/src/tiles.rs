//! A grid of small images: feature maps, kernels, maps side by side.

use crate::Image;
use crate::canvas::{Canvas, LARGE, SMALL, shortened};
use crate::draw::{FAINT, GRID, INK, PAPER, fit};

const MARGIN: usize = 24;
const GAP: usize = 8;
/// The narrowest picture, for its title.
const NARROWEST: usize = 560;

/// An image of a grid, and the line below it; no line is drawn if all are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The image.
    pub image: Image,
    /// The line below it.
    pub caption: String,
}

/// Draws `tiles` in rows of `columns` cells of `side` pixels, under a `title` and a line of `details`. Smaller images
/// are enlarged by an integer factor, larger ones reduced.
///
/// # Panics
/// If `columns` or `side` is zero.
pub fn tiles(title: &str, details: &str, tiles: &[Tile], columns: usize, side: usize) -> Image {
    assert!(columns > 0 && side > 0, "a grid has columns, and its cells have pixels");
    let captions = tiles.iter().any(|tile| !tile.caption.is_empty());
    let below = if captions { SMALL + GAP } else { 0 };
    let (across, down) = (side + GAP, side + below + GAP);
    let width = (2 * MARGIN + columns * across - GAP).max(NARROWEST);
    let top = 2 * MARGIN + LARGE + SMALL;
    let mut canvas = Canvas::new(width, top + tiles.len().div_ceil(columns) * down + MARGIN, PAPER);
    let inner = width - 2 * MARGIN;
    canvas.text(MARGIN, MARGIN, LARGE, INK, &shortened(title, LARGE, inner));
    canvas.text(MARGIN, MARGIN + LARGE + 6, SMALL, FAINT, &shortened(details, SMALL, inner));
    for (index, tile) in tiles.iter().enumerate() {
        let (x, y) = (MARGIN + index % columns * across, top + index / columns * down);
        let image = fit(&tile.image, side, side);
        canvas.rectangle(x, y, side, side, GRID);
        canvas.paste(x + (side - image.width()) / 2, y + (side - image.height()) / 2, &image);
        canvas.text(x, y + side + GAP / 2, SMALL, INK, &shortened(&tile.caption, SMALL, side));
    }
    canvas.into_image()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_is_drawn_in_its_cell() {
        let tile = |color, caption: &str| Tile { image: Image::filled(5, 4, color), caption: caption.into() };
        let all = vec![tile([200, 0, 0], ""), tile([0, 200, 0], ""), tile([0, 0, 200], "")];
        let plain = tiles("title", "details", &all, 2, 20);
        let count = |picture: &Image, color: [u8; 3]| {
            picture.pixels().chunks_exact(3).filter(|pixel| **pixel == color).count()
        };
        for color in [[200, 0, 0], [0, 200, 0], [0, 0, 200]] {
            assert_eq!(count(&plain, color), 20 * 16);
        }
        let named = tiles("title", "details", &[tile([200, 0, 0], "name")], 2, 20);
        assert_eq!(count(&named, [200, 0, 0]), 20 * 16);
        assert!(tiles("", "", &[], 1, 1).width() == NARROWEST);
    }
}
