//! A canvas to draw on: rectangles, lines, text, images.

use crate::Image;
use crate::font;

/// A color: red, green, blue.
pub(crate) type Color = [u8; 3];

/// A canvas; everything drawn outside it is clipped.
pub(crate) struct Canvas {
    image: Image,
}

impl Canvas {
    pub fn new(width: usize, height: usize, paper: Color) -> Canvas {
        Canvas { image: Image::filled(width, height, paper) }
    }

    pub fn into_image(self) -> Image {
        self.image
    }

    /// Blends `color` into a pixel with the opacity `share` of 255.
    fn blend(&mut self, x: usize, y: usize, color: Color, share: u8) {
        if x < self.image.width() && y < self.image.height() {
            let at = (y * self.image.width() + x) * 3;
            for (byte, color) in self.image.pixels_mut()[at..at + 3].iter_mut().zip(color) {
                let (new, old, share) = (u32::from(color), u32::from(*byte), u32::from(share));
                *byte = ((new * share + old * (255 - share) + 127) / 255) as u8;
            }
        }
    }

    pub fn rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, color: Color) {
        for row in y..(y + height).min(self.image.height()) {
            for column in x..(x + width).min(self.image.width()) {
                self.blend(column, row, color, 255);
            }
        }
    }

    /// Draws a horizontal bar with round ends.
    pub fn bar(&mut self, x: usize, y: usize, width: usize, height: usize, color: Color) {
        let radius = height as f64 / 2.0;
        let (left, right) = (x as f64 + radius, (x + width.max(height)) as f64 - radius);
        let middle = y as f64 + radius;
        for row in y..y + height {
            for column in x..x + width.max(height) {
                let (px, py) = (column as f64 + 0.5, row as f64 + 0.5);
                let distance = (px - px.clamp(left, right)).hypot(py - middle);
                self.blend(column, row, color, share(radius + 0.5 - distance));
            }
        }
    }

    /// Draws a line of text, `size` pixels high, with its upper left corner at (`x`, `y`).
    pub fn text(&mut self, x: usize, y: usize, size: usize, color: Color, text: &str) {
        font::draw(text, size, |column, row, covered| {
            self.blend(x + column, y + row, color, share(f64::from(covered)));
        });
    }

    /// Draws text whose right edge is `right`.
    pub fn text_right(&mut self, right: usize, y: usize, size: usize, color: Color, text: &str) {
        self.text(right.saturating_sub(text_width(size, text)), y, size, color, text);
    }

    pub fn paste(&mut self, x: usize, y: usize, image: &Image) {
        for row in 0..image.height() {
            for column in 0..image.width() {
                let pixel = image.pixel(column, row);
                let color = if pixel.len() == 3 { [pixel[0], pixel[1], pixel[2]] } else { [pixel[0]; 3] };
                self.blend(x + column, y + row, color, 255);
            }
        }
    }

    /// Draws a line `thickness` pixels thick with round ends.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), thickness: f64, color: Color) {
        let reach = thickness / 2.0 + 1.0;
        let range = |a: f64, b: f64, most: usize| {
            (a.min(b) - reach).max(0.0) as usize..((a.max(b) + reach).max(0.0) as usize).min(most)
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).max(f64::MIN_POSITIVE);
        for row in range(from.1, to.1, self.image.height()) {
            for column in range(from.0, to.0, self.image.width()) {
                let (px, py) = (column as f64 + 0.5 - from.0, row as f64 + 0.5 - from.1);
                let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                let distance = (px - along * dx).hypot(py - along * dy);
                self.blend(column, row, color, share(thickness / 2.0 + 0.5 - distance));
            }
        }
    }
}

/// Converts the covered share of a pixel to 255ths.
fn share(part: f64) -> u8 {
    (part.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// The height of a line of small text in pixels.
pub(crate) const SMALL: usize = 20;
/// The height of a line of a title in pixels.
pub(crate) const LARGE: usize = 30;

/// Returns the width in pixels of a line of text that is `size` pixels high.
pub(crate) fn text_width(size: usize, text: &str) -> usize {
    font::width(text, size)
}

/// Shortens `text` to fit `width`, with an ellipsis in place of the rest.
pub(crate) fn shortened(text: &str, size: usize, width: usize) -> String {
    if text_width(size, text) <= width {
        return text.to_owned();
    }
    // No character is drawn in less than a pixel, on average.
    let mut kept: Vec<char> = text.chars().take(width).collect();
    while kept.pop().is_some() {
        let candidate: String = kept.iter().chain(&['…']).collect();
        if text_width(size, &candidate) <= width {
            return candidate;
        }
    }
    String::new()
}
