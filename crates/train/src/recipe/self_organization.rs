//! The table `self_organization` of a recipe: layers of S-cells that learn without gradients.

use serde::{Deserialize, Serialize};
use striate_ancestors::neocognitron::Rule;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

use super::unknown;

/// Trains layers of S-cells one after another, then labels the cells that the last layer reads with classes. Every list
/// has an element for each layer. The defaults are those of 1980, but for the presentations, which were 100 patterns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelfOrganizationPart {
    /// The layers in the order in which they learn: S has a convolution `S.excitation` with the synapses a, and
    /// `S.inhibition`, a 1×1 convolution with the synapses b.
    pub layers: Vec<String>,
    /// What a pattern changes: `representatives`, `generation` or `labels`.
    pub rules: Vec<String>,
    /// r while learning; that of the network may be lower.
    pub selectivity: Vec<f32>,
    /// q: how much a pattern changes.
    pub speed: Vec<f32>,
    /// The side of an S-column in positions; the rule `labels` has none.
    pub columns: Vec<usize>,
    /// Training images that are presented, in a new random order for each round of all of them.
    pub presentations: Vec<usize>,
    /// The largest of the random weak synapses that the rule `representatives` begins with.
    pub initial: f32,
}

impl Default for SelfOrganizationPart {
    fn default() -> Self {
        SelfOrganizationPart {
            layers: ["s1", "s2", "s3"].map(String::from).to_vec(),
            rules: vec![REPRESENTATIVES.into(); 3],
            selectivity: vec![4.0, 1.5, 1.5],
            speed: vec![1.0, 16.0, 16.0],
            columns: vec![5, 5, 2],
            presentations: vec![1_000; 3],
            initial: 0.05,
        }
    }
}

const REPRESENTATIVES: &str = "representatives";
const RULES: [(&str, Rule); 3] =
    [(REPRESENTATIVES, Rule::Representatives), ("generation", Rule::Generation), ("labels", Rule::Labels)];

/// Largest number of layers.
const MOST_LAYERS: usize = 64;

/// How a layer learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerPart<'a> {
    pub layer: &'a str,
    pub rule: Rule,
    pub selectivity: f32,
    pub speed: f32,
    pub column: usize,
    pub presentations: usize,
}

impl SelfOrganizationPart {
    pub(super) fn check(&self) -> Result<()> {
        let count = self.layers.len();
        let lists = [
            ("rules", self.rules.len()),
            ("selectivity", self.selectivity.len()),
            ("speed", self.speed.len()),
            ("columns", self.columns.len()),
            ("presentations", self.presentations.len()),
        ];
        if !(1..=MOST_LAYERS).contains(&count) {
            let what = format!("self_organization.layers must have 1 to {MOST_LAYERS} names");
            return Err(Error::input(what));
        }
        if let Some((name, own)) = lists.iter().find(|(_, own)| *own != count) {
            return Err(Error::input(format!(
                "self_organization.{name} has {}, but self_organization.layers has {count}; give each layer one",
                counted(*own, "element")
            )));
        }
        let known = RULES.map(|(name, _)| name);
        if let Some(rule) = self.rules.iter().find(|rule| !known.contains(&rule.as_str())) {
            return Err(unknown("self_organization.rules", rule, &known));
        }
        let fields = [
            (
                self.selectivity.iter().all(|r| is_positive(*r)),
                "selectivity must be finite numbers above 0, at most 1e6",
            ),
            (self.speed.iter().all(|q| is_positive(*q)), "speed must be finite numbers above 0, at most 1e6"),
            (self.columns.iter().all(|side| (1..=1 << 14).contains(side)), "columns must be from 1 to 16384"),
            (
                self.presentations.iter().all(|count| (1..=1 << 20).contains(count)),
                "presentations must be from 1 to 1048576",
            ),
            (is_positive(self.initial), "initial must be a finite number above 0, at most 1e6"),
        ];
        match fields.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(Error::input(format!("self_organization.{rule}"))),
            None => Ok(()),
        }
    }

    /// Returns how each layer learns.
    pub(crate) fn of_layers(&self) -> impl Iterator<Item = LayerPart<'_>> {
        self.layers.iter().enumerate().map(|(index, layer)| {
            let rule = RULES.iter().find(|(name, _)| *name == self.rules[index]);
            LayerPart {
                layer,
                rule: rule.expect("rules were checked").1,
                selectivity: self.selectivity[index],
                speed: self.speed[index],
                column: self.columns[index],
                presentations: self.presentations[index],
            }
        })
    }
}

fn is_positive(number: f32) -> bool {
    number > 0.0 && number <= 1e6
}
