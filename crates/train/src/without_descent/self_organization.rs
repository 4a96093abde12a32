//! Trains a session's network by self-organization: layers of S-cells learn one after another, each from the answers of
//! the layers before it (`ancestors::neocognitron`), and the cells that the last layer reads are labeled with classes.
//!
//! In the paper of 1980, layers learn at the same time; one after another is the order of the later ones, and a layer
//! then learns from what no longer changes.

mod labels;
mod layers;

use std::collections::BTreeSet;
use std::time::Instant;

use striate_ancestors::neocognitron::{Learner, Rule, Settings};
use striate_ancestors::temperature::factor;
use striate_engine::{Inference, Variables};
use striate_graph::{INPUT, Role};
use striate_tensor::random::{Random, Stream};
use striate_tensor::text::{counted, grouped};
use striate_tensor::{Error, Result, zeroed};

use super::features::Extractor;
use super::{BATCH, Learned, Scored, Uncalibrated, last_layer, mean_cross_entropy};
use crate::progress::{Observer, Work};
use crate::recipe::{LayerPart, Replacement};
use crate::session::Session;
use layers::{Comparison, SLayer};

const METHOD: Replacement = Replacement::SelfOrganization;
/// The number of the first draw of an order of images; each round of a layer has its own.
const ORDER: u64 = 1 << 32;

impl Session {
    /// Checks that the network consists of S-cells that learn; `has_weights`: whether weights are given.
    ///
    /// # Errors
    /// If it does not, other layers would stay as they are initialized, or weights are given.
    pub(super) fn check_self_organization(&self, has_weights: bool) -> Result<()> {
        let name = &self.network.name;
        let last = last_layer(&self.network, METHOD)?;
        Comparison::of(&self.network, last.input)?;
        let mut learned: BTreeSet<String> = ["weight", "bias"].map(|of| format!("{}.{of}", last.name)).into();
        for part in self.self_organization().of_layers() {
            let layer = SLayer::of(&self.network, part.layer)?;
            for variable in layer.variables() {
                if !learned.insert(variable) {
                    let what = format!("self_organization.layers names {} twice; name it once", part.layer);
                    return Err(Error::input(what));
                }
            }
        }
        let graph = self.network.graph(1)?;
        let mut others = graph.variables(Role::Parameter).map(|(_, value)| &value.name);
        if let Some(other) = others.find(|variable| !learned.contains(*variable)) {
            return Err(Error::input(format!(
                "network {name}: {other} would stay as it is initialized, because only the layers of \
                 self_organization.layers and the last one learn"
            )));
        }
        match has_weights {
            true => Err(Error::input(format!(
                "network {name}: given weights have no effect, because {} train all of it; omit them",
                METHOD.name()
            ))),
            false => Ok(()),
        }
    }

    fn self_organization(&self) -> &crate::SelfOrganizationPart {
        self.recipe().self_organization.as_ref().expect("the recipe has self-organizing cells")
    }

    /// Trains all layers; `None` if `observer` stops it.
    pub(super) fn self_organize(&mut self, observer: &mut dyn Observer) -> Result<Option<Learned>> {
        let parts = self.self_organization().clone();
        for (index, part) in parts.of_layers().enumerate() {
            let Some(learned) = self.learn_layer(&part, (index, parts.initial), observer)? else {
                return Ok(None);
            };
            self.training.set_variables(&learned)?;
        }
        self.label_cells(observer)
    }

    /// Trains the layer with this index; `None` if `observer` stops it.
    fn learn_layer(
        &self,
        part: &LayerPart,
        (index, initial): (usize, f32),
        observer: &mut dyn Observer,
    ) -> Result<Option<Variables>> {
        let (start, layer) = (Instant::now(), SLayer::of(&self.network, part.layer)?);
        let seed = self.recipe().train.seed;
        let settings = Settings { rule: part.rule, speed: part.speed, column: part.column, initial, seed };
        let mut learner = Learner::new(layer.geometry, part.selectivity, settings)
            .map_err(|e| e.at(format!("layer {}", part.layer)))?;
        let before = match layer.input {
            INPUT => None,
            input => {
                let (network, weights) = (self.network.clone(), self.training.weights()?);
                Some(Inference::with_weights(network, weights, self.device.clone())?.until(input)?)
            }
        };
        let images = &self.parts.train;
        let (all, count) = (part.presentations, layer.geometry.input.iter().product::<usize>());
        let mut pixels = zeroed(BATCH * images.shape().iter().product::<usize>())?;
        let mut patterns = zeroed(BATCH * count)?;
        for (number, indices) in presented(images.len(), all, seed, index).chunks(BATCH).enumerate() {
            let of_image = pixels.len() / BATCH;
            for (index, pixels) in indices.iter().zip(pixels.chunks_exact_mut(of_image)) {
                images.write(*index, pixels)?;
            }
            let pixels = &pixels[..indices.len() * of_image];
            let patterns = match &before {
                None => pixels,
                Some(before) => {
                    let shape = self.network.batch_shape(indices.len(), images.shape());
                    let patterns = &mut patterns[..indices.len() * count];
                    before.run_into(&shape, pixels, patterns)?;
                    patterns
                }
            };
            for (index, pattern) in indices.iter().zip(patterns.chunks_exact(count)) {
                learner
                    .present(pattern, images.labels()[*index] as usize)
                    .map_err(|e| e.at(format!("layer {}", part.layer)))?;
            }
            let details = format!("layer {}: {}", part.layer, counted(learner.cells().used(), "plane"));
            observer.work(&Work { name: "patterns", done: number * BATCH + indices.len(), all, details });
            if observer.stop() {
                return Ok(None);
            }
        }
        observer.note(&summary(part, &learner, start.elapsed().as_secs_f64()));
        let [excitation, inhibition] = learner.cells().synapses();
        Ok(Some(layer.named(excitation, inhibition)))
    }

    /// Labels the cells that the last layer reads, and chooses how sharply their answers are compared; `None` if
    /// `observer` stops it.
    fn label_cells(&self, observer: &mut dyn Observer) -> Result<Option<Learned>> {
        let classes = self.dataset.classes.len();
        let comparison = Comparison::of(&self.network, last_layer(&self.network, METHOD)?.input)?;
        let extractor = Extractor::new(self, comparison.cells)?;
        let Some(train) = extractor.features("training", &self.parts.train, observer)? else {
            return Ok(None);
        };
        let Some(held_out) = self.held_out(&extractor, observer)? else { return Ok(None) };
        let labels = labels::labels(train.rows()?, &train.labels, classes);
        observer.note(&labels.summary(&self.dataset.classes));
        let mut best: Option<(f64, f32)> = None;
        for sharpness in SHARPNESS {
            let scores = labels.scores(held_out.rows()?, sharpness);
            let loss = mean_cross_entropy(
                &scores,
                factor(&scores, &held_out.labels, classes)?,
                &held_out.labels,
                classes,
            );
            if best.is_none_or(|(least, _)| loss < least) {
                best = Some((loss, sharpness));
            }
        }
        let (_, sharpness) = best.expect("there are candidates");
        observer.note(&format!("sharpness: {sharpness}, with the least loss on held-out images"));
        let last = Uncalibrated { weights: &labels.weights(), biases: &vec![0.0; classes] };
        let [of_train, of_held_out] = [&train, &held_out].map(|features| -> Result<Scored> {
            Ok(Scored { scores: labels.scores(features.rows()?, sharpness), labels: &features.labels })
        });
        let mut learned = self.calibrated(&last, &of_train?, &of_held_out?, observer)?;
        learned.variables.insert(comparison.variable, ([1].into(), vec![sharpness]));
        Ok(Some(learned))
    }
}

/// Factors of the cells' answers before their softmax.
const SHARPNESS: [f32; 12] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0];

/// The indices of the images that a layer is shown: rounds of all of them, each in an order of its own.
fn presented(images: usize, count: usize, seed: u64, layer: usize) -> Vec<usize> {
    let mut indices = Vec::with_capacity(count);
    for round in 0..count.div_ceil(images.max(1)) {
        let mut order: Vec<usize> = (0..images).collect();
        let number = ORDER + ((layer as u64) << 24) + round as u64;
        Random::new(seed, Stream::Other, number).shuffle(&mut order);
        order.truncate(count - indices.len());
        indices.extend(order);
    }
    indices
}

/// What a layer learned, in a line.
fn summary(part: &LayerPart, learner: &Learner, seconds: f64) -> String {
    let (cells, changed) = (learner.cells(), learner.presented());
    let generated = match part.rule {
        Rule::Representatives => String::new(),
        Rule::Generation | Rule::Labels => {
            format!(", {} of {} planes generated", grouped(changed.generated as u64), cells.geometry().planes)
        }
    };
    format!(
        "layer {}: {}{generated}, {} reinforced, {} without an answer, in {seconds:.1} s",
        part.layer,
        counted(part.presentations, "pattern"),
        counted(changed.reinforced, "cell"),
        grouped(changed.unanswered as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_presents_each_image_once() {
        let shown = presented(5, 12, 3, 1);
        let sorted = |part: &[usize]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
        assert_eq!(shown.len(), 12);
        assert_eq!([&shown[..5], &shown[5..10]].map(sorted), [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]);
        assert_ne!(shown[..5], shown[5..10]);
        assert_ne!(shown, presented(5, 12, 3, 2));
    }
}
