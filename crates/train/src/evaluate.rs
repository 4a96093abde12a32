//! Evaluates a network on images.

use striate_data::Prepared;
use striate_engine::Inference;
use striate_formats::ModelFile;
use striate_graph::{Loss, Network, Op};
use striate_predict::{Head, Tally};
use striate_tensor::{Result, Shape, zeroed};

use crate::Recipe;

/// Batch size of evaluation.
const BATCH: usize = 100;

/// Tallies the predictions of `inference` for all images of `data`, and computes `loss` on the same scores as in
/// training, before a final softmax or sigmoid. `progress` is called with the number of images done.
///
/// # Errors
/// If the images do not fit the network, or the network's output does not fit the loss.
pub fn evaluate(
    inference: &Inference,
    loss: Loss,
    data: &Prepared,
    mut progress: impl FnMut(usize),
) -> Result<Tally> {
    let before = inference.network().scores_layer(loss)?;
    let before = before.map(|layer| inference.until(&layer)).transpose()?;
    let outputs = inference.network().classes()?;
    let (head, loss) = match Head::of(inference)? {
        // A single output becomes scores of two classes, whose cross-entropy equals its binary cross-entropy.
        Head::OneScore | Head::OneProbability if before.is_some() => (Head::OneScore, Loss::default()),
        head @ (Head::OneScore | Head::OneProbability) => (head, Loss::default()),
        Head::Probabilities if before.is_none() && matches!(loss, Loss::CrossEntropy { .. }) => {
            (Head::Probabilities, loss)
        }
        _ => (Head::Scores, loss),
    };
    let inference = before.as_ref().unwrap_or(inference);
    let [c, h, w] = data.shape();
    let size = c * h * w;
    let mut tally = Tally::new(Head::classes(outputs), loss)?;
    let mut images = zeroed(BATCH.saturating_mul(size)).map_err(|e| e.at("images to evaluate"))?;
    let mut scores = zeroed(BATCH.saturating_mul(outputs)).map_err(|e| e.at("scores of an evaluation"))?;
    for first in (0..data.len()).step_by(BATCH) {
        let count = BATCH.min(data.len() - first);
        let (images, scores) = (&mut images[..count * size], &mut scores[..count * outputs]);
        data.write_all(first, images)?;
        inference.run_into(&Shape::from([count, c, h, w]), images, scores)?;
        let scores: Vec<f32> = scores.chunks_exact(outputs).flat_map(|row| head.scores(row)).collect();
        tally.add(&scores, &data.labels()[first..first + count]);
        progress(first + count);
    }
    Ok(tally)
}

/// Returns the loss that `model` was trained with: that of its recipe, or else its network's.
pub fn trained_loss(model: &ModelFile) -> Loss {
    let recipe = model.recipe.as_deref().and_then(|text| Recipe::from_text(text).ok());
    recipe.and_then(|recipe| recipe.loss).map(|part| part.loss).unwrap_or_else(|| own_loss(&model.network))
}

/// Returns the loss of a network without a recipe: its own, or else the one that fits its output.
pub(crate) fn own_loss(network: &Network) -> Loss {
    let ends_in_sigmoid = network.layers.last().is_some_and(|last| matches!(last.op, Op::Sigmoid(_)));
    let fitting = if ends_in_sigmoid { Loss::BinaryCrossEntropy {} } else { Loss::default() };
    network.loss.unwrap_or(fitting)
}
