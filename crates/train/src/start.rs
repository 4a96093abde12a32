//! Starts a network from the weights of a shallower one of the same family: Simonyan and Zisserman, ICLR 2015,
//! section 3.1.

use std::cmp::Ordering;

use striate_formats::Weights;
use striate_graph::Network;
use striate_tensor::{Error, Result, Shape};

/// The value of `model.start` that this module implements.
pub(crate) const SHALLOWER: &str = "shallower";

/// A layer with its variables by name, without the layer's.
type Layer<'w> = (&'w str, Vec<(&'w str, &'w Shape)>);

/// Gives each layer of `weights`, in their order, to the next layer of `network` whose variables have the same shapes.
/// Returns these variables with the names of the network, and a line about them.
///
/// # Errors
/// If no layer fits.
pub(crate) fn from_shallower(network: &Network, weights: &Weights) -> Result<(Weights, String)> {
    let variables = network.variables()?;
    let own = layers(variables.iter().map(|(name, shape)| (name.as_str(), shape)));
    let mut given = layers(weights.iter().map(|(name, (shape, _))| (name.as_str(), shape)));
    given.sort_by(|a, b| by_number(a.0, b.0));
    let (mut started, mut next, mut pairs) = (Weights::new(), 0, Vec::new());
    for (from, variables) in &given {
        let Some(found) = own[next..].iter().position(|(_, own)| has_all(own, variables)) else { continue };
        let to = own[next + found].0;
        next += found + 1;
        for (variable, _) in variables {
            let value = weights[&format!("{from}.{variable}")].clone();
            started.insert(format!("{to}.{variable}"), value);
        }
        pairs.push(format!("{to} from {from}"));
    }
    if pairs.is_empty() {
        return Err(Error::input(
            "model.start = shallower: no layer of the weights has the shape of one of the network",
        ));
    }
    let fresh = own.len() - pairs.len();
    let line = format!("from the weights: {}; other layers: {fresh}", pairs.join(", "));
    Ok((started, line))
}

/// The variables by layer, in the order of the first variable of each.
fn layers<'w>(variables: impl Iterator<Item = (&'w str, &'w Shape)>) -> Vec<Layer<'w>> {
    let mut layers: Vec<Layer> = Vec::new();
    for (name, shape) in variables {
        let (layer, variable) = name.rsplit_once('.').unwrap_or(("", name));
        match layers.iter_mut().find(|(known, _)| *known == layer) {
            Some((_, variables)) => variables.push((variable, shape)),
            None => layers.push((layer, vec![(variable, shape)])),
        }
    }
    layers
}

/// Whether both layers have the same variables.
fn has_all(own: &[(&str, &Shape)], given: &[(&str, &Shape)]) -> bool {
    own.len() == given.len() && own.iter().all(|variable| given.contains(variable))
}

/// Orders names by their parts between dots, those that are numbers by their value: `features.8` before `features.11`.
fn by_number(a: &str, b: &str) -> Ordering {
    let part = |(a, b): (&str, &str)| match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    };
    let parts = a.split('.').zip(b.split('.')).map(part);
    // Feature extractors come before classifiers, as in torchvision's VGG.
    let is_late = |name: &str| name.starts_with("classifier") || name.starts_with("fc");
    is_late(a).cmp(&is_late(b)).then(parts.fold(Ordering::Equal, Ordering::then)).then(a.cmp(b))
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
        assert!(line.ends_with("classifier.6 from classifier.6; other layers: 5"), "{line}");
        let shapes: Vec<_> = deep.variables().unwrap();
        assert!(started.iter().all(|(name, (shape, _))| shapes.contains(&(name.clone(), shape.clone()))));
        assert!(from_shallower(&deep, &Weights::new()).is_err());
    }
}
