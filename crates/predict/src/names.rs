//! Class names: from a file, from the ONNX metadata of exporters, from ImageNet.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use striate_formats::ModelFile;
use striate_models::imagenet_names;
use striate_tensor::file::read_text_limited;
use striate_tensor::text::{counted, grouped};
use striate_tensor::{Error, Result};

use crate::literal;

/// The word that selects the ImageNet classes instead of a file.
const IMAGENET: &str = "imagenet";
/// The mark with which some editors start a file.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// Largest size of a file of class names.
const LARGEST_FILE: u64 = 16 << 20;
/// Keys of ONNX metadata under which tools write class names, best first.
const KEYS: [&str; 8] =
    ["names", "classes", "class_names", "labels", "class_labels", "id2label", "idx_to_class", "categories"];

/// Reads the names of `classes` classes from `source`: the word `imagenet`, or a file with one name per line, a JSON
/// list, or a JSON map from index to name.
///
/// # Errors
/// If the file cannot be read, or does not contain one name per class.
pub fn read_names(source: &str, classes: usize) -> Result<Vec<String>> {
    if source == IMAGENET {
        return imagenet_names(classes).ok_or_else(|| {
            Error::input(format!("--names imagenet: ImageNet has 1,000 classes, but the model has {classes}"))
        });
    }
    let text = read_text_limited(Path::new(source), LARGEST_FILE)?;
    let names = parse_names(&text).map_err(|e| e.at(source))?;
    if names.len() != classes {
        let what = format!(
            "{source}: {} for a model of {}",
            counted(names.len(), "name"),
            counted(classes, "class")
        );
        return Err(Error::input(format!("{what}; give one name per class, in the order of the outputs")));
    }
    check_names(&names).map_err(|e| e.at(source))?;
    Ok(names)
}

/// Refuses names that are empty, or that a model file could not store.
fn check_names(names: &[String]) -> Result<()> {
    if let Some(class) = names.iter().position(|name| name.trim().is_empty()) {
        return Err(Error::input(format!("the name of class {class} is empty")));
    }
    striate_formats::check_classes(names, names.len())
}

/// The names in `text`, by index.
fn parse_names(text: &str) -> Result<Vec<String>> {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    if !is_list_or_map(text) {
        return Ok(text.trim_end().lines().map(|line| line.trim().to_owned()).collect());
    }
    let value = literal::parse(text)?;
    by_index(&value).ok_or_else(|| {
        Error::input("is neither a list of names nor a map from index to name; write one name per line")
    })
}

/// Whether `text` is a list or a map, in JSON or as Python writes it, instead of plain names.
fn is_list_or_map(text: &str) -> bool {
    text.trim_start_matches(BYTE_ORDER_MARK).trim_start().starts_with(['[', '{'])
}

/// The names in a list, in a map from index to name, or in a map from name to index.
fn by_index(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(list) => list.iter().map(name).collect(),
        Value::Object(map) => {
            let indexed = map.iter().map(|(key, value)| match (key.parse::<usize>(), value.as_u64()) {
                (Ok(index), None) => Some((index, name(value)?)),
                (_, Some(index)) => Some((usize::try_from(index).ok()?, key.clone())),
                (Err(_), None) => None,
            });
            let indexed: HashMap<usize, String> = indexed.collect::<Option<_>>()?;
            let whole = indexed.len() == map.len();
            (0..map.len()).map(|index| indexed.get(&index).filter(|_| whole).cloned()).collect()
        }
        _ => None,
    }
}

/// A name; of a list such as `["n01440764", "tench"]` the last.
fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(list) => list.last().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

/// Returns the names of `classes` classes in the `metadata` of an ONNX file; adds a note on their key, and on those
/// that do not fit.
fn from_metadata(
    metadata: &HashMap<String, String>,
    classes: usize,
    notes: &mut Vec<String>,
) -> Option<Vec<String>> {
    for key in KEYS {
        let Some(text) = metadata.get(key) else { continue };
        let commas = || text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
        let names = match parse_names(text) {
            Ok(names) if names.len() == 1 && text.contains(',') && !is_list_or_map(text) => commas(),
            Ok(names) => names,
            Err(_) => vec![],
        };
        if names.len() != classes {
            notes.push(format!(
                "ignoring its metadata `{key}`, which does not have one name for each of {classes} classes"
            ));
        } else if let Err(e) = check_names(&names) {
            notes.push(format!("ignoring the class names in its metadata `{key}`: {e}"));
        } else {
            notes.push(format!("class names from its metadata `{key}`"));
            return Some(names);
        }
    }
    None
}

/// Whether the class names of `model` are just numbers.
pub fn has_numbers_for_names(model: &ModelFile) -> bool {
    model.classes.iter().enumerate().all(|(index, name)| *name == index.to_string())
}

/// Names the classes of `model` if they are just numbers: from `metadata`, or else as ImageNet's if its weights
/// are the published ones of a built-in ImageNet network. What was chosen is added to `notes`.
pub fn name_classes(model: &mut ModelFile, metadata: &HashMap<String, String>, notes: &mut Vec<String>) {
    if !has_numbers_for_names(model) {
        return;
    }
    let classes = model.classes.len();
    if let Some(names) = from_metadata(metadata, classes, notes) {
        model.classes = names;
        return;
    }
    let Some(names) = imagenet_names(classes) else { return };
    let known = striate_models::find(&model.network.name).is_ok_and(|known| known.is_of_imagenet());
    // An ONNX network is named after its file, and models trained here have class names.
    if known && is_published(model) {
        notes.push(format!(
            "using the {} ImageNet class names; --names FILE overrides them",
            grouped(classes as u64)
        ));
        model.classes = names;
    } else if model.data.is_none() {
        notes.push(format!(
            "its {classes} classes have no names; if they are ImageNet's, use --names imagenet"
        ));
    }
}

/// Whether the network of `model` equals the built-in one of its name in every layer, and was not trained
/// here.
fn is_published(model: &ModelFile) -> bool {
    let listed = striate_models::find(&model.network.name).and_then(|known| (known.build)());
    let is_listed = listed.is_ok_and(|mut listed| {
        listed.set_classes(model.classes.len()).is_ok() && listed.layers == model.network.layers
    });
    is_listed && model.data.is_none() && model.recipe.is_none()
}

#[cfg(test)]
mod tests {
    use striate_engine::Inference;
    use striate_graph::Builder;

    use super::*;

    #[test]
    fn names_are_read_in_every_common_form() {
        for text in [
            "cat\ndriver's dog\neel\n",
            "\u{feff}cat\r\ndriver's dog\r\neel\r\n\r\n",
            r#"["cat", "driver's dog", "eel"]"#,
            r#"{"0": "cat", "2": "eel", "1": "driver's dog"}"#,
            r#"{"0": ["n02121808", "cat"], "1": ["n0", "driver's dog"], "2": ["n1", "eel"]}"#,
            r#"{"cat": 0, "driver's dog": 1, "eel": 2}"#,
            r#"{0: 'cat', 1: "driver's dog", 2: 'eel'}"#,
        ] {
            assert_eq!(parse_names(text).unwrap(), ["cat", "driver's dog", "eel"], "{text}");
        }
        assert!(parse_names(r#"{"0": "cat", "2": "eel"}"#).unwrap_err().is_input(), "class 1 is missing");
        assert!(parse_names("[1.5, {}]").unwrap_err().is_input());
    }

    #[test]
    fn metadata_names_are_used_only_if_they_fit() {
        let found = |entries: &[(&str, &str)], classes| {
            let held = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let mut notes = Vec::new();
            (from_metadata(&held, classes, &mut notes), notes)
        };
        let (names, notes) = found(&[("names", "{0: 'cat', 1: 'dog'}"), ("stride", "32")], 2);
        assert_eq!(names.unwrap(), ["cat", "dog"]);
        assert_eq!(notes, ["class names from its metadata `names`"]);
        assert_eq!(found(&[("classes", "cat, dog,eel")], 3).0.unwrap(), ["cat", "dog", "eel"]);
        assert_eq!(found(&[("classes", r#"["cat,dog"]"#)], 1).0.unwrap(), ["cat,dog"]);
        let (names, notes) = found(&[("classes", r#"["cat,dog"]"#)], 2);
        assert!(
            names.is_none() && notes[0].contains("does not have one name for each of 2 classes"),
            "{notes:?}"
        );
        assert_eq!(found(&[("labels", "cat\ndog")], 2).0.unwrap(), ["cat", "dog"]);
        assert_eq!(found(&[("id2label", r#"{"0": "cat", "1": "dog"}"#)], 2).0.unwrap(), ["cat", "dog"]);
        let (names, notes) = found(&[("names", "{0: 'cat', 1: 'dog'}")], 3);
        assert_eq!(names, None);
        assert!(notes[0].contains("ignoring its metadata `names`"), "{notes:?}");
        assert_eq!(found(&[("author", "cat,dog")], 2), (None, vec![]));
        // Text with terminal controls is not a name.
        let (names, notes) = found(&[("names", "['cat', 'a\\x07b']")], 2);
        assert_eq!(names, None);
        let note = "ignoring the class names in its metadata `names`: the name of class 1, \"a\\u{7}b\", has the \
                    character U+0007, which cannot be shown";
        assert!(notes[0].contains(note), "{notes:?}");
    }

    #[test]
    fn published_imagenet_weights_get_imagenet_names() {
        let known = |name: &str, classes| {
            let mut network = (striate_models::find(name).unwrap().build)().unwrap();
            network.set_classes(classes).unwrap();
            ModelFile::bare(network, Default::default()).unwrap()
        };
        let named = |mut model: ModelFile| {
            let mut notes = Vec::new();
            name_classes(&mut model, &HashMap::new(), &mut notes);
            (model.classes, notes.join("; "))
        };
        let (classes, notes) = named(known("squeezenet1_1", 1000));
        assert_eq!(
            (&*classes[853], notes.contains("using the 1,000 ImageNet class names")),
            ("thatch", true)
        );
        assert_eq!(named(known("inception-v4", 1001)).0[..2], ["background", "tench"]);
        assert_eq!(
            named(known("squeezenet1_1", 10)),
            ((0..10).map(|n| n.to_string()).collect(), String::new())
        );
        // A network with the same name but other layers does not count, nor does one that was trained here.
        let net = Builder::new("squeezenet1_1", [1, 2, 2]);
        let other = net.input().flatten().linear(1000).finish().unwrap();
        let weights = Inference::initial_weights(&other, 0).unwrap();
        let (classes, notes) = named(ModelFile::bare(other, weights).unwrap());
        assert_eq!((&*classes[853], notes.contains("--names imagenet")), ("853", true));
        let trained = ModelFile { recipe: Some(String::new()), ..known("squeezenet1_1", 1000) };
        assert_eq!(named(trained).0[853], "853");
        let own: Vec<String> = (0..1000).map(|n| format!("class {n}")).collect();
        let given = ModelFile { classes: own.clone(), ..known("squeezenet1_1", 1000) };
        assert_eq!(named(given), (own, String::new()));
    }
}
