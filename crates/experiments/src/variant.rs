//! The variants that an experiment compares.

use std::collections::BTreeSet;

use striate_graph::Network;
use striate_predict::Protocol;
use striate_tensor::{Error, Result, nearest};
use striate_train::{Recipe, shipped};

use crate::Experiment;
use crate::data::Downloaded;
use crate::text::VariantText;

/// One of the things that an experiment compares.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its name, of letters, digits, dots and hyphens.
    pub name: String,
    /// What its runs do.
    pub work: Work,
    /// The variant that gains are relative to, if not this one.
    pub(crate) baseline: Option<String>,
    pub(crate) set: Vec<String>,
}

/// What the runs of a variant do.
#[derive(Debug, Clone)]
pub enum Work {
    /// Train a network.
    Training(Box<Training>),
    /// Evaluate a trained model, which no seed changes.
    Evaluation(Evaluation),
}

/// A network that is trained.
#[derive(Debug, Clone)]
pub struct Training {
    /// The network.
    pub network: Network,
    /// The recipe, if not that of the experiment.
    pub(crate) recipe: Option<Recipe>,
}

/// A trained model that is evaluated.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub(crate) model: Downloaded,
    /// What the model sees of an image.
    pub protocol: Protocol,
}

impl Variant {
    pub(crate) fn parse(text: &VariantText, experiment: &Experiment) -> Result<Variant> {
        check_name("variant", &text.name)?;
        let refuse = |what: &str| Err(Error::input(format!("variant {}: {what}", text.name)));
        let trains = text.recipe.is_some() || !text.replace.is_empty() || !text.set.is_empty();
        let work = match (&text.network, &text.model, &text.protocol) {
            (Some(network), None, None) => Work::Training(Box::new(Training {
                network: network_of(network, text, experiment)?,
                recipe: text.recipe.as_deref().map(shipped).transpose()?,
            })),
            (None, Some(_), Some(_)) if trains => {
                return refuse("a model is only evaluated; omit recipe, replace and set");
            }
            (None, Some(model), Some(name)) => {
                let names = || Protocol::ALL.map(Protocol::name);
                let protocol = Protocol::find(name).ok_or_else(|| {
                    let near = nearest(name, names()).unwrap_or(names()[0]);
                    Error::input(format!(
                        "variant {}: unknown protocol {name}; did you mean {near}?",
                        text.name
                    ))
                })?;
                Work::Evaluation(Evaluation { model: model.clone(), protocol })
            }
            _ => return refuse("give a network to train, or a model and a protocol to evaluate it"),
        };
        let (name, baseline, set) = (text.name.clone(), text.baseline.clone(), text.set.clone());
        Ok(Variant { name, work, baseline, set })
    }

    /// Returns what is trained; `None` if nothing is.
    pub fn training(&self) -> Option<&Training> {
        match &self.work {
            Work::Training(training) => Some(training),
            Work::Evaluation(_) => None,
        }
    }
}

/// The network called `name`: a file of the experiment, or a built-in one.
fn network_of(name: &str, text: &VariantText, experiment: &Experiment) -> Result<Network> {
    let own = experiment.networks.iter().find(|(file, _)| *file == name);
    let Some((_, template)) = own else { return (striate_models::find(name)?.build)() };
    let filled = text
        .replace
        .iter()
        .fold((*template).to_owned(), |filled, (word, value)| filled.replace(&format!("${word}"), value));
    Ok(without_unused(Network::from_text(&filled)?))
}

/// Returns `network` without the layers that lead neither to its output nor to one of its heads, so that variants with
/// other heads can share a text.
fn without_unused(mut network: Network) -> Network {
    let heads = network.heads.iter().map(|head| head.layer.clone());
    let output = network.layers.last().map(|layer| layer.name.clone());
    let mut used: BTreeSet<String> = heads.chain(output).collect();
    // Layers come after those that they read.
    for layer in network.layers.iter().rev() {
        if used.contains(&layer.name) {
            used.extend(layer.inputs.iter().chain(&layer.shares).cloned());
        }
    }
    network.layers.retain(|layer| used.contains(&layer.name));
    network
}

/// Checks a name, which becomes a part of a path.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain) {
        true => Ok(()),
        false => Err(Error::input(format!("{what} {name}: a name has letters, digits, dots, hyphens"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_unused_heads_are_left_out() {
        let text = r#"
            name = "n"
            input = [1, 4, 4]
            heads = [{ layer = "b", weight = 0.3 }]
            layers = [
                { name = "flat", op = "flatten" },
                { name = "a.relu", op = "relu" },
                { name = "a", op = "linear", out_features = 3 },
                { name = "b", op = "linear", out_features = 3, inputs = ["flat"] },
                { name = "c", op = "linear", out_features = 3, inputs = ["flat"] },
            ]"#;
        let network = without_unused(Network::from_text(text).unwrap());
        let names: Vec<&str> = network.layers.iter().map(|layer| &layer.name[..]).collect();
        assert_eq!(names, ["flat", "b", "c"]);
    }
}
