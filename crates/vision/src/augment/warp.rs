//! Affine maps of images, in Pillow's own arithmetic, so that results are bitwise equal to torchvision's on Pillow's
//! images.
//!
//! A matrix `[a, b, c, d, e, f]` maps the center (x + ½, y + ½) of a new pixel to the place (ax + by + c, dx + ey + f)
//! in the old image. Rounding decides about single pixels, so the order of operations matters: places of nearest pixels
//! are computed with 16 fractional bits, or added up column by column where the matrix only scales and shifts.

use super::parameters::Interpolation;
use crate::Image;

/// Parameters of an affine map about a center.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AffineMap {
    /// Rotation in degrees, clockwise.
    pub angle: f64,
    /// Shift in pixels, right and down.
    pub translate: [f64; 2],
    /// Factor of the size.
    pub scale: f64,
    /// Shear along x and along y, in degrees.
    pub shear: [f64; 2],
    /// The point in pixels that is fixed but for the shift; that in the center of the image if `None`.
    pub center: Option<[f64; 2]>,
}

impl Default for AffineMap {
    fn default() -> Self {
        AffineMap { angle: 0.0, translate: [0.0; 2], scale: 1.0, shear: [0.0; 2], center: None }
    }
}

impl AffineMap {
    /// Returns the matrix of new places to old ones for an image of `width` × `height` pixels.
    fn matrix(&self, width: usize, height: usize) -> [f64; 6] {
        let [x, y] = self.center.unwrap_or([width as f64 * 0.5, height as f64 * 0.5]);
        let [right, down] = self.translate;
        let angle = self.angle.to_radians();
        let [shear_x, shear_y] = self.shear.map(f64::to_radians);
        let (sin, cos) = ((angle - shear_y).sin(), (angle - shear_y).cos());
        let a = cos / shear_y.cos();
        let b = -cos * shear_x.tan() / shear_y.cos() - angle.sin();
        let c = sin / shear_y.cos();
        let d = -sin * shear_x.tan() / shear_y.cos() + angle.cos();
        // The determinant of [a b; c d] is 1, so the inverse needs no division by it.
        let [d, b, c, a] = [d, -b, -c, a].map(|entry| entry / self.scale);
        let shift_x = d * (-x - right) + b * (-y - down);
        let shift_y = c * (-x - right) + a * (-y - down);
        [d, b, shift_x + x, c, a, shift_y + y]
    }

    /// Returns the image under this map, of the same size; torchvision's `affine`. Pixels from outside have the color
    /// `fill`.
    #[must_use]
    pub fn apply(&self, image: &Image, interpolation: Interpolation, fill: [u8; 3]) -> Image {
        warp(image, self.matrix(image.width(), image.height()), interpolation, fill)
    }
}

/// Rotates an image counterclockwise by `angle` degrees about its center, and keeps its size; torchvision's `rotate`.
/// Pixels from outside have the color `fill`. Multiples of 90° are exact where the result fits.
#[must_use]
pub fn rotate(image: &Image, angle: f64, interpolation: Interpolation, fill: [u8; 3]) -> Image {
    let angle = angle.rem_euclid(360.0);
    let (width, height) = (image.width(), image.height());
    if angle == 0.0 {
        return image.clone();
    }
    if angle == 180.0 {
        return rearranged(image, |x, y| (width - 1 - x, height - 1 - y));
    }
    if width == height && angle == 90.0 {
        return rearranged(image, |x, y| (width - 1 - y, x));
    }
    if width == height && angle == 270.0 {
        return rearranged(image, |x, y| (y, height - 1 - x));
    }
    // Pillow rounds to 15 decimals, as printing does.
    let rounded = |number: f64| format!("{number:.15}").parse().unwrap_or(number);
    let radians = -angle.to_radians();
    let (sin, cos): (f64, f64) = (rounded(radians.sin()), rounded(radians.cos()));
    let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
    let shift_x = cos * -x + sin * -y + 0.0;
    let shift_y = -sin * -x + cos * -y + 0.0;
    warp(image, [cos, sin, shift_x + x, -sin, cos, shift_y + y], interpolation, fill)
}

/// Returns the image of the same size whose pixel at (x, y) is the old one at `place(x, y)`.
fn rearranged(image: &Image, place: impl Fn(usize, usize) -> (usize, usize)) -> Image {
    let mut pixels = Vec::with_capacity(image.pixels().len());
    for y in 0..image.height() {
        for x in 0..image.width() {
            let (x, y) = place(x, y);
            pixels.extend_from_slice(image.pixel(x, y));
        }
    }
    Image::new(image.width(), image.height(), image.channels(), pixels).expect("the size is the same")
}

/// Returns the image under the inverse of `matrix`, of the same size.
fn warp(image: &Image, matrix: [f64; 6], interpolation: Interpolation, fill: [u8; 3]) -> Image {
    match image.channels() {
        1 => warped::<1>(image, matrix, interpolation, [fill[0]]),
        _ => warped::<3>(image, matrix, interpolation, fill),
    }
}

fn warped<const C: usize>(
    image: &Image,
    matrix: [f64; 6],
    interpolation: Interpolation,
    fill: [u8; C],
) -> Image {
    let (width, height) = (image.width(), image.height());
    let source = Source { pixels: image.pixels().as_chunks::<C>().0, width, height };
    let mut pixels = fill.repeat(width * height);
    let to = pixels.as_chunks_mut::<C>().0;
    let only_scales = matrix[1] == 0.0 && matrix[3] == 0.0;
    match interpolation {
        Interpolation::Bilinear => source.bilinear(matrix, to),
        Interpolation::Nearest if only_scales => source.scaled(matrix, to),
        Interpolation::Nearest if source.fits(matrix) => source.nearest_fixed(matrix, to),
        Interpolation::Nearest => source.nearest(matrix, to),
    }
    Image::new(width, height, C, pixels).expect("the size is the same")
}

/// An image whose pixels are read; what is outside is left as it is in the result.
struct Source<'a, const C: usize> {
    pixels: &'a [[u8; C]],
    width: usize,
    height: usize,
}

/// Returns the index of the pixel at `place` if it is one of `side`.
fn index(place: f64, side: usize) -> Option<usize> {
    (place >= 0.0 && place < side as f64).then_some(place as usize)
}

/// Fractional bits of places.
const BITS: u32 = 16;

/// Rounds a number to one with [`BITS`] fractional bits.
fn fixed(number: f64) -> i64 {
    (number * f64::from(1 << BITS) + 0.5).floor() as i64
}

impl<const C: usize> Source<'_, C> {
    fn scaled(&self, [a, _, c, _, e, f]: [f64; 6], to: &mut [[u8; C]]) {
        let places = |start: f64, step: f64| std::iter::successors(Some(start), move |at| Some(at + step));
        let columns: Vec<Option<usize>> =
            places(c + a * 0.5, a).map(|x| index(x, self.width)).take(self.width).collect();
        let rows = places(f + e * 0.5, e).map(|y| index(y, self.height));
        for (to, row) in to.chunks_exact_mut(self.width).zip(rows) {
            let Some(row) = row else { continue };
            let from = &self.pixels[row * self.width..][..self.width];
            for (to, column) in to.iter_mut().zip(&columns) {
                if let Some(column) = *column {
                    *to = from[column];
                }
            }
        }
    }

    /// Whether the places of all corners fit into 16 bits.
    fn fits(&self, [a, b, c, d, e, f]: [f64; 6]) -> bool {
        let (right, bottom) = ((self.width - 1) as f64, (self.height - 1) as f64);
        let corners = [(0.0, 0.0), (right, 0.0), (0.0, bottom), (right, bottom)];
        let is_small = |place: f64| place.abs() < 32768.0;
        corners.iter().all(|(x, y)| is_small(x * a + y * b + c) && is_small(x * d + y * e + f))
    }

    fn nearest_fixed(&self, [a, b, c, d, e, f]: [f64; 6], to: &mut [[u8; C]]) {
        let (mut first_x, mut first_y) = (fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5));
        let [a, b, d, e] = [a, b, d, e].map(fixed);
        let inside = |place: i64, side: usize| usize::try_from(place >> BITS).ok().filter(|at| *at < side);
        for to in to.chunks_exact_mut(self.width) {
            let (mut x, mut y) = (first_x, first_y);
            for to in to {
                if let (Some(column), Some(row)) = (inside(x, self.width), inside(y, self.height)) {
                    *to = self.pixels[row * self.width + column];
                }
                (x, y) = (x.wrapping_add(a), y.wrapping_add(d));
            }
            (first_x, first_y) = (first_x.wrapping_add(b), first_y.wrapping_add(e));
        }
    }

    fn nearest(&self, matrix: [f64; 6], to: &mut [[u8; C]]) {
        self.each_place(matrix, to, |x, y, to| {
            if let (Some(column), Some(row)) = (index(x, self.width), index(y, self.height)) {
                *to = self.pixels[row * self.width + column];
            }
        });
    }

    fn bilinear(&self, matrix: [f64; 6], to: &mut [[u8; C]]) {
        self.each_place(matrix, to, |x, y, to| {
            if index(x, self.width).is_some() && index(y, self.height).is_some() {
                *to = self.between(x - 0.5, y - 0.5);
            }
        });
    }

    /// Calls `write` with the place in the old image of every new pixel.
    #[inline(always)]
    fn each_place(
        &self,
        [a, b, c, d, e, f]: [f64; 6],
        to: &mut [[u8; C]],
        write: impl Fn(f64, f64, &mut [u8; C]),
    ) {
        for (row, to) in to.chunks_exact_mut(self.width).enumerate() {
            let y = row as f64 + 0.5;
            for (column, to) in to.iter_mut().enumerate() {
                let x = column as f64 + 0.5;
                write(a * x + b * y + c, d * x + e * y + f, to);
            }
        }
    }

    /// Interpolates at a place of which the pixel's own is (0, 0), and which is at most half a pixel outside; the
    /// border is repeated. The result is rounded down.
    fn between(&self, x: f64, y: f64) -> [u8; C] {
        // One is added because conversion rounds towards zero.
        let (column, row) = ((x + 1.0) as isize - 1, (y + 1.0) as isize - 1);
        let (across, down) = (x - column as f64, y - row as f64);
        let pixel = |column: isize, row: isize| {
            let inside = |at: isize, side: usize| at.clamp(0, side as isize - 1) as usize;
            self.pixels[inside(row, self.height) * self.width + inside(column, self.width)]
        };
        let corners = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(x, y)| pixel(column + x, row + y));
        std::array::from_fn(|channel| {
            let [a, b, c, d] = corners.map(|pixel| f64::from(pixel[channel]));
            let (top, bottom) = (a + (b - a) * across, c + (d - c) * across);
            (top + (bottom - top) * down) as u8
        })
    }
}
