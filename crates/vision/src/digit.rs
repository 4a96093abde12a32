//! Converts a drawing or photograph of one digit to the form of the digit data sets.
//!
//! The form of MNIST (LeCun et al., 1998, section III A): ink is bright on black, the digit fits a box of 20×20
//! pixels with its aspect ratio kept, and its center of mass lies in the center of 28×28.
//!
//! An image that already has this form is left unchanged: if it has the size of the frame, and its ink, apart from
//! faint edges, has the right size within two pixels and is at most one pixel off its place, it is neither scaled
//! nor moved; on a black background its contrast is not stretched either. Only images of more than twice the size of
//! the frame are treated as photographs, whose light may fall off to one side, whose paper has grain and specks, and
//! whose pen may be thin.

use crate::{Center, Filter, Image, resize};

/// Photographs are first reduced to this longer side, in pixels.
const WORKING_SIDE: usize = 1024;
/// Contrast below this does not count as ink.
const FAINTEST_INK: f32 = 24.0;
/// Levels up to this, an eighth of full ink, do not count for the digit's size.
const FAINT_EDGE: u8 = 31;

/// The frame of a digit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Longer side of the ink, in pixels.
    pub ink: usize,
    pub width: usize,
    pub height: usize,
    pub center: Center,
}

/// Returns the digit in `image`, bright on black, in its frame. An image without ink becomes black.
pub(crate) fn center_digit(image: &Image, frame: Frame) -> Image {
    let mut gray = image.to_gray();
    let photograph = gray.width().min(gray.height()) > 2 * frame.width.max(frame.height);
    if photograph {
        gray = shrink(&gray, WORKING_SIDE);
    }
    let mut ink = bright_on_black(&gray, photograph);
    if photograph {
        remove_specks(&mut ink);
    }
    let Some([left, top, right, bottom]) = bounds(&ink) else {
        return Image::new(frame.width, frame.height, 1, vec![0; frame.width * frame.height])
            .expect("sizes fit");
    };
    let mut digit = ink.window(left as isize, top as isize, right - left, bottom - top, 0);
    if (ink.width(), ink.height()) == (frame.width, frame.height)
        && digit.width().max(digit.height()).abs_diff(frame.ink) <= 2
        && offsets(&ink, frame, [left, top, right, bottom]).iter().all(|offset| offset.abs() <= 1)
    {
        return ink;
    }
    if photograph {
        digit = thickened(&shrink(&digit, (8 * frame.ink).min(256)));
    }
    let (w, h) = (digit.width(), digit.height());
    let scale = frame.ink as f64 / w.max(h) as f64;
    let scaled = |side: usize| ((side as f64 * scale).round() as usize).clamp(1, frame.ink);
    let filter = if scale < 1.0 { Filter::Box } else { Filter::Bilinear };
    let digit = resize(&digit, scaled(w), scaled(h), filter);
    let [x, y] = offsets(&digit, frame, [0, 0, digit.width(), digit.height()]);
    digit.window(x, y, frame.width, frame.height, 0)
}

/// Returns the upper left corner of the frame in the coordinates of an image whose ink has these bounds.
fn offsets(image: &Image, frame: Frame, [left, top, right, bottom]: [usize; 4]) -> [isize; 2] {
    match frame.center {
        // The mass of MNIST's digits lies at pixel 14 of 28, counted from 0.
        Center::Mass => {
            let [x, y] = center_of_mass(image);
            [x - (frame.width / 2) as f64, y - (frame.height / 2) as f64].map(|side| side.round() as isize)
        }
        Center::Box => {
            let offset = |first: usize, end: usize, side: usize| {
                (first + end) as isize / 2 - side.div_ceil(2) as isize
            };
            [offset(left, right, frame.width), offset(top, bottom, frame.height)]
        }
    }
}

/// Reduces the image to a longer side of at most `side`.
fn shrink(image: &Image, side: usize) -> Image {
    let (w, h) = (image.width(), image.height());
    let longer = w.max(h);
    if longer <= side {
        return image.clone();
    }
    let scaled = |length: usize| (length * side / longer).max(1);
    resize(image, scaled(w), scaled(h), Filter::Box)
}

/// The brightness of the background, a plane over the image.
struct Background {
    middle: f32,
    /// Change per pixel to the right and down, and the center of the image.
    slope: [f32; 2],
    center: [f32; 2],
    /// Typical deviation of its pixels from the plane.
    noise: f32,
}

impl Background {
    /// Fits the plane to the pixels of the border, half of which are assumed to be background.
    fn of(gray: &Image, photograph: bool) -> Background {
        let (w, h) = (gray.width(), gray.height());
        let at = |x: usize, y: usize| f32::from(gray.pixel(x, y)[0]);
        let rows = |y: usize| median((0..w).map(|x| at(x, y)).collect());
        let columns = |x: usize| median((0..h).map(|y| at(x, y)).collect());
        let across = |first: f32, last: f32, side: usize| (last - first) / (side.max(2) - 1) as f32;
        let slope = match photograph {
            true => [across(columns(0), columns(w - 1), w), across(rows(0), rows(h - 1), h)],
            false => [0.0; 2],
        };
        let center = [(w - 1) as f32 / 2.0, (h - 1) as f32 / 2.0];
        let mut background = Background { middle: 0.0, slope, center, noise: 0.0 };
        let border = (0..w).flat_map(|x| [(x, 0), (x, h - 1)]);
        let border = border.chain((0..h).flat_map(|y| [(0, y), (w - 1, y)]));
        let mut rest: Vec<f32> = border.map(|(x, y)| at(x, y) - background.at(x, y)).collect();
        background.middle = median(rest.clone());
        rest.iter_mut().for_each(|x| *x = (*x - background.middle).abs());
        background.noise = 3.0 * median(rest);
        background
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        let [dx, dy] = [x as f32 - self.center[0], y as f32 - self.center[1]];
        self.middle + dx * self.slope[0] + dy * self.slope[1]
    }
}

/// Returns the median, or zero without values.
fn median(mut values: Vec<f32>) -> f32 {
    let middle = values.len() / 2;
    values.sort_unstable_by(f32::total_cmp);
    values.get(middle).copied().unwrap_or(0.0)
}

/// Maps the background to 0 and full ink to 255, whichever of the two is brighter.
fn bright_on_black(gray: &Image, photograph: bool) -> Image {
    let background = Background::of(gray, photograph);
    let places = (0..gray.height()).flat_map(|y| (0..gray.width()).map(move |x| (x, y)));
    let differences: Vec<f32> =
        places.map(|(x, y)| f32::from(gray.pixel(x, y)[0]) - background.at(x, y)).collect();
    let energy = |sign: f32| -> f64 {
        let beyond = differences.iter().map(|d| f64::from((d * sign - background.noise).max(0.0)));
        beyond.map(|d| d * d).sum()
    };
    let sign = if energy(-1.0) > energy(1.0) { -1.0 } else { 1.0 };
    let full = differences.iter().fold(0.0f32, |most, d| most.max(d * sign));
    let (floor, full) = match photograph {
        _ if full < FAINTEST_INK => (f32::INFINITY, f32::INFINITY),
        // Shadows and blurred edges stay below a quarter of the contrast; the center of a stroke is full ink.
        true => ((full / 4.0).max(2.0 * background.noise), full * 0.75),
        false if background.middle == 0.0 && background.noise == 0.0 => (0.0, 255.0),
        false => (background.noise, full),
    };
    let level = |d: &f32| ((d * sign - floor) / (full - floor).max(1.0) * 255.0).clamp(0.0, 255.0);
    let pixels = match floor.is_finite() {
        true => differences.iter().map(|d| level(d).round() as u8).collect(),
        false => vec![0; differences.len()],
    };
    Image::new(gray.width(), gray.height(), 1, pixels).expect("sizes fit")
}

/// Blackens connected pieces of ink with less than 1/25 of the pixels of the largest.
fn remove_specks(ink: &mut Image) {
    let (w, h) = (ink.width(), ink.height());
    let mut piece = vec![0usize; w * h];
    let mut sizes = vec![0usize];
    let mut open = Vec::new();
    for start in 0..w * h {
        if piece[start] != 0 || ink.pixels()[start] == 0 {
            continue;
        }
        let number = sizes.len();
        sizes.push(0);
        piece[start] = number;
        open.push(start);
        while let Some(at) = open.pop() {
            sizes[number] += 1;
            let (x, y) = (at % w, at / w);
            for ny in y.saturating_sub(1)..(y + 2).min(h) {
                for nx in x.saturating_sub(1)..(x + 2).min(w) {
                    let next = ny * w + nx;
                    if piece[next] == 0 && ink.pixels()[next] > 0 {
                        piece[next] = number;
                        open.push(next);
                    }
                }
            }
        }
    }
    let largest = sizes.iter().copied().max().unwrap_or(0);
    for (pixel, piece) in ink.pixels_mut().iter_mut().zip(piece) {
        if sizes[piece] * 25 < largest {
            *pixel = 0;
        }
    }
}

/// Thickens strokes thinner than 1/12 of the digit to 1/9 of it, the thickness in the data sets, so that they do not
/// fade when the digit is reduced.
fn thickened(digit: &Image) -> Image {
    let (w, h) = (digit.width(), digit.height());
    let inked = |x: isize, y: isize| {
        let inside = (0..w as isize).contains(&x) && (0..h as isize).contains(&y);
        inside && digit.pixel(x as usize, y as usize)[0] > 127
    };
    let (mut area, mut outline) = (0usize, 0usize);
    for y in 0..h as isize {
        for x in (0..w as isize).filter(|x| inked(*x, y)) {
            area += 1;
            let around = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)];
            outline += around.into_iter().filter(|(x, y)| !inked(*x, *y)).count();
        }
    }
    // A long stroke of width w has w·l pixels and an outline of about 2·l.
    let width = 2.0 * area as f64 / outline.max(1) as f64;
    let longer = w.max(h) as f64;
    if area == 0 || width * 12.0 >= longer {
        return digit.clone();
    }
    let radius = ((longer / 9.0 - width) / 2.0).round().max(1.0) as isize;
    let wide = digit.window(-radius, -radius, w + 2 * radius as usize, h + 2 * radius as usize, 0);
    grown(&wide, radius)
}

/// Dilates: each pixel becomes the brightest within a disc of `radius`.
fn grown(image: &Image, radius: isize) -> Image {
    let (w, h) = (image.width() as isize, image.height() as isize);
    let mut result = image.clone();
    for dy in -radius..=radius {
        let reach = ((radius * radius - dy * dy) as f64).sqrt() as isize;
        for y in dy.max(0)..(h + dy).min(h) {
            for x in 0..w {
                let from = (y - dy) * w;
                let row = &image.pixels()
                    [(from + (x - reach).max(0)) as usize..(from + (x + reach + 1).min(w)) as usize];
                let brightest = row.iter().copied().max().unwrap_or(0);
                let pixel = &mut result.pixels_mut()[(y * w + x) as usize];
                *pixel = brightest.max(*pixel);
            }
        }
    }
    result
}

/// Returns left, top, right and bottom of the ink, faint edges excluded.
fn bounds(gray: &Image) -> Option<[usize; 4]> {
    let mut found: Option<[usize; 4]> = None;
    for y in 0..gray.height() {
        for x in (0..gray.width()).filter(|x| gray.pixel(*x, y)[0] > FAINT_EDGE) {
            let [l, t, r, b] = found.unwrap_or([x, y, x + 1, y + 1]);
            found = Some([l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)]);
        }
    }
    found
}

fn center_of_mass(gray: &Image) -> [f64; 2] {
    let (mut mass, mut sums) = (0.0, [0.0; 2]);
    for y in 0..gray.height() {
        for x in 0..gray.width() {
            let ink = f64::from(gray.pixel(x, y)[0]);
            mass += ink;
            sums[0] += ink * x as f64;
            sums[1] += ink * y as f64;
        }
    }
    sums.map(|sum| sum / mass.max(1.0))
}

#[cfg(test)]
mod tests {
    use striate_tensor::random::{Random, Stream};

    use super::*;

    const MNIST: Frame = Frame { ink: 20, width: 28, height: 28, center: Center::Mass };

    /// A ring of ink `pen` pixels thick.
    fn ring(side: usize, pen: f32, paper: impl Fn(usize, usize) -> f32, ink: f32) -> Image {
        let middle = side as f32 * 0.45;
        let pixel = |i: usize| {
            let (x, y) = (i % side, i / side);
            let distance = (x as f32 - middle).hypot((y as f32 - middle) * 0.75);
            let on_ring = (distance - side as f32 * 0.25).abs() < pen / 2.0;
            if on_ring { ink as u8 } else { paper(x, y).clamp(0.0, 255.0) as u8 }
        };
        Image::new(side, side, 1, (0..side * side).map(pixel).collect()).unwrap()
    }

    fn assert_in_form(digit: &Image) {
        let [l, t, r, b] = bounds(digit).unwrap();
        assert_eq!((r - l).max(b - t), 20);
        let [x, y] = center_of_mass(digit);
        assert!((x - 14.0).abs() <= 0.5 && (y - 14.0).abs() <= 0.5, "{x} {y}");
        assert!(digit.pixels().iter().filter(|x| **x > 200).count() > 30, "the ink is bright");
        assert_eq!(digit.pixel(14, 14), [0], "the ring is hollow");
    }

    #[test]
    fn drawings_of_any_size_pen_and_polarity_are_normalized() {
        for side in [40, 60, 200, 700] {
            for pen in [side as f32 * 0.02, side as f32 * 0.08] {
                let pen = pen.max(2.0);
                assert_in_form(&center_digit(&ring(side, pen, |_, _| 255.0, 0.0), MNIST));
                assert_in_form(&center_digit(&ring(side, pen, |_, _| 0.0, 255.0), MNIST));
                assert_in_form(&center_digit(&ring(side, pen, |_, _| 110.0, 10.0), MNIST));
            }
        }
    }

    /// Light from the left, grain, and specks of dirt.
    #[test]
    fn photograph_is_normalized() {
        let mut random = Random::new(1, Stream::Other, 0);
        let grain: Vec<f32> = (0..400 * 400).map(|_| random.normal() * 4.0).collect();
        let paper = |x: usize, y: usize| 210.0 - x as f32 * 0.2 + grain[y * 400 + x];
        let mut image = ring(400, 30.0, paper, 40.0);
        for (x, y) in [(380, 20), (10, 390), (390, 200)] {
            (0..3).for_each(|dy| image.pixels_mut()[(y + dy) * 400 + x..][..3].fill(30));
        }
        assert_in_form(&center_digit(&image, MNIST));
    }

    #[test]
    fn normalized_digit_stays_unchanged() {
        let digit = center_digit(&ring(200, 20.0, |_, _| 255.0, 0.0), MNIST);
        assert_eq!(center_digit(&digit, MNIST), digit);
        assert_eq!(center_digit(&digit.inverted(), MNIST), digit);
        let moved = digit.window(4, -3, 28, 28, 0);
        assert_eq!(center_digit(&moved, MNIST), digit);
    }

    #[test]
    fn blank_images_of_any_shape_become_black() {
        let mut random = Random::new(2, Stream::Other, 0);
        for (w, h) in [(1, 1), (1, 90), (90, 1), (28, 28), (300, 200)] {
            let grain = (0..w * h).map(|_| 200 + random.below(6) as u8).collect();
            let sheet = Image::new(w, h, 1, grain).unwrap();
            let digit = center_digit(&sheet, MNIST);
            assert!(digit.pixels().iter().all(|x| *x == 0), "{w}x{h}");
        }
        let half = Image::new(300, 2, 1, [[0u8; 150], [255; 150]].concat().repeat(2)).unwrap();
        assert_eq!(center_digit(&half, MNIST).width(), 28);
    }
}
