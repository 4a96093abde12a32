//! Starts a network from the weights of a shallower one of the same family: Simonyan and Zisserman, ICLR 2015,
//! section 3.1.

use std::collections::HashMap;

use striate_formats::Weights;
use striate_graph::Network;
use striate_tensor::{Error, Result, Shape};

/// The value of `model.start` that this module implements.
pub(crate) const SHALLOWER: &str = "shallower";

/// A layer with its variables: the name without the layer's, and the shape.
type Layer<'w> = (&'w str, Vec<(&'w str, &'w Shape)>);

/// The name of a variable of a layer.
fn full_name(layer: &str, variable: &str) -> String {
    if layer.is_empty() { variable.to_owned() } else { format!("{layer}.{variable}") }
}

/// Gives each layer of `weights`, in their order, to the next layer of `network` whose variables have the same shapes.
/// Returns these variables with the names of the network, and a line about them.
///
/// # Errors
/// If no layer fits.
pub(crate) fn from_shallower(network: &Network, weights: &Weights) -> Result<(Weights, String)> {
    let variables = network.variables()?;
    let own = layers(variables.iter().map(|(name, shape)| (name.as_str(), shape)));
    let mut given = layers(weights.iter().map(|(name, (shape, _))| (name.as_str(), shape)));
    given.sort_by_key(|(layer, _)| order(layer));
    let (mut started, mut next, mut pairs) = (Weights::new(), 0, Vec::new());
    for (from, variables) in &given {
        let Some(found) = own[next..].iter().position(|(_, own)| has_all(own, variables)) else { continue };
        let to = own[next + found].0;
        next += found + 1;
        for (variable, _) in variables {
            let value = weights[&full_name(from, variable)].clone();
            started.insert(full_name(to, variable), value);
        }
        pairs.push(format!("{to} from {from}"));
    }
    if pairs.is_empty() {
        return Err(Error::input(
            "model.start = shallower: no layer of the weights has the shape of one of the network",
        ));
    }
    let fresh = own.len() - pairs.len();
    let kept = if fresh == 1 { "1 layer keeps its".into() } else { format!("{fresh} layers keep their") };
    let line = format!("from the weights: {}; {kept} initial weights", pairs.join(", "));
    Ok((started, line))
}

/// The variables by layer, in the order of the first variable of each.
fn layers<'w>(variables: impl Iterator<Item = (&'w str, &'w Shape)>) -> Vec<Layer<'w>> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (name, shape) in variables {
        let (layer, variable) = name.rsplit_once('.').unwrap_or(("", name));
        let place = *places.entry(layer).or_insert(layers.len());
        if place == layers.len() {
            layers.push((layer, vec![]));
        }
        layers[place].1.push((variable, shape));
    }
    layers
}

/// Whether both layers have the same variables.
fn has_all(own: &[(&str, &Shape)], given: &[(&str, &Shape)]) -> bool {
    own.len() == given.len() && own.iter().all(|variable| given.contains(variable))
}

/// A part of a name between dots; numbers come first, by their value.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum NamePart {
    Number(u64),
    Text(String),
}

/// The order of names: by their parts, `features.8` before `features.11`, and feature extractors before classifiers, as
/// in torchvision's VGG.
fn order(name: &str) -> (bool, Vec<NamePart>) {
    let part = |text: &str| text.parse().map_or_else(|_| NamePart::Text(text.to_owned()), NamePart::Number);
    let is_late = name.starts_with("classifier") || name.starts_with("fc");
    (is_late, name.split('.').map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vgg16_starts_from_all_layers_of_vgg11() {
        let [shallow, deep] =
            ["vgg11", "vgg16"].map(|name| (striate_models::find(name).unwrap().build)().unwrap());
        let weights: Weights = shallow
            .variables()
            .unwrap()
            .into_iter()
            .map(|(name, shape)| (name, (shape, Vec::new())))
            .collect();
        let (started, line) = from_shallower(&deep, &weights).unwrap();
        assert_eq!(started.len(), weights.len());
        assert!(line.starts_with("from the weights: features.0 from features.0, "), "{line}");
        for pair in
            ["features.0 from features.0", "features.5 from features.3", "features.24 from features.18"]
        {
            assert!(line.contains(pair), "{line}");
        }
        assert!(
            line.ends_with("classifier.6 from classifier.6; 5 layers keep their initial weights"),
            "{line}"
        );
        let shapes: Vec<_> = deep.variables().unwrap();
        assert!(started.iter().all(|(name, (shape, _))| shapes.contains(&(name.clone(), shape.clone()))));
        assert!(from_shallower(&deep, &Weights::new()).is_err());
        // A tensor without a layer in its name.
        let shape = weights["features.0.bias"].0.clone();
        let alone = Weights::from([("bias".to_owned(), (shape, vec![]))]);
        assert!(from_shallower(&deep, &alone).is_err());
    }

    #[test]
    fn names_are_ordered_by_numbers() {
        let mut names = ["fc", "11", "8", "1a", "features.11", "features.8", "classifier.0"];
        names.sort_by_key(|name| order(name));
        assert_eq!(names, ["8", "11", "1a", "features.8", "features.11", "classifier.0", "fc"]);
    }
}
