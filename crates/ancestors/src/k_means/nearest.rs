//! The nearest center of many rows.

use striate_tensor::{Vectorize, vectorized};

/// The nearest center of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Assignment {
    pub center: usize,
    /// The squared distance.
    pub distance: f64,
}

/// Centers that are compared with a row at once.
const LANES: usize = 16;
/// Rows that are compared with these centers at once.
const GROUP: usize = 4;

/// Centers, rearranged for the search.
pub(super) struct Centers<'a> {
    centers: &'a [f32],
    features: usize,
    /// For each group of `LANES` centers, their values feature by feature; infinite beyond the last center.
    groups: Vec<[f32; LANES]>,
}

impl<'a> Centers<'a> {
    pub fn new(centers: &'a [f32], features: usize) -> Self {
        let count = centers.len() / features;
        let mut groups = vec![[f32::INFINITY; LANES]; count.div_ceil(LANES) * features];
        for (index, center) in centers.chunks_exact(features).enumerate() {
            let group = &mut groups[index / LANES * features..][..features];
            group.iter_mut().zip(center).for_each(|(lanes, value)| lanes[index % LANES] = *value);
        }
        Centers { centers, features, groups }
    }

    /// Returns the nearest center of each of `rows`; of equally near ones, the first.
    pub fn nearest(&self, rows: &[f32]) -> Vec<Assignment> {
        vectorized(Search { centers: self, rows })
    }
}

struct Search<'a> {
    centers: &'a Centers<'a>,
    rows: &'a [f32],
}

impl Vectorize for Search<'_> {
    type Output = Vec<Assignment>;

    #[inline(always)]
    fn run(self) -> Vec<Assignment> {
        let features = self.centers.features;
        let mut found = Vec::with_capacity(self.rows.len() / features);
        for group in self.rows.chunks(GROUP * features) {
            // A last, incomplete group repeats its first row.
            let row = |index: usize| group.get(index * features..(index + 1) * features);
            let rows: [&[f32]; GROUP] = std::array::from_fn(|i| row(i).unwrap_or(&group[..features]));
            let nearest = search(rows, &self.centers.groups, features);
            for (row, center) in rows.iter().zip(nearest).take(group.len() / features) {
                let position = &self.centers.centers[center * features..][..features];
                found.push(Assignment { center, distance: squared_distance(row, position) });
            }
        }
        found
    }
}

/// Returns the index of the nearest center of each row.
#[inline(always)]
fn search(rows: [&[f32]; GROUP], groups: &[[f32; LANES]], features: usize) -> [usize; GROUP] {
    let mut best = [(f32::INFINITY, 0); GROUP];
    for (group, centers) in groups.chunks_exact(features).enumerate() {
        let mut sums = [[0.0f32; LANES]; GROUP];
        for (feature, centers) in centers.iter().enumerate() {
            for (sums, row) in sums.iter_mut().zip(rows) {
                let value = row[feature];
                for lane in 0..LANES {
                    let difference = value - centers[lane];
                    sums[lane] += difference * difference;
                }
            }
        }
        for (best, sums) in best.iter_mut().zip(sums) {
            for (lane, sum) in sums.into_iter().enumerate() {
                if sum < best.0 {
                    *best = (sum, group * LANES + lane);
                }
            }
        }
    }
    best.map(|(_, center)| center)
}

/// Returns the squared distance of each of `rows` to `center`.
pub(super) fn squared_distances(rows: &[f32], center: &[f32]) -> Vec<f64> {
    vectorized(Distances { rows, center })
}

struct Distances<'a> {
    rows: &'a [f32],
    center: &'a [f32],
}

impl Vectorize for Distances<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run(self) -> Vec<f64> {
        let rows = self.rows.chunks_exact(self.center.len());
        rows.map(|row| squared_distance(row, self.center)).collect()
    }
}

/// Numbers that are added in parallel.
const PARTS: usize = 8;

/// Returns the squared distance of two points, added in a fixed order.
#[inline(always)]
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |a: f32, b: f32| (f64::from(a) - f64::from(b)) * (f64::from(a) - f64::from(b));
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
    let mut sums = [0.0; PARTS];
    for (a, b) in a.iter().zip(b) {
        for part in 0..PARTS {
            sums[part] += square(a[part], b[part]);
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| square(*a, *b)).sum::<f64>()
}
