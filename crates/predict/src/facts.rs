//! The preprocessing of a model from elsewhere: requested by the user, stored in the model, stated by its file, or that
//! of the network's published weights.

use std::collections::HashMap;

use striate_formats::{IntegerType, Loaded};
use striate_graph::Network;
use striate_tensor::preprocessing::Preprocessing;
use striate_tensor::{Error, Result};

use crate::integers::{bytes_preprocessing, check_integers};
use crate::metadata;
use crate::preprocessing::{Colors, check_preprocessing, named_preprocessing, resized};

/// Facts about weights that determine their preprocessing.
#[derive(Debug, Clone, Default)]
pub struct WeightsFacts {
    /// The metadata of an ONNX file.
    pub metadata: HashMap<String, String>,
    /// The integers that the input of an ONNX graph takes; `None` for floats.
    pub integers: Option<IntegerType>,
    /// The name that the user gives for the network of the weights.
    pub network: Option<String>,
    /// Whether they were trained on BGR images and converted to RGB, as Caffe's are.
    pub was_bgr: bool,
}

/// Where a preprocessing comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The user: a word or a file.
    Asked(String),
    /// The model, which stores it.
    Model,
    /// The metadata of an ONNX file, under these keys.
    Metadata(&'static str),
    /// The input, which takes bytes.
    Bytes,
    /// The published weights of the network.
    Published,
}

impl Source {
    /// Returns the note for the user on the choice of `form`; `None` if nothing was chosen.
    pub fn note(&self, form: &Preprocessing) -> Option<String> {
        let how = match self {
            Source::Asked(source) => format!("preprocessing (--preprocessing {source})"),
            Source::Model => return None,
            Source::Metadata(keys) => format!("preprocessing (from its metadata {keys})"),
            Source::Bytes => "preprocessing (the input takes bytes)".to_owned(),
            Source::Published => {
                return Some(format!(
                    "preprocessing of the published weights: {form}; --preprocessing overrides it"
                ));
            }
        };
        Some(format!("{how}: {form}"))
    }
}

impl WeightsFacts {
    /// Returns the facts in `loaded`, for its own network or for the `named` one: the name that the user gives, with
    /// the facts in its file.
    pub fn of(loaded: &Loaded, named: Option<(&str, &WeightsFacts)>) -> WeightsFacts {
        WeightsFacts {
            metadata: loaded.metadata.clone(),
            // What the input takes depends on the network, not on the weights.
            integers: named.map_or(loaded.integers, |(_, facts)| facts.integers),
            network: named.map(|(name, _)| name.to_owned()),
            was_bgr: loaded.is_caffe,
        }
    }

    /// Returns the preprocessing for `network`, with its source: the one `asked` for, else the one stored in the model
    /// (`own`, the first there is), else that of the file's metadata, else the published one. `None` if it is unknown.
    /// Ignored metadata are added to `notes`.
    ///
    /// # Errors
    /// If the one asked for or stored does not fit the network.
    pub fn preprocessing(
        &self,
        network: &Network,
        own: [Option<&Preprocessing>; 2],
        asked: Option<&str>,
        notes: &mut Vec<String>,
    ) -> Result<Option<(Preprocessing, Source)>> {
        // Images are laid out channels-first whatever the network takes.
        let network = &network.clone().channels_first();
        let check = |form: &Preprocessing| self.integers.map_or(Ok(()), |taken| check_integers(form, taken));
        if let Some(source) = asked {
            let colors = if self.was_bgr { Colors::Rgb } else { Colors::Bgr };
            let form = named_preprocessing(source, network, colors)?;
            check(&form).map_err(|e| e.at(format!("--preprocessing {source}")).advising(self.advice()))?;
            return Ok(Some((form, Source::Asked(source.to_owned()))));
        }
        let advised = |e: Error| e.advising("--preprocessing replaces it");
        let mut own = own.into_iter().flatten();
        own.clone().try_for_each(|form| check_preprocessing(form, network)).map_err(advised)?;
        if let Some(form) = own.next() {
            check(form).map_err(|e| advised(e.at("the model's preprocessing")))?;
            return Ok(Some((form.clone(), Source::Model)));
        }
        if let Some((form, keys)) = metadata::preprocessing(&self.metadata, network) {
            match check(&form) {
                Ok(()) => return Ok(Some((form, Source::Metadata(keys)))),
                Err(e) => notes.push(format!("its metadata {keys} are ignored: their preprocessing {e}")),
            }
        }
        if self.integers == Some(IntegerType::BYTES)
            && let Ok(form) = bytes_preprocessing(network)
        {
            return Ok(Some((form, Source::Bytes)));
        }
        let published = self.published(network).filter(|_| self.integers.is_none());
        Ok(published.map(|form| (form, Source::Published)))
    }

    /// What to do about a requested preprocessing that does not yield the integers of the input.
    fn advice(&self) -> &'static str {
        match self.integers == Some(IntegerType::BYTES) {
            true => {
                "omit --preprocessing to pass pixels as bytes, or use a FILE.json with mean 0 and std 1/255"
            }
            false => "use a FILE.json whose mean and std yield integers that the input takes",
        }
    }

    /// The preprocessing of the published weights of `network`, at its size, if it is a known one. Caffe's weights take
    /// bytes, also those of networks that are named as in torchvision.
    fn published(&self, network: &Network) -> Option<Preprocessing> {
        let known = striate_models::find(self.network.as_deref()?).ok()?;
        let form = known.preprocessing.fixed().filter(|form| !self.was_bgr || form.is_in_bytes())?;
        let [channels, height, width] = network.image().ok()?;
        let form =
            if form.channels == channels { resized(&form, [height, width]).ok()? } else { return None };
        check_preprocessing(&form, network).is_ok().then_some(form)
    }
}
