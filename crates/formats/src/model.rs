//! The model file: a safetensors file that describes itself.
//!
//! The metadata contain the network's text, class names, preprocessing or encoding, evaluation, the fingerprint of the
//! data, the recipe and a digest over all of them; two tensors under `golden.` are an example input and its output.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};
use striate_graph::Network;
use striate_tensor::encoding::Encoding;
use striate_tensor::file::write_atomically;
use striate_tensor::names::check_class_names;
use striate_tensor::preprocessing::Preprocessing;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use crate::caffe::read_caffemodel_bytes;
use crate::digest::{DIGEST, digest};
use crate::file::read_limited;
use crate::fit::check_finite;
use crate::kind::{self, Kind};
use crate::load::extension;
use crate::pytorch::read_pytorch_bytes;
use crate::safetensors::{lay_out, read_safetensors_bytes};
use crate::stream::{self, Streamed, Sums};
use crate::{Weights, check_weights, weights_sha256};

/// The figures that a model achieved, and on which data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The part of the data: `test`, `validation` or `all`.
    pub part: String,
    /// Images.
    pub n: usize,
    /// Fraction of images whose class is not the first prediction.
    pub top1_error: f64,
    /// Fraction of images whose class is not among the first five predictions.
    pub top5_error: f64,
    /// Mean cross-entropy.
    pub loss: f64,
}

/// The data that a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Its specification on the command line.
    pub spec: String,
    /// SHA-256 of its content.
    pub fingerprint: String,
}

/// An example input and its output.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// `[N, C, H, W]`.
    pub input: (Shape, Vec<f32>),
    /// The network's output.
    pub output: (Shape, Vec<f32>),
}

/// A trained network with everything needed to use it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The network.
    pub network: Network,
    /// Class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// The preprocessing of the data set's own images; `None` if they are used unchanged.
    pub preprocessing: Option<Preprocessing>,
    /// The preprocessing of all other images.
    pub predict: Option<Preprocessing>,
    /// How its inputs are encoded, if they are not images.
    pub encoding: Option<Encoding>,
    /// The figures that it achieved.
    pub evaluation: Option<Evaluation>,
    /// The data that it was trained on.
    pub data: Option<Data>,
    /// The recipe that trained it, as text.
    pub recipe: Option<String>,
    /// An input with its output.
    pub golden: Option<Golden>,
    /// Parameters and buffers.
    pub weights: Weights,
}

/// Incremented when the meaning of the metadata changes.
const VERSION: &str = "1";
/// The program's own version, for a user whose file was written by another.
const PROGRAM: &str = concat!("striate ", env!("CARGO_PKG_VERSION"));
/// Largest number of outputs that are named by numbers.
const MOST_CLASSES: usize = 1 << 20;
/// The description of a file without a network, for messages.
pub const WEIGHTS_ALONE: &str = "contains only weights, not a network";
const DAMAGED: &str = "is a damaged model file";
const GOLDEN: [&str; 2] = ["golden.input", "golden.output"];

/// Whether a tensor of a model file belongs to its golden pair.
pub(crate) fn is_golden(name: &str) -> bool {
    GOLDEN.contains(&name)
}

impl ModelFile {
    /// Returns a model with only a network and weights; its class names are numbers. A single output means two classes.
    ///
    /// # Errors
    /// If the network is invalid, or has more than a million outputs.
    pub fn bare(network: Network, weights: Weights) -> Result<ModelFile> {
        let outputs = network.classes()?;
        if outputs > MOST_CLASSES {
            let what =
                format!("network {}: {outputs} outputs exceed the limit of {MOST_CLASSES}", network.name);
            return Err(Error::input(what));
        }
        let classes = (0..outputs.max(2)).map(|class| class.to_string()).collect();
        Ok(ModelFile {
            network,
            classes,
            preprocessing: None,
            predict: None,
            encoding: None,
            evaluation: None,
            data: None,
            recipe: None,
            golden: None,
            weights,
        })
    }

    /// Returns the preprocessing of any image; `None` if the model does not state it.
    pub fn image_preprocessing(&self) -> Option<&Preprocessing> {
        self.predict.as_ref().or(self.preprocessing.as_ref())
    }

    /// Writes the file completely or not at all.
    ///
    /// # Errors
    /// As [`ModelFile::to_bytes`], or if the disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_bytes()?)
    }

    /// Returns the file's bytes.
    ///
    /// # Errors
    /// If reading would refuse them, or the golden pair or the evaluation contains NaN or infinite values.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let unwritable = |e: Error| e.at("the model cannot be written");
        self.check_finite().map_err(unwritable)?;
        let mut metadata = self.metadata();
        let described = Described::read(&metadata).map_err(unwritable)?;
        described.check(&self.weights).map_err(unwritable)?;
        metadata.insert(DIGEST.into(), digest(&metadata, &self.weights, self.golden.as_ref()));
        let golden =
            self.golden.iter().flat_map(|golden| GOLDEN.into_iter().zip([&golden.input, &golden.output]));
        let named = self.weights.iter().map(|(name, tensor)| (name.as_str(), tensor)).chain(golden);
        let tensors: BTreeMap<_, _> =
            named.map(|(name, (shape, values))| (name, (shape, values.as_slice()))).collect();
        lay_out(&tensors, &metadata)
    }

    /// The metadata except the digest.
    fn metadata(&self) -> HashMap<String, String> {
        let mut metadata = HashMap::from([
            ("striate".to_owned(), VERSION.to_owned()),
            ("program".into(), PROGRAM.into()),
            ("network".into(), self.network.to_text()),
            ("classes".into(), json(&self.classes)),
            ("preprocessing".into(), json(&self.preprocessing)),
            ("predict".into(), json(&self.predict)),
            ("weights_sha256".into(), weights_sha256(&self.weights)),
        ]);
        let mut optional = |key: &str, value: Option<String>| {
            value.map(|value| metadata.insert(key.to_owned(), value));
        };
        optional("encoding", self.encoding.as_ref().map(json));
        optional("evaluation", self.evaluation.as_ref().map(json));
        optional("data", self.data.as_ref().map(json));
        optional("recipe", self.recipe.clone());
        metadata
    }

    /// Refuses NaN and infinite values.
    fn check_finite(&self) -> Result<()> {
        check_finite(&self.weights)?;
        let is_finite = |values: &[f32]| values.iter().all(|x| x.is_finite());
        if !self.golden.iter().all(|golden| is_finite(&golden.input.1) && is_finite(&golden.output.1)) {
            let what = "its golden pair contains NaN or infinite values: the network's output overflows; \
                        use weights from an earlier step";
            return Err(Error::input(what));
        }
        let is_finite = |reached: &Evaluation| {
            [reached.top1_error, reached.top5_error, reached.loss].iter().all(|x| x.is_finite())
        };
        match self.evaluation.iter().all(is_finite) {
            true => Ok(()),
            false => Err(Error::input("its evaluation contains NaN or infinite values; evaluate it again")),
        }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it is not a model file, is damaged, or its weights do not match its network.
    pub fn load(path: &Path) -> Result<ModelFile> {
        Ok(ModelFile::load_checked(path)?.0)
    }

    /// Reads the file at `path`; also returns how much of it is covered by checksums.
    ///
    /// # Errors
    /// As [`ModelFile::load`].
    pub fn load_checked(path: &Path) -> Result<(ModelFile, Integrity)> {
        match stream::read(path)? {
            Some(Streamed { weights, metadata, sums }) => {
                ModelFile::from_parts(weights, &metadata, Some(sums)).map_err(|e| e.at(path.display()))
            }
            None => ModelFile::from_file_checked(path, &read_limited(path)?),
        }
    }

    /// Reads the file in `bytes`.
    ///
    /// # Errors
    /// As [`ModelFile::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<ModelFile> {
        let (weights, metadata) = read_safetensors_bytes(bytes)?;
        Ok(ModelFile::from_parts(weights, &metadata, None)?.0)
    }

    /// Reads the file at `path` with the content `bytes`.
    fn from_file_checked(path: &Path, bytes: &[u8]) -> Result<(ModelFile, Integrity)> {
        let file = path.display();
        let read = || {
            let (weights, metadata) = read_safetensors_bytes(bytes)?;
            ModelFile::from_parts(weights, &metadata, None)
        };
        let refuse = |what: &str, model: &str| {
            let mut to = path.with_extension("safetensors");
            if to == path {
                to.set_extension("model.safetensors");
            }
            let to = to.display();
            Err(Error::input(format!(
                "{file}: {what}; make a model file with: striate convert {file} {to}{model}"
            )))
        };
        match kind::of(bytes, &extension(path)) {
            // A damaged file is reported as such.
            Kind::PyTorch => match read_pytorch_bytes(bytes) {
                Err(e) => Err(e.at(file)),
                Ok(_) => refuse(WEIGHTS_ALONE, " --model NAME"),
            },
            Kind::Caffe => match read_caffemodel_bytes(bytes) {
                Err(e) => Err(e.at(file)),
                Ok(_) => refuse(WEIGHTS_ALONE, " --model NAME"),
            },
            Kind::Onnx => refuse("is an ONNX file, not a model file", ""),
            Kind::Other(what) => Err(Error::input(format!("{file}: {what}"))),
            Kind::Safetensors | Kind::Unknown => read().map_err(|e| e.at(file)),
        }
    }

    /// Builds the model from the `weights` and `metadata` of a safetensors file; `sums` are those of the weights, if
    /// they have been computed.
    pub(crate) fn from_parts(
        mut weights: Weights,
        metadata: &HashMap<String, String>,
        sums: Option<Sums>,
    ) -> Result<(ModelFile, Integrity)> {
        check_version(metadata)?;
        let golden = match (weights.remove(GOLDEN[0]), weights.remove(GOLDEN[1])) {
            (Some(input), Some(output)) => Some(Golden { input, output }),
            (None, None) => None,
            _ => return Err(damaged("half of its golden pair is missing")),
        };
        let described = Described::read(metadata)?;
        described.check(&weights).map_err(|e| e.at(DAMAGED))?;
        let are_finite = sums.as_ref().is_some_and(|sums| sums.are_finite);
        let sha256 = sums.map_or_else(|| weights_sha256(&weights), |sums| sums.sha256);
        if described.weights_sha256 != sha256 {
            return Err(damaged("its weights do not match their checksum"));
        }
        let integrity = match metadata.get(DIGEST) {
            None => Integrity::Weights,
            Some(stored) if *stored == digest(metadata, &weights, golden.as_ref()) => Integrity::Whole,
            Some(_) => {
                return Err(damaged("its content does not match its digest; use an unmodified copy"));
            }
        };
        if !are_finite {
            check_finite(&weights)?;
        }
        let Described { network, classes, preprocessing, predict, encoding, evaluation, data, .. } =
            described;
        let recipe = metadata.get("recipe").cloned();
        let model = ModelFile {
            network,
            classes,
            preprocessing,
            predict,
            encoding,
            evaluation,
            data,
            recipe,
            golden,
            weights,
        };
        Ok((model, integrity))
    }
}

/// How much of a model file is covered by checksums, which are always checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrity {
    /// All of it.
    Whole,
    /// Only the weights: the file is from a version without a digest.
    Weights,
}

/// The metadata of a model file as values.
struct Described {
    network: Network,
    classes: Vec<String>,
    preprocessing: Option<Preprocessing>,
    predict: Option<Preprocessing>,
    encoding: Option<Encoding>,
    evaluation: Option<Evaluation>,
    data: Option<Data>,
    weights_sha256: String,
}

/// The figures that the metadata of a model file state.
pub(crate) fn stated_evaluation(metadata: &HashMap<String, String>) -> Result<Option<Evaluation>> {
    metadata.get("evaluation").map(|value| parse("evaluation", value)).transpose()
}

impl Described {
    fn read(metadata: &HashMap<String, String>) -> Result<Described> {
        let text = |key: &str| metadata.get(key).ok_or_else(|| damaged(format!("{key} is missing")));
        Ok(Described {
            network: Network::from_text(text("network")?).map_err(|e| e.at("its network"))?,
            classes: parse("classes", text("classes")?)?,
            preprocessing: parse("preprocessing", text("preprocessing")?)?,
            predict: parse("predict", text("predict")?)?,
            encoding: metadata.get("encoding").map(|value| parse("encoding", value)).transpose()?,
            evaluation: stated_evaluation(metadata)?,
            data: metadata.get("data").map(|value| parse("data", value)).transpose()?,
            weights_sha256: text("weights_sha256")?.clone(),
        })
    }

    /// Checks that `weights` match the network, and that each output has a class.
    fn check(&self, weights: &Weights) -> Result<()> {
        check_weights(&self.network, weights)
            .map_err(|e| e.at(format!("its weights do not match its network {}", self.network.name)))?;
        if let Some(encoding) = &self.encoding {
            encoding.check()?;
            let (own, given) = (self.network.sample()?, encoding.output_shape());
            if own != given {
                let what = format!("its network takes inputs of {own:?}, but its encoding gives {given:?}");
                return Err(Error::input(what));
            }
        }
        check_classes(&self.classes, self.network.classes()?)
    }
}

fn check_version(metadata: &HashMap<String, String>) -> Result<()> {
    match metadata.get("striate").map(String::as_str) {
        Some(VERSION) => Ok(()),
        Some(other) => {
            let writer = metadata.get("program").map(|program| format!(" written by {program}"));
            let writer = writer.unwrap_or_default();
            Err(Error::input(format!(
                "is a model file of version {other}{writer}; {PROGRAM} reads version {VERSION}"
            )))
        }
        None => {
            let advice = "make a model file with `striate convert` and --model NAME";
            Err(Error::input(WEIGHTS_ALONE).advising(advice))
        }
    }
}

/// Checks that there are as many class names as `outputs` (two for one output), and that each can be displayed on a
/// terminal: no control characters, no bidirectional overrides, no more than 1000 bytes.
///
/// # Errors
/// If there are not, or a name cannot; the message states the number of the first such class.
pub fn check_classes(classes: &[String], outputs: usize) -> Result<()> {
    if classes.len() != outputs && (outputs, classes.len()) != (1, 2) {
        return Err(Error::input(format!(
            "{} for {}",
            counted(classes.len(), "class name"),
            counted(outputs, "output")
        )));
    }
    check_class_names(classes.iter().map(String::as_str))
}

fn parse<T: serde::de::DeserializeOwned>(key: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| damaged(format!("{key}: {e}")))
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::input(what.to_string()).at(DAMAGED)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data has a JSON form")
}
