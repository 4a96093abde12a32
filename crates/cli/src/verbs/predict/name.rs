//! The names of the samples that `striate predict` classifies.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::json;

/// Where a sample comes from.
pub enum Name {
    /// A file.
    File(PathBuf),
    /// A line of a file, with its number.
    Line(PathBuf, usize),
    /// The text of a flag.
    Given(String),
}

impl Name {
    /// The name for people and tables.
    pub fn text(&self) -> String {
        match self {
            Name::File(path) => path.to_string_lossy().into_owned(),
            Name::Line(path, number) => format!("{}:{number}", path.to_string_lossy()),
            Name::Given(text) => text.clone(),
        }
    }

    /// The name as a JSON object: `file`, `file` and `line`, or `text`.
    pub fn json(&self) -> Value {
        match self {
            Name::File(path) => json!({ "file": json::path(path) }),
            Name::Line(path, number) => json!({ "file": json::path(path), "line": number }),
            Name::Given(text) => json!({ "text": text }),
        }
    }
}
