//! Pictures for people: an image with its predictions as labeled bars, curves.

use crate::canvas::{Canvas, Color, LARGE, SMALL, shortened, text_width};
use crate::{Filter, Image, resize};

pub(crate) const PAPER: Color = [255, 255, 255];
pub(crate) const INK: Color = [38, 42, 51];
pub(crate) const FAINT: Color = [118, 125, 138];
pub(crate) const GRID: Color = [228, 231, 236];
const BEST: Color = [205, 84, 66];
const OTHER: Color = [134, 160, 192];
/// Colors of curves, in order.
const SERIES: [Color; 6] =
    [[52, 101, 164], [205, 84, 66], [78, 148, 90], [142, 104, 172], [196, 142, 48], [70, 150, 160]];

/// Draws the image with its predictions (name, probability), best first, as labeled bars below it, as in figure 4
/// of Krizhevsky et al., NIPS 2012. The picture is 480 pixels wide; a small image is enlarged by an integer factor.
pub fn guesses(image: &Image, guesses: &[(String, f32)]) -> Image {
    const WIDTH: usize = 480;
    const MARGIN: usize = 32;
    const ROW: usize = 46;
    const BAR: usize = 10;
    let inner = WIDTH - 2 * MARGIN;
    let picture = fit(image, inner, 352);
    let top = 2 * MARGIN + picture.height();
    let mut canvas = Canvas::new(WIDTH, top + ROW * guesses.len(), PAPER);
    let left = (WIDTH - picture.width()) / 2;
    canvas.rectangle(left - 1, MARGIN - 1, picture.width() + 2, picture.height() + 2, GRID);
    canvas.paste(left, MARGIN, &picture);
    for (index, (name, score)) in guesses.iter().enumerate() {
        let y = top - 6 + index * ROW;
        let score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
        let (bar, ink) = if index == 0 { (BEST, INK) } else { (OTHER, FAINT) };
        let percent = format!("{:.1} %", score * 100.0);
        let room = inner - text_width(SMALL, &percent) - 20;
        canvas.text(MARGIN, y, SMALL, INK, &shortened(name, SMALL, room));
        canvas.text_right(WIDTH - MARGIN, y, SMALL, ink, &percent);
        let y = y + SMALL + 3;
        canvas.bar(MARGIN, y, inner, BAR, GRID);
        let length = (inner as f32 * score).round() as usize;
        if length > 0 {
            canvas.bar(MARGIN, y, length, BAR, bar);
        }
    }
    canvas.into_image()
}

/// Scales the image to fit `width` × `height`; enlarges only by an integer factor.
pub(crate) fn fit(image: &Image, width: usize, height: usize) -> Image {
    let times = (width / image.width()).min(height / image.height());
    if times >= 1 {
        return resize(image, image.width() * times, image.height() * times, Filter::Nearest);
    }
    let scale = (width as f64 / image.width() as f64).min(height as f64 / image.height() as f64);
    let side = |length: usize, most: usize| ((length as f64 * scale) as usize).clamp(1, most);
    resize(image, side(image.width(), width), side(image.height(), height), Filter::Bicubic)
}

/// A curve: its name and its points (x, y).
pub type Series = (String, Vec<(f64, f64)>);

/// The mapping of values to positions on an axis.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// Creates an axis from a round number at or below the smallest value to one at or above the largest, in about
    /// `count` round steps.
    fn over(values: impl Iterator<Item = f64> + Clone, count: usize) -> Axis {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = match low.partial_cmp(&high) {
            Some(std::cmp::Ordering::Less) => (low, high),
            Some(std::cmp::Ordering::Equal) if low.abs() > 0.0 => (low.min(0.0), high.max(0.0)),
            _ => (0.0, 1.0),
        };
        let rough = (high - low) / count as f64;
        let power = 10f64.powf(rough.log10().floor());
        let round = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let step = round.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(power);
        Axis { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    /// Returns the relative position of a value between low and high.
    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Returns the values of the tick marks and their labels.
    fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        let count = ((self.high - self.low) / self.step).round() as usize;
        let label = |value: f64| match (1e-4..1e6).contains(&self.step) {
            true => format!("{value:.decimals$}"),
            false => format!("{value:.1e}"),
        };
        (0..=count).map(|i| self.low + i as f64 * self.step).map(|value| (value, label(value))).collect()
    }
}

/// Draws the weights `[C, H, W]` of a kernel, gray for one channel and in color for three: middle gray is zero, and
/// weights of the magnitude `largest` are black or white, or full or no red, green or blue.
///
/// # Panics
/// If there are not as many weights, none, or another number of channels.
pub fn kernel(weights: &[f32], [channels, height, width]: [usize; 3], largest: f32) -> Image {
    let byte = |weight: f32| match largest > 0.0 && weight.is_finite() {
        true => (127.5 + 127.5 * weight / largest).round() as u8,
        false => 128,
    };
    let area = height * width;
    let pixels = (0..area).flat_map(|at| (0..channels).map(move |channel| weights[channel * area + at]));
    Image::new(width, height, channels, pixels.map(byte).collect()).expect("kernels have at least one weight")
}

/// Returns the largest magnitude of the weights that are finite.
pub fn largest_weight(weights: &[f32]) -> f32 {
    weights.iter().filter(|weight| weight.is_finite()).fold(0.0, |most, weight| most.max(weight.abs()))
}

/// Draws curves over a common axis, with a title and a legend. Points that are not finite, or beyond 1e30, are left
/// out.
pub fn curves(title: &str, axis: &str, series: &[Series]) -> Image {
    const SIZE: (usize, usize) = (880, 540);
    const LEFT: usize = 104;
    const RIGHT: usize = 36;
    const TOP: usize = 104;
    const BOTTOM: usize = 84;
    const LINE: usize = 24;
    let width = SIZE.0 - LEFT - RIGHT;
    let (legend, lines) = legend(series.iter().map(|(name, _)| name.as_str()), width);
    // Further lines of the legend make the picture higher.
    let (top, size) = (TOP + (lines - 1) * LINE, (SIZE.0, SIZE.1 + (lines - 1) * LINE));
    let mut canvas = Canvas::new(size.0, size.1, PAPER);
    let height = size.1 - top - BOTTOM;
    canvas.text(LEFT, 24, LARGE, INK, &shortened(title, LARGE, width));
    let usable = |p: &&(f64, f64)| p.0.abs() < 1e30 && p.1.abs() < 1e30;
    let points = series.iter().flat_map(|(_, points)| points.iter().filter(usable));
    let across = Axis::over(points.clone().map(|p| p.0), 8);
    let up = Axis::over(points.map(|p| p.1).chain([0.0]), 5);
    for (value, label) in up.ticks() {
        let y = top + height - (up.share(value) * height as f64).round() as usize;
        canvas.rectangle(LEFT, y, width, 1, GRID);
        canvas.text_right(LEFT - 14, y.saturating_sub(SMALL / 2), SMALL, FAINT, &label);
    }
    for (value, label) in across.ticks() {
        let x = LEFT + (across.share(value) * width as f64).round() as usize;
        canvas.rectangle(x, top + height, 1, 6, FAINT);
        canvas.text(x.saturating_sub(text_width(SMALL, &label) / 2), top + height + 14, SMALL, FAINT, &label);
    }
    canvas.rectangle(LEFT, top + height, width, 1, FAINT);
    canvas.text(LEFT + (width.saturating_sub(text_width(SMALL, axis))) / 2, size.1 - 36, SMALL, FAINT, axis);
    for (index, ((_, points), (name, left, line))) in series.iter().zip(legend).enumerate() {
        let color = SERIES[index % SERIES.len()];
        canvas.bar(LEFT + left, 72 + line * LINE, 24, 4, color);
        canvas.text(LEFT + left + 32, 66 + line * LINE, SMALL, INK, &name);
        let place = |p: &(f64, f64)| {
            let (x, y) = (across.share(p.0), up.share(p.1));
            (LEFT as f64 + x * width as f64, top as f64 + (1.0 - y) * height as f64)
        };
        let points: Vec<(f64, f64)> = points.iter().filter(usable).map(place).collect();
        points.windows(2).for_each(|pair| canvas.line(pair[0], pair[1], 2.4, color));
        if let [only] = points[..] {
            canvas.line(only, only, 6.0, color);
        }
    }
    canvas.into_image()
}

/// The place of each name of a legend of this width: from its left edge, and the line. Also the number of lines.
fn legend<'a>(names: impl Iterator<Item = &'a str>, width: usize) -> (Vec<(String, usize, usize)>, usize) {
    let (mut left, mut line) = (0, 0);
    let place = |name: &str| {
        let name = shortened(name, SMALL, 220);
        let length = 32 + text_width(SMALL, &name);
        if left > 0 && left + length > width {
            (left, line) = (0, line + 1);
        }
        let place = (name, left, line);
        left += length + 32;
        place
    };
    let places: Vec<_> = names.map(place).collect();
    (places, line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(image: &Image, color: Color) -> usize {
        image.pixels().chunks_exact(3).filter(|pixel| **pixel == color).count()
    }

    #[test]
    fn bars_are_proportional_to_scores() {
        let image = Image::filled(28, 28, [9, 9, 9]);
        let named = |scores: &[f32]| scores.iter().map(|s| ("name".to_owned(), *s)).collect::<Vec<_>>();
        let picture = guesses(&image, &named(&[0.5, 0.25]));
        let (best, other) = (count(&picture, BEST) as f64, count(&picture, OTHER) as f64);
        assert!((best / other - 2.0).abs() < 0.15, "{best} {other}");
        assert_eq!(count(&picture, [9, 9, 9]), (28 * 12) * (28 * 12));
    }

    #[test]
    fn any_prediction_of_any_image_can_be_drawn() {
        let odd = [("x".repeat(500), f32::NAN), (String::new(), -1.0), ("中\n".into(), 7.0)];
        for (w, h) in [(1, 1), (3000, 2), (2, 3000), (640, 480), (417, 353)] {
            for image in [Image::filled(w, h, [1, 2, 3]), Image::filled(w, h, [1, 2, 3]).to_gray()] {
                let picture = guesses(&image, &odd);
                assert_eq!((picture.width(), picture.channels()), (480, 3));
                assert!(guesses(&image, &[]).height() < picture.height());
            }
        }
    }

    #[test]
    fn long_legends_take_several_lines() {
        let series =
            |count: usize| vec![("a name of some length".to_owned(), vec![(0.0, 1.0), (1.0, 2.0)]); count];
        assert_eq!(curves("", "", &series(1)).height(), 540);
        // How many depends on the font.
        let more = curves("", "", &series(40)).height() - 540;
        assert!(more >= 2 * 24 && more.is_multiple_of(24), "{more}");
    }

    #[test]
    fn any_curve_can_be_drawn() {
        let points: [Vec<(f64, f64)>; 8] = [
            vec![],
            vec![(0.0, 0.0)],
            vec![(3.0, 5.0)],
            vec![(0.0, f64::NAN), (f64::INFINITY, 1.0)],
            vec![(1.0, 1e29), (2.0, -1e29), (3.0, 1e300)],
            vec![(1.0, 1e-12), (2.0, 2e-12)],
            vec![(0.0, -4.0), (1.0, -4.0)],
            (0..2000).map(|i| (f64::from(i), 1.0 / (1.0 + f64::from(i)))).collect(),
        ];
        for points in points {
            let finite = points.iter().filter(|p| p.0.abs() < 1e30 && p.1.abs() < 1e30).count();
            let picture = curves("t", "x", &[("name".repeat(99), points)]);
            // The legend alone has some pixels of the color.
            assert!(count(&picture, SERIES[0]) > if finite > 0 { 80 } else { 40 });
        }
    }

    #[test]
    fn ticks_are_round_and_enclose_all_values() {
        for (low, high) in [(0.0, 1.0), (0.013, 2.31), (-7.0, 3.0), (1.0, 40.0), (0.0, 3e-7), (5.0, 8e9)] {
            let axis = Axis::over([low, high].into_iter(), 5);
            assert!(axis.low <= low && axis.high >= high);
            assert!((3..=9).contains(&axis.ticks().len()), "{low} {high}: {:?}", axis.ticks());
        }
        let labels = |low: f64, high: f64| {
            let ticks = Axis::over([low, high].into_iter(), 5).ticks();
            ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels(0.0, 2.3), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
    }
}
