//! Recipes: everything that decides what a training run yields, as TOML.

use std::path::Path;

use serde::{Deserialize, Serialize};
use striate_data::Augmentation;
use striate_graph::{Loss, Optimizer, TrainingSpec};
use striate_tensor::file::read_text_limited;
use striate_tensor::{Error, Result, nearest};
use striate_vision::augment::Affine;

use crate::schedule::Schedule;

/// Bytes of a recipe's text at most.
const LARGEST_TEXT: usize = 1 << 20;
/// Fields within fields beyond this are none of a recipe.
const DEEPEST_FIELD: usize = 4;

/// All that decides what a training run yields. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The network.
    pub model: ModelPart,
    /// The images.
    pub data: DataPart,
    /// The loop.
    pub train: TrainPart,
    /// What is minimized, if not the network's own loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// How parameters follow their gradients.
    pub optim: OptimPart,
    /// How the rate changes.
    pub schedule: Schedule,
    /// When state is saved.
    pub checkpoint: CheckpointPart,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelPart {
    /// A network of the history, or a `.toml` or `.safetensors` file.
    pub name: String,
}

/// The images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataPart {
    /// The data set.
    pub spec: String,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
    /// Random changes: `none`, `shift` (up to 2 pixels) or `affine` (small turns, sizes, shears, shifts).
    pub augment: String,
    /// Share of the training images held out to choose the best epoch by.
    pub holdout: f64,
}

/// The loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainPart {
    /// Times that every image is seen.
    pub epochs: u64,
    /// Images in a step.
    pub batch: usize,
    /// Seed of first weights, order, augmentation and dropout.
    pub seed: u64,
    /// Limit on the norm of all gradients; 0 for none.
    pub clip_norm: f32,
}

/// How parameters follow their gradients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimPart {
    /// `sgd`, `adam` or `adamw`.
    pub name: String,
    /// Largest learning rate.
    pub lr: f32,
    /// Share of the last step that is kept (sgd).
    pub momentum: f32,
    /// Whether the gradient is looked up ahead (sgd).
    pub nesterov: bool,
    /// Pull towards zero.
    pub weight_decay: f32,
    /// Decay of the first moment (adam).
    pub beta1: f32,
    /// Decay of the second moment (adam).
    pub beta2: f32,
    /// Added to the root of the second moment (adam).
    pub epsilon: f32,
}

/// When state is saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointPart {
    /// Seconds between checkpoints; there is one at the end of each call besides.
    pub every_seconds: f64,
    /// Checkpoints that are kept.
    pub keep: usize,
}

impl Default for ModelPart {
    fn default() -> Self {
        ModelPart { name: "lenet5".into() }
    }
}

impl Default for DataPart {
    fn default() -> Self {
        DataPart { spec: "digits".into(), shuffle: true, augment: "none".into(), holdout: 0.05 }
    }
}

impl Default for TrainPart {
    fn default() -> Self {
        TrainPart { epochs: 12, batch: 64, seed: 0, clip_norm: 0.0 }
    }
}

impl Default for OptimPart {
    fn default() -> Self {
        OptimPart {
            name: "sgd".into(),
            lr: 0.05,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        }
    }
}

impl Default for CheckpointPart {
    fn default() -> Self {
        CheckpointPart { every_seconds: 60.0, keep: 2 }
    }
}

/// A recipe that comes with the program.
#[derive(Debug, Clone, Copy)]
pub struct ShippedRecipe {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The recipes that come with the program.
pub const SHIPPED: &[ShippedRecipe] = &[
    ShippedRecipe { name: "lenet5-digits", text: include_str!("../recipes/lenet5-digits.toml") },
    ShippedRecipe { name: "lenet5-mnist", text: include_str!("../recipes/lenet5-mnist.toml") },
    ShippedRecipe {
        name: "lenet5-fashion-mnist",
        text: include_str!("../recipes/lenet5-fashion-mnist.toml"),
    },
];

impl ShippedRecipe {
    /// What it is for and what it reaches: the comment that its text begins with.
    pub fn summary(&self) -> String {
        let comment = self.text.lines().take_while(|line| line.starts_with('#'));
        comment.map(|line| line.trim_start_matches(['#', ' '])).collect::<Vec<_>>().join(" ")
    }
}

/// The shipped recipe called `name`.
///
/// # Errors
/// If there is none; the message gives the nearest.
pub fn shipped(name: &str) -> Result<Recipe> {
    let found = SHIPPED.iter().find(|recipe| recipe.name == name).ok_or_else(|| {
        let names = SHIPPED.iter().map(|recipe| recipe.name);
        let hint = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", names.collect::<Vec<_>>().join(", ")),
        };
        Error::input(format!("unknown recipe {name}; {hint}"))
    })?;
    Recipe::from_text(found.text).map_err(|e| e.at(name))
}

impl Recipe {
    /// The recipe in the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, or as [`Recipe::from_text`].
    pub fn load(path: &Path) -> Result<Recipe> {
        let text = read_text_limited(path, LARGEST_TEXT as u64)?;
        Recipe::from_text(&text).map_err(|e| e.at(path.display()))
    }

    /// The recipe that `text` holds.
    ///
    /// # Errors
    /// If the text is no TOML or has an unknown or faulty field.
    pub fn from_text(text: &str) -> Result<Recipe> {
        if text.len() > LARGEST_TEXT {
            return Err(Error::input("recipe: the text is too long to be one"));
        }
        let table: toml::Table = toml::from_str(text).map_err(|e| unreadable(&e))?;
        Recipe::from_table(table)
    }

    fn from_table(mut table: toml::Table) -> Result<Recipe> {
        let mut known = Recipe::default().table();
        known.insert("loss".into(), toml::Value::Table(loss_fields()));
        if let Some(toml::Value::Table(loss)) = table.get_mut("loss") {
            loss.entry("name").or_insert_with(|| Loss::default().name().into());
            if let Some(name) = loss["name"].as_str().filter(|name| !Loss::NAMES.contains(name)) {
                return Err(unknown("loss.name", name, Loss::NAMES).at("recipe"));
            }
        }
        check_keys(&table, &known, "")?;
        let recipe: Recipe = table.try_into().map_err(|e| unreadable(&e))?;
        recipe.check()?;
        Ok(recipe)
    }

    fn table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a recipe has a text form")
    }

    /// The recipe as text, every field written out.
    pub fn to_text(&self) -> String {
        toml::to_string(self).expect("a recipe has a text form")
    }

    /// The recipe with one field changed: `optim.lr=0.1`.
    ///
    /// # Errors
    /// If there is no such field or the value does not fit it.
    pub fn with(&self, assignment: &str) -> Result<Recipe> {
        let place = |e: Error| e.at(format!("--set {assignment}"));
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| place(Error::input("is no assignment; write for example optim.lr=0.1")))?;
        let mut table = self.table();
        // Optional fields stand in no default: they are added as they come and checked after that.
        let parsed = format!("value = {value}").parse::<toml::Table>();
        let value = parsed.ok().and_then(|mut table| table.remove("value"));
        let value = value.unwrap_or_else(|| toml::Value::String(key_value(assignment)));
        let mut current = &mut table;
        let parts: Vec<&str> = key.trim().splitn(DEEPEST_FIELD + 1, '.').collect();
        if parts.len() > DEEPEST_FIELD {
            return Err(place(Error::input("no field lies so deep")));
        }
        let (last, sections) = parts.split_last().expect("a split has parts");
        for section in sections {
            let entry = current.entry(*section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            current = entry
                .as_table_mut()
                .ok_or_else(|| place(Error::input(format!("{section} has no fields"))))?;
        }
        let whole =
            matches!((current.get(*last), &value), (Some(toml::Value::Float(_)), toml::Value::Integer(_)));
        let value = match value {
            toml::Value::Integer(number) if whole => toml::Value::Float(number as f64),
            other => other,
        };
        current.insert((*last).to_owned(), value);
        Recipe::from_table(table).map_err(place)
    }

    /// Refuses what cannot be trained with.
    ///
    /// # Errors
    /// If a field is out of range.
    pub fn check(&self) -> Result<()> {
        let fields = [
            ((1..=1 << 20).contains(&self.train.epochs), "train.epochs is at least 1 and at most 1048576"),
            ((1..=1 << 20).contains(&self.train.batch), "train.batch is at least 1 and at most 1048576"),
            (i64::try_from(self.train.seed).is_ok(), "train.seed is below 2^63"),
            (is_from_zero(self.train.clip_norm), "train.clip_norm is a number from 0"),
            (is_from_zero(self.optim.lr), "optim.lr is a number from 0"),
            ((0.0..1.0).contains(&self.optim.momentum), "optim.momentum lies in [0, 1)"),
            (is_from_zero(self.optim.weight_decay), "optim.weight_decay is a number from 0"),
            ((0.0..1.0).contains(&self.optim.beta1), "optim.beta1 lies in [0, 1)"),
            ((0.0..1.0).contains(&self.optim.beta2), "optim.beta2 lies in [0, 1)"),
            (self.optim.epsilon > 0.0 && self.optim.epsilon.is_finite(), "optim.epsilon is above 0"),
            ((0.0..0.9).contains(&self.data.holdout), "data.holdout lies in [0, 0.9)"),
            (self.checkpoint.every_seconds >= 0.0, "checkpoint.every_seconds is a number from 0"),
        ];
        if let Some((_, rule)) = fields.iter().find(|(holds, _)| !holds) {
            return Err(Error::input(format!("recipe: {rule}")));
        }
        self.loss.iter().try_for_each(Loss::check).map_err(|e| e.at("recipe"))?;
        self.optimizer()?;
        self.augmentation()?;
        self.schedule.check()
    }

    /// The training step that the recipe asks for.
    ///
    /// # Errors
    /// If the optimizer is unknown.
    pub fn spec(&self) -> Result<TrainingSpec> {
        let clip_norm = (self.train.clip_norm > 0.0).then_some(self.train.clip_norm);
        Ok(TrainingSpec { loss: self.loss, clip_norm, ..TrainingSpec::new(self.optimizer()?) })
    }

    fn optimizer(&self) -> Result<Optimizer> {
        let OptimPart { momentum, nesterov, weight_decay, beta1, beta2, epsilon, .. } = self.optim;
        let adam = |decoupled| Optimizer::Adam { beta1, beta2, epsilon, weight_decay, decoupled };
        match self.optim.name.as_str() {
            "sgd" => Ok(Optimizer::Sgd { momentum, nesterov: nesterov && momentum > 0.0, weight_decay }),
            "adam" => Ok(adam(false)),
            "adamw" => Ok(adam(true)),
            other => Err(unknown("optim.name", other, &["sgd", "adam", "adamw"])),
        }
    }

    /// The random changes that the recipe asks for.
    ///
    /// # Errors
    /// If they are unknown.
    pub fn augmentation(&self) -> Result<Augmentation> {
        match self.data.augment.as_str() {
            "none" => Ok(Augmentation::None),
            "shift" => Ok(Augmentation::Shift(2)),
            "affine" => {
                Ok(Augmentation::Affine(Affine { rotation: 10.0, scale: 0.1, shear: 0.1, shift: 2.0 }))
            }
            other => Err(unknown("data.augment", other, &["none", "shift", "affine"])),
        }
    }
}

fn is_from_zero(number: f32) -> bool {
    number >= 0.0 && number.is_finite()
}

/// The fields of all losses.
fn loss_fields() -> toml::Table {
    ["name", "smoothing", "margin", "power", "j"].into_iter().map(|name| (name.into(), true.into())).collect()
}

fn key_value(assignment: &str) -> String {
    assignment.split_once('=').map_or(String::new(), |(_, value)| value.trim().to_owned())
}

pub(crate) fn unknown(field: &str, word: &str, known: &[&str]) -> Error {
    let hint = match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", known.join(", ")),
    };
    Error::input(format!("{field}: unknown {word}; {hint}"))
}

/// Names the nearest field for one that does not exist.
fn check_keys(table: &toml::Table, known: &toml::Table, place: &str) -> Result<()> {
    for (key, value) in table {
        match (known.get(key), value) {
            (None, _) => {
                let fields: Vec<&str> = known.keys().map(String::as_str).collect();
                let hint =
                    nearest(key, fields.iter().copied()).map(|near| format!("did you mean {place}{near}?"));
                let hint = hint.unwrap_or_else(|| format!("known are {}", fields.join(", ")));
                return Err(Error::input(format!("recipe: unknown field {place}{key}; {hint}")));
            }
            (Some(toml::Value::Table(known)), toml::Value::Table(table)) => {
                check_keys(table, known, &format!("{place}{key}."))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn unreadable(error: &toml::de::Error) -> Error {
    Error::input(format!("recipe: {}", error.message().replace('\n', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_set_by_name() {
        let recipe = Recipe::default().with("optim.lr=1").unwrap().with("data.augment=shift").unwrap();
        assert_eq!((recipe.optim.lr, recipe.data.augment.as_str()), (1.0, "shift"));
        let recipe = recipe.with("schedule.name=constant").unwrap();
        assert_eq!(recipe.schedule.name, "constant");
        assert_eq!(Recipe::from_text(&recipe.to_text()).unwrap(), recipe);
    }

    #[test]
    fn a_recipe_may_name_a_loss() {
        let recipe = Recipe::default();
        assert_eq!(recipe.spec().unwrap().loss, None);
        let smooth = recipe.with("loss.smoothing=0.1").unwrap();
        assert_eq!(smooth.loss, Some(Loss::CrossEntropy { smoothing: 0.1 }));
        let hinge = recipe.with("loss.name=hinge").unwrap().with("loss.power=2").unwrap();
        assert_eq!(hinge.spec().unwrap().loss, Some(Loss::Hinge { margin: 1.0, power: 2 }));
        assert_eq!(Recipe::from_text(&hinge.to_text()).unwrap(), hinge);
    }

    #[test]
    fn mistakes_name_the_nearest_field() {
        for (assignment, expected) in [
            ("optim.lrr=1", "did you mean optim.lr?"),
            ("optim.lr=fast", "optim.lr=fast"),
            ("optim.name=sgdd", "did you mean sgd?"),
            ("lr", "is no assignment"),
            ("train.batch=0", "at least 1"),
            ("loss.name=hing", "did you mean hinge?"),
            ("loss.smothing=0.1", "did you mean loss.smoothing?"),
            ("loss.smoothing=2", "loss.smoothing lies in [0, 1)"),
            ("schedule.name=cosin", "did you mean cosine?"),
        ] {
            let error = Recipe::default().with(assignment).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn shipped_recipes_are_whole() {
        for recipe in SHIPPED {
            shipped(recipe.name).unwrap();
            assert!(!recipe.summary().is_empty());
        }
    }
}
