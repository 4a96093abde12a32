//! Reads preprocessing from a JSON file, with errors that name the field at fault.

use std::path::Path;

use serde::de::Unexpected;
use serde_json::Value;
use striate_graph::Network;
use striate_tensor::file::read_text_limited;
use striate_tensor::preprocessing::Preprocessing;
use striate_tensor::text::reword;
use striate_tensor::{Error, Result};

use crate::preprocessing::{PREPROCESSING_WORDS, check_preprocessing};

/// Largest size of a preprocessing file.
const LARGEST_FILE: u64 = 1 << 20;

/// Returns the preprocessing in the JSON file at `path`, checked against `network`.
///
/// # Errors
/// If the file cannot be read or does not fit. A path that could be a misspelled word is answered with the words.
pub(crate) fn from_file(path: &Path, network: &Network) -> Result<Preprocessing> {
    let is_word = path.extension().is_none() && !path.exists();
    if is_word {
        let what = format!("--preprocessing {}: expected {PREPROCESSING_WORDS}", path.display());
        return Err(Error::input(what));
    }
    let text = read_text_limited(path, LARGEST_FILE)?;
    let form: Preprocessing = serde_json::from_str(&text).map_err(|e| {
        let what = worded(&e.to_string(), &serde_json::from_str(&text).unwrap_or_default());
        Error::input(format!("{}: is not a valid preprocessing: {what}", path.display()))
    })?;
    check_preprocessing(&form, network).map_err(|e| e.at(path.display()))?;
    Ok(form)
}

/// Rewords `message`, serde's error about the JSON `value`, with the name of the field at fault.
fn worded(message: &str, value: &Value) -> String {
    let mut fields = Vec::new();
    list_fields(Field { name: "the content", is_element: false }, value, &mut fields);
    // An element of a list has the list's name, but is not what should be a list.
    let is_list_expected = message.contains(", expected a sequence");
    let is_found = |(field, value): &&(Field, String)| {
        message.contains(&format!(": {value}, expected ")) && !(field.is_element && is_list_expected)
    };
    reword(message, fields.iter().find(is_found).map_or("a value", |(field, _)| field.name))
}

/// A field of a JSON file, or an element of the list in it.
#[derive(Clone, Copy)]
struct Field<'a> {
    name: &'a str,
    is_element: bool,
}

/// Adds `field` and the fields in its `value` to `fields`, each with its value as serde words it.
fn list_fields<'a>(field: Field<'a>, value: &'a Value, fields: &mut Vec<(Field<'a>, String)>) {
    let worded = match value {
        Value::Object(map) => {
            map.iter()
                .for_each(|(name, value)| list_fields(Field { name, is_element: false }, value, fields));
            Unexpected::Map
        }
        Value::Array(list) => {
            list.iter().for_each(|value| list_fields(Field { is_element: true, ..field }, value, fields));
            Unexpected::Seq
        }
        Value::String(text) => Unexpected::Str(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Unexpected::Signed(number),
            (None, number) => Unexpected::Float(number.unwrap_or_default()),
        },
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Null => Unexpected::Other("null"),
    };
    fields.push((field, worded.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocessing::{Colors, named_preprocessing};

    fn network(input: [usize; 3]) -> Network {
        let net = striate_graph::Builder::new("net", input);
        net.input().conv(2, 3).global_average_pool().flatten().finish().unwrap()
    }

    #[test]
    fn documented_preprocessing_file_is_that_of_imagenet() {
        let readme = include_str!("../../../README.md");
        let example = readme.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        let (network, path) = (network([3, 224, 224]), scratch("documented"));
        std::fs::write(&path, example).unwrap();
        let read = named_preprocessing(path.to_str().unwrap(), &network, Colors::Rgb);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.unwrap(), named_preprocessing("imagenet", &network, Colors::Rgb).unwrap());
    }

    #[test]
    fn invalid_fields_of_preprocessing_file_are_named() {
        let (network, path) = (network([3, 8, 8]), scratch("invalid"));
        let file = |channels: &str, height: &str, mean: &str| {
            format!(
                r#"{{"channels": {channels}, "steps": [{{"step": "resize", "height": {height}, "width": 8, "filter": "box"}}], "mean": {mean}, "std": [1, 1, 1]}}"#
            )
        };
        for (text, expected) in [
            (file("\"3\"", "8", "[0, 0, 0]"), "channels must be a whole number, but is \"3\""),
            (file("3", "-8", "[0, 0, 0]"), "height must not be negative, but is -8"),
            (file("3", "8.5", "[0, 0, 0]"), "height must be a whole number, but is 8.5"),
            (file("3", "8", "0.5"), "mean must be a list, but is 0.5"),
            (file("3", "8", "[0, true, 0]"), "mean must be a number, but is true"),
            // The value at fault also occurs in a list before it.
            (file("3", "8", "[0.5, 0.5, 0.5]").replace("[1, 1, 1]", "0.5"), "std must be a list, but is 0.5"),
            ("0.5".to_owned(), "the content must be a table, but is 0.5"),
        ] {
            std::fs::write(&path, &text).unwrap();
            let line =
                named_preprocessing(path.to_str().unwrap(), &network, Colors::Rgb).unwrap_err().to_string();
            assert!(line.contains(&format!("is not a valid preprocessing: {expected}")), "{text}: {line}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    /// The path of a preprocessing file of this test.
    fn scratch(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("striate-preprocessing-{name}-{}.json", std::process::id()))
    }
}
