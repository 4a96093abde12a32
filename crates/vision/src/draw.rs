//! Pictures for people: an image with its guesses as labelled bars, curves over time.

use font8x8::UnicodeFonts;

use crate::{Filter, Image, resize};

const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [38, 42, 51];
const FAINT: [u8; 3] = [150, 156, 168];
const GRID: [u8; 3] = [228, 231, 236];
const BEST: [u8; 3] = [214, 93, 74];
const OTHER: [u8; 3] = [138, 166, 200];
/// Colours of curves, in order.
const SERIES: [[u8; 3]; 4] = [[56, 108, 176], [214, 93, 74], [90, 160, 100], [150, 110, 180]];
/// Pixels of a letter at scale 1.
const LETTER: usize = 8;

/// A sheet to draw on.
struct Canvas {
    image: Image,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Canvas {
        Canvas { image: Image::filled(width, height, PAPER) }
    }

    fn rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, colour: [u8; 3]) {
        for row in y..(y + height).min(self.image.height()) {
            for column in x..(x + width).min(self.image.width()) {
                self.dot(column, row, colour);
            }
        }
    }

    fn dot(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.image.width() && y < self.image.height() {
            let at = (y * self.image.width() + x) * 3;
            self.image.pixels_mut()[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// Text with its upper left corner at (`x`, `y`), each letter `scale` times 8×8 pixels.
    fn text(&mut self, x: usize, y: usize, scale: usize, colour: [u8; 3], text: &str) {
        for (index, letter) in text.chars().enumerate() {
            let rows = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
            let rows = rows.or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default();
            let left = x + index * LETTER * scale;
            for (row, bits) in rows.iter().enumerate() {
                for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                    self.rectangle(left + column * scale, y + row * scale, scale, scale, colour);
                }
            }
        }
    }

    fn paste(&mut self, x: usize, y: usize, image: &Image) {
        for row in 0..image.height() {
            for column in 0..image.width() {
                let pixel = image.pixel(column, row);
                self.dot(x + column, y + row, [pixel[0], pixel[1], pixel[2]]);
            }
        }
    }

    /// A line two pixels thick.
    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: [u8; 3]) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
        for step in 0..=steps as usize {
            let share = step as f64 / steps;
            let x = from.0 + (to.0 - from.0) * share;
            let y = from.1 + (to.1 - from.1) * share;
            self.rectangle(x.max(0.0) as usize, y.max(0.0) as usize, 2, 2, colour);
        }
    }
}

/// The image with its guesses (name, probability) as labelled bars below it, as Krizhevsky et al., NIPS
/// 2012, show them in figure 4. The first guess is the best.
pub fn guesses(image: &Image, guesses: &[(String, f32)]) -> Image {
    const WIDTH: usize = 400;
    const MARGIN: usize = 24;
    const ROW: usize = 34;
    let inner = WIDTH - 2 * MARGIN;
    let picture = fit(&image.to_rgb(), inner, 300);
    let mut canvas = Canvas::new(WIDTH, 3 * MARGIN + picture.height() + ROW * guesses.len().max(1) - 10);
    let left = (WIDTH - picture.width()) / 2;
    canvas.rectangle(left - 1, MARGIN - 1, picture.width() + 2, picture.height() + 2, GRID);
    canvas.paste(left, MARGIN, &picture);
    let letters = inner / (2 * LETTER);
    for (index, (name, score)) in guesses.iter().enumerate() {
        let y = 2 * MARGIN + picture.height() + index * ROW;
        let score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
        let colour = if index == 0 { BEST } else { OTHER };
        let percent = format!("{:.1}%", score * 100.0);
        let room = letters.saturating_sub(percent.len() + 1);
        let name: String = if name.chars().count() > room {
            name.chars().take(room.saturating_sub(2)).chain("..".chars()).collect()
        } else {
            name.clone()
        };
        canvas.text(MARGIN, y, 2, INK, &name);
        let right = WIDTH - MARGIN - percent.len() * 2 * LETTER;
        canvas.text(right, y, 2, if index == 0 { INK } else { FAINT }, &percent);
        canvas.rectangle(MARGIN, y + 18, inner, 6, GRID);
        let length = ((inner as f32 * score).round() as usize).max(2);
        canvas.rectangle(MARGIN, y + 18, length, 6, colour);
    }
    canvas.image
}

/// The image enlarged by a whole number of times, or made smaller, to fit `width` × `height`.
fn fit(image: &Image, width: usize, height: usize) -> Image {
    let times = (width / image.width()).min(height / image.height());
    if times >= 1 {
        return resize(image, image.width() * times, image.height() * times, Filter::Box);
    }
    let scale = (width as f64 / image.width() as f64).min(height as f64 / image.height() as f64);
    let side = |length: usize| ((length as f64 * scale) as usize).max(1);
    resize(image, side(image.width()), side(image.height()), Filter::Bilinear)
}

/// A curve: its name and its points (x, y).
pub type Series = (String, Vec<(f64, f64)>);

/// Curves over the same axis, with a title and a legend. Points that are not finite are left out.
pub fn curves(title: &str, axis: &str, series: &[Series]) -> Image {
    const SIZE: (usize, usize) = (720, 420);
    const LEFT: usize = 96;
    const TOP: usize = 84;
    const BOTTOM: usize = 64;
    let mut canvas = Canvas::new(SIZE.0, SIZE.1);
    canvas.text(LEFT, 20, 2, INK, title);
    let (width, height) = (SIZE.0 - LEFT - 32, SIZE.1 - TOP - BOTTOM);
    let finite = |p: &&(f64, f64)| p.0.is_finite() && p.1.is_finite();
    let points = || series.iter().flat_map(|(_, points)| points.iter().filter(finite));
    let range = |values: &dyn Fn(&(f64, f64)) -> f64| {
        let low = points().map(values).fold(f64::INFINITY, f64::min);
        let high = points().map(values).fold(f64::NEG_INFINITY, f64::max);
        if low < high {
            (low, high)
        } else if low.is_finite() {
            (low - 0.5, low + 0.5)
        } else {
            (0.0, 1.0)
        }
    };
    let (x0, x1) = range(&|p| p.0);
    let (y0, y1) = (0.0f64.min(range(&|p| p.1).0), range(&|p| p.1).1);
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let y = TOP + height - (height as f64 * share) as usize;
        canvas.rectangle(LEFT, y, width, 1, GRID);
        canvas.text(8, y.saturating_sub(4), 1, FAINT, &format!("{:>9.4}", y0 + (y1 - y0) * share));
        let x = LEFT + (width as f64 * share) as usize;
        let label = format!("{:.1}", x0 + (x1 - x0) * share);
        canvas.text(x.saturating_sub(label.len() * 4), TOP + height + 12, 1, FAINT, &label);
    }
    canvas.text(LEFT + width / 2 - axis.len() * 4, SIZE.1 - 26, 1, FAINT, axis);
    let mut legend = LEFT;
    for (index, (name, points)) in series.iter().enumerate() {
        let colour = SERIES[index % SERIES.len()];
        canvas.rectangle(legend, 56, 20, 4, colour);
        canvas.text(legend + 28, 54, 1, INK, name);
        legend += 28 + name.chars().count() * LETTER + 28;
        let place = |p: &(f64, f64)| {
            let x = LEFT as f64 + (p.0 - x0) / (x1 - x0) * width as f64;
            (x, (TOP + height) as f64 - (p.1 - y0) / (y1 - y0) * height as f64)
        };
        let points: Vec<(f64, f64)> = points.iter().filter(finite).map(place).collect();
        points.windows(2).for_each(|pair| canvas.line(pair[0], pair[1], colour));
    }
    canvas.image
}

/// Images side by side in rows of `columns`, each enlarged `times` times, on a dark ground.
///
/// # Panics
/// If there are no images or no columns.
pub fn sheet(images: &[Image], columns: usize, times: usize) -> Image {
    assert!(!images.is_empty() && columns > 0, "a sheet has images");
    let (w, h) = (images[0].width() * times + 2, images[0].height() * times + 2);
    let mut canvas = Canvas::new(columns * w + 2, images.len().div_ceil(columns) * h + 2);
    let (width, height) = (canvas.image.width(), canvas.image.height());
    canvas.rectangle(0, 0, width, height, INK);
    for (index, image) in images.iter().enumerate() {
        let enlarged = resize(&image.to_rgb(), image.width() * times, image.height() * times, Filter::Box);
        canvas.paste(2 + index % columns * w, 2 + index / columns * h, &enlarged);
    }
    canvas.image
}
