//! Resizing with Pillow's antialiased filters, in Pillow's own arithmetic, so that results are bitwise equal.
//!
//! Each axis is resized by itself, with bytes in between: first every row to the new width, then every column to
//! the new height; the other way round where the height loses more than twice as many pixels as the width, as in
//! Pillow from version 13 on. A new pixel is a weighted sum of the old ones under the filter, which is stretched
//! when the image shrinks to prevent aliasing. Weights are integers with 22 fractional bits. Source: Pillow,
//! `src/libImaging/Resample.c`, and `Geometry.c` for nearest.

use striate_tensor::{Vectorize, vectorized};

use crate::{Filter, Image};

/// Returns how far the unstretched `filter` reaches from its center, in pixels.
fn support(filter: Filter) -> f64 {
    match filter {
        Filter::Nearest => 0.0,
        Filter::Box => 0.5,
        Filter::Bilinear => 1.0,
        Filter::Bicubic => 2.0,
    }
}

/// Returns the weight of a pixel at `x` from the center of the unstretched `filter`.
fn weight(filter: Filter, x: f64) -> f64 {
    const A: f64 = -0.5;
    let distance = x.abs();
    match filter {
        Filter::Box if x > -0.5 && x <= 0.5 => 1.0,
        Filter::Bilinear if distance < 1.0 => 1.0 - distance,
        Filter::Bicubic if distance < 1.0 => ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0,
        Filter::Bicubic if distance < 2.0 => (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A,
        _ => 0.0,
    }
}

/// Fractional bits of a weight: a byte times a weight, and the overshoot of a sum, fit into 32 bits.
const PRECISION: u32 = 22;
/// One half, the initial value of every sum, so that it is rounded.
const HALF: i32 = 1 << (PRECISION - 1);

/// The old pixels under each new one along an axis.
struct Taps {
    /// Old pixels per new one; where fewer contribute, the others have the weight zero.
    count: usize,
    /// The first old pixel of each new one.
    first: Vec<usize>,
    /// `[new pixels, count]`.
    weights: Vec<i32>,
}

/// A rectangle of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// The first column.
    pub left: usize,
    /// The first row.
    pub top: usize,
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

/// Part of an image that is read in place.
#[derive(Clone, Copy)]
struct View<'a> {
    /// From the first byte of the part on.
    pixels: &'a [u8],
    /// Bytes from one row to the next.
    stride: usize,
    width: usize,
    height: usize,
    channels: usize,
}

impl<'a> View<'a> {
    fn new(image: &'a Image, region: Region) -> Self {
        let (channels, stride) = (image.channels(), image.width() * image.channels());
        let pixels = &image.pixels()[region.top * stride + region.left * channels..];
        View { pixels, stride, width: region.width, height: region.height, channels }
    }

    /// A whole image of the same channels.
    fn of(self, pixels: &'a [u8], width: usize, height: usize) -> Self {
        View { pixels, stride: width * self.channels, width, height, channels: self.channels }
    }

    fn row(self, row: usize) -> &'a [u8] {
        &self.pixels[row * self.stride..][..self.width * self.channels]
    }
}

/// Resizes `image` to `width` × `height` pixels.
///
/// # Panics
/// If a side is zero.
#[must_use]
pub fn resize(image: &Image, width: usize, height: usize, filter: Filter) -> Image {
    let whole = Region { left: 0, top: 0, width: image.width(), height: image.height() };
    resize_region(image, whole, width, height, filter)
}

/// Resizes the part `region` of `image` to `width` × `height` pixels; the same as cropping before resizing, but only
/// the part is read, and it is not copied.
///
/// # Panics
/// If a side is zero or the region extends beyond the image.
#[must_use]
pub fn resize_region(image: &Image, region: Region, width: usize, height: usize, filter: Filter) -> Image {
    let Region { left, top, width: columns, height: rows } = region;
    assert!(width > 0 && height > 0 && columns > 0 && rows > 0, "the sides must not be zero");
    let is_inside = |first: usize, count: usize, side: usize| first < side && count <= side - first;
    let is_inside = is_inside(left, columns, image.width()) && is_inside(top, rows, image.height());
    assert!(is_inside, "the region must lie in the image");
    if (width, height) == (columns, rows) {
        return image.window(left as isize, top as isize, width, height, 0);
    }
    let view = View::new(image, region);
    let pixels = if filter == Filter::Nearest {
        nearest(view, width, height)
    } else if width == columns {
        down(view, height, filter)
    } else if height == rows {
        across(view, width, filter)
    } else if rows > height && (rows - height) as i64 > 2 * (columns as i64 - width as i64) {
        across(view.of(&down(view, height, filter), columns, height), width, filter)
    } else {
        down(view.of(&across(view, width, filter), width, rows), height, filter)
    };
    Image::new(width, height, image.channels(), pixels).expect("sizes fit")
}

/// Returns width and height of an image of `width` × `height` pixels resized so that its shorter side is `size`; the
/// longer one is rounded down as by torchvision, and at most `most` pixels / `size`.
pub(crate) fn by_shorter_side(width: usize, height: usize, size: usize, most: usize) -> (usize, usize) {
    let longer = |side: usize, shorter: usize| {
        (size.saturating_mul(side) / shorter).clamp(size, (most / size).max(size))
    };
    if width <= height { (size, longer(height, width)) } else { (longer(width, height), size) }
}

/// Resizes every row to `width`.
fn across(view: View, width: usize, filter: Filter) -> Vec<u8> {
    let taps = taps(view.width, width, filter);
    let mut pixels = vec![0; width * view.channels * view.height];
    vectorized(Across { taps: &taps, view, pixels: &mut pixels });
    pixels
}

/// Resizes rows.
struct Across<'a> {
    taps: &'a Taps,
    view: View<'a>,
    pixels: &'a mut [u8],
}

impl Vectorize for Across<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Across { taps, view, pixels } = self;
        let line = taps.first.len() * view.channels;
        // Rows as 32-bit numbers, with room for a vector.
        let (mut wide, mut sums) = (vec![0; view.width * view.channels + 3], vec![0; line + 3]);
        for (row, to) in pixels.chunks_exact_mut(line).enumerate() {
            wide.iter_mut().zip(view.row(row)).for_each(|(wide, byte)| *wide = i32::from(*byte));
            match view.channels {
                1 => across_gray(taps, &wide, &mut sums),
                _ => across_color(taps, &wide, &mut sums),
            }
            to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = to_byte(*sum));
        }
    }
}

/// Sums the pixels of a gray row.
#[inline(always)]
fn across_gray(taps: &Taps, from: &[i32], sums: &mut [i32]) {
    for ((sum, first), weights) in sums.iter_mut().zip(&taps.first).zip(taps.weights.chunks_exact(taps.count))
    {
        let pixels = from[*first..][..taps.count].iter().zip(weights);
        *sum = pixels.fold(HALF, |sum, (pixel, weight)| sum + pixel * weight);
    }
}

/// Sums the pixels of a colored row. Loops over few taps are unrolled.
#[inline(always)]
fn across_color(taps: &Taps, from: &[i32], sums: &mut [i32]) {
    match taps.count {
        2 => across_taps(taps, 2, from, sums),
        3 => across_taps(taps, 3, from, sums),
        4 => across_taps(taps, 4, from, sums),
        5 => across_taps(taps, 5, from, sums),
        count => across_taps(taps, count, from, sums),
    }
}

/// Sums a color in four lanes, a vector. The last lane reads a value of the next pixel, and its sum is overwritten by
/// that of the next pixel; therefore, both rows have room for more.
#[inline(always)]
fn across_taps(taps: &Taps, count: usize, from: &[i32], sums: &mut [i32]) {
    let weights = taps.weights.chunks_exact(count);
    for (at, (first, weights)) in taps.first.iter().zip(weights).enumerate() {
        let pixels = &from[first * 3..][..count * 3 + 1];
        let mut sum = [HALF; 4];
        for (tap, weight) in weights.iter().enumerate() {
            let pixel = pixels[tap * 3..].first_chunk::<4>().expect("a value follows the pixels");
            sum = std::array::from_fn(|lane| sum[lane] + pixel[lane] * weight);
        }
        sums[at * 3..][..4].copy_from_slice(&sum);
    }
}

/// Bytes of a row whose sums are kept in registers.
const BLOCK: usize = 16;

/// A weight `high * PARTS + low`. Both parts fit into 16 bits, for which every processor has fast vector instructions,
/// and have the sign of the weight, so that no sum of parts overflows.
#[derive(Clone, Copy)]
struct Weight {
    high: i16,
    low: i16,
}

/// One unit of the upper part of a [`Weight`].
const PARTS: i32 = 1 << (PRECISION / 2);

/// Resizes every column to `height`.
fn down(view: View, height: usize, filter: Filter) -> Vec<u8> {
    let line = view.width * view.channels;
    let mut pixels = vec![0; height * line];
    let taps = taps(view.height, height, filter);
    let split = |weight: &i32| Weight { high: (weight / PARTS) as i16, low: (weight % PARTS) as i16 };
    let weights: Vec<Weight> = taps.weights.iter().map(split).collect();
    vectorized(Down { taps: &taps, weights: &weights, view, pixels: &mut pixels });
    pixels
}

/// Resizes columns.
struct Down<'a> {
    taps: &'a Taps,
    weights: &'a [Weight],
    view: View<'a>,
    pixels: &'a mut [u8],
}

impl Vectorize for Down<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Down { taps, weights, view, pixels } = self;
        let each = taps.first.iter().zip(weights.chunks_exact(taps.count));
        for ((first, weights), to) in each.zip(pixels.chunks_exact_mut(view.width * view.channels)) {
            down_row(&view.pixels[first * view.stride..], view.stride, weights, to);
        }
    }
}

/// Sums rows to a new one.
#[inline(always)]
fn down_row(rows: &[u8], stride: usize, weights: &[Weight], to: &mut [u8]) {
    let whole = to.len() / BLOCK * BLOCK;
    let (blocks, rest) = to.split_at_mut(whole);
    for (at, to) in blocks.chunks_exact_mut(BLOCK).enumerate() {
        down_bytes::<BLOCK>(&rows[at * BLOCK..], stride, weights, to);
    }
    for (at, to) in rest.chunks_exact_mut(1).enumerate() {
        down_bytes::<1>(&rows[whole + at..], stride, weights, to);
    }
}

/// Sums `N` bytes of each row, from the start of `rows` on.
#[inline(always)]
fn down_bytes<const N: usize>(rows: &[u8], stride: usize, weights: &[Weight], to: &mut [u8]) {
    let (mut high, mut low) = ([0i32; N], [HALF; N]);
    for (row, weight) in weights.iter().enumerate() {
        let bytes = rows[row * stride..].first_chunk::<N>().expect("the row has the bytes").map(i32::from);
        let weight = [weight.high, weight.low].map(i32::from);
        high.iter_mut().zip(bytes).for_each(|(sum, byte)| *sum += byte * weight[0]);
        low.iter_mut().zip(bytes).for_each(|(sum, byte)| *sum += byte * weight[1]);
    }
    for ((to, high), low) in to.iter_mut().zip(high).zip(low) {
        *to = to_byte(high * PARTS + low);
    }
}

#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Returns for each of `to` new pixels the old ones, of `from`, that contribute to it.
fn taps(from: usize, to: usize, filter: Filter) -> Taps {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = support(filter) * stretch;
    let center = |at: usize| (at as f64 + 0.5) * scale;
    let range = |at: usize| {
        let first = (center(at) - support + 0.5).max(0.0) as usize;
        first..((center(at) + support + 0.5) as usize).min(from)
    };
    let count = (0..to).map(|at| range(at).len()).max().unwrap_or(1);
    let mut taps = Taps { count, first: Vec::with_capacity(to), weights: vec![0; to * count] };
    let mut values = Vec::with_capacity(count);
    for (at, weights) in taps.weights.chunks_exact_mut(count).enumerate() {
        let range = range(at);
        let weight = |x: usize| weight(filter, (x as f64 - center(at) + 0.5) * (1.0 / stretch));
        values.clear();
        values.extend(range.clone().map(weight));
        let total: f64 = values.iter().sum();
        let first = range.start.min(from - count);
        for (weight, value) in weights[range.start - first..].iter_mut().zip(&values) {
            *weight = (value / total * f64::from(1 << PRECISION)).round() as i32;
        }
        taps.first.push(first);
    }
    taps
}

fn nearest(view: View, width: usize, height: usize) -> Vec<u8> {
    let columns: Vec<usize> = places(view.width, width).collect();
    let mut pixels = Vec::with_capacity(width * height * view.channels);
    for row in places(view.height, height) {
        let from = view.row(row);
        for column in &columns {
            pixels.extend_from_slice(&from[column * view.channels..][..view.channels]);
        }
    }
    pixels
}

/// Returns for each of `to` new pixels the old one, of `from`, under its center. Steps are added up as in Pillow,
/// because rounding decides where a center lies on an edge.
fn places(from: usize, to: usize) -> impl Iterator<Item = usize> {
    let scale = from as f64 / to as f64;
    let middles = std::iter::successors(Some(scale * 0.5), move |middle| Some(middle + scale));
    middles.take(to).map(move |middle| (middle as usize).min(from - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_image_stays_flat() {
        let image = Image::filled(17, 5, [0, 128, 255]);
        for filter in [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic] {
            for (w, h) in [(1, 1), (17, 9), (40, 5), (3, 30)] {
                assert_eq!(resize(&image, w, h, filter), Image::filled(w, h, [0, 128, 255]), "{filter:?}");
            }
        }
    }

    #[test]
    fn region_is_resized_as_if_cropped_before() {
        let pixels = (0..41 * 37 * 3).map(|i| (i * 89 + i * i * 7) as u8).collect();
        let image = Image::new(41, 37, 3, pixels).unwrap();
        let region = Region { left: 5, top: 3, width: 30, height: 21 };
        let cropped = image.window(5, 3, 30, 21, 0);
        for filter in [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic] {
            for (w, h) in [(30, 21), (1, 1), (30, 9), (12, 21), (224, 7), (13, 200), (29, 2)] {
                let expected = resize(&cropped, w, h, filter);
                assert_eq!(resize_region(&image, region, w, h, filter), expected, "{filter:?} {w}x{h}");
                assert_eq!(
                    resize_region(&image.to_gray(), region, w, h, filter),
                    resize(&cropped.to_gray(), w, h, filter)
                );
            }
        }
    }
}
