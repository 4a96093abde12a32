//! How images become the input of a model from elsewhere: as a person asks, as the model carries it, as its file
//! states, or as the network's published weights take it.

use std::collections::HashMap;

use serde_json::Value;
use striate_formats::{IntegerType, Loaded};
use striate_graph::Network;
use striate_models::{ImagePreprocessing, PixelRange};
use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

use crate::integers::{bytes_preprocessing, check_integers};
use crate::metadata;
use crate::preprocessing::{
    Colors, check_preprocessing, describe, named_preprocessing, published_preprocessing, read_preprocessing,
    resized,
};

/// What is known of weights that bears on how images become their input.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The metadata of an ONNX file.
    pub metadata: HashMap<String, String>,
    /// What the input of an ONNX graph takes, if that is integers.
    pub integers: Option<IntegerType>,
    /// The name under which a person gave the network of the weights.
    pub network: Option<String>,
    /// Whether they were trained on BGR images and converted to RGB, as Caffe's are.
    pub was_bgr: bool,
}

/// Where a preprocessing comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A person asked for it: a word or a file.
    Asked(String),
    /// The model carries it.
    Model,
    /// The metadata of an ONNX file state it, under these keys.
    Metadata(&'static str),
    /// The input takes bytes.
    Bytes,
    /// It is that of the published weights of the network.
    Published,
}

impl Source {
    /// Describes the choice of `form` for a person; `None` where nothing was chosen.
    pub fn note(&self, form: &Preprocessing) -> Option<String> {
        let how = match self {
            Source::Asked(source) => format!("preprocessing (--preprocessing {source})"),
            Source::Model => return None,
            Source::Metadata(keys) => format!("preprocessing (from its metadata {keys})"),
            Source::Bytes => "preprocessing (the input takes bytes)".to_owned(),
            Source::Published => {
                let form = describe(form);
                return Some(format!(
                    "preprocessing of the published weights: {form}; --preprocessing overrides it"
                ));
            }
        };
        Some(format!("{how}: {}", describe(form)))
    }
}

impl Origin {
    /// What `loaded` says of its own network, or of the one that a person called `network` where that is given.
    pub fn of(loaded: &Loaded, network: Option<&str>) -> Origin {
        Origin {
            metadata: loaded.metadata.clone(),
            // Another network than the file's own need not take what that takes.
            integers: loaded.integers.filter(|_| network.is_none()),
            network: network.map(str::to_owned),
            was_bgr: loaded.is_caffe,
        }
    }

    /// Returns how images become the input of `network`, with where that comes from: what is `asked` for, else what
    /// the model carries (`own`, which may be null), else what the file states, else what is published. `None` if it
    /// is not known. Notes are added on what was left aside.
    ///
    /// # Errors
    /// If what is asked for or carried does not suit the network.
    pub fn preprocessing(
        &self,
        network: &Network,
        own: [&Value; 2],
        asked: Option<&str>,
        notes: &mut Vec<String>,
    ) -> Result<Option<(Preprocessing, Source)>> {
        // Images are laid out channels-first whatever the network takes.
        let network = &network.clone().channels_first();
        let check = |form: &Preprocessing| self.integers.map_or(Ok(()), |taken| check_integers(form, taken));
        if let Some(source) = asked {
            let colors = if self.was_bgr { Colors::Rgb } else { Colors::Bgr };
            let form = named_preprocessing(source, network, colors)?;
            check(&form).map_err(|e| e.at(format!("--preprocessing {source}")))?;
            return Ok(Some((form, Source::Asked(source.to_owned()))));
        }
        let advised = |e: Error| e.advising("--preprocessing replaces it");
        let [own, other] = own.map(|value| read_preprocessing(value, network));
        if let Some(form) = own.map_err(advised)?.or(other.map_err(advised)?) {
            check(&form).map_err(|e| e.at("the model's preprocessing"))?;
            return Ok(Some((form, Source::Model)));
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

    /// The preprocessing of the published weights of `network`, at its size, if it is a known one. Caffe's weights take
    /// bytes, also those of networks that are named as in torchvision.
    fn published(&self, network: &Network) -> Option<Preprocessing> {
        let known = striate_models::find(self.network.as_deref()?).ok()?;
        let fits = match known.preprocessing {
            ImagePreprocessing::Fixed(fixed) => !self.was_bgr || fixed.range == PixelRange::Bytes,
            ImagePreprocessing::FromData(_) => false,
        };
        let form = fits.then(|| published_preprocessing(&known)).flatten()?;
        let [channels, height, width] = network.image().ok()?;
        let form =
            if form.channels == channels { resized(&form, [height, width]).ok()? } else { return None };
        check_preprocessing(&form, network).is_ok().then_some(form)
    }
}
