//! Typed access to a node's attributes by name.

use striate_tensor::{Error, Result};

use super::proto::{Held, Node};
use crate::message::shown;

/// Larger sizes are taken for mistakes.
const LARGEST: i64 = 1 << 16;

impl Node<'_> {
    fn held(&self, name: &str) -> Option<&Held<'_>> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| &attribute.held)
    }

    /// Returns the attribute `name`, if the node has it.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        match self.held(name) {
            None => Ok(None),
            Some(Held::Int(value)) => Ok(Some(*value)),
            Some(_) => Err(Error::input(format!("attribute {name} is not an integer"))),
        }
    }

    pub fn float(&self, name: &str) -> Result<Option<f32>> {
        match self.held(name) {
            None => Ok(None),
            Some(Held::Float(value)) => Ok(Some(*value)),
            Some(_) => Err(Error::input(format!("attribute {name} is not a float"))),
        }
    }

    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.held(name) {
            None => Ok(None),
            Some(Held::Ints(values)) => Ok(Some(values.clone())),
            Some(_) => Err(Error::input(format!("attribute {name} is not a list of integers"))),
        }
    }

    pub fn floats(&self, name: &str) -> Result<Option<Vec<f32>>> {
        match self.held(name) {
            None => Ok(None),
            Some(Held::Floats(values)) => Ok(Some(values.clone())),
            Some(_) => Err(Error::input(format!("attribute {name} is not a list of floats"))),
        }
    }

    pub fn text(&self, name: &str) -> Result<Option<String>> {
        match self.held(name) {
            None => Ok(None),
            Some(Held::Text(bytes)) => Ok(Some(shown(&String::from_utf8_lossy(bytes)))),
            Some(_) => Err(Error::input(format!("attribute {name} is not a text"))),
        }
    }

    /// Returns one size for each axis, from `least` to [`LARGEST`]; all are `default` if the attribute is missing.
    pub fn sizes(&self, name: &str, axes: usize, least: i64, default: usize) -> Result<Vec<usize>> {
        let Some(values) = self.ints(name)? else { return Ok(vec![default; axes]) };
        let fits = |value: &i64| (least..=LARGEST).contains(value);
        if values.len() != axes || !values.iter().all(fits) {
            return Err(Error::input(format!(
                "attribute {name} is {values:?}, not {axes} numbers from {least} to {LARGEST}"
            )));
        }
        Ok(values.into_iter().map(|value| value as usize).collect())
    }
}
