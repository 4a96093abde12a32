//! Properties of k-means.

use std::cell::RefCell;
use std::ops::ControlFlow;

use striate_ancestors::Rows;
use striate_ancestors::k_means::{Progress, Settings, k_means};
use striate_tensor::random::{Random, Stream};

/// Rows around `clusters` points on a line of `features` dimensions, 10 apart, with noise of this size.
fn blobs(count: usize, clusters: usize, features: usize, noise: f32) -> Vec<f32> {
    let mut random = Random::new(5, Stream::Other, 1);
    let value = |i: usize| (i / features % clusters) as f32 * 10.0;
    (0..count * features).map(|i| value(i) + noise * random.normal()).collect()
}

fn settings(clusters: usize) -> Settings {
    Settings { clusters, iterations: 100, tolerance: 0.0, seed: 1 }
}

fn quiet(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn separate_clusters_are_found() {
    for (clusters, features) in [(2, 1), (5, 3), (20, 17), (33, 8)] {
        let values = blobs(40 * clusters, clusters, features, 0.3);
        let rows = Rows::new(&values, features).unwrap();
        // Like every seeding, k-means++ may place two centers into one cluster: the best of some seeds counts.
        let runs =
            (0..20).map(|seed| k_means(rows, &Settings { seed, ..settings(clusters) }, 2, &quiet).unwrap());
        let best = runs.min_by(|a, b| a.inertia.total_cmp(&b.inertia)).unwrap();
        assert!(best.is_converged);
        for (row, nearest) in best.nearest.iter().enumerate() {
            assert_eq!(*nearest, best.nearest[row % clusters], "{clusters} clusters");
            let center = best.centers[nearest * features];
            assert!((center - (row % clusters) as f32 * 10.0).abs() < 0.5, "{center}");
        }
    }
}

#[test]
fn inertia_never_rises() {
    let values = blobs(3000, 7, 9, 6.0);
    let rows = Rows::new(&values, 9).unwrap();
    let steps = RefCell::new(Vec::new());
    let record = |progress: &Progress| {
        steps.borrow_mut().push(*progress);
        ControlFlow::Continue(())
    };
    let clusters = k_means(rows, &settings(40), 2, &record).unwrap();
    let steps = steps.into_inner();
    assert!(steps.len() > 5 && steps.len() == clusters.iterations && clusters.is_converged);
    // Distances of the search are sums in f32.
    assert!(steps.windows(2).all(|pair| pair[1].inertia <= pair[0].inertia * (1.0 + 1e-6)), "{steps:?}");
    assert_eq!(steps[0].moved, 3000);
    // The result is what its centers give.
    let distance = |row: usize, center: usize| {
        let pairs = rows.row(row).iter().zip(&clusters.centers[center * 9..][..9]);
        pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>()
    };
    let nearest = |row: usize| (0..40).map(|center| distance(row, center)).fold(f64::INFINITY, f64::min);
    let inertia: f64 = (0..3000).map(nearest).sum();
    assert!((inertia / clusters.inertia - 1.0).abs() < 1e-6, "{inertia}, {}", clusters.inertia);
}

#[test]
fn centers_are_the_same_for_any_number_of_threads() {
    let values = blobs(1000, 5, 6, 4.0);
    let rows = Rows::new(&values, 6).unwrap();
    let one = k_means(rows, &settings(17), 1, &quiet).unwrap();
    for threads in [2, 3, 8] {
        assert_eq!(one, k_means(rows, &settings(17), threads, &quiet).unwrap());
    }
    assert_ne!(one, k_means(rows, &Settings { seed: 2, ..settings(17) }, 1, &quiet).unwrap());
}

/// Many equal rows make seeds collide, and a far row takes a center for itself.
#[test]
fn empty_clusters_are_filled() {
    let mut values = vec![1.0; 300];
    values.extend([2.0, 3.0, 4.0, 5000.0]);
    let rows = Rows::new(&values, 1).unwrap();
    for seed in 0..10 {
        let clusters = k_means(rows, &Settings { seed, ..settings(5) }, 1, &quiet).unwrap();
        let mut centers = clusters.centers.clone();
        centers.sort_by(f32::total_cmp);
        assert_eq!((centers, clusters.inertia), (vec![1.0, 2.0, 3.0, 4.0, 5000.0], 0.0));
        // More clusters than different rows.
        let clusters = k_means(rows, &Settings { seed, ..settings(9) }, 1, &quiet).unwrap();
        assert!(clusters.inertia == 0.0 && clusters.is_converged);
    }
}

#[test]
fn invalid_input_is_refused_and_progress_can_end_it() {
    let values = blobs(50, 5, 2, 1.0);
    let rows = Rows::new(&values, 2).unwrap();
    for bad in [
        settings(0),
        settings(51),
        Settings { iterations: 0, ..settings(3) },
        Settings { tolerance: f64::NAN, ..settings(3) },
    ] {
        assert!(k_means(rows, &bad, 1, &quiet).unwrap_err().is_input(), "{bad:?}");
    }
    assert!(k_means(Rows::new(&[1e16, 0.0], 1).unwrap(), &settings(2), 1, &quiet).unwrap_err().is_input());
    let clusters = k_means(rows, &settings(9), 1, &|_| ControlFlow::Break(())).unwrap();
    assert!(clusters.iterations == 1 && !clusters.is_converged && clusters.nearest.len() == 50);
}
