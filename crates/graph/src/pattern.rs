//! Patterns that select parameters by name.

use std::collections::HashSet;

use striate_tensor::{Error, Result, nearest};

use crate::graph::{Graph, Role, ValueId};

/// Whether `pattern`, in which each `*` stands for any text, matches the variable `name` or its layer, whose name is
/// the part before the last dot.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let layer = name.rsplit_once('.').map(|(layer, _)| layer);
    matches_text(pattern, name) || layer.is_some_and(|layer| matches_text(pattern, layer))
}

fn matches_text(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let (end, between) = parts.split_last().expect("a split has parts");
    for part in between {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

/// The parameters of `graph` that one of `patterns` matches.
///
/// # Errors
/// If a pattern does not match any.
pub(crate) fn select<'p>(
    graph: &Graph,
    patterns: impl IntoIterator<Item = &'p str>,
) -> Result<HashSet<ValueId>> {
    let mut selected = HashSet::new();
    for pattern in patterns {
        let parameters = graph.variables(Role::Parameter);
        let found: Vec<ValueId> =
            parameters.filter(|(_, value)| matches(pattern, &value.name)).map(|(id, _)| id).collect();
        if found.is_empty() {
            return Err(unmatched(graph, pattern));
        }
        selected.extend(found);
    }
    Ok(selected)
}

fn unmatched(graph: &Graph, pattern: &str) -> Error {
    let names = || graph.variables(Role::Parameter).map(|(_, value)| value.name.as_str());
    let layers = names().filter_map(|name| name.rsplit_once('.')).map(|(layer, _)| layer);
    let hint = match nearest(pattern, names().chain(layers)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the first parameter is {}", names().next().unwrap_or("missing")),
    };
    Error::input(format!("network {}: no parameter matches the pattern {pattern}; {hint}", graph.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text_and_layers_for_their_variables() {
        for (pattern, name, expected) in [
            ("features.*", "features.0.weight", true),
            ("features.*", "classifier.0.weight", false),
            ("features.0", "features.0.weight", true),
            ("features.0", "features.01.weight", false),
            ("features", "features.0.weight", false),
            ("*.bias", "conv1.bias", true),
            ("*.bias", "conv1.weight", false),
            ("layer*.bn*.weight", "layer1.0.bn2.weight", true),
            ("layer*.bn*.weight", "layer1.0.conv2.weight", false),
            ("*", "x", true),
            ("a*a", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
