//! Loads batches in order, ahead of time, in a separate thread, which decodes images on all cores.
//!
//! The samples of a batch are a pure function of seed, epoch and batch number; the augmentation of a sample is
//! one of seed, epoch and sample index. Hence a run can resume anywhere. Batches are allocated once and
//! reused when they are recycled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rayon::prelude::*;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

use crate::{Augmentation, Augmented, Order, Prepared};

/// Batches loaded ahead of use.
const AHEAD: usize = 3;
/// Batches in all: those ahead, the one being filled, and the one in use.
const ALL: usize = AHEAD + 2;

/// Samples ready for a network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// `[N, C, H, W]`.
    pub images: Vec<f32>,
    /// `[N]`.
    pub labels: Vec<i64>,
}

/// How batches are drawn from a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Batch size; the last batch of an epoch may be smaller.
    pub batch: usize,
    /// Smallest last batch of an epoch, at most `batch`: with fewer samples, it joins the previous
    /// batch.
    pub min_last: usize,
    /// The order of the samples.
    pub order: Order,
    /// The augmentation.
    pub augmentation: Augmentation,
    /// The seed of the augmentation.
    pub seed: u64,
}

/// Where samples come from.
trait Source: Send + Sync + 'static {
    fn len(&self) -> usize;
    /// Number of values of one image.
    fn size(&self) -> usize;
    fn label(&self, index: usize) -> i64;
    /// Whether a sample takes so long that several are loaded at once.
    fn is_slow(&self) -> bool;
    /// Writes a sample; `original` is memory for the image before augmentation.
    fn write(&self, epoch: u64, index: usize, original: &mut Vec<f32>, to: &mut [f32]) -> Result<()>;
}

impl Source for Augmented {
    fn len(&self) -> usize {
        self.data().len()
    }

    fn size(&self) -> usize {
        self.data().shape().iter().product()
    }

    fn label(&self, index: usize) -> i64 {
        self.data().labels()[index]
    }

    fn is_slow(&self) -> bool {
        Augmented::is_slow(self)
    }

    fn write(&self, epoch: u64, index: usize, original: &mut Vec<f32>, to: &mut [f32]) -> Result<()> {
        Augmented::write(self, epoch, index, original, to)
    }
}

/// Yields the batches of one epoch after another, from any position.
pub struct Loader {
    batches: Option<Receiver<Result<Batch>>>,
    empty: Option<SyncSender<Batch>>,
    worker: Option<JoinHandle<()>>,
}

impl Loader {
    /// Starts loading batches of `data` from batch number `batch` of `epoch` on, without end.
    ///
    /// # Panics
    /// If the batch size or the number of samples is zero.
    pub fn new(data: Arc<Prepared>, sampling: Sampling, epoch: u64, batch: u64) -> Loader {
        let source = Augmented::new(data, sampling.augmentation.clone(), sampling.seed);
        Loader::start(source, sampling, epoch, batch)
    }

    fn start(source: impl Source, sampling: Sampling, epoch: u64, first: u64) -> Loader {
        let Sampling { batch, min_last, order, .. } = sampling;
        assert!(batch > 0 && source.len() > 0, "a batch needs samples");
        let (full, batches) = sync_channel(AHEAD);
        let (empty, spare) = sync_channel(ALL);
        let most = (batch + min_last.saturating_sub(1)).min(source.len());
        for _ in 0..ALL {
            let mut images = Vec::new();
            // Where this fails, filling the batch reports it.
            let _ = images.try_reserve_exact(most.saturating_mul(source.size()));
            empty.send(Batch { images, labels: Vec::with_capacity(most) }).expect("the channel is open");
        }
        let worker = Worker { source, batch, min_last, order, full, spare };
        let worker = std::thread::spawn(move || worker.work(epoch, first));
        Loader { batches: Some(batches), empty: Some(empty), worker: Some(worker) }
    }

    /// Returns the next batch.
    ///
    /// # Errors
    /// If loading failed; the message names the sample. Every later call fails too.
    pub fn next_batch(&mut self) -> Result<Batch> {
        let batches = self.batches.as_ref().expect("the channel lives as long as the loader");
        batches.recv().unwrap_or_else(|_| Err(Error::failed("the loader stopped after an error")))
    }

    /// Takes a batch back, so that its memory is reused.
    pub fn recycle(&self, batch: Batch) {
        if let Some(empty) = &self.empty {
            // A full channel means that the batch did not come from this loader.
            let _ = empty.try_send(batch);
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // The worker stops when the channels are closed.
        self.batches = None;
        self.empty = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// The work of the thread.
struct Worker<S> {
    source: S,
    batch: usize,
    min_last: usize,
    order: Order,
    full: SyncSender<Result<Batch>>,
    spare: Receiver<Batch>,
}

impl<S: Source> Worker<S> {
    fn work(self, epoch: u64, first: u64) {
        if let Err(error) = self.produce(epoch, first) {
            // If the receiver is gone, the error is of no interest.
            let _ = self.full.send(Err(error));
        }
    }

    /// Produces batches until the receiver is gone.
    fn produce(&self, mut epoch: u64, first: u64) -> Result<()> {
        let mut first = usize::try_from(first).unwrap_or(usize::MAX).saturating_mul(self.batch);
        let (mut order, mut original) = (Vec::new(), Vec::new());
        loop {
            self.order.write(self.source.len(), epoch, &mut order);
            while first < order.len() {
                let mut end = order.len().min(first + self.batch);
                if order.len() - end < self.min_last {
                    end = order.len();
                }
                let indices = &order[first..end];
                let batch = self.filled(epoch, indices, &mut original)?;
                if self.full.send(Ok(batch)).is_err() {
                    return Ok(());
                }
                first = end;
            }
            first = 0;
            epoch += 1;
        }
    }

    /// A batch of these samples; `original` is memory for an image before augmentation.
    fn filled(&self, epoch: u64, indices: &[usize], original: &mut Vec<f32>) -> Result<Batch> {
        let size = self.source.size();
        // A spare batch is missing only if the receiver kept some.
        let mut batch = self.spare.try_recv().unwrap_or_default();
        let length = indices.len().saturating_mul(size);
        let missing = length.saturating_sub(batch.images.len());
        batch.images.try_reserve_exact(missing).map_err(|_| {
            let count = indices.len();
            Error::failed(format!(
                "not enough memory for a batch of {}; try a smaller batch",
                counted(count, "image")
            ))
        })?;
        batch.images.resize(length, 0.0);
        batch.labels.clear();
        batch.labels.extend(indices.iter().map(|index| self.source.label(*index)));
        if self.source.is_slow() {
            let images = indices.par_iter().zip(batch.images.par_chunks_exact_mut(size));
            let source = &self.source;
            let load = |original: &mut Vec<f32>, (index, to): (&usize, &mut [f32])| {
                load(source, epoch, *index, original, to)
            };
            let results: Vec<Result<()>> = images.map_init(Vec::new, load).collect();
            results.into_iter().collect::<Result<()>>()?;
        } else {
            for (index, to) in indices.iter().zip(batch.images.chunks_exact_mut(size)) {
                load(&self.source, epoch, *index, original, to)?;
            }
        }
        Ok(batch)
    }
}

/// Writes a sample; the error names it.
fn load(
    source: &impl Source,
    epoch: u64,
    index: usize,
    original: &mut Vec<f32>,
    to: &mut [f32],
) -> Result<()> {
    match catch_unwind(AssertUnwindSafe(|| source.write(epoch, index, original, to))) {
        Ok(result) => result.map_err(|error| error.at(format!("sample {index} (epoch {epoch})"))),
        Err(_) => {
            let what = format!("loading sample {index} (epoch {epoch}) failed unexpectedly");
            Err(Error::failed(format!("{what}; please report it")))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use striate_vision::augment;

    use super::*;
    use crate::{Pixels, Split};

    fn numbers(count: usize) -> Arc<Prepared> {
        let pixels = Pixels::Numbers((0..count * 6).map(|i| i as f32).collect());
        let split = Split { shape: [1, 2, 3], pixels, labels: (0..count as i64).collect(), files: None };
        Arc::new(Prepared::new(split, None).unwrap())
    }

    fn sampling(augmentation: Augmentation) -> Sampling {
        Sampling { batch: 4, min_last: 0, order: Order::Shuffled(5), augmentation, seed: 5 }
    }

    fn augmentations() -> [Augmentation; 4] {
        let limits = augment::Affine { rotation: 20.0, scale: 0.1, shear: 0.1, shift: 1.0 };
        [Augmentation::None, Augmentation::Shift(1), Augmentation::ShiftFlip(1), Augmentation::Affine(limits)]
    }

    #[test]
    fn epoch_holds_every_sample_once_and_ends_with_a_short_batch() {
        let mut loader = Loader::new(numbers(10), sampling(Augmentation::None), 0, 0);
        let epoch: Vec<Batch> = (0..3).map(|_| loader.next_batch().unwrap()).collect();
        let sizes: Vec<usize> = epoch.iter().map(|batch| batch.labels.len()).collect();
        assert_eq!(sizes, [4, 4, 2]);
        for batch in &epoch {
            let first = batch.images.chunks_exact(6).map(|image| image[0] as i64 / 6);
            assert_eq!(first.collect::<Vec<_>>(), batch.labels);
        }
        let mut seen: Vec<i64> = epoch.into_iter().flat_map(|batch| batch.labels).collect();
        assert_ne!(seen, (0..10).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn small_last_batch_joins_the_previous_one() {
        for (min_last, expected) in [(2, &[4, 4, 2][..]), (3, &[4, 6])] {
            let sampling = Sampling { min_last, ..sampling(Augmentation::None) };
            let mut loader = Loader::new(numbers(10), sampling, 0, 0);
            for epoch in 0..2 {
                let sizes = expected.iter().map(|_| loader.next_batch().unwrap().labels.len());
                assert_eq!(sizes.collect::<Vec<_>>(), expected, "epoch {epoch}, at least {min_last}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn resuming_anywhere_yields_the_same_batches(
            count in 1usize..14, batch in 1usize..17, start in 0u64..9, kind in 0usize..4,
        ) {
            let sampling = Sampling { batch, ..sampling(augmentations()[kind].clone()) };
            let batches = count.div_ceil(batch) as u64;
            let mut whole = Loader::new(numbers(count), sampling.clone(), 0, 0);
            (0..start).for_each(|_| drop(whole.next_batch().unwrap()));
            let mut rest = Loader::new(numbers(count), sampling, start / batches, start % batches);
            for _ in 0..6 {
                let (a, b) = (whole.next_batch().unwrap(), rest.next_batch().unwrap());
                prop_assert_eq!(&a, &b);
                rest.recycle(a);
                rest.recycle(b);
            }
        }
    }

    #[test]
    fn augmentation_differs_between_epochs() {
        for augmentation in &augmentations()[1..] {
            let sampling = Sampling { batch: 1, ..sampling(augmentation.clone()) };
            let mut loader = Loader::new(numbers(1), sampling, 0, 0);
            let images: Vec<Vec<f32>> = (0..12).map(|_| loader.next_batch().unwrap().images).collect();
            assert!(images.iter().any(|image| image != &images[0]), "{augmentation:?}");
        }
    }

    /// Ten samples, of which number 7 fails.
    struct Faulty {
        panics: bool,
        is_slow: bool,
    }

    impl Source for Faulty {
        fn len(&self) -> usize {
            10
        }
        fn size(&self) -> usize {
            1
        }
        fn label(&self, _: usize) -> i64 {
            0
        }
        fn is_slow(&self) -> bool {
            self.is_slow
        }
        fn write(&self, _: u64, index: usize, _: &mut Vec<f32>, _: &mut [f32]) -> Result<()> {
            assert!(index != 7 || !self.panics, "seven");
            if index == 7 { Err(Error::input("is torn")) } else { Ok(()) }
        }
    }

    #[test]
    fn failing_sample_is_named() {
        let sampling = Sampling { batch: 3, order: Order::AsStored, ..sampling(Augmentation::None) };
        let cases = [(false, "is torn"), (true, "unexpectedly")];
        for ((panics, why), is_slow) in cases.into_iter().flat_map(|case| [(case, false), (case, true)]) {
            let mut loader = Loader::start(Faulty { panics, is_slow }, sampling.clone(), 2, 0);
            assert!(loader.next_batch().is_ok() && loader.next_batch().is_ok());
            let text = loader.next_batch().unwrap_err().to_string();
            assert!(text.contains("sample 7 (epoch 2)") && text.contains(why), "{text}");
            assert!(loader.next_batch().unwrap_err().to_string().contains("stopped"));
        }
    }

    #[test]
    fn unread_loader_stops_when_dropped() {
        drop(Loader::new(numbers(3), sampling(Augmentation::None), 7, 1 << 60));
    }
}
