//! Class names: from a file of names, from what exporters write into ONNX metadata, from ImageNet.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use striate_formats::ModelFile;
use striate_models::imagenet_names;
use striate_tensor::file::read_text_limited;
use striate_tensor::{Error, Result};

use crate::literal;

/// The word for the classes of ImageNet in place of a file.
const IMAGENET: &str = "imagenet";
/// Files of names above this size are refused.
const LARGEST_FILE: u64 = 16 << 20;
/// Keys of ONNX metadata under which tools write class names, best first.
const KEYS: [&str; 8] =
    ["names", "classes", "class_names", "labels", "class_labels", "id2label", "idx_to_class", "categories"];

/// Reads the names of `classes` classes from `source`: the word `imagenet`, or a file with one name a line, a JSON
/// list, or a JSON map from index to name.
///
/// # Errors
/// If the file cannot be read, or does not hold one name for each class.
pub fn read_names(source: &str, classes: usize) -> Result<Vec<String>> {
    if source == IMAGENET {
        return imagenet_names(classes).ok_or_else(|| {
            Error::input(format!("--names imagenet: ImageNet has 1000 classes, the model {classes}"))
        });
    }
    let text = read_text_limited(Path::new(source), LARGEST_FILE)?;
    let names = parse_names(&text).map_err(|e| e.at(source))?;
    if names.len() != classes {
        let what = format!("{source}: {} names for a model of {classes} classes", names.len());
        return Err(Error::input(format!("{what}; write one name for each class, in the order of the outputs")));
    }
    check_names(&names).map_err(|e| e.at(source))?;
    Ok(names)
}

/// Refuses names that are empty, or that a model file could not carry.
fn check_names(names: &[String]) -> Result<()> {
    if let Some(class) = names.iter().position(|name| name.trim().is_empty()) {
        return Err(Error::input(format!("the name of class {class} is empty")));
    }
    striate_formats::check_classes(names, names.len())
}

/// The names in `text`, by index.
fn parse_names(text: &str) -> Result<Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    if !text.trim_start().starts_with(['[', '{']) {
        return Ok(text.trim_end().lines().map(|line| line.trim().to_owned()).collect());
    }
    let value = literal::parse(text)?;
    by_index(&value)
        .ok_or_else(|| Error::input("is neither a list of names nor a map from index to name; write one name a line"))
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

/// Names that `metadata` of an ONNX file hold for `classes` classes, with the key; and a note on those that do not
/// fit.
fn from_metadata(metadata: &HashMap<String, String>, classes: usize, notes: &mut Vec<String>) -> Option<Vec<String>> {
    for key in KEYS {
        let Some(text) = metadata.get(key) else { continue };
        let commas = || text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
        let names = match parse_names(text) {
            Ok(names) if names.len() == 1 && text.contains(',') => commas(),
            Ok(names) => names,
            Err(_) => vec![],
        };
        if names.len() == classes && check_names(&names).is_ok() {
            notes.push(format!("class names are those of its metadata `{key}`"));
            return Some(names);
        }
        notes.push(format!(
            "its metadata `{key}` is left aside: it does not hold one name for each of {classes} classes"
        ));
    }
    None
}

/// Whether the classes of `model` are called by their numbers.
pub fn has_numbers_for_names(model: &ModelFile) -> bool {
    model.classes.iter().enumerate().all(|(index, name)| *name == index.to_string())
}

/// Gives the classes of `model` names where it has only numbers: those of `metadata`, else ImageNet's if its weights
/// are the published ones of a network that `models` lists as ImageNet's. What was chosen is added to `notes`.
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
    // The name of an ONNX network is its file's, and what was trained here names its classes.
    if known && is_published(model) {
        notes.push(format!("its {classes} classes are named as ImageNet's; --names FILE gives others"));
        model.classes = names;
    } else if model.data.is_none() {
        notes.push(format!("its {classes} classes have no names; if they are ImageNet's: --names imagenet"));
    }
}

/// Whether the network of `model` is, with every layer, the one that `models` lists under its name, and was not
/// trained here.
fn is_published(model: &ModelFile) -> bool {
    let listed = striate_models::find(&model.network.name).and_then(|known| (known.build)());
    let is_listed = listed.is_ok_and(|mut listed| {
        listed.set_classes(model.classes.len()).is_ok() && listed.layers == model.network.layers
    });
    is_listed && model.data.is_none() && model.recipe.is_none()
}
