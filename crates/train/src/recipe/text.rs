//! The text form of recipes, and changes of single fields by name.

use std::path::Path;

use striate_graph::{Loss, check_toml};
use striate_tensor::file::read_text_limited;
use striate_tensor::preprocessing::Features;
use striate_tensor::text::reword;
use striate_tensor::{Error, Result, nearest};

use super::loss::CLASS_WEIGHTS;
use super::{Recipe, Replacement, SelfOrganizationPart, SvmPart, transforms, unknown};

/// Limit on the bytes of a recipe.
const MAX_TEXT: usize = 1 << 20;
/// Limit on the depth of a field; no field is this deep.
const MAX_DEPTH: usize = 4;
/// Fields that are omitted from the text at their defaults.
const OPTIONAL: [(&str, &[&str]); 5] = [
    ("model", &["init", "batch_norm_bias", "start"]),
    (
        "data",
        &[
            "share",
            "size",
            "mean",
            "std",
            "unreadable",
            "max_pixels",
            "sample_rate",
            "seconds",
            "mels",
            "length",
            "alphabet",
            "transforms",
            "mixup",
            "cutmix",
            "features",
        ],
    ),
    (
        "train",
        &[
            "steps_per_epoch",
            "min_batch",
            "batch_norm_momentum",
            "patience",
            "ema",
            "accumulate",
            "accumulate_batch_norm",
            "freeze",
        ],
    ),
    ("optim", &["lr_inputs", "head_factor", "decay_norms", "decay", "trust", "rates"]),
    ("schedule", &["power", "patience"]),
];

impl Recipe {
    /// Reads the recipe in the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, or as [`Recipe::from_text`].
    pub fn load(path: &Path) -> Result<Recipe> {
        let text = read_text_limited(path, MAX_TEXT as u64)?;
        Recipe::from_text(&text).map_err(|e| e.at(path.display()))
    }

    /// Parses a recipe.
    ///
    /// # Errors
    /// If the text is not TOML, or has an unknown or invalid field.
    pub fn from_text(text: &str) -> Result<Recipe> {
        if text.len() > MAX_TEXT {
            let length = text.len();
            return Err(Error::input(format!(
                "recipe: the text has {length} bytes; the limit is {MAX_TEXT}"
            )));
        }
        check_toml(text).map_err(|e| e.at("recipe"))?;
        let table: toml::Table = toml::from_str(text).map_err(|e| invalid_value(text, &e))?;
        Recipe::from_table(table)
    }

    fn from_table(mut table: toml::Table) -> Result<Recipe> {
        let known = known_fields();
        if let Some(toml::Value::Table(loss)) = table.get_mut("loss") {
            loss.entry("name").or_insert_with(|| Loss::default().name().into());
            if let Some(name) = loss["name"].as_str().filter(|name| !Loss::NAMES.contains(name)) {
                return Err(unknown("loss.name", name, Loss::NAMES).at("recipe"));
            }
            let is_number = |value: &toml::Value| value.is_integer() || value.is_float();
            let is_wrong = |key: &str, value| !["name", CLASS_WEIGHTS].contains(&key) && !is_number(value);
            if let Some((key, value)) = loss.iter().find(|(key, value)| is_wrong(key, value)) {
                let what = format!("recipe: loss.{key} must be a number, but is {}", short(value));
                return Err(Error::input(what));
            }
        }
        check_keys(&table, &known, "")?;
        if let Some(toml::Value::Array(transforms)) =
            table.get("data").and_then(|data| data.get("transforms"))
        {
            transforms::check(transforms).map_err(|e| e.at("recipe"))?;
        }
        let features = table.get("data").and_then(|data| data.get("features"));
        features.map_or(Ok(()), check_features_name).map_err(|e| e.at("recipe"))?;
        let recipe: Recipe = table.try_into().map_err(|e| misfit(&e))?;
        recipe.check()?;
        Ok(recipe)
    }

    fn table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a recipe has a text form")
    }

    /// Returns the fields that have an effect by dotted name with their values as TOML, such as `optim.lr` and `0.05`.
    pub fn fields(&self) -> Vec<(String, String)> {
        let mut fields = self.every_field();
        let method = self.replacement();
        fields.retain(|(field, _)| method.is_none_or(|method| method.has_effect(field)));
        fields
    }

    /// As [`Recipe::fields`], with those that have none.
    pub(super) fn every_field(&self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        flatten(&self.table(), "", &mut fields);
        fields
    }

    /// Returns the recipe as TOML with every field that has an effect; those of later versions only if they are
    /// set.
    pub fn to_text(&self) -> String {
        let text = match self.replacement() {
            None => toml::to_string(self),
            Some(method) => toml::to_string(&self.effective_table(method)),
        };
        text.expect("a recipe has a text form")
    }

    /// The fields that have an effect on a method without gradient descent.
    fn effective_table(&self, method: Replacement) -> toml::Table {
        let mut table = self.table();
        for (name, part) in &mut table {
            let part = part.as_table_mut().expect("a recipe consists of tables");
            part.retain(|field, _| method.has_effect(&format!("{name}.{field}")));
        }
        table.retain(|_, part| part.as_table().is_some_and(|part| !part.is_empty()));
        table
    }

    /// Returns the recipe with one field changed by an assignment such as `optim.lr=0.1`.
    ///
    /// # Errors
    /// If the field does not exist or the value does not fit it.
    pub fn with(&self, assignment: &str) -> Result<Recipe> {
        let place = |e: Error| e.at(assignment);
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| place(Error::input("not an assignment; write KEY=VALUE, such as optim.lr=0.1")))?;
        let mut table = self.table();
        // Optional fields are missing in the text of the defaults: all are added first and checked afterwards.
        let parsed = format!("value = {value}").parse::<toml::Table>();
        let value = parsed.ok().and_then(|mut table| table.remove("value"));
        if value.is_none() && key_value(assignment).parse::<u128>().is_ok() {
            return Err(place(Error::input("the number is too large; the limit is 2^63 - 1")));
        }
        let value = value.unwrap_or_else(|| toml::Value::String(key_value(assignment)));
        let mut current = &mut table;
        let parts: Vec<&str> = key.trim().splitn(MAX_DEPTH + 1, '.').collect();
        if parts.len() > MAX_DEPTH {
            return Err(place(Error::input("a field has at most four parts")));
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
}

/// Returns a table with every field that a recipe can have.
fn known_fields() -> toml::Table {
    let mut known = Recipe::default().table();
    known.insert("loss".into(), toml::Value::Table(loss_fields()));
    let mut svm = toml::Table::try_from(SvmPart::default()).expect("a table has a text form");
    svm.extend(["codebook", "descriptors"].map(|name| (name.to_owned(), true.into())));
    known.insert("svm".into(), toml::Value::Table(svm));
    let cells = toml::Table::try_from(SelfOrganizationPart::default()).expect("a table has a text form");
    known.insert("self_organization".into(), toml::Value::Table(cells));
    for (section, names) in OPTIONAL {
        let section = known[section].as_table_mut().expect("is a section of every recipe");
        section.extend(names.iter().map(|name| ((*name).to_owned(), true.into())));
    }
    known
}

/// Checks that features have a name.
fn check_features_name(features: &toml::Value) -> Result<()> {
    match features.get("name").and_then(toml::Value::as_str) {
        Some(name) if Features::NAMES.contains(&name) => Ok(()),
        Some(name) => Err(unknown("data.features.name", name, &Features::NAMES)),
        None => {
            let names = Features::NAMES.join(" or ");
            Err(Error::input(format!("data.features must be a table with the name {names}")))
        }
    }
}

/// Lists the fields of `table` under the dotted `place`.
fn flatten(table: &toml::Table, place: &str, fields: &mut Vec<(String, String)>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(table) if place.is_empty() => flatten(table, &format!("{key}."), fields),
            value => fields.push((format!("{place}{key}"), short(value))),
        }
    }
}

/// Formats a value as TOML; numbers in the shortest form that gives the same f32.
fn short(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) if f64::from(*number as f32) == *number => format!("{:?}", *number as f32),
        toml::Value::Array(items) => format!("[{}]", items.iter().map(short).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

/// The fields of all losses.
fn loss_fields() -> toml::Table {
    ["name", "smoothing", "margin", "power", "j", CLASS_WEIGHTS]
        .into_iter()
        .map(|name| (name.into(), true.into()))
        .collect()
}

fn key_value(assignment: &str) -> String {
    assignment.split_once('=').map_or(String::new(), |(_, value)| value.trim().to_owned())
}

/// Refuses unknown fields with the nearest known one.
fn check_keys(table: &toml::Table, known: &toml::Table, place: &str) -> Result<()> {
    for (key, value) in table {
        match (known.get(key), value) {
            (None, _) => {
                let fields: Vec<&str> = known.keys().map(String::as_str).collect();
                let hint =
                    nearest(key, fields.iter().copied()).map(|near| format!("did you mean {place}{near}?"));
                let hint = hint.unwrap_or_else(|| format!("choose from {}", fields.join(", ")));
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

/// Explains a value that TOML does not allow.
fn invalid_value(text: &str, error: &toml::de::Error) -> Error {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
    Error::input(format!("recipe: line {line}: {}", reword(&error.message().replace('\n', " "), "a value")))
}

/// Explains a value that does not fit its field.
fn misfit(error: &toml::de::Error) -> Error {
    let text = error.to_string();
    // The dotted name of the field is on the last line.
    let field = text.trim_end().rsplit_once("\nin `").and_then(|(_, name)| name.strip_suffix('`'));
    let message = error.message().replace('\n', " ");
    Error::input(format!("recipe: {}", reword(&message, field.unwrap_or("a value"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_are_a_list_of_tables() {
        let text = "[[data.transforms]]\nname = \"RandomResizedCrop\"\nsize = 64\n\n[[data.transforms]]\nname = \"RandAugment\"\n";
        let recipe = Recipe::from_text(text).unwrap();
        assert_eq!(recipe.data.transforms.0.len(), 2);
        assert!(recipe.augments_originals() && !Recipe::default().augments_originals());
        assert_eq!(Recipe::from_text(&recipe.to_text()).unwrap(), recipe);
        assert!(!Recipe::default().to_text().contains("transforms"));
        let set =
            Recipe::default().with(r#"data.transforms=[{name="RandomHorizontalFlip", p=0.25}]"#).unwrap();
        assert_eq!(set.data.transforms.0.len(), 1);
        for (assignment, expected) in [
            ("data.augment=shift", "omit data.augment"),
            (r#"data.transforms=[{name="RandomCrop", size=0}]"#, "data.transforms[0]: RandomCrop"),
            (
                r#"data.transforms=[{name="RandAugment"}, {name="RandomCrop", siz=3}]"#,
                "data.transforms[1] (RandomCrop): unknown field siz; did you mean size?",
            ),
            (
                r#"data.transforms=[{name="RandomCrop"}]"#,
                "data.transforms[0] (RandomCrop): missing field size",
            ),
            (
                r#"data.transforms=[3]"#,
                "data.transforms[0] must be a table with the name of a transform, but is 3",
            ),
            (r#"data.transforms=[{size=3}]"#, "data.transforms[0] has no name"),
            (
                r#"data.transforms=[{name="RandomHorizontalFlip", p="x"}]"#,
                "data.transforms[0] (RandomHorizontalFlip): p must be a number, but is \"x\"",
            ),
            (
                r#"data.transforms=[{name="RandomCropp", size=3}]"#,
                "data.transforms[0]: unknown transform RandomCropp; did you mean RandomCrop?",
            ),
            ("data.augment=photograph", "did you mean photographs?"),
        ] {
            let before = if assignment.contains("shift") { &recipe } else { &Recipe::default() };
            let error = before.with(assignment).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn fields_are_set_by_name() {
        let recipe = Recipe::default().with("optim.lr=1").unwrap().with("data.augment=shift").unwrap();
        assert_eq!((recipe.optim.lr, recipe.data.augment.as_str()), (1.0, "shift"));
        let recipe = recipe.with("schedule.name=constant").unwrap();
        assert_eq!(recipe.schedule.name, "constant");
        assert_eq!(Recipe::from_text(&recipe.to_text()).unwrap(), recipe);
    }

    #[test]
    fn text_that_is_not_toml_is_refused_with_its_line() {
        for text in ["[train]\nepochs = 3 3", "[train]\nepochs", "\n[train"] {
            let message = Recipe::from_text(text).unwrap_err().to_string();
            assert!(message.starts_with("recipe: line 2: "), "{message}");
        }
    }

    /// Checkpoints of earlier versions contain a hash of the text without these fields.
    #[test]
    fn newer_fields_appear_in_the_text_only_if_set() {
        let plain = Recipe::default().to_text();
        let sets = [
            "model.init=he",
            "model.batch_norm_bias=0.5",
            "model.start=shallower",
            "data.size=[64, 48]",
            "data.unreadable=skip",
            "data.max_pixels=100",
            "train.steps_per_epoch=8",
            "train.min_batch=16",
            "train.batch_norm_momentum=1",
            "optim.lr_inputs=576",
            "optim.head_factor=10",
            "data.mixup=0.2",
            "data.cutmix=1",
            "train.patience=5",
            "train.ema=0.999",
            "train.accumulate=4",
            "train.accumulate_batch_norm=true",
            "train.freeze=['conv1']",
            "optim.decay_norms=false",
            "optim.decay=0.9",
            "optim.trust=0.01",
            "optim.rates={'fc.*' = 10}",
            "schedule.power=0.5",
            "schedule.patience=3",
        ];
        let mut recipe = Recipe::default();
        for set in sets {
            let field = set.split(['.', '=']).nth(1).unwrap();
            assert!(
                !plain.contains(&format!("\n{field} =")) && !plain.contains(&format!(".{field}]")),
                "{field}"
            );
            recipe = recipe.with(set).unwrap();
        }
        assert_eq!(Recipe::from_text(&recipe.to_text()).unwrap(), recipe);
        assert_eq!((recipe.data.size, recipe.optim.head_factor), (Some([64, 48]), 10.0));
        assert_eq!(recipe.model.init, Some(striate_graph::Init::He));
        assert!(recipe.skips_unreadable());
    }

    #[test]
    fn recipe_of_support_vector_machines_has_only_fields_with_an_effect() {
        let recipe = crate::recipe::shipped("hog-svm").unwrap();
        let text = recipe.to_text();
        for table in ["optim", "schedule", "checkpoint", "loss"] {
            assert!(!text.contains(&format!("[{table}]")), "{text}");
        }
        assert!(text.contains("seed = 0") && !text.contains("epochs") && text.contains("name = \"hog\""));
        assert_eq!(Recipe::from_text(&text).unwrap(), recipe);
        for field in
            ["train.epochs=5", "optim.lr=0.1", "data.augment=shift", "loss.name=hinge", "model.init=he"]
        {
            let error = recipe.with(field).unwrap_err().to_string();
            assert!(error.contains("has no effect on support vector machines; omit it"), "{error}");
        }
        assert_eq!(
            recipe.with("data.features.orientations=8").unwrap().with("svm.c=2").unwrap().svm.unwrap().c,
            2.0
        );
    }

    #[test]
    fn fields_are_listed_with_short_values() {
        let fields = Recipe::default().with("optim.lr=0.1").unwrap().fields();
        for (field, value) in [("optim.lr", "0.1"), ("data.spec", "\"digits\""), ("train.epochs", "12")] {
            assert!(fields.contains(&(field.into(), value.into())), "{field}: {fields:?}");
        }
    }

    #[test]
    fn recipe_may_select_a_loss() {
        let recipe = Recipe::default();
        assert_eq!(recipe.spec().unwrap().loss, None);
        let smooth = recipe.with("loss.smoothing=0.1").unwrap();
        assert_eq!(smooth.loss.as_ref().unwrap().loss, Loss::CrossEntropy { smoothing: 0.1 });
        let hinge = recipe.with("loss.name=hinge").unwrap().with("loss.power=2").unwrap();
        assert_eq!(hinge.spec().unwrap().loss, Some(Loss::Hinge { margin: 1.0, power: 2 }));
        assert_eq!(Recipe::from_text(&hinge.to_text()).unwrap(), hinge);
        let weighted = recipe.with("loss.class_weights=balanced").unwrap();
        assert!(weighted.has_soft_targets() && weighted.to_text().contains("class_weights = \"balanced\""));
        assert_eq!(Recipe::from_text(&weighted.to_text()).unwrap(), weighted);
        let listed = smooth.with("loss.class_weights=[1, 2.5]").unwrap();
        assert_eq!(listed.loss.as_ref().unwrap().loss, smooth.loss.unwrap().loss);
        assert_eq!(Recipe::from_text(&listed.to_text()).unwrap(), listed);
    }

    #[test]
    fn typos_suggest_the_nearest_field() {
        for (assignment, expected) in [
            ("optim.lrr=1", "did you mean optim.lr?"),
            ("train.seed=18446744073709551615", "the number is too large; the limit is 2^63 - 1"),
            ("optim.lr=\"0.1\"", "optim.lr must be a number, but is \"0.1\""),
            ("optim.lr=0", "optim.lr must be a finite number above 0"),
            ("optim.lr=fast", "optim.lr must be a number, but is \"fast\""),
            ("optim=3", "optim must be a table, but is 3"),
            ("train.batch=-3", "train.batch must not be negative, but is -3"),
            ("train.epochs=1.5", "train.epochs must be a whole number, but is 1.5"),
            ("data.augment=3", "data.augment must be a string, but is 3"),
            ("data.mean=1", "data.mean must be a list, but is 1"),
            ("data.mean=[0.5, \"a\"]", "data.mean must be a number, but is \"a\""),
            ("data.size=3", "data.size must be a list of 2 values, but is 3"),
            ("data.size=[3]", "data.size must be a list of 2 values, but has 1"),
            ("loss.smoothing=x", "loss.smoothing must be a number, but is \"x\""),
            ("optim.name=sgdd", "did you mean sgd?"),
            ("lr", "not an assignment"),
            ("train.batch=0", "must be from 1"),
            ("train.batch_norm_momentum=0", "must be above 0"),
            ("data.unreadable=skp", "did you mean skip?"),
            ("data.size=[0, 3]", "a height and a width"),
            ("model.batch_norm_bias=inf", "model.batch_norm_bias must be a finite number"),
            ("model.start=shalower", "did you mean shallower?"),
            ("model.init=hee", "unknown model.init hee; choose from uniform, lecun,"),
            ("loss.name=hing", "did you mean hinge?"),
            ("loss.smothing=0.1", "did you mean loss.smoothing?"),
            ("loss.smoothing=2", "loss.smoothing"),
            ("schedule.name=cosin", "did you mean cosine?"),
            ("loss.class_weights=balance", "did you mean balanced?"),
            ("loss.class_weights=3", "class_weights must be \"balanced\" or a list of numbers"),
            ("loss.class_weights=[-1.0]", "loss.class_weights must be finite"),
            ("loss={name=\"hinge\", class_weights=\"balanced\"}", "needs the loss cross_entropy, not hinge"),
            ("train.accumulate=0", "train.accumulate must be from 1"),
            ("train.ema=1", "train.ema must be in [0, 1)"),
            ("train.freez=[]", "did you mean train.freeze?"),
            ("optim.rates={a = -1}", "the factors of optim.rates"),
            ("data.mixup=1e9", "alpha must be from"),
            ("schedule.patiense=3", "did you mean schedule.patience?"),
            ("svm.tolerence=1", "did you mean svm.tolerance?"),
            ("svm.descriptors=9", "svm.descriptors has no effect without svm.codebook"),
            (
                "self_organization.speed=[1,2]",
                "self_organization.speed has 2 elements, but self_organization.layers has 3",
            ),
            ("self_organization.layers=[]", "self_organization.layers must have 1 to 64 names"),
            ("self_organization.rules=['label','labels','labels']", "unknown label; did you mean labels?"),
            ("self_organization.speed=[1,-2,3]", "self_organization.speed must be finite numbers above 0"),
            ("self_organization.selectivity=[1,nan,3]", "self_organization.selectivity must be finite"),
            ("self_organization.columns=[0,1,1]", "self_organization.columns must be from 1 to 16384"),
            ("self_organization.presentations=[1,2,99999999]", "must be from 1 to 1048576"),
            ("self_organization.initial=0.0", "self_organization.initial must be"),
            ("self_organization.plane=[1]", "self_organization.plane"),
            ("svm.c=0", "svm.c must be a finite number above 0"),
            ("svm.loss=hing", "svm.loss: unknown hing; did you mean hinge?"),
            ("data.features={name='hogg'}", "data.features.name: unknown hogg; did you mean hog?"),
            ("data.features=3", "data.features must be a table with the name hog or dense_sift"),
            ("data.features={name='hog', cells=3}", "cells"),
            ("data.features={name='hog', orientations=1}", "orientations must be from 2 to 36"),
        ] {
            let error = Recipe::default().with(assignment).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
    }
}
