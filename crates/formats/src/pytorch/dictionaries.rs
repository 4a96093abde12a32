//! Finds the dictionaries of tensors in a pickle: state dicts, and whole modules, whose state is converted to one.
//!
//! Checkpoints store them under various names, along with losses, random states and the optimizer's buffers. All
//! containers are visited once, breadth first; the paths to them are keys joined by dots.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;

use striate_tensor::{Error, Result};

use super::unpickler::Pickle;
use super::value::{Id, Value};

/// Containers nested deeper are not searched; modules nested deeper are refused.
const DEEPEST: u8 = 32;
/// Limit of the work of naming the tensors of modules, in bytes of names and items visited, per byte of the pickle:
/// modules may contain each other repeatedly.
const WORK_PER_BYTE: usize = 16;
/// The same for any pickle, however small.
const WORK: usize = 1 << 16;
/// Limit of dictionaries of tensors; an optimizer has one for each parameter.
const MOST_DICTIONARIES: usize = 1 << 14;
/// Largest number of characters of a key shown in a path.
const LONGEST_KEY: usize = 100;

/// A dictionary of tensors in a pickle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dictionary {
    place: usize,
    /// The dictionary itself, or the state of a module.
    id: Id,
    is_module: bool,
    /// The number of tensors of a plain dictionary; unknown for a module.
    tensors: usize,
}

/// The dictionaries of tensors in a pickle, in the order in which they were found.
pub(super) struct Dictionaries<'a> {
    pickle: &'a Pickle,
    places: Vec<Place>,
    pub found: Vec<Dictionary>,
    /// Work of naming the tensors of modules so far.
    work: Cell<usize>,
}

/// A container and the path to it.
#[derive(Debug, Clone, Copy)]
struct Place {
    id: Id,
    parent: u32,
    step: Step,
    depth: u8,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A part of an object, which has the object's path.
    Within,
    Key(Id),
    Index(u32),
}

impl<'a> Dictionaries<'a> {
    /// Finds the dictionaries of tensors in `pickle`.
    ///
    /// # Errors
    /// If there are more than the limit.
    pub fn find(pickle: &'a Pickle) -> Result<Dictionaries<'a>> {
        let root = Place { id: pickle.root, parent: 0, step: Step::Within, depth: 0 };
        let mut all = Dictionaries { pickle, places: vec![root], found: vec![], work: Cell::new(0) };
        let mut seen = vec![false; pickle.values.len()];
        seen[pickle.root as usize] = true;
        let mut next = 0;
        while next < all.places.len() {
            all.visit(next, &mut seen);
            if all.found.len() > MOST_DICTIONARIES {
                return Err(Error::input(format!(
                    "has more than {MOST_DICTIONARIES} dictionaries of tensors"
                )));
            }
            next += 1;
        }
        Ok(all)
    }

    fn visit(&mut self, place: usize, seen: &mut [bool]) {
        let pickle = self.pickle;
        let Place { id, depth, .. } = self.places[place];
        let mut enter = |id: Id, step: Step| {
            let is_container = match &pickle[id] {
                Value::Dict(items) => !items.is_empty(),
                Value::List(items) | Value::Tuple(items) => !items.is_empty(),
                Value::Object(_) => true,
                _ => false,
            };
            if is_container && depth < DEEPEST && !std::mem::replace(&mut seen[id as usize], true) {
                self.places.push(Place { id, parent: place as u32, step, depth: depth + 1 });
            }
        };
        match &pickle[id] {
            Value::Dict(_) if pickle.is_module(id) => {
                self.found.push(Dictionary { place, id, is_module: true, tensors: 0 });
            }
            Value::Dict(items) => {
                items.iter().for_each(|(key, value)| enter(*value, Step::Key(*key)));
                let is_named = |(key, value): &&(Id, Id)| {
                    matches!((&pickle[*key], &pickle[*value]), (Value::Text(_), Value::Tensor(_)))
                };
                let tensors = items.iter().filter(is_named).count();
                if tensors > 0 {
                    self.found.push(Dictionary { place, id, is_module: false, tensors });
                }
            }
            Value::List(items) | Value::Tuple(items) => {
                items.iter().enumerate().for_each(|(index, item)| enter(*item, Step::Index(index as u32)));
            }
            Value::Object(object) => {
                let parts = [object.state, object.items, Some(object.arguments)];
                parts.into_iter().flatten().for_each(|part| enter(part, Step::Within));
            }
            _ => {}
        }
    }

    /// The path to `dictionary`: keys joined by dots; empty if it is the whole object.
    pub fn path(&self, dictionary: &Dictionary) -> String {
        let mut steps = Vec::new();
        let mut place = self.places[dictionary.place];
        while place.depth > 0 {
            match place.step {
                Step::Within => {}
                Step::Index(index) => steps.push(index.to_string()),
                Step::Key(key) => steps.push(match &self.pickle[key] {
                    Value::Text(text) => text.chars().take(LONGEST_KEY).collect(),
                    Value::Integer(number) => number.to_string(),
                    _ => "?".into(),
                }),
            }
            place = self.places[place.parent as usize];
        }
        steps.reverse();
        steps.join(".")
    }

    /// The entries of `dictionary` with their names: the tensors of a module, or all entries of a plain dictionary
    /// whose keys are text.
    ///
    /// # Errors
    /// If modules contain each other so often that their names are out of proportion to the file.
    pub fn entries(&self, dictionary: &Dictionary) -> Result<Vec<(Cow<'a, str>, Id)>> {
        if dictionary.is_module {
            return self.module(dictionary.id);
        }
        let Value::Dict(items) = &self.pickle[dictionary.id] else { unreachable!("it was found as one") };
        let named = |(key, value): &(Id, Id)| Some((Cow::Borrowed(self.pickle.text(*key)?), *value));
        Ok(items.iter().filter_map(named).collect())
    }

    /// The parameters and persistent buffers of the module of this `state`, named as by its `state_dict()`.
    fn module(&self, state: Id) -> Result<Vec<(Cow<'a, str>, Id)>> {
        let pickle = self.pickle;
        let mut entries = Vec::new();
        let mut open = vec![(state, String::new(), 0)];
        while let Some((state, prefix, depth)) = open.pop() {
            self.charge(prefix.len() + pickle.items(state).map_or(0, <[_]>::len))?;
            let part = |name: &str| pickle.under(state, name).and_then(|id| pickle.items(id)).unwrap_or(&[]);
            let [parameters, buffers, modules] = ["_parameters", "_buffers", "_modules"].map(part);
            let transient = pickle.under(state, "_non_persistent_buffers_set");
            let transient = transient.map_or(&[][..], |set| pickle.list(set));
            self.charge(parameters.len() + buffers.len() + modules.len() + transient.len())?;
            let transient: HashSet<&str> = transient.iter().filter_map(|id| pickle.text(*id)).collect();
            let is_kept =
                |(key, _): &&(Id, Id)| pickle.text(*key).is_none_or(|name| !transient.contains(name));
            for (key, value) in parameters.iter().chain(buffers.iter().filter(is_kept)) {
                if let (Some(name), Value::Tensor(_)) = (pickle.text(*key), &pickle[*value]) {
                    self.charge(prefix.len() + name.len())?;
                    entries.push((Cow::Owned(format!("{prefix}{name}")), *value));
                }
            }
            for (key, value) in modules.iter().rev() {
                let (Some(name), Value::Object(object)) = (pickle.text(*key), &pickle[*value]) else {
                    continue;
                };
                let Some(state) = object.state else { continue };
                self.charge(prefix.len() + name.len() + pickle.items(state).map_or(0, <[_]>::len))?;
                if pickle.is_module(state) {
                    if depth == DEEPEST {
                        return Err(Error::input(format!("has modules nested more than {DEEPEST} deep")));
                    }
                    open.push((state, format!("{prefix}{name}."), depth + 1));
                }
            }
        }
        Ok(entries)
    }

    fn charge(&self, work: usize) -> Result<()> {
        let work = self.work.get() + work + size_of::<(Cow<str>, Id)>();
        self.work.set(work);
        match work > WORK.saturating_add(WORK_PER_BYTE.saturating_mul(self.pickle.length)) {
            true => Err(Error::input("has modules that contain each other endlessly")),
            false => Ok(()),
        }
    }
}

impl Dictionary {
    /// The number of tensors in `entries`, which are its own.
    pub fn count(&self, entries: &[(Cow<str>, Id)]) -> usize {
        if self.is_module { entries.len() } else { self.tensors }
    }
}

impl Pickle {
    /// The items of a dictionary, or of an object that extends one.
    fn items(&self, id: Id) -> Option<&[(Id, Id)]> {
        match &self[id] {
            Value::Dict(items) => Some(items),
            Value::Object(object) => match &self[object.items?] {
                Value::Dict(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    /// The items of a list or set; empty for anything else.
    fn list(&self, id: Id) -> &[Id] {
        match &self[id] {
            Value::List(items) => items,
            _ => &[],
        }
    }

    fn text(&self, id: Id) -> Option<&str> {
        match &self[id] {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value under `name` in the dictionary `id`.
    fn under(&self, id: Id, name: &str) -> Option<Id> {
        let (_, value) = self.items(id)?.iter().find(|(key, _)| self.text(*key) == Some(name))?;
        Some(*value)
    }

    /// Whether the dictionary `id` is the state of a module.
    fn is_module(&self, id: Id) -> bool {
        let is_dictionary = |name| self.under(id, name).is_some_and(|id| self.items(id).is_some());
        is_dictionary("_parameters") && is_dictionary("_modules")
    }
}
