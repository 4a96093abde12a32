//! Batches in order, made ahead of time by a thread of their own.
//!
//! Which samples a batch holds is a pure function of seed, epoch and the batch's number; how a sample is
//! augmented, of seed, epoch and the sample's index. So a run can resume anywhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rayon::prelude::*;
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Result};
use striate_vision::{Preprocessing, augment};

use crate::{Pixels, Split};

/// Batches that are made ahead.
const AHEAD: usize = 3;

/// Some samples, ready for a network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// `[N, C, H, W]`.
    pub images: Vec<f32>,
    /// `[N]`.
    pub labels: Vec<i64>,
}

/// Random changes of training images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Augmentation {
    /// None.
    None,
    /// Moved by up to so many pixels.
    Shift(usize),
    /// Turned, scaled, sheared and moved.
    Affine(augment::Affine),
}

/// The order of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they lie.
    AsStored,
    /// A permutation for each epoch under this seed.
    Shuffled(u64),
}

/// How batches are drawn from a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Samples in a batch; the last of an epoch may be shorter.
    pub batch: usize,
    /// Their order.
    pub order: Order,
    /// Their random changes, keyed by this seed.
    pub augmentation: Augmentation,
    /// The seed of the changes.
    pub seed: u64,
}

/// Images as numbers, after the fixed steps of preprocessing.
pub struct Prepared {
    shape: [usize; 3],
    pixels: PreparedPixels,
    labels: Vec<i64>,
    /// What a black pixel is.
    fill: f32,
}

enum PreparedPixels {
    /// Bytes, and for each channel the number that each byte stands for.
    Bytes(Vec<u8>, Vec<[f32; 256]>),
    Numbers(Vec<f32>),
}

impl Prepared {
    /// The images of `split` after `preprocessing`.
    ///
    /// # Errors
    /// If preprocessing is asked for but the images are numbers already, or it is faulty.
    pub fn new(split: &Split, preprocessing: Option<&Preprocessing>) -> Result<Prepared> {
        let labels = split.labels.clone();
        let (preprocessing, bytes) = match (preprocessing, &split.pixels) {
            (None, Pixels::Numbers(numbers)) => {
                let pixels = PreparedPixels::Numbers(numbers.clone());
                return Ok(Prepared { shape: split.shape, pixels, labels, fill: 0.0 });
            }
            (Some(preprocessing), Pixels::Bytes(bytes)) => (preprocessing, bytes),
            (Some(_), Pixels::Numbers(_)) => {
                return Err(Error::input("images that are numbers take no preprocessing"));
            }
            (None, Pixels::Bytes(_)) => return Err(Error::input("images of bytes need preprocessing")),
        };
        preprocessing.check()?;
        debug_assert_eq!(bytes.len(), split.len() * split.shape.iter().product::<usize>());
        let c = preprocessing.channels;
        let images: Vec<_> = (0..split.len())
            .into_par_iter()
            .map(|index| preprocessing.image(&split.image(index).expect("images are bytes")))
            .collect();
        let Some(first) = images.first() else { return Err(Error::input("there are no images")) };
        let shape = [c, first.height(), first.width()];
        let planar = images.iter().flat_map(|image| {
            (0..c).flat_map(move |channel| image.pixels().iter().skip(channel).step_by(c).copied())
        });
        let pixels = planar.collect::<Vec<u8>>();
        let value = |channel| std::array::from_fn(|byte| preprocessing.value(channel, byte as u8));
        let tables: Vec<[f32; 256]> = (0..c).map(value).collect();
        let fill = tables[0][0];
        Ok(Prepared { shape, pixels: PreparedPixels::Bytes(pixels, tables), labels, fill })
    }

    /// Channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The labels.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// Image number `index` as numbers `[C, H, W]`.
    pub fn write(&self, index: usize, to: &mut [f32]) {
        let [_, h, w] = self.shape;
        let size = to.len();
        match &self.pixels {
            PreparedPixels::Numbers(numbers) => to.copy_from_slice(&numbers[index * size..][..size]),
            PreparedPixels::Bytes(bytes, tables) => {
                let maps = bytes[index * size..][..size].chunks_exact(h * w);
                for ((to, from), table) in to.chunks_exact_mut(h * w).zip(maps).zip(tables) {
                    to.iter_mut().zip(from).for_each(|(to, byte)| *to = table[usize::from(*byte)]);
                }
            }
        }
    }
}

/// Batches of one epoch after another, from any position.
pub struct Loader {
    batches: Option<Receiver<Result<Batch>>>,
    empty: Option<SyncSender<Batch>>,
    worker: Option<JoinHandle<()>>,
}

impl Loader {
    /// Batches of `data` from batch number `batch` of `epoch` on, without end.
    pub fn new(data: Arc<Prepared>, sampling: Sampling, epoch: u64, batch: u64) -> Loader {
        let (full, batches) = sync_channel(AHEAD);
        let (empty, spare) = sync_channel::<Batch>(AHEAD + 2);
        let worker = std::thread::spawn(move || {
            let made =
                catch_unwind(AssertUnwindSafe(|| produce(&data, &sampling, epoch, batch, &full, &spare)));
            if made.is_err() {
                // The receiver may be gone already; then nobody wants to know.
                let _ =
                    full.send(Err(Error::failed("loading a batch failed unexpectedly; please report it")));
            }
        });
        Loader { batches: Some(batches), empty: Some(empty), worker: Some(worker) }
    }

    /// The next batch.
    ///
    /// # Errors
    /// If making it failed.
    pub fn next_batch(&mut self) -> Result<Batch> {
        let batches = self.batches.as_ref().expect("is there until the loader is dropped");
        batches.recv().unwrap_or_else(|_| Err(Error::failed("the loader stopped")))
    }

    /// Gives a batch back, so that its memory is used again.
    pub fn recycle(&self, batch: Batch) {
        if let Some(empty) = &self.empty {
            // Full: there is memory enough already.
            let _ = empty.try_send(batch);
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // The worker stops when nobody receives.
        self.batches = None;
        self.empty = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn produce(
    data: &Prepared,
    sampling: &Sampling,
    mut epoch: u64,
    batch: u64,
    full: &SyncSender<Result<Batch>>,
    spare: &Receiver<Batch>,
) {
    let mut first = batch as usize * sampling.batch;
    let size: usize = data.shape.iter().product();
    let mut original = vec![0.0; size];
    loop {
        let order = order(data.len(), sampling.order, epoch);
        while first < order.len() {
            let indices = &order[first..(first + sampling.batch).min(order.len())];
            let mut batch = spare.try_recv().unwrap_or_default();
            batch.images.resize(indices.len() * size, 0.0);
            batch.labels.clear();
            batch.labels.extend(indices.iter().map(|index| data.labels[*index]));
            for (index, to) in indices.iter().zip(batch.images.chunks_exact_mut(size)) {
                write_sample(data, sampling, epoch, *index, &mut original, to);
            }
            if full.send(Ok(batch)).is_err() {
                return;
            }
            first += sampling.batch;
        }
        first = 0;
        epoch += 1;
    }
}

fn write_sample(
    data: &Prepared,
    sampling: &Sampling,
    epoch: u64,
    index: usize,
    original: &mut [f32],
    to: &mut [f32],
) {
    if sampling.augmentation == Augmentation::None {
        return data.write(index, to);
    }
    data.write(index, original);
    let sequence = epoch << 32 | index as u64;
    let mut random = Random::new(sampling.seed, Stream::Augmentation, sequence);
    match sampling.augmentation {
        Augmentation::None => unreachable!("returned above"),
        Augmentation::Shift(most) => {
            augment::shift(&mut random, data.shape, most, data.fill, original, to);
        }
        Augmentation::Affine(limits) => {
            augment::affine(&mut random, limits, data.shape, data.fill, original, to);
        }
    }
}

/// The order of `count` samples in `epoch`.
fn order(count: usize, order: Order, epoch: u64) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..count).collect();
    if let Order::Shuffled(seed) = order {
        Random::new(seed, Stream::Order, epoch).shuffle(&mut indices);
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Arc<Prepared> {
        let pixels = Pixels::Numbers((0..count).map(|i| i as f32).collect());
        let split = Split { shape: [1, 1, 1], pixels, labels: (0..count as i64).collect() };
        Arc::new(Prepared::new(&split, None).unwrap())
    }

    fn sampling() -> Sampling {
        Sampling { batch: 4, order: Order::Shuffled(5), augmentation: Augmentation::None, seed: 5 }
    }

    #[test]
    fn an_epoch_holds_every_sample_once_and_ends_with_a_short_batch() {
        let mut loader = Loader::new(numbers(10), sampling(), 0, 0);
        let epoch: Vec<Batch> = (0..3).map(|_| loader.next_batch().unwrap()).collect();
        let sizes: Vec<usize> = epoch.iter().map(|batch| batch.labels.len()).collect();
        assert_eq!(sizes, [4, 4, 2]);
        let mut seen: Vec<i64> = epoch.into_iter().flat_map(|batch| batch.labels).collect();
        assert_ne!(seen, (0..10).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn any_position_can_be_resumed() {
        let mut whole = Loader::new(numbers(10), sampling(), 0, 0);
        let all: Vec<Batch> = (0..9).map(|_| whole.next_batch().unwrap()).collect();
        for start in 0..9 {
            let mut rest = Loader::new(numbers(10), sampling(), start / 3, start % 3);
            for batch in &all[start as usize..] {
                let next = rest.next_batch().unwrap();
                assert_eq!(next, *batch);
                rest.recycle(next);
            }
        }
    }
}
