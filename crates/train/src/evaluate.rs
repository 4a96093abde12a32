//! Evaluates a network on images.

use striate_data::{Pixels, Prepared, Split};
use striate_engine::Inference;
use striate_formats::ModelFile;
use striate_graph::{Loss, Network, Op};
use striate_predict::{Ensemble, Head, Tally};
use striate_tensor::{Result, zeroed};
use striate_vision::augment::Transform;

use crate::Recipe;

/// Batch size of evaluation.
const BATCH: usize = 100;

/// The prediction for an image.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// The number of the image.
    pub index: usize,
    /// Its class.
    pub label: i64,
    /// Scores of the classes, as they are tallied; the class with the highest one, the first of several, is predicted.
    pub scores: &'a [f32],
    /// Probabilities of the classes.
    pub probabilities: &'a [f32],
}

/// Tallies the predictions of `inference` for all images of `data`, and computes `loss` on the same scores as in
/// training, before a final softmax or sigmoid. `each` is called with the prediction for each image in order.
///
/// # Errors
/// If the images do not fit the network, or the network's output does not fit the loss.
pub fn evaluate_each(
    inference: &Inference,
    loss: Loss,
    data: &Prepared,
    mut each: impl FnMut(Scored<'_>),
) -> Result<Tally> {
    let before = inference.network().scores_layer(loss)?;
    let before = before.map(|layer| inference.until(&layer)).transpose()?;
    let outputs = inference.network().classes()?;
    let own = Head::of(inference)?;
    let (head, loss) = match own {
        // A single output becomes scores of two classes, whose cross-entropy equals its binary cross-entropy.
        Head::OneScore | Head::OneProbability if before.is_some() => (Head::OneScore, Loss::default()),
        head @ (Head::OneScore | Head::OneProbability) => (head, Loss::default()),
        Head::Probabilities if before.is_none() && matches!(loss, Loss::CrossEntropy { .. }) => {
            (Head::Probabilities, loss)
        }
        _ => (Head::Scores, loss),
    };
    let is_before = before.is_some();
    let inference = before.as_ref().unwrap_or(inference);
    let size: usize = data.shape().iter().product();
    let mut tally = Tally::new(Head::classes(outputs), loss)?;
    let mut images = zeroed(BATCH.saturating_mul(size)).map_err(|e| e.at("images to evaluate"))?;
    let mut rows = zeroed(BATCH.saturating_mul(outputs)).map_err(|e| e.at("scores of an evaluation"))?;
    for first in (0..data.len()).step_by(BATCH) {
        let count = BATCH.min(data.len() - first);
        let (images, rows) = (&mut images[..count * size], &mut rows[..count * outputs]);
        data.write_all(first, images)?;
        inference.run_into(&inference.network().batch_shape(count, data.shape()), images, rows)?;
        for (index, row) in (first..).zip(rows.chunks_exact(outputs)) {
            let (scores, label) = (head.scores(row), data.labels()[index]);
            tally.add(&scores, &[label]);
            let probabilities = if is_before { own.before_last(row) } else { own.probabilities(row) };
            each(Scored { index, label, scores: &scores, probabilities: &probabilities });
        }
    }
    Ok(tally)
}

/// As [`evaluate_each`]; `progress` is called with the number of images done.
///
/// # Errors
/// As [`evaluate_each`].
pub fn evaluate(
    inference: &Inference,
    loss: Loss,
    data: &Prepared,
    mut progress: impl FnMut(usize),
) -> Result<Tally> {
    evaluate_each(inference, loss, data, |scored| progress(scored.index + 1))
}

/// Tallies the predictions of `ensemble` for all images of `split`, its probabilities averaged over models and views.
/// `each` is called with the prediction for each image in order. The loss is that of the averaged probabilities, as
/// [`averaged_loss`] gives it for `loss`.
///
/// # Errors
/// If an image cannot be read any more, or does not fit a network.
pub fn evaluate_ensemble(
    ensemble: &Ensemble,
    loss: Loss,
    split: &Split,
    mut each: impl FnMut(Scored<'_>),
) -> Result<Tally> {
    let loss = averaged_loss(loss);
    let is_binary = matches!(loss, Loss::BinaryCrossEntropy {});
    let mut tally = Tally::new(ensemble.classes().len(), loss)?;
    let mut add = |index: usize, probabilities: Vec<f32>| {
        let score = |p: &f32| {
            let (p, rest) = (p.max(f32::MIN_POSITIVE), (1.0 - p).max(f32::MIN_POSITIVE));
            if is_binary { p.ln() - rest.ln() } else { p.ln() }
        };
        let scores: Vec<f32> = probabilities.iter().map(score).collect();
        let label = split.labels[index];
        tally.add(&scores, &[label]);
        each(Scored { index, label, scores: &scores, probabilities: &probabilities });
    };
    match (&split.pixels, &split.files) {
        (Pixels::Numbers(_) | Pixels::Characters(_), _) => {
            for index in 0..split.len() {
                let input = split.input(index).expect("inputs that are not images are in memory");
                add(index, ensemble.probabilities_of_array(split.shape, &input)?);
            }
        }
        (_, Some(files)) => files.each_original(|index, image| {
            let probabilities = ensemble.probabilities(image).map_err(|e| e.at(&files.list()[index]))?;
            add(index, probabilities);
            Ok(())
        })?,
        (_, None) => {
            for index in 0..split.len() {
                add(index, ensemble.probabilities(&split.image(index)?)?);
            }
        }
    }
    Ok(tally)
}

/// The loss of averaged probabilities that corresponds to `loss`: cross-entropies as they are, the cross-entropy for
/// losses of scores, which probabilities do not determine.
pub fn averaged_loss(loss: Loss) -> Loss {
    match loss {
        Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy {} => loss,
        _ => Loss::default(),
    }
}

/// Returns the range of shorter sides to which `model` had its training images resized at random, if it had.
pub fn trained_scales(model: &ModelFile) -> Option<[usize; 2]> {
    let recipe = Recipe::from_text(model.recipe.as_deref()?).ok()?;
    recipe.data.transforms.0.iter().find_map(|transform| match transform {
        Transform::RandomResize(resize) => Some([resize.min_size, resize.max_size]),
        _ => None,
    })
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
