//! The text of a definition, as it is read.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::data::Downloaded;
use crate::measure::Measure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    pub title: String,
    pub claim: String,
    pub source: String,
    pub seeds: u64,
    pub measures: Vec<Measure>,
    #[serde(default)]
    pub recipe: toml::Table,
    #[serde(default)]
    pub set: Vec<String>,
    #[serde(default)]
    pub data: Vec<DataText>,
    pub variants: Vec<VariantText>,
    #[serde(default)]
    pub full: Full,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataText {
    pub name: String,
    pub files: Option<Downloaded>,
    #[serde(default)]
    pub set: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariantText {
    pub name: String,
    pub network: Option<String>,
    #[serde(default)]
    pub replace: BTreeMap<String, String>,
    pub recipe: Option<String>,
    pub model: Option<Downloaded>,
    pub protocol: Option<String>,
    pub baseline: Option<String>,
    #[serde(default)]
    pub set: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Full {
    pub set: Vec<String>,
}
