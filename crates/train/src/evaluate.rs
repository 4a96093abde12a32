//! Measuring a network on a part of a data set.

use striate_data::Prepared;
use striate_engine::Inference;
use striate_predict::Tally;
use striate_tensor::{Result, Shape};

/// Images in a batch of evaluation.
const BATCH: usize = 100;

/// The guesses of `inference` for all images of `data`; `progress` hears how many are done.
///
/// # Errors
/// If the images do not fit the network.
pub fn evaluate(inference: &Inference, data: &Prepared, mut progress: impl FnMut(usize)) -> Result<Tally> {
    let [c, h, w] = data.shape();
    let size = c * h * w;
    let classes = inference.network().classes()?;
    let are_probabilities = inference.network().ends_in_softmax();
    let mut tally = Tally::new(classes);
    let mut images = vec![0.0; BATCH * size];
    let mut scores = vec![0.0; BATCH * classes];
    for first in (0..data.len()).step_by(BATCH) {
        let count = BATCH.min(data.len() - first);
        let (images, scores) = (&mut images[..count * size], &mut scores[..count * classes]);
        for (offset, image) in images.chunks_exact_mut(size).enumerate() {
            data.write(first + offset, image);
        }
        inference.run_into(&Shape::from([count, c, h, w]), images, scores)?;
        if are_probabilities {
            scores.iter_mut().for_each(|p| *p = p.max(f32::MIN_POSITIVE).ln());
        }
        tally.add(scores, &data.labels()[first..first + count]);
        progress(first + count);
    }
    Ok(tally)
}
