//! A recipe with the origin of each value: defaults, a recipe, flags, rules.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use striate_data::Spec;
use striate_graph::{Loss, Network, Op};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

use crate::recipe::{
    BATCH_NORM, FINE_TUNING, NO_BATCH_NORM, NONE, PERCEPTRON, PHOTOGRAPHS, PLAIN, RBF, Recipe, SHIPPED,
    SMALL, TUNING, TrainPart, shipped,
};

/// Least side of the input of a network for photographs, in pixels.
const PHOTOGRAPH: usize = 96;
/// Networks with fewer layers with weights are considered small.
const FEW_LAYERS: usize = 7;
/// Networks without shortcuts but with this many batch norms or more are considered very deep.
const DEEP_CHAIN: usize = 24;
/// Largest remaining share of the initial statistics of batch norms after half of the steps.
const INITIAL_SHARE: f64 = 0.05;
/// Largest momentum that the rule for batch norms sets; beyond it, statistics are noise.
const MAX_MOMENTUM: f64 = 0.5;

/// The origin of a recipe field's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The default of the field.
    Default,
    /// The recipe.
    Recipe,
    /// A flag of the command line.
    Flag(String),
    /// A rule, with its reason.
    Rule(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Recipe => f.write_str("recipe"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
            Origin::Rule(reason) => write!(f, "rule: {reason}"),
        }
    }
}

/// A recipe with the origin of each value.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The recipe.
    pub recipe: Recipe,
    /// Its base: the name of a built-in recipe, or a file.
    pub name: String,
    /// Why that one.
    pub reason: String,
    pub(crate) origins: BTreeMap<String, Origin>,
}

impl From<Recipe> for Settings {
    /// Treats every value that is not a default as set by the recipe.
    fn from(recipe: Recipe) -> Settings {
        let defaults = Recipe::default().fields();
        let changed = recipe.fields().into_iter().filter(|field| !defaults.contains(field));
        let origins = changed.map(|(field, _)| (field, Origin::Recipe)).collect();
        Settings { recipe, name: "custom".into(), reason: "given".into(), origins }
    }
}

impl Settings {
    /// Reads the recipe `name`: a built-in one or a `.toml` file.
    ///
    /// # Errors
    /// If the recipe is unknown, or the file is invalid.
    pub fn named(name: &str) -> Result<Settings> {
        let recipe = match name.ends_with(".toml") {
            true => Recipe::load(Path::new(name))?,
            false => shipped(name)?,
        };
        Ok(Settings { name: name.to_owned(), reason: "as requested".into(), ..recipe.into() })
    }

    /// Chooses a built-in recipe: the one for fine-tuning if there are `pretrained` weights, or else the one made for
    /// the network `model` on the data `spec`, or else the one that suits the network.
    ///
    /// # Errors
    /// If the network is invalid.
    pub fn chosen(model: &str, spec: &str, network: &Network, pretrained: bool) -> Result<Settings> {
        let exact = format!("{model}-{spec}");
        let known = striate_models::find(model);
        let (name, reason) = match known {
            Ok(known) if replaces_descent(known.recipe)? => (known.recipe, format!("the default of {model}")),
            _ if pretrained => (FINE_TUNING, "training starts from the given weights".to_owned()),
            _ if SHIPPED.iter().any(|recipe| recipe.name == exact) => {
                (&exact[..], format!("made for {model} on {spec}"))
            }
            Ok(known) => (known.recipe, format!("the default of {model}")),
            Err(_) => suitable(network)?,
        };
        let mut settings = Settings { name: name.to_owned(), reason, ..shipped(name)?.into() };
        settings.augment_photographs(spec, network, pretrained);
        if settings.recipe.replacement().is_none() {
            settings.augment_sounds(spec);
        }
        Ok(settings)
    }

    /// Augments image files as photographs if the network takes images as large, unless the recipe does.
    fn augment_photographs(&mut self, spec: &str, network: &Network, pretrained: bool) {
        let is_large = network.image().is_ok_and(|[_, h, w]| h.min(w) >= PHOTOGRAPH);
        let are_photographs = is_large && Spec::parse(spec).is_ok_and(|spec| spec.has_image_files());
        if are_photographs && self.recipe.data.augment == NONE {
            self.recipe.data.augment = if pretrained { TUNING } else { PHOTOGRAPHS }.into();
            let reason = "for image files in a network for photographs";
            self.origins.insert("data.augment".into(), Origin::Rule(reason.into()));
        }
    }

    /// Changes a field by an assignment such as `optim.lr=0.1`, given by `flag`.
    ///
    /// # Errors
    /// If the field is unknown, or the value does not fit it.
    pub fn set(&mut self, flag: &str, assignment: &str) -> Result<()> {
        let field = assignment.split('=').next().unwrap_or_default().trim();
        if field == "data.transforms" && !matches!(self.origin("data.augment"), Origin::Flag(_)) {
            self.recipe.data.augment = NONE.into();
            let reason = "data.transforms is the whole augmentation";
            self.origins.insert("data.augment".into(), Origin::Rule(reason.into()));
        }
        self.recipe = self.recipe.with(assignment).map_err(|e| e.at(flag))?;
        self.origins.insert(field.to_owned(), Origin::Flag(flag.to_owned()));
        Ok(())
    }

    /// Checks the recipe, and that every flag has an effect on it.
    ///
    /// # Errors
    /// As [`Recipe::check`], or if a flag sets a field that has no effect without gradient descent.
    pub(crate) fn check(&self) -> Result<()> {
        self.recipe.check()?;
        let mut flags = self.origins.iter().filter_map(|(field, origin)| match origin {
            Origin::Flag(flag) => Some((field, flag)),
            _ => None,
        });
        let Some(method) = self.recipe.replacement() else { return Ok(()) };
        match flags.find(|(field, _)| !method.has_effect(field)) {
            Some((field, flag)) => Err(method.without_effect(field).at(flag)),
            None => Ok(()),
        }
    }

    /// Refuses a recipe without features for the built-in network `model`, if that takes features.
    ///
    /// # Errors
    /// If the recipe lacks them.
    pub fn refuse_pixels(&self, model: &str) -> Result<()> {
        let Ok(known) = striate_models::find(model) else { return Ok(()) };
        if self.recipe.data.features.is_some() || shipped(known.recipe)?.data.features.is_none() {
            return Ok(());
        }
        Err(Error::input(format!(
            "{model} takes features of images, but the recipe {} has no data.features; use --recipe {}, or add them",
            self.name, known.recipe
        )))
    }

    /// Returns the origin of the value of `field`.
    pub fn origin(&self, field: &str) -> Origin {
        self.origins.get(field).cloned().unwrap_or(Origin::Default)
    }

    /// Sets the mean and standard deviation of `form`, which given weights were trained with or a flag requests. Only
    /// a flag overrides those of the recipe.
    pub fn normalize_as(&mut self, form: &Preprocessing, origin: &Origin) {
        let is_set = self.recipe.data.mean.is_some() || self.recipe.data.std.is_some();
        if is_set && !matches!(origin, Origin::Flag(_)) {
            return;
        }
        self.recipe.data.mean = Some(form.mean.clone());
        self.recipe.data.std = Some(form.std.clone());
        for field in ["data.mean", "data.std"] {
            self.origins.insert(field.into(), origin.clone());
        }
    }

    /// Applies the rules that depend on network and data: the learning rate for the widest layer, batch size and batch
    /// norm statistics for `images` training images. Values set by flags are kept.
    ///
    /// # Errors
    /// If the network is invalid.
    pub fn fit_to(&mut self, images: usize, network: &Network) -> Result<()> {
        self.fit_batch(images);
        self.fit_rate(network)?;
        self.fit_batch_norm(images, network)
    }

    /// Lowers the learning rate for wide layers: a step of Adam changes a layer's output in proportion to the number of
    /// its inputs if their gradients agree, or to its square root if they do not.
    fn fit_rate(&mut self, network: &Network) -> Result<()> {
        let (before, inputs) = (self.recipe.optim.lr, self.recipe.optim.lr_inputs);
        if matches!(self.origin("optim.lr"), Origin::Flag(_)) || inputs == 0 {
            return Ok(());
        }
        let variables = network.variables()?;
        let widest = variables.iter().map(|(_, shape)| shape.iter().skip(1).product::<usize>()).max();
        let widest = widest.unwrap_or_default() as u64;
        if widest > inputs {
            let rate = f64::from(before) * (inputs as f64 / widest as f64).sqrt();
            // Two digits, so that the recipe shows the exact value.
            let unit = 10f64.powf(rate.log10().floor() - 1.0);
            self.recipe.optim.lr = ((rate / unit).round() * unit) as f32;
            // The stored recipe has the result, to which the rule must not be applied again.
            self.recipe.optim.lr_inputs = 0;
            let reason = format!(
                "{before} is for layers of up to {inputs} inputs; this network's have up to {widest}"
            );
            self.origins.insert("optim.lr".into(), Origin::Rule(reason));
        }
        Ok(())
    }

    fn fit_batch(&mut self, images: usize) {
        let TrainPart { steps_per_epoch: wanted, min_batch, batch: before, .. } = self.recipe.train;
        if matches!(self.origin("train.batch"), Origin::Flag(_)) || wanted == 0 {
            return;
        }
        let mut batch = before;
        while batch / 2 >= min_batch && (images.div_ceil(batch) as u64) < wanted {
            batch /= 2;
        }
        if batch != before {
            self.recipe.train.batch = batch;
            let reason =
                format!("halved from {before}, toward {wanted} steps per epoch from {images} images");
            self.origins.insert("train.batch".into(), Origin::Rule(reason));
        }
    }

    /// Raises the momentum of batch norms so that a short run replaces their initial running statistics.
    fn fit_batch_norm(&mut self, images: usize, network: &Network) -> Result<()> {
        if self.recipe.train.batch_norm_momentum.is_some() {
            return Ok(());
        }
        let norms = network.layers.iter().filter_map(|layer| match &layer.op {
            Op::BatchNorm(norm) => Some(norm.momentum),
            _ => None,
        });
        let Some(own) = norms.reduce(f32::min) else { return Ok(()) };
        let steps = images.div_ceil(self.recipe.train.batch) as u64 * self.recipe.train.epochs;
        let needed = 1.0 - INITIAL_SHARE.powf(2.0 / steps as f64);
        // Rounded, so that the recipe shows the exact value.
        let needed = (needed.min(MAX_MOMENTUM) * 100.0).round() / 100.0;
        if needed > f64::from(own) {
            self.recipe.train.batch_norm_momentum = Some(needed as f32);
            let reason = format!("{own} is too small for a run of {steps} steps");
            self.origins.insert("train.batch_norm_momentum".into(), Origin::Rule(reason));
        }
        Ok(())
    }
}

/// Whether the built-in recipe `name` learns without gradient descent.
fn replaces_descent(name: &str) -> Result<bool> {
    Ok(shipped(name)?.replacement().is_some())
}

/// Returns the recipe that suits a custom network, with the reason.
fn suitable(network: &Network) -> Result<(&'static str, String)> {
    let norms = network.layers.iter().filter(|layer| matches!(layer.op, Op::BatchNorm(_))).count();
    let is_chain = network.layers.iter().all(|layer| layer.inputs.len() == 1);
    let weights = network.variables()?.iter().filter(|(name, _)| name.ends_with(".weight")).count();
    match network.loss {
        Some(Loss::Rbf { .. }) => return Ok((RBF, "the network has the RBF loss".into())),
        Some(Loss::Perceptron {}) => return Ok((PERCEPTRON, "the network has the perceptron's loss".into())),
        _ => {}
    }
    Ok(match norms {
        DEEP_CHAIN.. if is_chain => (PLAIN, format!("the network has {norms} batch norms and no shortcuts")),
        1.. => (BATCH_NORM, "the network has batch norm".into()),
        0 if weights < FEW_LAYERS => {
            (SMALL, format!("the network has only {} with weights", counted(weights, "layer")))
        }
        0 => (NO_BATCH_NORM, "the network is deep and has no batch norm".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str) -> Network {
        (striate_models::find(name).unwrap().build)().unwrap()
    }

    #[test]
    fn every_network_has_the_recipe_that_suits_its_layers() {
        // Layers do not tell that a network reads texts.
        let is_by_layers = |recipe: &str| recipe != "texts" && !replaces_descent(recipe).unwrap();
        for model in striate_models::all().iter().filter(|model| is_by_layers(model.recipe)) {
            assert_eq!(model.recipe, suitable(&network(model.name)).unwrap().0, "{}", model.name);
        }
    }

    #[test]
    fn recipes_are_chosen_by_weights_then_data_then_network() {
        let chosen = |model: &str, spec: &str, pretrained| {
            let network = network(if model == "mine.toml" { "resnet20" } else { model });
            Settings::chosen(model, spec, &network, pretrained).unwrap().name
        };
        assert_eq!(chosen("squeezenet1_1", "folder", true), "fine-tuning");
        assert_eq!(chosen("lenet5", "mnist", false), "lenet5-mnist");
        assert_eq!(chosen("lenet5", "folder", false), "small");
        assert_eq!(chosen("squeezenet1_1", "folder", false), "no-batch-norm");
        assert_eq!(chosen("plain34", "folder", false), "plain");
        assert_eq!(chosen("mine.toml", "folder", false), "batch-norm");
        assert_eq!(chosen("hog-svm", "folder", true), "hog-svm");
    }

    #[test]
    fn features_and_flags_that_do_not_fit_are_refused() {
        let mut settings = Settings::named("hog-svm").unwrap();
        settings.refuse_pixels("hog-svm").unwrap();
        settings.set("--seed", "train.seed=3").unwrap();
        settings.check().unwrap();
        // Equal to the default, so that only its origin shows that it was set.
        settings.set("--epochs", "train.epochs=12").unwrap();
        let error = settings.check().unwrap_err().to_string();
        assert_eq!(error, "--epochs: train.epochs has no effect on support vector machines; omit it");
        let error = Settings::named("small").unwrap().refuse_pixels("hog-svm").unwrap_err().to_string();
        assert!(error.contains("the recipe small has no data.features; use --recipe hog-svm"), "{error}");
        Settings::named("small").unwrap().refuse_pixels("lenet5").unwrap();
    }

    #[test]
    fn origin_of_every_value_is_recorded() {
        let mut settings = Settings::named("fine-tuning").unwrap();
        settings.set("--epochs", "train.epochs=3").unwrap();
        settings.set("--set", "optim.lr = 0.5").unwrap();
        for (field, origin) in [
            ("train.epochs", Origin::Flag("--epochs".into())),
            ("optim.lr", Origin::Flag("--set".into())),
            ("optim.head_factor", Origin::Recipe),
            ("optim.beta1", Origin::Default),
        ] {
            assert_eq!(settings.origin(field), origin, "{field}");
        }
        assert_eq!((settings.recipe.train.epochs, settings.recipe.optim.lr), (3, 0.5));
    }

    #[test]
    fn batch_size_shrinks_until_an_epoch_has_enough_steps() {
        let resnet = network("resnet20");
        for (images, batch) in [(100_000, 64), (449, 64), (448, 32), (114, 16), (57, 16), (3, 16)] {
            let mut settings = Settings::named("batch-norm").unwrap();
            settings.fit_to(images, &resnet).unwrap();
            assert_eq!(settings.recipe.train.batch, batch, "{images}");
            assert_eq!(matches!(settings.origin("train.batch"), Origin::Rule(_)), batch != 64);
        }
        let mut settings = Settings::named("batch-norm").unwrap();
        settings.set("--batch", "train.batch=40").unwrap();
        settings.fit_to(18, &resnet).unwrap();
        assert_eq!(settings.recipe.train.batch, 40);
        let mut settings = Settings::named("fine-tuning").unwrap();
        settings.fit_to(18, &resnet).unwrap();
        assert_eq!(settings.recipe.train.batch, 8);
    }

    #[test]
    fn rate_falls_with_the_inputs_of_the_widest_layer() {
        for (name, inputs, rate) in
            [("resnet20", 576, 0.003), ("resnet18", 4608, 0.0011), ("vgg11-bn", 25_088, 0.00045)]
        {
            let network = network(name);
            let variables = network.variables().unwrap();
            let widest = variables.iter().map(|(_, shape)| shape[1..].iter().product::<usize>()).max();
            assert_eq!(widest, Some(inputs));
            let mut settings = Settings::named("batch-norm").unwrap();
            settings.fit_to(114, &network).unwrap();
            assert_eq!(settings.recipe.optim.lr, rate, "{name}");
            assert_eq!(matches!(settings.origin("optim.lr"), Origin::Rule(_)), rate != 0.003);
            // A recipe of an earlier run is not changed again.
            let mut again = Settings::from(settings.recipe.clone());
            again.fit_to(114, &network).unwrap();
            assert_eq!(again.recipe, settings.recipe, "{name}");
        }
        let mut settings = Settings::named("batch-norm").unwrap();
        settings.set("--lr", "optim.lr=0.02").unwrap();
        settings.fit_to(114, &network("resnet18")).unwrap();
        assert_eq!(settings.recipe.optim.lr, 0.02);
    }

    #[test]
    fn batch_norms_of_short_runs_forget_their_initial_statistics() {
        let mut settings = Settings::named("batch-norm").unwrap();
        settings.set("--epochs", "train.epochs=3").unwrap();
        settings.fit_to(114, &network("resnet20")).unwrap();
        // 24 steps: (1 − m)^12 = 0.05.
        assert_eq!(settings.recipe.train.batch_norm_momentum, Some(0.22));
        assert!(matches!(settings.origin("train.batch_norm_momentum"), Origin::Rule(_)));
        for (name, epochs) in [("resnet20", 30), ("vgg16", 3)] {
            let mut settings = Settings::named("batch-norm").unwrap();
            settings.set("--epochs", &format!("train.epochs={epochs}")).unwrap();
            settings.fit_to(114, &network(name)).unwrap();
            assert_eq!(settings.recipe.train.batch_norm_momentum, None, "{name}");
        }
    }
}
