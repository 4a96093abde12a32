//! The definition of an experiment: its claim, its variants, what is measured.
//!
//! ```toml
//! title = "Dropout"
//! claim = "Dropout lowers the test error of a network that is large for its data."
//! source = "Srivastava et al., JMLR 2014"
//! seeds = 3
//! measures = [{ figure = "test_error" }, { figure = "train_error" }]
//! set = []                      # assignments to all recipes, also those that variants name
//!
//! [recipe]                      # a recipe as for `striate train`
//! data = { spec = "fashion-mnist", share = 0.1 }
//!
//! [[data]]                      # for several data sets; each variant runs on each
//! name = "mnist"
//! set = ["data.spec = 'mnist'"]
//!
//! [[data]]
//! name = "elpv"                 # files in the data folder; $fold is the seed modulo `folds`
//! files = { path = "elpv/fold-$fold", folds = 5, get = "scripts/fetch-data.sh elpv" }
//!
//! [[variants]]
//! name = "without"
//! network = "network.toml"      # a file of the folder, or a built-in network
//! replace = { rate = "0.0" }    # replaces $rate in its text
//! recipe = "hog-svm"            # a built-in recipe instead of [recipe]
//! set = []                      # assignments to its recipe, at any scale
//!
//! [[variants]]                  # instead of training: the evaluation of a model
//! name = "crops"
//! model = { path = "weights/a.safetensors", get = "scripts/fetch-weights.sh" }
//! protocol = "10crop"           # as for `striate eval --protocol`
//! baseline = "center"           # the variant above it that gains are relative to
//!
//! [full]                        # what --full changes
//! set = ["data.share = 1.0"]
//! ```

use striate_formats::sha256;
use striate_tensor::text::reword;
use striate_tensor::{Error, Result};
use striate_train::Recipe;

use crate::Experiment;
use crate::data::DataSet;
use crate::measure::Measure;
use crate::runs::Run;
use crate::text::Text;
use crate::variant::Variant;

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
    /// The data sets on which they are; one without a name if the recipes name it.
    pub data: Vec<DataSet>,
    pub(crate) measures: Vec<Measure>,
    recipe: Recipe,
    set: Vec<String>,
    full: Vec<String>,
    /// SHA-256 of all texts.
    digest: String,
}

impl Definition {
    pub(crate) fn parse(experiment: &Experiment) -> Result<Definition> {
        let place = |e: Error| e.at(format!("experiment {}", experiment.name));
        let text: Text = toml::from_str(experiment.text)
            .map_err(|e| place(Error::input(reword(&e.to_string(), "experiment"))))?;
        Definition::of(text, experiment).map_err(place)
    }

    fn of(text: Text, experiment: &Experiment) -> Result<Definition> {
        let variants = text.variants.iter().map(|variant| Variant::parse(variant, experiment));
        let mut data = text.data.iter().map(DataSet::parse).collect::<Result<Vec<_>>>()?;
        if data.is_empty() {
            data.push(DataSet::default());
        }
        let definition = Definition {
            name: experiment.name,
            title: text.title,
            claim: text.claim,
            source: text.source,
            seeds: text.seeds,
            variants: variants.collect::<Result<_>>()?,
            data,
            measures: text.measures,
            recipe: Recipe::from_text(&text.recipe.to_string())?,
            set: text.set,
            full: text.full.set,
            digest: sha256(experiment.texts().as_bytes()),
        };
        definition.check()?;
        Ok(definition)
    }

    fn check(&self) -> Result<()> {
        for run in self.runs(1).filter(|run| run.variant.training().is_some()) {
            for scale in [Scale::Small, Scale::Full] {
                self.recipe_on(run, scale, None).map_err(|e| e.at(&run.variant.name))?;
            }
        }
        let is_evaluated = self.variants.iter().any(|variant| variant.training().is_none());
        if is_evaluated && self.data.iter().any(|data| data.files.is_none()) {
            return Err(Error::input("models are evaluated on files; give each data set files"));
        }
        for (index, variant) in self.variants.iter().enumerate() {
            if let Some(measure) = self.measures.iter().find(|measure| !measure.fits(&variant.work)) {
                let what = format!("variant {}: {measure:?} does not apply to what it does", variant.name);
                return Err(Error::input(what));
            }
            let is_above = |name: &String| self.variants[..index].iter().any(|other| other.name == *name);
            if let Some(name) = variant.baseline.as_ref().filter(|name| !is_above(name)) {
                let what = format!("variant {}: its baseline {name} is not above it", variant.name);
                return Err(Error::input(what));
            }
        }
        Ok(())
    }

    /// Returns a digest of all texts.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether networks are trained, so that results depend on seeds.
    pub fn trains(&self) -> bool {
        self.variants.iter().any(|variant| variant.training().is_some())
    }

    /// Whether the scale changes what is done.
    pub fn has_scales(&self) -> bool {
        !self.full.is_empty()
    }

    /// Returns the runs with `seeds` seeds: seed by seed, so that a part of them compares all variants, then data set
    /// by data set.
    pub fn runs(&self, seeds: u64) -> impl Iterator<Item = Run<'_>> {
        let of_data = move |seed, data| self.variants.iter().map(move |variant| Run { variant, data, seed });
        (0..seeds).flat_map(move |seed| self.data.iter().flat_map(move |data| of_data(seed, data)))
    }

    /// Returns the recipe of a run that trains a network. What a variant sets comes last, so that it holds at any
    /// scale.
    ///
    /// # Errors
    /// If an assignment does not fit the recipe, or the data has not been downloaded.
    pub fn recipe(&self, run: Run, scale: Scale) -> Result<Recipe> {
        let spec = run.data.files.as_ref().map(|files| files.find(run.seed)).transpose()?;
        self.recipe_on(run, scale, spec)
    }

    /// As [`Definition::recipe`], on the data set `spec` if there is one.
    fn recipe_on(&self, run: Run, scale: Scale, spec: Option<String>) -> Result<Recipe> {
        let Run { variant, data, seed } = run;
        let Some(training) = variant.training() else {
            return Err(Error::input(format!("variant {} is not trained", variant.name)));
        };
        let full = self.full.iter().filter(|_| scale == Scale::Full);
        let all = self.set.iter().chain(&data.set).chain(full).chain(&variant.set);
        let base = training.recipe.as_ref().unwrap_or(&self.recipe).clone();
        let mut recipe = all.into_iter().try_fold(base, |recipe, set| recipe.with(set))?;
        if let Some(spec) = spec {
            recipe.data.spec = spec;
        }
        recipe.model.name.clone_from(&training.network.name);
        recipe.train.seed = seed;
        recipe.check()?;
        Ok(recipe)
    }
}
