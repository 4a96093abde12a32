//! S-cells and their synapses.

use striate_tensor::text::counted;
use striate_tensor::{Error, Result, zeroed};

/// The extents of a layer of S-cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Planes of S-cells.
    pub planes: usize,
    /// Planes, rows and columns of the patterns that they read.
    pub input: [usize; 3],
    /// Side of the square area that a cell reads; odd.
    pub side: usize,
    /// Rows and columns of zeros around a pattern.
    pub padding: usize,
}

impl Geometry {
    /// Rows and columns of a plane.
    pub fn extents(&self) -> [usize; 2] {
        let [_, height, width] = self.input;
        [height, width].map(|extent| extent + 2 * self.padding - self.side + 1)
    }

    /// Synapses of a cell, without the inhibitory one.
    pub fn synapses(&self) -> usize {
        self.input[0] * self.side * self.side
    }

    fn check(&self) -> Result<()> {
        let [channels, height, width] = self.input;
        let fits = self.side <= height.min(width).saturating_add(self.padding.saturating_mul(2));
        if self.side % 2 == 1 && fits && self.planes > 0 && channels > 0 && self.padding < self.side {
            return Ok(());
        }
        Err(Error::input(format!(
            "{} that read squares of {}×{1} with padding {} do not fit patterns of {channels}×{height}×{width}; the side must be odd",
            counted(self.planes, "plane"),
            self.side,
            self.padding
        )))
    }
}

/// A layer of S-cells that learns.
///
/// With the pattern u, the answer of a cell is r·φ((1 + Σ a·u) / (1 + 2r / (1 + r)·b·v) − 1), where φ replaces negative
/// numbers by 0, and v = √(Σ c·u²) over all planes and the area that the cell reads.
#[derive(Debug, Clone, PartialEq)]
pub struct SCells {
    geometry: Geometry,
    /// r.
    selectivity: f32,
    /// c for the taps of an area, for each channel.
    falloff: Vec<f32>,
    /// a `[synapses, planes]`.
    excitation: Vec<f32>,
    /// b `[planes]`.
    inhibition: Vec<f32>,
    /// Planes that have synapses; the others, which follow them, are silent.
    used: usize,
    /// The answers `[planes, rows, columns]` to the last pattern.
    answers: Vec<f32>,
    /// v at each position for the last pattern.
    surroundings: Vec<f32>,
    /// Σ a·u of all planes at a position.
    sums: Vec<f32>,
}

/// Returns c for an area of `side`×`side` in each of `channels` planes: a pyramid, which falls linearly with the
/// distance from the center in both directions and has sum 1 over all planes. It is that of averaging over (side + 1) /
/// 2 positions in both directions, twice. The paper only asks for a function that falls with the distance.
pub fn falloff(side: usize, channels: usize) -> Vec<f32> {
    let peak = side.div_ceil(2);
    let along = |tap: usize| tap.min(side - 1 - tap) + 1;
    let total = (peak * peak * peak * peak * channels) as f64;
    let taps = (0..side).flat_map(|y| (0..side).map(move |x| along(y) * along(x)));
    taps.map(|weight| (weight as f64 / total) as f32).collect()
}

impl SCells {
    /// Creates a layer without synapses, with the selectivity r.
    ///
    /// # Errors
    /// If the extents do not fit each other, or memory runs out.
    pub fn new(geometry: Geometry, selectivity: f32) -> Result<SCells> {
        geometry.check()?;
        let [height, width] = geometry.extents();
        let planes = geometry.planes;
        let all = |count: usize| zeroed(count).map_err(|e| e.at("synapses"));
        Ok(SCells {
            selectivity,
            falloff: falloff(geometry.side, geometry.input[0]),
            excitation: all(geometry.synapses().saturating_mul(planes))?,
            inhibition: all(planes)?,
            used: 0,
            answers: all(planes.saturating_mul(height * width))?,
            surroundings: all(height * width)?,
            sums: all(planes)?,
            geometry,
        })
    }

    /// The extents of the layer.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The number of planes that have synapses.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Gives all planes weak excitatory synapses: c times a number that `random` returns.
    pub fn begin(&mut self, mut random: impl FnMut() -> f32) {
        let planes = self.geometry.planes;
        let taps = self.falloff.len();
        let scale = self.geometry.input[0] as f32;
        for (synapse, row) in self.excitation.chunks_exact_mut(planes).enumerate() {
            let weight = self.falloff[synapse % taps] * scale;
            row.iter_mut().for_each(|a| *a = weight * random());
        }
        self.used = planes;
    }

    /// Answers to `pattern`, `[planes, rows, columns]` of the geometry's input.
    ///
    /// # Panics
    /// If its length does not match.
    pub fn answer(&mut self, pattern: &[f32]) {
        let Geometry { planes, input, .. } = self.geometry;
        assert_eq!(pattern.len(), input.iter().product::<usize>(), "a pattern of another size");
        let [height, width] = self.geometry.extents();
        let cells = height * width;
        for cell in 0..cells {
            let sums = &mut self.sums[..self.used];
            sums.fill(0.0);
            let mut square = 0.0;
            for (synapse, value) in area(&self.geometry, pattern, [cell / width, cell % width]) {
                square += self.falloff[synapse % self.falloff.len()] * value * value;
                let row = &self.excitation[synapse * planes..][..self.used];
                sums.iter_mut().zip(row).for_each(|(sum, a)| *sum += a * value);
            }
            let v = square.sqrt();
            self.surroundings[cell] = v;
            for plane in 0..self.used {
                self.answers[plane * cells + cell] = self.ratio(self.sums[plane], self.inhibition[plane] * v);
            }
        }
    }

    /// The answers `[planes, rows, columns]` to the last pattern, of the planes that have synapses.
    pub fn answers(&self) -> &[f32] {
        let [height, width] = self.geometry.extents();
        &self.answers[..self.used * height * width]
    }

    /// Returns the answers `[rows, columns]` of one plane to `pattern`, which must be the last one.
    pub(super) fn answers_of(&self, plane: usize, pattern: &[f32]) -> Vec<f32> {
        let [_, width] = self.geometry.extents();
        let sum = |cell: usize| {
            let synapses = area(&self.geometry, pattern, [cell / width, cell % width]);
            let weight = |synapse: usize| self.excitation[synapse * self.geometry.planes + plane];
            synapses.fold(0.0, |sum, (synapse, value)| sum + weight(synapse) * value)
        };
        let answer = |(cell, v): (usize, &f32)| self.ratio(sum(cell), self.inhibition[plane] * v);
        self.surroundings.iter().enumerate().map(answer).collect()
    }

    /// The answer of a cell to the sum Σ a·u and to b·v.
    fn ratio(&self, excitation: f32, inhibition: f32) -> f32 {
        let r = self.selectivity;
        let ratio = (1.0 + excitation) / (1.0 + 2.0 * r / (1.0 + r) * inhibition) - 1.0;
        // Unlike `max`, this keeps a NaN.
        if ratio < 0.0 { 0.0 } else { r * ratio }
    }

    /// v at each position for the last pattern.
    pub fn surroundings(&self) -> &[f32] {
        &self.surroundings
    }

    /// Reinforces the synapses of `plane` by what its cell at `position`, row and column, read of the last `pattern`:
    /// a by `speed`·c·u, b by `speed` / 2·v.
    pub fn reinforce(&mut self, plane: usize, position: [usize; 2], pattern: &[f32], speed: f32) {
        let planes = self.geometry.planes;
        for (synapse, value) in area(&self.geometry, pattern, position) {
            let c = self.falloff[synapse % self.falloff.len()];
            self.excitation[synapse * planes + plane] += speed * c * value;
        }
        let [_, width] = self.geometry.extents();
        self.inhibition[plane] += speed / 2.0 * self.surroundings[position[0] * width + position[1]];
    }

    /// Gives the next plane without synapses those of a cell that was reinforced once, and returns it; `None` if all
    /// planes have synapses.
    pub fn generate(&mut self, position: [usize; 2], pattern: &[f32], speed: f32) -> Option<usize> {
        let plane = self.used;
        (plane < self.geometry.planes).then(|| {
            self.used += 1;
            self.reinforce(plane, position, pattern, speed);
            plane
        })
    }

    /// Returns a as the weights of a convolution, `[planes, channels, side, side]`, and b `[planes]`.
    pub fn synapses(&self) -> [Vec<f32>; 2] {
        let Geometry { planes, .. } = self.geometry;
        let of_plane = |plane: usize| self.excitation.iter().skip(plane).step_by(planes).copied();
        [(0..planes).flat_map(of_plane).collect(), self.inhibition.clone()]
    }
}

/// The synapses of a cell at `position` whose inputs are not 0, in order, with these inputs.
fn area<'a>(
    geometry: &Geometry,
    pattern: &'a [f32],
    [row, column]: [usize; 2],
) -> impl Iterator<Item = (usize, f32)> + use<'a> {
    let Geometry { input: [channels, height, width], side, padding, .. } = *geometry;
    // The taps that lie inside the pattern.
    let inside = move |start: usize, extent: usize| {
        padding.saturating_sub(start)..side.min((extent + padding).saturating_sub(start))
    };
    let (rows, columns) = (inside(row, height), inside(column, width));
    let first = (column + columns.start).saturating_sub(padding);
    (0..channels).flat_map(move |channel| {
        let columns = columns.clone();
        rows.clone().flat_map(move |y| {
            let start = (channel * height + row + y - padding) * width + first;
            let synapse = (channel * side + y) * side + columns.start;
            let values = pattern[start..start + columns.len()].iter().copied().enumerate();
            values.filter(|(_, value)| *value != 0.0).map(move |(x, value)| (synapse + x, value))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falloff_is_a_pyramid_of_sum_1() {
        assert_eq!(falloff(1, 1), [1.0]);
        let expected = [1, 2, 1, 2, 4, 2, 1, 2, 1].map(|weight| weight as f32 / 32.0);
        assert_eq!(falloff(3, 2), expected);
        let sum: f32 = falloff(5, 24).iter().sum();
        assert!((sum * 24.0 - 1.0).abs() < 1e-6);
        assert_eq!(falloff(5, 1)[12], 9.0 / 81.0);
    }

    /// The formula of 1980 in f64, term by term.
    fn answer(cells: &SCells, pattern: &[f32], plane: usize, [row, column]: [usize; 2]) -> f64 {
        let Geometry { input: [channels, height, width], side, padding, .. } = cells.geometry;
        let [a, b] = cells.synapses();
        let (mut excitation, mut square) = (0.0, 0.0);
        for k in 0..channels {
            for y in 0..side {
                for x in 0..side {
                    let [i, j] = [row + y, column + x].map(|p| p as isize - padding as isize);
                    if !(0..height as isize).contains(&i) || !(0..width as isize).contains(&j) {
                        continue;
                    }
                    let u = f64::from(pattern[(k * height + i as usize) * width + j as usize]);
                    excitation += f64::from(a[((plane * channels + k) * side + y) * side + x]) * u;
                    let peak = side.div_ceil(2);
                    let fall = |tap: usize| peak as f64 - (tap as f64 - (peak - 1) as f64).abs();
                    square += fall(y) * fall(x) / (peak.pow(4) * channels) as f64 * u * u;
                }
            }
        }
        let r = f64::from(cells.selectivity);
        let inhibition = 2.0 * r / (1.0 + r) * f64::from(b[plane]) * square.sqrt();
        r * ((1.0 + excitation) / (1.0 + inhibition) - 1.0).max(0.0)
    }

    #[test]
    fn answers_are_those_of_the_formula() {
        for (side, padding, input) in
            [(3, 1, [2, 4, 5]), (5, 2, [1, 3, 4]), (3, 0, [2, 4, 3]), (5, 1, [1, 5, 4])]
        {
            let geometry = Geometry { planes: 3, input, side, padding };
            let mut cells = SCells::new(geometry, 1.5).unwrap();
            let mut number = 0u32;
            cells.begin(|| {
                number += 1;
                (number * 37 % 101) as f32 / 101.0
            });
            let count = input.iter().product();
            let pattern: Vec<f32> =
                (0..count).map(|i| if i % 3 == 0 { 0.0 } else { (i * 29 % 17) as f32 / 17.0 }).collect();
            cells.answer(&pattern);
            cells.reinforce(1, [1, 0], &pattern, 4.0);
            cells.answer(&pattern);
            let [height, width] = geometry.extents();
            let mut largest = 0.0f64;
            for (index, got) in cells.answers().iter().enumerate() {
                let (plane, row, column) = (index / (height * width), index / width % height, index % width);
                let expected = answer(&cells, &pattern, plane, [row, column]);
                assert!(
                    (f64::from(*got) - expected).abs() < 1e-5,
                    "{plane} {row} {column}: {got}, not {expected}"
                );
                largest = largest.max(expected);
            }
            assert!(largest > 0.1, "{largest}");
        }
    }

    #[test]
    fn reinforcement_is_that_computed_by_hand() {
        let geometry = Geometry { planes: 2, input: [1, 3, 3], side: 3, padding: 0 };
        let mut cells = SCells::new(geometry, 1.0).unwrap();
        // A vertical line: c is 1/16·(1 2 1; 2 4 2; 1 2 1), so v² = (2 + 4 + 2) / 16 = 1/2.
        let line = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
        cells.answer(&line);
        assert_eq!(cells.generate([0, 0], &line, 8.0), Some(0));
        let [a, b] = cells.synapses();
        assert_eq!(a[..9], [0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(a[9..], [0.0; 9]);
        let v = 0.5f32.sqrt();
        assert_eq!(b, [4.0 * v, 0.0]);
        // Σ a·u = 4 and b·v = 2: with r = 1, (1 + 4) / (1 + 2) − 1 = 2/3.
        cells.answer(&line);
        assert!((cells.answers()[0] - 2.0 / 3.0).abs() < 1e-6 && cells.answers().len() == 1);
        // A horizontal line: Σ a·u = 2 and b·v = 2, so the cell is silent.
        cells.answer(&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        assert!(cells.answers()[0].abs() < 1e-6, "{:?}", cells.answers());
    }

    #[test]
    fn extents_that_do_not_fit_are_refused() {
        for (planes, input, side, padding) in [
            (0, [1, 4, 4], 3, 0),
            (1, [1, 4, 4], 4, 0),
            (1, [1, 2, 9], 5, 1),
            (1, [0, 4, 4], 3, 0),
            (1, [1, 4, 4], 3, 3),
        ] {
            assert!(SCells::new(Geometry { planes, input, side, padding }, 1.0).unwrap_err().is_input());
        }
    }
}
