//! Caffe's `.caffemodel`: the weights of a network, named after its layers.
//!
//! A layer's blobs become `NAME.weight` and `NAME.bias`. Caffe splits a batch norm into two layers, which are merged:
//! `BatchNorm` holds means and variances with a scale factor to divide them by, and the `Scale` after it holds γ and β.
//! Caffe's images are BGR; the first convolution is converted to RGB, the only order that the other crates use. Source:
//! Caffe, `src/caffe/proto/caffe.proto`.

mod epsilon;
mod message;
mod names;
mod normalization;
mod write;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

pub use self::epsilon::Epsilon;
pub(crate) use self::names::as_torchvision;
pub use self::normalization::{Normalization, fit_constants};
pub use self::write::caffemodel_bytes;

use self::message::{Blob, Kind, Layer, layers};
use crate::Weights;
use crate::bgr::swap_red_and_blue;
use crate::file::read_limited;
use crate::message::shown;

/// The content of a `.caffemodel`.
#[derive(Debug, Clone, PartialEq)]
pub struct CaffeModel {
    /// Its tensors, in canonical order and for RGB.
    pub weights: Weights,
    /// The mean of red, green and blue (0 to 255) to subtract, if the file states it.
    pub mean: Option<[f32; 3]>,
    /// Its local response normalizations, whose constants are not weights but belong to them.
    pub normalizations: Vec<Normalization>,
    /// The ε of its batch norms, which is not a weight either.
    pub epsilons: Vec<Epsilon>,
    /// Notes on what was changed, one line each.
    pub notes: Vec<String>,
}

/// Reads the file at `path`, like [`read_caffemodel_bytes`].
///
/// # Errors
/// Like [`read_caffemodel_bytes`], or if the file cannot be read.
pub fn read_caffemodel(path: &Path) -> Result<CaffeModel> {
    read_caffemodel_bytes(&read_limited(path)?).map_err(|e| e.at(path.display()))
}

/// Reads the weights in `bytes`, with layers in the `V1LayerParameter` or the `LayerParameter` format.
///
/// # Errors
/// If the file is not a `.caffemodel`, is damaged, has no weights, uses the format from before 2014, or has weights in
/// an unsupported type of layer.
pub fn read_caffemodel_bytes(bytes: &[u8]) -> Result<CaffeModel> {
    let layers = layers(bytes)?;
    let mut reading = Reading::default();
    let mut first = None;
    let mut mean = None;
    for layer in layers {
        let place = shown(layer.name);
        if layer.kind == Kind::Convolution && !layer.blobs.is_empty() && first.is_none() {
            first = Some(format!("{}.weight", layer.name));
        }
        if let [blue, green, red] = layer.mean[..] {
            mean = Some([red, green, blue]);
        }
        reading.layer(layer).map_err(|e| e.at(format!("layer {place}")))?;
    }
    let normalizations = std::mem::take(&mut reading.normalizations);
    let epsilons = std::mem::take(&mut reading.epsilons);
    let mut weights = reading.finish();
    if weights.is_empty() {
        return Err(Error::input("is not a .caffemodel with weights"));
    }
    let mut notes = Vec::new();
    if let Some((shape, values)) = first.as_ref().and_then(|name| weights.get_mut(name))
        && swap_red_and_blue(shape, values)
    {
        let name = shown(first.as_deref().unwrap_or_default());
        notes.push(format!("{name} was converted from BGR to RGB"));
    }
    if let Some([red, green, blue]) = mean {
        notes.push(format!(
            "its images have values from 0 to 255, minus the mean {red}, {green}, {blue} of red, green, blue"
        ));
    }
    notes.extend(epsilon::note(&epsilons));
    Ok(CaffeModel { weights, mean, normalizations, epsilons, notes })
}

/// The weights collected so far, layer by layer.
#[derive(Default)]
struct Reading<'a> {
    weights: Weights,
    /// The batch norm that last produced a value, by the value's name.
    normalized: HashMap<&'a str, &'a str>,
    /// Batch norms with their numbers of channels.
    batch_norms: Vec<(&'a str, usize)>,
    /// Values last produced by a pool.
    pooled: HashSet<&'a str>,
    normalizations: Vec<Normalization>,
    epsilons: Vec<Epsilon>,
}

impl<'a> Reading<'a> {
    fn layer(&mut self, layer: Layer<'a>) -> Result<()> {
        let owner = match layer.kind {
            Kind::Scale => layer.bottoms.first().and_then(|bottom| self.normalized.remove(bottom)),
            _ => None,
        };
        if layer.kind == Kind::Lrn {
            let after_pool = layer.bottoms.first().is_some_and(|bottom| self.pooled.contains(bottom));
            self.normalizations.push(Normalization::new(layer.name, layer.lrn.clone(), after_pool));
        }
        for top in &layer.tops {
            self.normalized.remove(top);
            self.pooled.remove(top);
        }
        if layer.kind == Kind::Pooling {
            self.pooled.extend(&layer.tops);
        }
        if layer.blobs.is_empty() {
            return Ok(());
        }
        match layer.kind {
            Kind::Convolution => self.weight_and_bias(layer.name, layer.blobs, |shape| match shape.len() {
                3..=5 => Ok(shape),
                _ => Err(Error::input(format!("a kernel of shape {shape}"))),
            }),
            Kind::InnerProduct { transposed: true } => {
                Err(Error::input("its weights are stored transposed, which is not supported"))
            }
            Kind::InnerProduct { .. } => self.weight_and_bias(layer.name, layer.blobs, matrix),
            Kind::Scale => self.weight_and_bias(owner.unwrap_or(layer.name), layer.blobs, vector),
            Kind::BatchNorm => self.batch_norm(layer),
            Kind::Before2014 => Err(Error::input(
                "uses Caffe's format from before 2014; convert it with Caffe's upgrade_net_proto_binary",
            )),
            Kind::Lrn | Kind::Pooling => Err(Error::input("has weights, although its type has none")),
            Kind::Other(kind) => {
                let kind = shown(kind);
                Err(Error::input(format!("weights in a layer of type {kind} are not supported")))
            }
        }
    }

    fn weight_and_bias(
        &mut self,
        name: &str,
        blobs: Vec<Blob>,
        shape: impl Fn(Shape) -> Result<Shape>,
    ) -> Result<()> {
        if blobs.len() > 2 {
            return Err(Error::input(format!(
                "expected a weight and a bias, got {}",
                counted(blobs.len(), "blob")
            )));
        }
        for (part, blob) in ["weight", "bias"].into_iter().zip(blobs) {
            let (given, values) = blob.checked()?;
            let shape = if part == "weight" { shape(given)? } else { vector(given)? };
            self.insert(format!("{name}.{part}"), shape, values)?;
        }
        Ok(())
    }

    fn batch_norm(&mut self, layer: Layer<'a>) -> Result<()> {
        self.epsilons.push(Epsilon { layer: layer.name.to_owned(), value: layer.epsilon });
        let Ok([mean, variance, factor]) = <[Blob; 3]>::try_from(layer.blobs) else {
            return Err(Error::input(
                "a batch norm must have three blobs: a mean, a variance and their scale factor",
            ));
        };
        let [sum] = factor.checked()?.1[..] else {
            return Err(Error::input("a batch norm must have exactly one scale factor"));
        };
        let scale = if sum == 0.0 { 0.0 } else { 1.0 / sum };
        for (part, blob) in [("running_mean", mean), ("running_var", variance)] {
            let (shape, mut values) = blob.checked()?;
            values.iter_mut().for_each(|value| *value *= scale);
            let channels = values.len();
            self.insert(format!("{}.{part}", layer.name), vector(shape)?, values)?;
            if part == "running_mean" {
                self.batch_norms.push((layer.name, channels));
            }
        }
        self.normalized.extend(layer.tops.iter().map(|top| (*top, layer.name)));
        Ok(())
    }

    fn insert(&mut self, name: String, shape: Shape, values: Vec<f32>) -> Result<()> {
        match self.weights.insert(name.clone(), (shape, values)) {
            None => Ok(()),
            Some(_) => Err(Error::input(format!("{} appears twice", shown(&name)))),
        }
    }

    /// Returns the weights, adding γ = 1 and β = 0 for batch norms without a `Scale`.
    fn finish(mut self) -> Weights {
        for (name, channels) in self.batch_norms {
            for (part, value) in [("weight", 1.0), ("bias", 0.0)] {
                let tensor = || (Shape::from([channels]), vec![value; channels]);
                self.weights.entry(format!("{name}.{part}")).or_insert_with(tensor);
            }
        }
        self.weights
    }
}

/// Reduces `[1, 1, O, I]` of the old format to `[O, I]`.
fn matrix(shape: Shape) -> Result<Shape> {
    match shape[..] {
        [outputs, inputs] | [1, 1, outputs, inputs] => Ok(Shape::from([outputs, inputs])),
        _ => Err(Error::input(format!("a matrix of shape {shape}"))),
    }
}

/// Reduces a shape with at most one extent other than 1 to a vector.
fn vector(shape: Shape) -> Result<Shape> {
    let len = shape.checked_len()?;
    match shape.iter().filter(|extent| **extent != 1).count() {
        0 | 1 => Ok(Shape::from([len])),
        _ => Err(Error::input(format!("shape {shape} instead of a vector"))),
    }
}
