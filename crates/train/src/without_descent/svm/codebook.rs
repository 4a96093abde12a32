//! Visual words: the kernels of a 1×1 convolution of the input become the centers of its places, found by k-means.
//!
//! The score of a word is x·c − |c|²/2, which is −|x − c|²/2 but for a term that all words share, so that the nearest
//! word has the highest score. Source: Csurka et al., "Visual categorization with bags of keypoints", ECCV workshop
//! 2004.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Instant;

use striate_ancestors::Rows;
use striate_ancestors::k_means::{Progress, Settings, k_means};
use striate_data::Prepared;
use striate_engine::Variables;
use striate_graph::ops::Conv;
use striate_graph::{INPUT, Network, Op};
use striate_tensor::random::{Random, Stream};
use striate_tensor::text::{counted, grouped};
use striate_tensor::{Error, Result};

use crate::progress::{Observer, Work};
use crate::session::Session;

/// Largest number of iterations of k-means.
const ITERATIONS: usize = 50;
/// K-means ends when an iteration reduces the sum of squared distances by less than this share.
const TOLERANCE: f64 = 1e-3;
/// Most numbers of the descriptors that k-means groups.
const MOST_NUMBERS: usize = 1 << 30;
/// The number of the draw of places.
const DRAW: u64 = 1;

/// Returns the number of words of the layer `name` of `network`.
///
/// # Errors
/// If no layer has this name, or it is not a 1×1 convolution of the input with biases.
pub(super) fn words(network: &Network, name: &str) -> Result<usize> {
    let layer = network.layers.iter().find(|layer| layer.name == name);
    match layer.map(|layer| (&layer.op, layer.inputs.first())) {
        Some((Op::Conv(conv), Some(input))) if is_codebook(conv) && input == INPUT => Ok(conv.out_channels),
        _ => Err(Error::input(format!(
            "svm.codebook: {name} must be a layer of network {} that is a 1×1 convolution of its input, with biases",
            network.name
        ))),
    }
}

fn is_codebook(conv: &Conv) -> bool {
    Conv { bias_init: None, ..conv.clone() } == Conv::new(conv.out_channels, 1)
}

impl Session {
    /// Learns the codebook of the layer `name` on places of training images; `None` if `observer` stops it.
    pub(super) fn learn_codebook(
        &self,
        name: &str,
        descriptors: usize,
        observer: &mut dyn Observer,
    ) -> Result<Option<Variables>> {
        let start = Instant::now();
        let (clusters, seed) = (words(&self.network, name)?, self.recipe().train.seed);
        let channels = self.parts.train.shape()[0];
        let Some(values) = drawn(&self.parts.train, descriptors, seed, observer)? else { return Ok(None) };
        let rows = Rows::new(&values, channels)?;
        if rows.count() < clusters {
            let (found, words) = (counted(rows.count(), "descriptor"), counted(clusters, "word"));
            let what = format!("svm.codebook: {found} for {words}; raise svm.descriptors or add images");
            return Err(Error::input(what));
        }
        let settings = Settings { clusters, iterations: ITERATIONS, tolerance: TOLERANCE, seed };
        let observer = RefCell::new(observer);
        let report = |progress: &Progress| {
            let mut observer = observer.borrow_mut();
            let details = format!("{} descriptors moved", grouped(progress.moved as u64));
            observer.work(&Work {
                name: "visual words",
                done: progress.iterations,
                all: ITERATIONS,
                details,
            });
            if observer.stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let found =
            k_means(rows, &settings, self.device.threads(), &report).map_err(|e| e.at("svm.codebook"))?;
        let observer = observer.into_inner();
        if observer.stop() {
            return Ok(None);
        }
        observer.note(&format!(
            "visual words: {} of {} descriptors by k-means, {} iterations in {:.1} s, mean squared distance {:.4}",
            grouped(clusters as u64),
            grouped(rows.count() as u64),
            found.iterations,
            start.elapsed().as_secs_f64(),
            found.inertia / rows.count() as f64
        ));
        let half_square = |center: &[f32]| {
            center.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>() / -2.0
        };
        let biases = found.centers.chunks_exact(channels).map(|center| half_square(center) as f32).collect();
        Ok(Some(Variables::from([
            (format!("{name}.weight"), ([clusters, channels, 1, 1].into(), found.centers)),
            (format!("{name}.bias"), ([clusters].into(), biases)),
        ])))
    }
}

/// Samples about `count` locations of `images` at random, the same number in each image, and returns their values
/// `[N, C]`; with fewer locations than that, all of them. Returns `None` if `observer` stops it.
fn drawn(
    images: &Prepared,
    count: usize,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<f32>>> {
    let [channels, height, width] = images.shape();
    let places = height * width;
    let of_image = count.div_ceil(images.len()).min(places);
    let mut random = Random::new(seed, Stream::Other, DRAW);
    let mut order: Vec<usize> = (0..images.len()).collect();
    random.shuffle(&mut order);
    order.truncate(count.div_ceil(of_image));
    let numbers = order.len().saturating_mul(of_image).saturating_mul(channels);
    if numbers > MOST_NUMBERS {
        return Err(Error::input(format!(
            "svm.descriptors: {} descriptors of {channels} numbers take more than 4 GiB; lower it",
            grouped((order.len() * of_image) as u64)
        )));
    }
    let mut values = Vec::new();
    values
        .try_reserve_exact(numbers)
        .map_err(|_| Error::failed("there is not enough memory for the descriptors"))?;
    let mut maps = vec![0.0; channels * places];
    let mut all: Vec<usize> = (0..places).collect();
    for (done, index) in order.iter().enumerate() {
        images.write(*index, &mut maps)?;
        random.shuffle(&mut all);
        for place in &all[..of_image] {
            values.extend(maps.iter().skip(*place).step_by(places));
        }
        let details = format!("{} descriptors", grouped((done * of_image) as u64));
        observer.work(&Work { name: "descriptors", done, all: order.len(), details });
        if observer.stop() {
            return Ok(None);
        }
    }
    Ok(Some(values))
}
