//! The definition of an experiment: its claim, its variants, what is measured.
//!
//! ```toml
//! title = "Dropout"
//! claim = "Dropout lowers the test error of a network that is large for its data."
//! source = "Srivastava et al., JMLR 2014"
//! seeds = 3
//! measures = [{ figure = "test_error" }, { figure = "train_error" }]
//!
//! [recipe]                      # a recipe as for `striate train`
//! data = { spec = "fashion-mnist", share = 0.1 }
//!
//! [[variants]]
//! name = "without"
//! network = "network.toml"      # a file of the folder, or a built-in network
//! replace = { rate = "0.0" }    # replaces $rate in its text
//!
//! [full]                        # what --full changes
//! set = ["data.share = 1.0"]
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use striate_formats::sha256;
use striate_graph::Network;
use striate_tensor::text::reword;
use striate_tensor::{Error, Result};
use striate_train::Recipe;

use crate::Experiment;
use crate::measure::Measure;

/// The scale of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// So that all seeds end within an hour on two cores.
    Small,
    /// On all images, some for as long as in the paper.
    Full,
}

/// What an experiment does.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// A title.
    pub title: String,
    /// What is claimed.
    pub claim: String,
    /// The paper that claims it.
    pub source: String,
    /// The number of seeds of each variant, from 0.
    pub seeds: u64,
    /// The variants that are compared.
    pub variants: Vec<Variant>,
    pub(crate) measures: Vec<Measure>,
    recipe: Recipe,
    full: Vec<String>,
    /// SHA-256 of all texts.
    digest: String,
}

/// One of the networks or recipes that an experiment compares.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its name, of letters, digits and hyphens.
    pub name: String,
    /// Its network.
    pub network: Network,
    set: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    title: String,
    claim: String,
    source: String,
    seeds: u64,
    measures: Vec<Measure>,
    #[serde(default)]
    recipe: toml::Table,
    variants: Vec<VariantText>,
    #[serde(default)]
    full: Full,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantText {
    name: String,
    network: String,
    #[serde(default)]
    replace: BTreeMap<String, String>,
    #[serde(default)]
    set: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Full {
    set: Vec<String>,
}

impl Definition {
    pub(crate) fn parse(experiment: &Experiment) -> Result<Definition> {
        let place = |e: Error| e.at(format!("experiment {}", experiment.name));
        let text: Text = toml::from_str(experiment.text)
            .map_err(|e| place(Error::input(reword(&e.to_string(), "experiment"))))?;
        let recipe = Recipe::from_text(&text.recipe.to_string()).map_err(place)?;
        let variants = text.variants.iter().map(|variant| Variant::parse(variant, experiment));
        let definition = Definition {
            name: experiment.name,
            title: text.title,
            claim: text.claim,
            source: text.source,
            seeds: text.seeds,
            variants: variants.collect::<Result<_>>().map_err(place)?,
            measures: text.measures,
            recipe,
            full: text.full.set,
            digest: sha256(experiment.texts().as_bytes()),
        };
        for scale in [Scale::Small, Scale::Full] {
            let recipes = definition.variants.iter().map(|variant| definition.recipe(variant, 0, scale));
            recipes.collect::<Result<Vec<_>>>().map_err(place)?;
        }
        Ok(definition)
    }

    /// Returns a digest of all that determines the runs at a scale.
    pub(crate) fn digest(&self, scale: Scale) -> String {
        let scale = if scale == Scale::Full { "full" } else { "small" };
        format!("{} {scale}", self.digest)
    }

    /// Returns the recipe of `variant` with `seed`. What a variant sets comes last, so that it holds at any scale.
    ///
    /// # Errors
    /// If an assignment does not fit the recipe.
    pub fn recipe(&self, variant: &Variant, seed: u64, scale: Scale) -> Result<Recipe> {
        let full = self.full.iter().filter(|_| scale == Scale::Full);
        let mut recipe =
            full.chain(&variant.set).try_fold(self.recipe.clone(), |recipe, set| recipe.with(set))?;
        recipe.model.name.clone_from(&variant.network.name);
        recipe.train.seed = seed;
        recipe.check()?;
        Ok(recipe)
    }
}

impl Variant {
    fn parse(text: &VariantText, experiment: &Experiment) -> Result<Variant> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if text.name.is_empty() || text.name.starts_with('.') || !text.name.chars().all(is_plain) {
            return Err(Error::input(format!(
                "variant {}: a name has letters, digits, dots, hyphens",
                text.name
            )));
        }
        let own = experiment.networks.iter().find(|(file, _)| *file == text.network);
        let network = match own {
            Some((_, template)) => {
                let filled = text.replace.iter().fold((*template).to_owned(), |filled, (word, value)| {
                    filled.replace(&format!("${word}"), value)
                });
                Network::from_text(&filled)?
            }
            None => (striate_models::find(&text.network)?.build)()?,
        };
        Ok(Variant { name: text.name.clone(), network, set: text.set.clone() })
    }
}
