//! The transforms of a recipe: explains what does not fit, with the transform and its index.

use serde::Deserialize;
use striate_tensor::text::reword;
use striate_tensor::{Error, Result, nearest};
use striate_vision::augment::Transform;

/// Checks that every entry of `data.transforms` is a transform.
///
/// # Errors
/// If one is not; the message gives its index, from 0, and the nearest name.
pub(super) fn check(transforms: &[toml::Value]) -> Result<()> {
    transforms.iter().enumerate().try_for_each(|(index, value)| {
        check_one(value, &format!("data.transforms[{index}]")).map_or(Ok(()), |what| Err(Error::input(what)))
    })
}

/// What is wrong with the transform `value` at `place`, if anything.
fn check_one(value: &toml::Value, place: &str) -> Option<String> {
    let Some(table) = value.as_table() else {
        return Some(format!("{place} must be a table with the name of a transform, but is {value}"));
    };
    let Some(name) = table.get("name").and_then(toml::Value::as_str) else {
        return Some(format!("{place} has no name; write {{ name = \"...\" }} with that of a transform"));
    };
    if !Transform::NAMES.contains(&name) {
        return Some(format!("{place}: unknown transform {name}; {}", hint(name, &Transform::NAMES)));
    }
    let error = Transform::deserialize(value.clone()).err()?;
    let message = error.message().replace('\n', " ");
    Some(format!("{place} ({name}): {}", explain(&message, table)))
}

/// Rewords a message of serde about the fields of `table`.
fn explain(message: &str, table: &toml::Table) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, [word, known @ ..]) = (message.starts_with("unknown field"), &quoted[..]) {
        return format!("unknown field {word}; {}", hint(word, known));
    }
    if let (true, [word, ..]) = (message.starts_with("missing field"), &quoted[..]) {
        return format!("missing field {word}");
    }
    // The message does not name the field, but it contains its value.
    let is_meant = |value: &toml::Value| match value {
        toml::Value::String(text) => message.contains(&format!("{text:?}")),
        value => message.contains(&format!("`{value}`")),
    };
    let mut fields = table.iter().filter(|(key, value)| *key != "name" && is_meant(value));
    let field = fields.next().map_or("a value", |(key, _)| key.as_str());
    reword(message, field)
}

fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "it has no fields".into(),
        None => format!("choose from {}", known.join(", ")),
    }
}
