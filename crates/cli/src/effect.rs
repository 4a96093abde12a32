//! Refuses flags that would have no effect, with the reason.
//!
//! Flags that exclude others are declared in [`crate::arguments`]; this module is about flags whose effect depends on
//! the files that a command reads.

use std::path::Path;

use striate_data::{Medium, Spec};
use striate_formats::{Contents, contents};
use striate_tensor::text::printable_path;
use striate_tensor::{Error, Result};

/// What a flag needs to have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// An ONNX file.
    Onnx,
    /// An ONNX file, or a network that weights are fitted to.
    Shaped,
    /// A file of tensors without a network.
    Weights,
    /// Weights that are fitted to a network from another source.
    Fitted,
}

/// A flag about reading files.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    name: &'static str,
    is_given: bool,
    need: Need,
    purpose: &'static str,
}

impl Flag {
    /// The flag that fixes the open input shape of an ONNX graph.
    pub fn input(is_given: bool) -> Flag {
        Flag {
            name: "--input",
            is_given,
            need: Need::Shaped,
            purpose: "fixes the input shape of an ONNX graph",
        }
    }

    /// The flag `name` that selects an output of an ONNX graph.
    pub fn output(name: &'static str, is_given: bool) -> Flag {
        Flag { name, is_given, need: Need::Onnx, purpose: "selects an output of an ONNX graph" }
    }

    /// The flag that selects one of several sets of tensors.
    pub fn key(is_given: bool) -> Flag {
        Flag { name: "--key", is_given, need: Need::Weights, purpose: "selects a state dict in a checkpoint" }
    }

    /// The flag that ignores tensors that a network does not have.
    pub fn ignore_unexpected(is_given: bool) -> Flag {
        let purpose = "ignores tensors of a weights file that the network does not have";
        Flag { name: "--ignore-unexpected", is_given, need: Need::Fitted, purpose }
    }
}

/// What a command reads.
#[derive(Debug)]
pub struct Input<'a> {
    name: &'a Path,
    kind: Kind,
    /// Whether its weights are fitted to a network from another source.
    is_fitted: bool,
    /// Whether it is the network that --model names.
    is_named: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    BuiltIn,
    Text,
    File(Contents),
    /// An unreadable file; its reader reports the error.
    Unknown,
}

impl<'a> Input<'a> {
    /// The network that `name` stands for.
    pub fn network(name: &'a str) -> Input<'a> {
        let path = Path::new(name);
        let extension = path.extension().and_then(|extension| extension.to_str());
        let kind = match extension {
            Some("toml") => Kind::Text,
            _ if striate_models::find(name).is_ok() => Kind::BuiltIn,
            _ => kind(path),
        };
        Input { name: path, kind, is_fitted: false, is_named: false }
    }

    /// The file at `path`; its tensors are fitted to a network if one is given by other means.
    pub fn file(path: &'a Path, is_fitted: bool) -> Input<'a> {
        Input { name: path, kind: kind(path), is_fitted, is_named: false }
    }

    /// The files of a classifier at `path`, and of the network that --model names, if it is given.
    pub fn classifier(path: &'a Path, network: Option<&'a str>) -> Vec<Input<'a>> {
        let kind = kind(path);
        // Weights without a network are refused by their reader, which says more.
        let is_fitted = network.is_some() || kind == Kind::File(Contents::Weights);
        let own = Input { name: path, kind, is_fitted, is_named: false };
        let named = network.map(|name| Input { is_named: true, ..Input::network(name) });
        [own].into_iter().chain(named).collect()
    }

    fn satisfies(&self, need: Need) -> bool {
        match need {
            _ if self.kind == Kind::Unknown => true,
            Need::Onnx => self.kind == Kind::File(Contents::Onnx),
            Need::Shaped => self.is_named || self.kind == Kind::File(Contents::Onnx),
            Need::Weights => self.kind == Kind::File(Contents::Weights),
            Need::Fitted => self.is_fitted,
        }
    }

    fn description(&self) -> String {
        let kind = match self.kind {
            Kind::BuiltIn => "a built-in network",
            Kind::Text => "a network text",
            Kind::File(Contents::Model) => "a model file",
            Kind::File(Contents::Onnx) => "an ONNX file",
            Kind::File(Contents::Weights) if self.is_fitted => "a weights file",
            Kind::File(Contents::Weights) => "a weights file without a network",
            Kind::Unknown => "unknown",
        };
        format!("{} is {kind}", printable_path(self.name))
    }
}

fn kind(path: &Path) -> Kind {
    contents(path).map_or(Kind::Unknown, Kind::File)
}

/// Refuses the first of `flags` that is given but has no effect on any of `inputs`. A command without inputs is refused
/// for that reason instead.
pub fn refuse_unused(flags: &[Flag], inputs: &[Input]) -> Result<()> {
    let is_unused = |flag: &&Flag| flag.is_given && !inputs.iter().any(|input| input.satisfies(flag.need));
    match flags.iter().find(is_unused).filter(|_| !inputs.is_empty()) {
        None => Ok(()),
        Some(Flag { name, purpose, .. }) => {
            let inputs: Vec<String> = inputs.iter().map(Input::description).collect();
            Err(Error::input(format!("{name} {purpose}, but {}; omit it", inputs.join(", "))))
        }
    }
}

/// Flags about files that apply to sounds and texts too.
const OF_ANY_FILES: [&str; 2] = ["--skip-unreadable", "--cache"];

/// Refuses the first given one of the `flags` about image files if the data set `spec` has no image files.
pub fn refuse_without_image_files(flags: &[(&str, bool)], spec: &str) -> Result<()> {
    let data = match Spec::parse(spec)? {
        Spec::Folder(_) | Spec::List(_) | Spec::Shards(_) => return Ok(()),
        spec @ (Spec::Audio(_) | Spec::Text(_)) => {
            let of_images: Vec<_> =
                flags.iter().copied().filter(|(flag, _)| !OF_ANY_FILES.contains(flag)).collect();
            let what = spec.medium().map_or("array", Medium::name);
            return refuse_given(&of_images, &format!("applies to images, but {spec} contains {what}s"));
        }
        Spec::Digits => "is built in",
        Spec::Mnist(_) | Spec::Idx(_) | Spec::Cifar(..) => "is not stored as image files",
        Spec::Npy(_) => "contains arrays",
    };
    refuse_given(flags, &format!("applies to image files, but {spec} {data}"))
}

/// Refuses the first given one of `flags`, for this reason.
pub fn refuse_given(flags: &[(&str, bool)], reason: &str) -> Result<()> {
    match flags.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => Err(Error::input(format!("{flag} {reason}; omit it"))),
    }
}

/// Reports that `--seed` has no effect, if it is given where nothing is drawn at random. All verbs that compute accept
/// it, so that scripts can pass it to each of them.
pub fn note_unused_seed(seed: Option<u64>) {
    if seed.is_some() {
        eprintln!("--seed has no effect: nothing is drawn at random");
    }
}
