//! k-means: centers such that the squared distances of rows to the nearest one are small.
//!
//! The first centers are drawn as in k-means++ (Arthur and Vassilvitskii, "k-means++: the advantages of careful
//! seeding", SODA 2007), then rows and centers are assigned to each other in turns (Lloyd, "Least squares quantization
//! in PCM", IEEE Trans. Information Theory 28, 1982). A center that no row is nearest to moves to the row that is
//! farthest from its own.

mod nearest;

use std::ops::ControlFlow;

use striate_tensor::random::{Random, Stream};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

use crate::Rows;
use crate::parallel::parallel;
use nearest::{Assignment, Centers, squared_distances};

/// How centers are found.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Number of centers.
    pub clusters: usize,
    /// Largest number of iterations, each an assignment of all rows.
    pub iterations: usize,
    /// Ends when an iteration reduces the inertia by this share or less, or no row changes its center.
    pub tolerance: f64,
    /// Seed of the first centers.
    pub seed: u64,
}

/// An iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Iterations made.
    pub iterations: usize,
    /// The sum of the squared distances of rows to their centers.
    pub inertia: f64,
    /// Rows that changed their center.
    pub moved: usize,
}

/// Centers, with the assignment of all rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// Centers, `[clusters, features]`.
    pub centers: Vec<f32>,
    /// The nearest center of each row; of equally near ones, the first.
    pub nearest: Vec<usize>,
    /// The sum of the squared distances of rows to their centers.
    pub inertia: f64,
    /// Iterations made.
    pub iterations: usize,
    /// Whether the tolerance was reached.
    pub is_converged: bool,
}

/// Largest absolute value of a feature, so that squared distances are finite.
const LARGEST: f32 = 1e15;
/// Rows that a thread works on at a time.
const BLOCK: usize = 256;

/// Finds the centers of `rows` on up to `threads` threads. After each iteration, `progress` is called; if it returns
/// `Break`, the centers reached so far are returned.
///
/// # Errors
/// If there are fewer rows than clusters, no clusters or iterations, or a feature exceeds 1e15.
pub fn k_means(
    rows: Rows,
    settings: &Settings,
    threads: usize,
    progress: &dyn Fn(&Progress) -> ControlFlow<()>,
) -> Result<Clusters> {
    settings.check(rows)?;
    let mut centers = first_centers(rows, settings, threads);
    let mut nearest = vec![usize::MAX; rows.count()];
    let (mut iterations, mut is_converged, mut before) = (0, false, f64::INFINITY);
    loop {
        let assigned = assign(rows, &Centers::new(&centers, rows.features()), threads);
        let inertia: f64 = assigned.iter().map(|assigned| assigned.distance).sum();
        let changes = nearest.iter().zip(&assigned).filter(|(old, new)| **old != new.center);
        let moved = changes.count();
        nearest = assigned.iter().map(|assigned| assigned.center).collect();
        iterations += 1;
        let is_small = before.is_finite() && before - inertia <= settings.tolerance * before;
        is_converged |= moved == 0 || is_small;
        let stops = progress(&Progress { iterations, inertia, moved }).is_break();
        if is_converged || stops || iterations == settings.iterations {
            return Ok(Clusters { centers, nearest, inertia, iterations, is_converged });
        }
        before = inertia;
        fill_empty(&mut nearest, assigned, settings.clusters);
        move_centers(rows, &nearest, &mut centers, threads);
    }
}

impl Settings {
    fn check(&self, rows: Rows) -> Result<()> {
        let invalid = |what: String| Err(Error::input(format!("k-means: {what}")));
        if self.clusters == 0 || self.iterations == 0 || self.tolerance.is_nan() || self.tolerance < 0.0 {
            return invalid("clusters and iterations must be above zero, and tolerance not negative".into());
        }
        if rows.count() < self.clusters {
            let (rows, clusters) = (counted(rows.count(), "row"), counted(self.clusters, "cluster"));
            return invalid(format!("{rows} for {clusters}; use fewer clusters"));
        }
        match rows.values().iter().all(|value| value.abs() <= LARGEST) {
            true => Ok(()),
            false => invalid("a feature exceeds 1e15; scale the features".into()),
        }
    }
}

/// Draws the first centers: a row, then rows with probabilities in proportion to the squared distance to the nearest
/// center so far.
fn first_centers(rows: Rows, settings: &Settings, threads: usize) -> Vec<f32> {
    let mut random = Random::new(settings.seed, Stream::Other, 0);
    let mut centers = rows.row(random.below(rows.count())).to_vec();
    let mut distances = vec![f64::INFINITY; rows.count()];
    for _ in 1..settings.clusters {
        let last = &centers[centers.len() - rows.features()..];
        let blocks = parallel(threads, rows.count().div_ceil(BLOCK), |block| {
            squared_distances(values_of(rows, block), last)
        });
        let nearer = distances.iter_mut().zip(blocks.into_iter().flatten());
        nearer.for_each(|(distance, new)| *distance = distance.min(new));
        centers.extend_from_slice(rows.row(drawn(&mut random, &distances)));
    }
    centers
}

/// Draws an index with probabilities in proportion to `weights`; a uniform one if all are zero.
fn drawn(random: &mut Random, weights: &[f64]) -> usize {
    let total: f64 = weights.iter().sum();
    if total == 0.0 {
        return random.below(weights.len());
    }
    let bits = (u64::from(random.word()) << 32 | u64::from(random.word())) >> 11;
    let mut rest = bits as f64 / (1u64 << 53) as f64 * total;
    let passed = weights.iter().position(|weight| {
        rest -= weight;
        rest < 0.0
    });
    // Rounding may leave a remainder; it goes to the last index with a nonzero weight.
    passed.or(weights.iter().rposition(|weight| *weight > 0.0)).expect("a weight is above zero")
}

/// Returns the values of the rows of a block.
fn values_of(rows: Rows<'_>, block: usize) -> &[f32] {
    let end = ((block + 1) * BLOCK).min(rows.count());
    &rows.values()[block * BLOCK * rows.features()..end * rows.features()]
}

fn assign(rows: Rows, centers: &Centers, threads: usize) -> Vec<Assignment> {
    let blocks =
        parallel(threads, rows.count().div_ceil(BLOCK), |block| centers.nearest(values_of(rows, block)));
    blocks.into_iter().flatten().collect()
}

/// Gives each empty cluster the row farthest from its own center, unless every row coincides with its center.
fn fill_empty(nearest: &mut [usize], mut assigned: Vec<Assignment>, clusters: usize) {
    let mut sizes = vec![0usize; clusters];
    nearest.iter().for_each(|center| sizes[*center] += 1);
    for empty in 0..clusters {
        if sizes[empty] > 0 {
            continue;
        }
        let farthest = (0..assigned.len())
            .reduce(|best, row| if assigned[row].distance > assigned[best].distance { row } else { best });
        let row = farthest.expect("there are rows");
        if assigned[row].distance == 0.0 {
            return;
        }
        sizes[nearest[row]] -= 1;
        sizes[empty] += 1;
        (nearest[row], assigned[row].distance) = (empty, 0.0);
    }
}

/// Moves each center to the mean of its rows, added in their order; one without rows stays.
fn move_centers(rows: Rows, nearest: &[usize], centers: &mut [f32], threads: usize) {
    let features = rows.features();
    let mut members = vec![Vec::new(); centers.len() / features];
    nearest.iter().enumerate().for_each(|(row, center)| members[*center].push(row));
    let means = parallel(threads, members.len(), |center| {
        let mut sums = vec![0.0f64; features];
        for row in &members[center] {
            sums.iter_mut().zip(rows.row(*row)).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        sums.iter().map(|sum| (sum / members[center].len() as f64) as f32).collect::<Vec<f32>>()
    });
    let moved = centers.chunks_exact_mut(features).zip(means).zip(&members);
    for ((center, mean), members) in moved {
        if !members.is_empty() {
            center.copy_from_slice(&mean);
        }
    }
}
