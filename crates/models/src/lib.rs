//! The networks of the history, one file a family, each reading like its paper's table.
//!
//! [`find`] looks a network up by name; [`all`] lists them in the order of their years.

#![forbid(unsafe_code)]

mod lenet;

use striate_graph::Network;
use striate_tensor::{Error, Result, nearest};

/// A network of the history.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// The fixed name, such as `lenet5`.
    pub name: &'static str,
    /// The year of its publication.
    pub year: u16,
    /// Authors, title and place of publication.
    pub paper: &'static str,
    /// Where the paper is to be had.
    pub link: &'static str,
    /// How images become its input, in a line.
    pub preprocessing: &'static str,
    /// The recipe that trains it.
    pub recipe: &'static str,
    /// Builds it.
    pub build: fn() -> Result<Network>,
}

/// All networks, in the order of their years.
pub fn all() -> &'static [Model] {
    &[lenet::LENET5]
}

/// The network called `name`.
///
/// # Errors
/// If there is none; the message names the nearest.
pub fn find(name: &str) -> Result<Model> {
    let names = || all().iter().map(|model| model.name);
    all().iter().find(|model| model.name == name).copied().ok_or_else(|| {
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
        };
        Error::input(format!("unknown network {name}; {hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_graph::statistics;

    #[test]
    fn every_network_builds_and_survives_its_text_form() {
        for model in all() {
            let network = (model.build)().unwrap();
            assert_eq!(network.name, model.name);
            assert_eq!(Network::from_text(&network.to_text()).unwrap(), network);
        }
    }

    /// LeCun et al., 1998, with all maps connected and a linear output: 61,706 parameters.
    #[test]
    fn lenet5_has_the_published_sizes() {
        let figures = statistics(&(find("lenet5").unwrap().build)().unwrap().graph(1).unwrap());
        let shapes: Vec<String> = figures.layers.iter().map(|layer| layer.output.to_string()).collect();
        assert_eq!(shapes[0], "[1, 6, 28, 28]");
        assert_eq!(shapes[5], "[1, 16, 5, 5]");
        assert_eq!(figures.params, 61_706);
        assert_eq!(figures.cost.macs, 117_600 + 240_000 + 48_000 + 10_080 + 840);
        let seen: Vec<u64> = figures.layers.iter().map(|layer| layer.receptive_field[0]).collect();
        assert_eq!(seen, [5, 5, 6, 14, 14, 16, 32, 32, 32, 32, 32, 32]);
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        assert!(find("lenet").unwrap_err().to_string().contains("did you mean lenet5?"));
    }
}
