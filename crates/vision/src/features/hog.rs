//! Histograms of oriented gradients, with the conventions of scikit-image's `hog`.
//!
//! Each pixel votes with the magnitude of its gradient for the orientation of its gradient, without regard to sign, in
//! the histogram of its cell. Blocks of cells, which overlap, are normalized together. Source: Dalal and Triggs,
//! "Histograms of oriented gradients for human detection", CVPR 2005. As in scikit-image, votes are not interpolated,
//! blocks have no Gaussian window, and the gradient of a color image is that of the channel in which it is largest.

use striate_tensor::preprocessing::{BlockNorm, Hog};
use striate_tensor::{Result, Vectorize, vectorized};

use super::Extract;
use crate::Image;

impl Extract for Hog {
    /// Returns the features of `image` with their shape, that of [`Hog::output_shape`]. The channels are those of
    /// scikit-image's block in its order: row of the cell, column of the cell, orientation.
    ///
    /// # Errors
    /// As for [`Hog::output_shape`].
    fn features(&self, image: &Image) -> Result<([usize; 3], Vec<f32>)> {
        let shape = self.output_shape([image.height(), image.width()])?;
        let [rows, columns] = self.cells([image.height(), image.width()]);
        let mut histograms = vec![0.0; rows * columns * self.orientations];
        vectorized(Votes { hog: self, image, histograms: &mut histograms });
        Ok((shape, normalized(self, &histograms, columns, shape)))
    }
}

/// Returns the normalized blocks of `histograms`, which has `columns` cells in a row.
fn normalized(hog: &Hog, histograms: &[f64], columns: usize, [_, height, width]: [usize; 3]) -> Vec<f32> {
    let [block_rows, block_columns] = hog.cells_per_block;
    let (n, run) = (hog.orientations, block_columns * hog.orientations);
    let mut block = vec![0.0; hog.block_values()];
    let mut features = vec![0.0; block.len() * height * width];
    for place in 0..height * width {
        let (row, column) = (place / width, place % width);
        for (cell, to) in (row..row + block_rows).zip(block.chunks_exact_mut(run)) {
            to.copy_from_slice(&histograms[(cell * columns + column) * n..][..run]);
        }
        normalize(hog.block_norm, &mut block);
        for (channel, value) in block.iter().enumerate() {
            features[channel * height * width + place] = *value as f32;
        }
    }
    features
}

/// Keeps the norm of an empty block above zero.
const EPSILON: f64 = 1e-5;
/// The largest value of a block under `L2-Hys` before it is normalized again.
const CLIP: f64 = 0.2;

/// Normalizes the values of a block, which are not negative.
fn normalize(norm: BlockNorm, block: &mut [f64]) {
    let sum = || block.iter().sum::<f64>() + EPSILON;
    match norm {
        BlockNorm::L1 => {
            let sum = sum();
            block.iter_mut().for_each(|value| *value /= sum);
        }
        BlockNorm::L1Sqrt => {
            let sum = sum();
            block.iter_mut().for_each(|value| *value = (*value / sum).sqrt());
        }
        BlockNorm::L2 => divide_by_norm(block),
        BlockNorm::L2Hys => {
            divide_by_norm(block);
            block.iter_mut().for_each(|value| *value = value.min(CLIP));
            divide_by_norm(block);
        }
    }
}

fn divide_by_norm(block: &mut [f64]) {
    let squares: f64 = block.iter().map(|value| value * value).sum();
    let norm = (squares + EPSILON * EPSILON).sqrt();
    block.iter_mut().for_each(|value| *value /= norm);
}

/// Fills the histograms of all cells: rows of cells, each with `orientations` values.
struct Votes<'a> {
    hog: &'a Hog,
    image: &'a Image,
    histograms: &'a mut [f64],
}

/// The gradients of a row of pixels.
struct Gradients {
    /// Differences across, in the channel at hand.
    across: Vec<f64>,
    dx: Vec<f64>,
    dy: Vec<f64>,
    /// -1 where `dx` and `dy` were negated, otherwise 1.
    signs: Vec<f64>,
    /// Magnitudes, squared at first.
    magnitudes: Vec<f64>,
    /// Bins, as numbers of the same width, so that the loop over pixels is vectorized.
    bins: Vec<f64>,
    /// Distances to the nearest boundary between two bins: magnitude × sine of the angle.
    margins: Vec<f64>,
}

/// Gradients closer than this to a boundary between two bins, in radians, take the bin that the angle decides.
const MARGIN: f64 = 1e-6;

impl Vectorize for Votes<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Votes { hog, image, histograms } = self;
        let (width, n) = (image.width(), hog.orientations);
        let [cell_height, cell_width] = hog.pixels_per_cell;
        let [rows, columns] = hog.cells([image.height(), width]);
        let value = |byte: usize| if hog.transform_sqrt { (byte as f64).sqrt() } else { byte as f64 };
        let table: [f64; 256] = std::array::from_fn(value);
        let direction = |bin: usize| (std::f64::consts::PI * bin as f64 / n as f64).sin_cos();
        let boundaries: Vec<(f64, f64)> = (1..n).map(direction).collect();
        let mut row = Gradients::new(width);
        // The row itself between its neighbors, channel by channel.
        let line = width * image.channels();
        let mut lines = [vec![0.0; line], vec![0.0; line], vec![0.0; line]];
        planes(image, 0, &table, &mut lines[1]);
        for y in 0..rows * cell_height {
            if y + 1 < image.height() {
                planes(image, y + 1, &table, &mut lines[2]);
            }
            let is_inside = y > 0 && y + 1 < image.height();
            row.fill(&lines, is_inside, hog.transform_sqrt);
            row.assign(&boundaries);
            let histograms = &mut histograms[y / cell_height * columns * n..][..columns * n];
            let scale = 1.0 / (cell_height * cell_width) as f64;
            for (column, histogram) in histograms.chunks_exact_mut(n).enumerate() {
                for x in column * cell_width..(column + 1) * cell_width {
                    histogram[row.bin(x, n)] += row.magnitudes[x] * scale;
                }
            }
            lines.rotate_left(1);
        }
    }
}

/// Writes the values of row `y` to `line`, channel by channel.
#[inline(always)]
fn planes(image: &Image, y: usize, table: &[f64; 256], line: &mut [f64]) {
    let (width, channels) = (image.width(), image.channels());
    let bytes = &image.pixels()[y * width * channels..][..width * channels];
    for (channel, plane) in line.chunks_exact_mut(width).enumerate() {
        let values = bytes.iter().skip(channel).step_by(channels);
        plane.iter_mut().zip(values).for_each(|(value, byte)| *value = table[usize::from(*byte)]);
    }
}

impl Gradients {
    fn new(width: usize) -> Self {
        let list = || vec![0.0; width];
        Gradients {
            across: list(),
            dx: list(),
            dy: list(),
            signs: list(),
            magnitudes: list(),
            bins: list(),
            margins: list(),
        }
    }

    /// Computes the gradients of the middle one of three rows, `[C, W]` each; of several channels, the largest one.
    /// Gradients with angles of 180 degrees or more are negated. Differences that would reach beyond the image are 0.
    ///
    /// Gradients of square roots (`is_rooted`) in two channels may be equally large up to rounding, but of different
    /// angles; magnitudes are then computed as in scikit-image, so that the same channel is taken.
    #[inline(always)]
    fn fill(&mut self, lines: &[Vec<f64>; 3], is_inside: bool, is_rooted: bool) {
        let width = self.dx.len();
        let is_exact = is_rooted && lines[1].len() > width;
        self.magnitudes.fill(-1.0);
        for channel in 0..lines[1].len() / width {
            let [above, row, below] = lines.each_ref().map(|line| &line[channel * width..][..width]);
            if width > 2 {
                let pairs = row.iter().zip(&row[2..]);
                self.across[1..].iter_mut().zip(pairs).for_each(|(dx, (left, right))| *dx = right - left);
            }
            let scale = if is_inside { 1.0 } else { 0.0 };
            // Slices of one length, so that the loop needs no checks.
            let (across, largest) = (&self.across[..width], &mut self.magnitudes[..width]);
            let (dxs, dys) = (&mut self.dx[..width], &mut self.dy[..width]);
            for x in 0..width {
                let (dx, dy) = (across[x], (below[x] - above[x]) * scale);
                let size = if is_exact { dx.hypot(dy) } else { dx * dx + dy * dy };
                let is_larger = size > largest[x];
                largest[x] = if is_larger { size } else { largest[x] };
                dxs[x] = if is_larger { dx } else { dxs[x] };
                dys[x] = if is_larger { dy } else { dys[x] };
            }
        }
        let gradients = self.dx.iter_mut().zip(&mut self.dy);
        for ((dx, dy), (sign, magnitude)) in gradients.zip(self.signs.iter_mut().zip(&mut self.magnitudes)) {
            *sign = if *dy < 0.0 || (*dy == 0.0 && *dx < 0.0) { -1.0 } else { 1.0 };
            (*dx, *dy) = (*dx * *sign, *dy * *sign);
            *magnitude = if is_exact { *magnitude } else { magnitude.sqrt() };
        }
    }

    /// Counts the boundaries, in ascending order of angles, that are not above the angle of each pixel.
    #[inline(always)]
    fn assign(&mut self, boundaries: &[(f64, f64)]) {
        self.bins.fill(0.0);
        self.margins.fill(f64::MAX);
        for (sine, cosine) in boundaries {
            let gradients = self.dx.iter().zip(&self.dy).zip(self.bins.iter_mut().zip(&mut self.margins));
            for ((dx, dy), (bin, margin)) in gradients {
                let across = dy * cosine - dx * sine;
                *bin += if across >= 0.0 { 1.0 } else { 0.0 };
                *margin = margin.min(across.abs());
            }
        }
    }

    /// Returns the bin of pixel `x`. On a boundary, the rounding of the angle decides, as it does in scikit-image.
    #[inline(always)]
    fn bin(&self, x: usize, n: usize) -> usize {
        if self.margins[x] > self.magnitudes[x] * MARGIN || self.magnitudes[x] == 0.0 {
            return self.bins[x] as usize;
        }
        let [dx, dy] = [self.dx[x], self.dy[x]].map(|side| side * self.signs[x]);
        let angle = dy.atan2(dx).to_degrees().rem_euclid(180.0);
        (1..n).filter(|bin| angle >= f64::from((180.0 / n as f64 * *bin as f64) as f32)).count()
    }
}
