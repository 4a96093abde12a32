//! Adapts network and data to each other: parts, input, classes, batches.

use std::sync::Arc;

use striate_data::{
    Augmented, Dataset, LoadOptions, Medium, Prepared, SoundOptions, Spec, Split, TextOptions, Unreadable,
};
use striate_graph::{Network, Op};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use crate::Recipe;

/// Images for evaluation, with the name of their part.
#[derive(Clone)]
pub(crate) struct Part {
    /// `test`, `validation` or `held-out`.
    pub name: &'static str,
    /// The images.
    pub images: Arc<Prepared>,
}

/// The parts of a data set as a run uses them.
pub(crate) struct Parts {
    /// The training images.
    pub train: Arc<Prepared>,
    /// The images by which the best epoch is chosen.
    pub watched: Option<Part>,
    /// The images for the final figures; never training images.
    pub measured: Option<Part>,
}

/// Loads the data of a recipe for `network`: at the network's own size unless the recipe sets one, with the network's
/// channels if `pretrained` weights fix them. With features, the recipe or the data alone decide. Arrays are used
/// unchanged. Sounds become waveforms for networks that take signals, otherwise spectrograms; texts have the network's
/// own length unless the recipe sets one. The cache and the watch are those of `options`, and so is the encoding of
/// sounds or texts, if a model fixes it.
///
/// # Errors
/// If the data set cannot be loaded, or consists of texts, but the network does not take signals.
pub fn load_data(
    recipe: &Recipe,
    network: &Network,
    pretrained: bool,
    options: LoadOptions,
) -> Result<Dataset> {
    let spec = Spec::parse(&recipe.data.spec)?;
    let is_array = matches!(spec, Spec::Npy(_));
    let medium = spec.medium();
    let [channels, height, width] = if is_array || medium.is_some_and(|medium| medium != Medium::Image) {
        network.sample()?
    } else {
        network.image()?
    };
    if medium == Some(Medium::Text) && !network.takes_signals() {
        return Err(Error::input(format!(
            "network {}: takes inputs {}, not texts [N, C, W]; use char-cnn or char-cnn-short",
            network.name,
            network.input_form()
        )));
    }
    // With features, the network's input does not have the size of the images.
    let has_features = recipe.data.features.is_some();
    let own = (!is_array && !has_features).then_some([height, width]);
    if recipe.data.mels.is_some() && network.takes_signals() {
        let name = &network.name;
        return Err(Error::input(format!(
            "data.mels applies to spectrograms, but {name} takes waveforms; omit it"
        )));
    }
    let unreadable = if recipe.skips_unreadable() { Unreadable::Skip } else { Unreadable::Refuse };
    let mut options = LoadOptions {
        size: recipe.data.size.or(own),
        channels: (pretrained && !is_array && !has_features).then_some(channels),
        unreadable,
        keeps_originals: recipe.augments_originals(),
        sound: SoundOptions {
            is_waveform: network.takes_signals(),
            sample_rate: recipe.data.sample_rate,
            seconds: recipe.data.seconds,
            mels: recipe.data.mels,
        },
        text: TextOptions {
            length: Some(recipe.data.length.unwrap_or(width)),
            alphabet: recipe.data.alphabet.clone(),
        },
        ..options
    };
    options.max_pixels = recipe.data.max_pixels.unwrap_or(options.max_pixels);
    striate_data::load(&spec, &options)
}

/// Replaces the normalization of the data by that of the recipe or by its features, if any.
///
/// # Errors
/// If it is for another number of channels, or the images are arrays, which are used unchanged.
pub(crate) fn normalize(dataset: &mut Dataset, recipe: &Recipe) -> Result<()> {
    if recipe.data.features.is_some() {
        if dataset.preprocessing.is_none() {
            let what = "data.features: arrays are used unchanged; use images, or omit data.features";
            return Err(Error::input(what));
        }
        for form in [&mut dataset.preprocessing, &mut dataset.predict].into_iter().flatten() {
            (form.mean, form.std) = (vec![0.0; form.channels], vec![1.0; form.channels]);
            form.features.clone_from(&recipe.data.features);
        }
        return Ok(());
    }
    let (Some(mean), Some(std)) = (&recipe.data.mean, &recipe.data.std) else { return Ok(()) };
    let forms = [&mut dataset.preprocessing, &mut dataset.predict];
    for form in forms.into_iter().flatten() {
        if mean.len() != form.channels {
            return Err(Error::input(format!(
                "data.mean has {}, but the images have {}",
                counted(mean.len(), "number"),
                counted(form.channels, "channel")
            )));
        }
        form.mean.clone_from(mean);
        form.std.clone_from(std);
    }
    match dataset.preprocessing {
        Some(_) => Ok(()),
        None => Err(Error::input("data.mean: arrays are used unchanged; omit data.mean and data.std")),
    }
}

impl Parts {
    /// Splits `dataset`, whose images move into the parts, as specified by `recipe`.
    pub fn new(dataset: &mut Dataset, recipe: &Recipe) -> Result<Parts> {
        let form = dataset.preprocessing.clone();
        let prepared = |split: Split| Prepared::new(split, form.as_ref());
        let part =
            |name, split: Split| -> Result<Part> { Ok(Part { name, images: Arc::new(prepared(split)?) }) };
        let whole = shared(dataset.train.take(), recipe)?;
        let (train, watched) = match dataset.validation.as_mut().map(Split::take) {
            Some(validation) => (prepared(whole)?, Some(part("validation", validation)?)),
            None if recipe.data.holdout > 0.0 => {
                let share = recipe.data.holdout;
                let (train, holdout) = whole.stratified(share, recipe.train.seed);
                drop(whole);
                if train.is_empty() {
                    let what = format!(
                        "data.holdout = {share} leaves no images to train on; lower it or add images"
                    );
                    return Err(Error::input(what));
                }
                let holdout = (!holdout.is_empty()).then(|| part("held-out", holdout)).transpose()?;
                (prepared(train)?, holdout)
            }
            None => (prepared(whole)?, None),
        };
        let test = dataset.test.as_mut().map(|split| part("test", split.take())).transpose()?;
        let measured = test.or_else(|| watched.clone());
        Ok(Parts { train: Arc::new(train), watched, measured })
    }
}

/// The share of the training images that `recipe` uses.
fn shared(whole: Split, recipe: &Recipe) -> Result<Split> {
    let share = recipe.data.share;
    if share == 1.0 {
        return Ok(whole);
    }
    let (_, used) = whole.stratified(share, recipe.train.seed);
    match used.is_empty() {
        true => Err(Error::input(format!(
            "data.share = {share} leaves no images to train on; raise it or add images"
        ))),
        false => Ok(used),
    }
}

impl Parts {
    /// The training images with the augmentation of `recipe`.
    ///
    /// # Errors
    /// If it cannot be applied to them.
    pub fn augmented(&self, recipe: &Recipe) -> Result<Augmented> {
        let [_, h, w] = self.train.shape();
        let augmented = Augmented::new(self.train.clone(), recipe.augmentation([h, w])?, recipe.train.seed);
        augmented.check().map_err(|e| e.at("augmentation"))?;
        Ok(augmented)
    }
}

/// Changes made to a network, one line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Changes of input, classes and weights.
    pub lines: Vec<String>,
    /// Changes of the initialization, which affect only networks without given weights.
    pub init: Vec<String>,
}

/// Adapts `network` to the input and the classes of the data, and to the initialization of the recipe. Returns
/// the changes.
pub(crate) fn adapt(
    network: &mut Network,
    recipe: &Recipe,
    image: [usize; 3],
    classes: usize,
) -> Result<Changes> {
    let mut changes = Vec::new();
    let before = network.sample()?;
    let had = network.classes();
    match (before != image, network.takes_signals(), image) {
        (false, ..) => {}
        (true, true, [channels, 1, width]) => network.set_input([channels, width]),
        (true, true, _) => drop(network.image()?),
        (true, false, _) => network.set_input(image),
    }
    if before[0] != image[0] {
        changes.push(format!("input channels: {} instead of {}, to match the data", image[0], before[0]));
    }
    if before[1..] != image[1..] {
        let why = if recipe.data.size.is_some() { "as requested" } else { "to match the data" };
        changes.push(format!(
            "input size: {}×{} instead of {}×{}, {why}",
            image[1], image[2], before[1], before[2]
        ));
    }
    // A network that does not fit its own input may fit that of the data.
    let had = had.or_else(|_| network.classes())?;
    if had != classes {
        network.set_classes(classes)?;
        changes.push(format!("classes: {classes} instead of {had} in the last layer"));
    }
    let mut init = Vec::new();
    if let Some(other) = recipe.model.init.filter(|init| *init != network.init) {
        let before = std::mem::replace(&mut network.init, other);
        init.push(format!("initialization: {} instead of {}", init_name(other), init_name(before)));
    }
    if let Some(bias) = recipe.model.batch_norm_bias
        && set_batch_norm_bias(network, bias)?
    {
        init.push(format!("initial bias of batch norms: {bias}"));
    }
    Ok(Changes { lines: changes, init })
}

/// Sets the initial bias of all batch norms. Returns whether this changes the network.
///
/// # Errors
/// If there are none.
fn set_batch_norm_bias(network: &mut Network, bias: f32) -> Result<bool> {
    if !network.layers.iter().any(|layer| matches!(layer.op, Op::BatchNorm(_))) {
        let name = &network.name;
        return Err(Error::input(format!(
            "model.batch_norm_bias: network {name} has no batch norms; omit it"
        )));
    }
    let mut changes = false;
    for layer in &mut network.layers {
        if let Op::BatchNorm(norm) = &mut layer.op
            && norm.bias_init.unwrap_or(0.0) != bias
        {
            norm.bias_init = Some(bias);
            changes = true;
        }
    }
    Ok(changes)
}

fn init_name(init: striate_graph::Init) -> String {
    serde_json::to_value(init).ok().map_or_else(
        || format!("{init:?}"),
        |value| match value {
            serde_json::Value::String(name) => name,
            serde_json::Value::Object(map) => map.keys().next().cloned().unwrap_or_default(),
            other => other.to_string(),
        },
    )
}

/// Returns `network` as used in training: with the recipe's momentum for the running statistics of batch norms,
/// on which inference does not depend.
pub(crate) fn in_training(network: &Network, recipe: &Recipe) -> Network {
    let mut network = network.clone();
    if let Some(momentum) = recipe.train.batch_norm_momentum {
        for layer in &mut network.layers {
            if let Op::BatchNorm(norm) = &mut layer.op {
                norm.momentum = momentum;
            }
        }
    }
    network
}

/// Returns the first batch norm that sees a single value per channel if the batch is one image: its output would not
/// depend on its input.
pub(crate) fn single_value_norm(network: &Network) -> Result<Option<String>> {
    let graph = network.graph_with_heads(&network.input_shape(1))?;
    let sees_one = graph.nodes.iter().find(|node| {
        let area = || graph.shape(node.inputs[0]).iter().skip(2).product::<usize>();
        matches!(node.op, Op::BatchNorm(_)) && area() == 1
    });
    Ok(sees_one.map(|node| node.name.clone()))
}

/// Smallest last batch in networks with batch norms; a smaller one joins the previous batch, because statistics over
/// so few images are noise.
const MIN_NORM_BATCH: usize = 4;

/// The batches of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batches {
    images: usize,
    batch: usize,
    /// Smallest last batch: with fewer images, it joins the previous batch.
    pub min_last: usize,
}

impl Batches {
    /// The batches of `images` images for `network`. If the network has batch norms, a last batch of fewer than
    /// [`MIN_NORM_BATCH`] images joins the previous one.
    ///
    /// # Errors
    /// If all batches would have one image, and the network has such a batch norm.
    pub fn new(images: usize, batch: usize, network: &Network) -> Result<Batches> {
        let has_norms = network.layers.iter().any(|layer| matches!(layer.op, Op::BatchNorm(_)));
        let min_last = if has_norms { MIN_NORM_BATCH.min(batch) } else { 0 };
        let single = if batch == 1 || images == 1 { single_value_norm(network)? } else { None };
        let Some(layer) = single else { return Ok(Batches { images, batch, min_last }) };
        let name = &network.name;
        let advice = if images > 1 { "use --batch 2 or more" } else { "add images or lower data.holdout" };
        Err(Error::input(format!(
            "network {name}: with batches of one image, the batch norm {layer} sees a single value per channel and \
             cannot learn; {advice}"
        )))
    }

    /// Batches of one image each.
    pub fn single(images: usize) -> Batches {
        Batches { images, batch: 1, min_last: 0 }
    }

    /// Number of batches.
    pub fn count(&self) -> u64 {
        (self.images.div_ceil(self.batch) - usize::from(self.joins())) as u64
    }

    /// Whether a small last batch joins the previous one.
    pub fn joins(&self) -> bool {
        self.images > self.batch && (1..self.min_last).contains(&(self.images % self.batch))
    }

    /// The number of images in batch number `index`.
    pub fn len(&self, index: u64) -> usize {
        match index + 1 == self.count() {
            true => self.images - index as usize * self.batch,
            false => self.batch,
        }
    }

    /// The shape of the largest batch.
    pub fn largest(&self, network: &Network, image: [usize; 3]) -> Shape {
        network.batch_shape(self.len(0).max(self.len(self.count() - 1)), image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(pooled: bool) -> Network {
        let pool = if pooled { "{ op = 'global_average_pool' }, " } else { "" };
        let text = format!(
            "name = 'n'\ninput = [1, 4, 4]\nlayers = [{{ op = 'conv', out_channels = 2, kernel_size = 3 }}, {pool}\
             {{ op = 'batch_norm', name = 'bn' }}, {{ op = 'flatten' }}, {{ op = 'linear', out_features = 2 }}]"
        );
        Network::from_text(&text).unwrap()
    }

    #[test]
    fn small_last_batch_joins_the_previous_one_in_networks_with_batch_norm() {
        for (images, batch, lengths, joins) in [
            (9, 4, &[4, 5][..], true),
            (11, 4, &[4, 7], true),
            (12, 4, &[4, 4, 4], false),
            (20, 8, &[8, 8, 4], false),
            (5, 2, &[2, 3], true),
            (3, 8, &[3], false),
        ] {
            let batches = Batches::new(images, batch, &network(false)).unwrap();
            let found: Vec<usize> = (0..batches.count()).map(|index| batches.len(index)).collect();
            assert_eq!((&found[..], batches.joins()), (lengths, joins), "{images} {batch}");
            assert_eq!(
                *batches.largest(&network(false), [1, 4, 4]),
                [*lengths.iter().max().unwrap(), 1, 4, 4]
            );
        }
        let text = "name = 'n'\ninput = [1, 4, 4]\nlayers = [{ op = 'flatten' }, { op = 'linear', out_features = 2 }]";
        let without = Batches::new(9, 4, &Network::from_text(text).unwrap()).unwrap();
        assert_eq!((without.count(), without.len(2), without.joins()), (3, 1, false));
    }

    #[test]
    fn batches_of_one_are_refused_if_a_batch_norm_would_see_one_value() {
        for (images, batch, advice) in [(9, 1, "--batch 2"), (1, 4, "add images")] {
            let error = Batches::new(images, batch, &network(true)).unwrap_err();
            let text = error.to_string();
            assert!(error.is_input() && text.contains("batch norm bn") && text.contains(advice), "{text}");
            Batches::new(images, batch, &network(false)).unwrap();
        }
    }

    #[test]
    fn every_network_change_is_reported_on_one_line() {
        let mut changed = network(true);
        let recipe = Recipe::default().with("model.init=he").unwrap();
        let recipe = recipe.with("model.batch_norm_bias=0.5").unwrap();
        let changes = adapt(&mut changed, &recipe, [3, 6, 5], 7).unwrap();
        assert_eq!(
            changes.lines,
            [
                "input channels: 3 instead of 1, to match the data",
                "input size: 6×5 instead of 4×4, to match the data",
                "classes: 7 instead of 2 in the last layer",
            ]
        );
        assert_eq!(
            changes.init,
            ["initialization: he instead of uniform", "initial bias of batch norms: 0.5"]
        );
        assert_eq!((changed.classes().unwrap(), changed.image().unwrap()), (7, [3, 6, 5]));
        assert_eq!(adapt(&mut changed, &recipe, [3, 6, 5], 7).unwrap(), Changes::default());
        changed.layers.retain(|layer| !matches!(layer.op, Op::BatchNorm(_)));
        let error = set_batch_norm_bias(&mut changed, 0.5).unwrap_err();
        assert!(error.is_input() && error.to_string().contains("has no batch norms"), "{error}");
    }
}
