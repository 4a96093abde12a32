//! The experiments of the program.

use striate_tensor::{Error, Result, nearest};

use crate::{Definition, Record};

/// An experiment of the program.
#[derive(Debug, Clone, Copy)]
pub struct Experiment {
    /// Its name, which is also that of its folder.
    pub name: &'static str,
    /// The text of its `experiment.toml`.
    pub text: &'static str,
    /// The texts of its networks, by the names of their files.
    pub networks: &'static [(&'static str, &'static str)],
}

/// An entry of [`SHIPPED`]: the folder and the files of its networks.
macro_rules! experiment {
    ($name:literal $(, $network:literal)*) => {
        Experiment {
            name: $name,
            text: include_str!(concat!("../../../experiments/", $name, "/experiment.toml")),
            networks: &[$(($network, include_str!(concat!("../../../experiments/", $name, "/", $network)))),*],
        }
    };
}

/// The experiments, in the order of the history.
pub const SHIPPED: &[Experiment] = &[
    experiment!("sharing", "full.toml", "local.toml", "shared.toml"),
    experiment!("pooling", "network.toml"),
    experiment!("shifts", "pooled.toml", "strided.toml"),
    experiment!("activations", "network.toml"),
    experiment!("dropout", "network.toml"),
    experiment!("response-normalization", "with.toml", "without.toml"),
    experiment!("layer-removed", "all.toml", "without-conv3.toml", "without-conv4.toml"),
    experiment!("global-pooling", "global-pooling.toml", "fully-connected.toml"),
    experiment!("one-by-one", "b.toml", "c.toml", "d.toml"),
    experiment!("small-kernels", "one-5x5.toml", "two-3x3.toml", "one-7x7.toml", "three-3x3.toml"),
    experiment!("auxiliary-heads", "network.toml"),
    experiment!("crops"),
    experiment!("batch-norm", "with.toml", "without.toml"),
    experiment!("degradation"),
    experiment!("ancestors", "mlp.toml", "nin.toml", "vgg.toml"),
];

/// The names of the experiments in whose folders there are results, with these.
const RESULTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/results.rs"));

impl Experiment {
    /// All texts, one after another.
    pub(crate) fn texts(&self) -> String {
        let networks = self.networks.iter().map(|(name, text)| format!("\n--- {name}\n{text}"));
        [self.text.to_owned()].into_iter().chain(networks).collect()
    }

    /// Returns what the experiment does.
    ///
    /// # Errors
    /// If the text is invalid, which a test rules out.
    pub fn definition(&self) -> Result<Definition> {
        Definition::parse(self)
    }

    /// Returns the recorded result; `None` if there is none yet.
    ///
    /// # Errors
    /// If it is damaged, which a test rules out.
    pub fn record(&self) -> Result<Option<Record>> {
        let found = RESULTS.iter().find(|(name, _)| *name == self.name);
        found.map(|(name, text)| Record::from_text(text).map_err(|e| e.at(name))).transpose()
    }
}

/// Returns the experiment called `name`.
///
/// # Errors
/// If there is none; the message suggests the closest name.
pub fn find(name: &str) -> Result<&'static Experiment> {
    let found = SHIPPED.iter().find(|experiment| experiment.name == name);
    found.ok_or_else(|| {
        let hint = match nearest(name, SHIPPED.iter().map(|experiment| experiment.name)) {
            Some(near) => format!("did you mean {near}?"),
            None => "list them with: striate experiments".into(),
        };
        Error::input(format!("unknown experiment {name}; {hint}"))
    })
}
