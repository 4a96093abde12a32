//! The features of all images of a part: the output of the layer that the last one reads.

use std::time::Instant;

use striate_ancestors::Rows;
use striate_data::Prepared;
use striate_engine::Inference;
use striate_tensor::text::grouped;
use striate_tensor::{Error, Result, zeroed};

use crate::progress::{Observer, Work};
use crate::session::Session;
use crate::without_descent::BATCH;

/// Most values of all features: 16 GiB.
const MOST_VALUES: usize = 1 << 32;

/// Computes features.
pub(super) struct Extractor {
    inference: Inference,
    /// Features of an image.
    pub count: usize,
}

/// The features of images, with their classes.
pub(super) struct Features {
    values: Vec<f32>,
    count: usize,
    pub labels: Vec<usize>,
}

impl Features {
    /// Returns a row for each image.
    pub fn rows(&self) -> Result<Rows<'_>> {
        Rows::new(&self.values, self.count)
    }
}

impl Extractor {
    /// Computes the output of the layer `name` of the network of `session`.
    pub fn new(session: &Session, name: &str) -> Result<Extractor> {
        let (network, weights) = (session.network.clone(), session.training.weights()?);
        let whole = Inference::with_weights(network, weights, session.device.clone())?;
        Ok(Extractor { inference: whole.until(name)?, count: session.feature_count()? })
    }

    /// Returns the features of the images of the part `name`; `None` if `observer` stops it.
    pub fn features(
        &self,
        name: &str,
        images: &Prepared,
        observer: &mut dyn Observer,
    ) -> Result<Option<Features>> {
        let [c, h, w] = images.shape();
        let (all, size, count) = (images.len(), c * h * w, self.count);
        let total = all.saturating_mul(count);
        if total > MOST_VALUES {
            return Err(Error::input(format!(
                "the {} features of {} images take more than 16 GiB; use fewer images, smaller ones (--size) or larger \
                 cells or steps (data.features)",
                grouped(count as u64),
                grouped(all as u64)
            )));
        }
        let start = Instant::now();
        let mut values = zeroed(total).map_err(|e| e.at("features of all images"))?;
        let mut inputs = zeroed(BATCH.min(all).saturating_mul(size)).map_err(|e| e.at("images"))?;
        for (index, rows) in values.chunks_mut(BATCH * count).enumerate() {
            let (first, many) = (index * BATCH, rows.len() / count);
            let inputs = &mut inputs[..many * size];
            images.write_all(first, inputs)?;
            let shape = self.inference.network().batch_shape(many, [c, h, w]);
            self.inference.run_into(&shape, inputs, rows)?;
            let details = format!("{:.0} images/s", (first + many) as f64 / start.elapsed().as_secs_f64());
            observer.work(&Work { name: "features", done: first + many, all, details });
            if observer.stop() {
                return Ok(None);
            }
        }
        let megabytes = total as f64 * 4e-6;
        observer.note(&format!(
            "features: {} of each of {} {name} images ({megabytes:.1} MB) in {:.1} s",
            grouped(count as u64),
            grouped(all as u64),
            start.elapsed().as_secs_f64()
        ));
        let labels = images.labels().iter().map(|label| *label as usize).collect();
        Ok(Some(Features { values, count, labels }))
    }
}
