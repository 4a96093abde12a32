//! Matches the classes of a data set to those of a model, by name.

use std::collections::HashMap;

use striate_models::imagenet_classes;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, nearest};

/// Largest number of names shown in a message.
const SHOWN: usize = 12;

/// The positions of a data set's classes among those of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Alignment {
    /// For each class of the data, the index of the model's class.
    pub indices: Vec<usize>,
    /// Notes for the user, one line each.
    pub notes: Vec<String>,
}

/// Finds each class of `data` among those of `model`: by exact name; else by name ignoring case and treating
/// underscores as spaces; else by the WordNet ID of an ImageNet class. The model may have more classes.
///
/// # Errors
/// If the model lacks one of them, or two of them match the same class; the message shows both lists.
pub fn align(model: &[String], data: &[String]) -> Result<Alignment> {
    let finder = Finder::new(model);
    let refuse = |why: String| {
        Err(Error::input(format!(
            "{why}: the model's classes are {}, the data's {}; rename the data's classes, or set the model's with \
             --names",
            listed(model),
            listed(data)
        )))
    };
    let mut indices = Vec::with_capacity(data.len());
    let (mut loosely, mut by_synset) = (0, 0);
    for class in data {
        let found = match finder.exact.get(class.as_str()) {
            Some(Place::Several) => {
                return refuse(format!("the model has several classes {class}"));
            }
            Some(Place::One(index)) => Some(*index),
            None => {
                let loose = finder.loosely(class);
                loosely += usize::from(loose.is_some());
                let synset = loose.is_none().then(|| finder.by_synset(class)).flatten();
                by_synset += usize::from(synset.is_some());
                loose.or(synset)
            }
        };
        let Some(index) = found else {
            let hint = nearest(class, model.iter().map(String::as_str));
            let hint = hint.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
            return refuse(format!("the model has no class {class}{hint}"));
        };
        if let Some(first) = indices.iter().position(|other| *other == index) {
            let (first, name) = (&data[first], &model[index]);
            return refuse(format!("{first} and {class} are both the model's class {name}"));
        }
        indices.push(index);
    }
    let mut notes = Vec::new();
    if by_synset > 0 {
        notes.push(format!("matched {} by WordNet ID", counted(by_synset, "class")));
    }
    if loosely > 0 {
        notes.push(format!("matched {} ignoring case and underscores", counted(loosely, "class")));
    }
    if data.len() < model.len() {
        let (some, all) = (data.len(), model.len());
        notes.push(format!(
            "the data has {some} of the model's {all} classes; predictions still range over all {all}"
        ));
    }
    Ok(Alignment { indices, notes })
}

/// The classes of a model that have a given name.
enum Place {
    One(usize),
    Several,
}

struct Finder<'a> {
    exact: HashMap<&'a str, Place>,
    loose: HashMap<String, Place>,
}

impl<'a> Finder<'a> {
    fn new(model: &'a [String]) -> Finder<'a> {
        let mut finder = Finder { exact: HashMap::new(), loose: HashMap::new() };
        for (index, name) in model.iter().enumerate() {
            let several = |place: &mut Place| *place = Place::Several;
            finder.exact.entry(name).and_modify(several).or_insert(Place::One(index));
            finder.loose.entry(loose(name)).and_modify(several).or_insert(Place::One(index));
        }
        finder
    }

    fn loosely(&self, name: &str) -> Option<usize> {
        match self.loose.get(&loose(name)) {
            Some(Place::One(index)) => Some(*index),
            _ => None,
        }
    }

    /// The ImageNet class with the WordNet ID `synset`.
    fn by_synset(&self, synset: &str) -> Option<usize> {
        let class = imagenet_classes().binary_search_by(|class| class.synset.cmp(synset)).ok()?;
        match self.exact.get(imagenet_classes()[class].name) {
            Some(Place::One(index)) => Some(*index),
            _ => None,
        }
    }
}

fn loose(name: &str) -> String {
    name.trim().replace('_', " ").to_lowercase()
}

/// Formats class names on one line; only the first dozen.
fn listed(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = if names.len() > SHOWN { format!(", … ({} in all)", names.len()) } else { String::new() };
    format!("[{}{more}]", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn classes_are_matched_by_name_in_any_order() {
        let model = names(&["cat", "Dog", "great white shark", "eel"]);
        let found = align(&model, &names(&["Dog", "cat"])).unwrap();
        assert_eq!(found.indices, [1, 0]);
        assert_eq!(
            found.notes,
            ["the data has 2 of the model's 4 classes; predictions still range over all 4"]
        );
        let found = align(&model, &names(&["CAT", "Great_White_Shark"])).unwrap();
        assert_eq!(found.indices, [0, 2]);
        assert_eq!(found.notes[0], "matched 2 classes ignoring case and underscores");
        assert_eq!(align(&model, &model).unwrap(), Alignment { indices: vec![0, 1, 2, 3], notes: vec![] });
    }

    #[test]
    fn imagenet_classes_are_matched_by_wordnet_id() {
        let model = striate_models::imagenet_names(1001).unwrap();
        let found = align(&model, &names(&["n04417672", "tench", "cardigan", "Cardigan"])).unwrap();
        assert_eq!(found.indices, [854, 1, 475, 265]);
        assert_eq!(found.notes[0], "matched 1 class by WordNet ID");
    }

    #[test]
    fn unknown_classes_are_refused_with_both_lists() {
        let model = names(&["cat", "dog", "dog"]);
        for (data, expected) in [
            (
                &["cat", "dgo", "eel"][..],
                "no class dgo (did you mean dog?): the model's classes are [cat, dog, dog], the data's [cat, dgo, eel]",
            ),
            (&["cat", "Cat"], "cat and Cat are both the model's class cat"),
            (&["dog"], "the model has several classes dog"),
        ] {
            let error = align(&model, &names(data)).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
    }
}
