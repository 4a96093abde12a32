//! The model file: safetensors that describe themselves.
//!
//! The metadata carry the network's text, class names, preprocessing, evaluation, the fingerprint of the
//! data and the recipe; two tensors under `golden.` are an input and the output that belongs to it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};
use striate_graph::Network;
use striate_tensor::file::write_atomically;
use striate_tensor::names::check_class_names;
use striate_tensor::{Error, Result, Shape};

use crate::file::read_limited;
use crate::fit::check_finite;
use crate::pytorch::is_pytorch;
use crate::safetensors::{lay_out, read_safetensors_bytes};
use crate::{Weights, check_weights, weights_sha256};

/// What a model reached, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The part of the data: `test`, `validation` or `all`.
    pub part: String,
    /// Images.
    pub n: usize,
    /// Share of wrong first guesses.
    pub top1_error: f64,
    /// Share of images whose class is not among the first five guesses.
    pub top5_error: f64,
    /// Mean cross-entropy.
    pub loss: f64,
}

/// The data that a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// As it was asked for.
    pub spec: String,
    /// SHA-256 of its content.
    pub fingerprint: String,
}

/// An input and the output that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// `[N, C, H, W]`.
    pub input: (Shape, Vec<f32>),
    /// The network's output.
    pub output: (Shape, Vec<f32>),
}

/// A trained network with all that is needed to use it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The network.
    pub network: Network,
    /// Class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// How an image of the data set becomes the input; null if it is used as it is.
    pub preprocessing: serde_json::Value,
    /// How any other picture becomes the input.
    pub predict: serde_json::Value,
    /// What it reached.
    pub evaluation: Option<Evaluation>,
    /// What it was trained on.
    pub data: Option<Data>,
    /// The recipe that trained it, as text.
    pub recipe: Option<String>,
    /// An input with its output.
    pub golden: Option<Golden>,
    /// Parameters and buffers.
    pub weights: Weights,
}

/// Raised when the metadata change their meaning.
const VERSION: &str = "1";
/// The program's own version, for a person who meets a file of another.
const PROGRAM: &str = concat!("striate ", env!("CARGO_PKG_VERSION"));
/// More outputs than this get no numbers as names.
const MOST_CLASSES: usize = 1 << 22;
const GOLDEN: [&str; 2] = ["golden.input", "golden.output"];

impl ModelFile {
    /// A model that says no more of itself than its network and weights; its classes are numbers. One output is
    /// that of two classes.
    ///
    /// # Errors
    /// If the network is faulty, or has millions of outputs.
    pub fn bare(network: Network, weights: Weights) -> Result<ModelFile> {
        let outputs = network.classes()?;
        if outputs > MOST_CLASSES {
            let what = format!("network {}: {outputs} outputs are more than {MOST_CLASSES}", network.name);
            return Err(Error::input(what));
        }
        let classes = (0..outputs.max(2)).map(|class| class.to_string()).collect();
        Ok(ModelFile {
            network,
            classes,
            preprocessing: serde_json::Value::Null,
            predict: serde_json::Value::Null,
            evaluation: None,
            data: None,
            recipe: None,
            golden: None,
            weights,
        })
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_bytes()?)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// If the content cannot be laid out.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        check_classes(&self.classes, self.network.classes()?)?;
        let mut metadata = HashMap::from([
            ("striate".to_owned(), VERSION.to_owned()),
            ("program".into(), PROGRAM.into()),
            ("network".into(), self.network.to_text()),
            ("classes".into(), json(&self.classes)),
            ("preprocessing".into(), self.preprocessing.to_string()),
            ("predict".into(), self.predict.to_string()),
            ("weights_sha256".into(), weights_sha256(&self.weights)),
        ]);
        let mut optional = |key: &str, value: Option<String>| {
            value.map(|value| metadata.insert(key.to_owned(), value));
        };
        optional("evaluation", self.evaluation.as_ref().map(json));
        optional("data", self.data.as_ref().map(json));
        optional("recipe", self.recipe.clone());
        let golden =
            self.golden.iter().flat_map(|golden| GOLDEN.into_iter().zip([&golden.input, &golden.output]));
        let named = self.weights.iter().map(|(name, tensor)| (name.as_str(), tensor)).chain(golden);
        let tensors: BTreeMap<_, _> =
            named.map(|(name, (shape, values))| (name, (shape, values.as_slice()))).collect();
        lay_out(&tensors, &metadata)
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it is no model file, or its weights are not its network's.
    pub fn load(path: &Path) -> Result<ModelFile> {
        let bytes = read_limited(path)?;
        if is_of_weights(path, &bytes) {
            let file = path.display();
            let mut to = path.with_extension("safetensors");
            if to == path {
                to.set_extension("model.safetensors");
            }
            return Err(Error::input(format!(
                "{file}: holds weights alone, no network; make a model file of it: striate convert {file} {} --model NAME",
                to.display()
            )));
        }
        ModelFile::from_bytes(&bytes).map_err(|e| e.at(path.display()))
    }

    /// Reads the file in `bytes`.
    ///
    /// # Errors
    /// As [`ModelFile::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<ModelFile> {
        let (weights, metadata) = read_safetensors_bytes(bytes)?;
        ModelFile::from_parts(weights, &metadata)
    }

    /// The model that `weights` and `metadata` of a safetensors file make up.
    pub(crate) fn from_parts(mut weights: Weights, metadata: &HashMap<String, String>) -> Result<ModelFile> {
        match metadata.get("striate").map(String::as_str) {
            Some(VERSION) => {}
            Some(other) => {
                let writer = metadata.get("program").map(|program| format!(" written by {program}"));
                let writer = writer.unwrap_or_default();
                return Err(Error::input(format!(
                    "is a model file of version {other}{writer}; {PROGRAM} reads version {VERSION}"
                )));
            }
            None => {
                let what = "holds weights alone, no network; use it with --weights beside a network's name";
                return Err(Error::input(what));
            }
        }
        let text = |key: &str| {
            let missing = || Error::input(format!("is a damaged model file: {key} is missing"));
            metadata.get(key).ok_or_else(missing)
        };
        let network = Network::from_text(text("network")?).map_err(|e| e.at("its network"))?;
        let golden = match (weights.remove(GOLDEN[0]), weights.remove(GOLDEN[1])) {
            (Some(input), Some(output)) => Some(Golden { input, output }),
            (None, None) => None,
            _ => return Err(Error::input("is a damaged model file: half of its golden pair is missing")),
        };
        check_weights(&network, &weights)?;
        let classes: Vec<String> = parse("classes", text("classes")?)?;
        check_classes(&classes, network.classes()?).map_err(|e| e.at("is a damaged model file"))?;
        if text("weights_sha256")? != &weights_sha256(&weights) {
            return Err(Error::input("is a damaged model file: its weights do not match their checksum"));
        }
        check_finite(&weights)?;
        Ok(ModelFile {
            classes,
            preprocessing: parse("preprocessing", text("preprocessing")?)?,
            predict: parse("predict", text("predict")?)?,
            evaluation: metadata.get("evaluation").map(|value| parse("evaluation", value)).transpose()?,
            data: metadata.get("data").map(|value| parse("data", value)).transpose()?,
            recipe: metadata.get("recipe").cloned(),
            golden,
            weights,
            network,
        })
    }
}

/// Whether the file at `path` with the content `bytes` is PyTorch's or Caffe's, which carry no network.
fn is_of_weights(path: &Path, bytes: &[u8]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    is_pytorch(bytes) || ["pth", "pt", "caffemodel"].iter().any(|own| extension.eq_ignore_ascii_case(own))
}

/// Refuses class names that are not one for each of `outputs` (two for one output), or that would reach a terminal
/// as commands.
///
/// # Errors
/// If they are; the message names the class.
pub fn check_classes(classes: &[String], outputs: usize) -> Result<()> {
    if classes.len() != outputs && (outputs, classes.len()) != (1, 2) {
        return Err(Error::input(format!("{} class names for {outputs} outputs", classes.len())));
    }
    check_class_names(classes.iter().map(String::as_str))
}

fn parse<T: serde::de::DeserializeOwned>(key: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::input(format!("is a damaged model file: {key}: {e}")))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data has a JSON form")
}
