//! The messages of a `.caffemodel`; only names, connections and weights are read.

use striate_graph::ops::Lrn;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};

use crate::protobuf::{Reader, Wire};

/// Largest number of layers.
const MAX_LAYERS: usize = 1 << 14;
/// Largest number of blobs in a layer.
const MAX_BLOBS: usize = 16;
/// Largest number of axes of a blob, as in Caffe.
const MAX_AXES: usize = 32;

/// Caffe's default ε of a batch norm.
pub(super) const EPSILON: f32 = 1e-5;

/// A layer with weights, or one that connects layers with weights.
#[derive(Debug)]
pub(super) struct Layer<'a> {
    pub name: &'a str,
    pub kind: Kind<'a>,
    /// Names of its inputs.
    pub bottoms: Vec<&'a str>,
    /// Names of its outputs.
    pub tops: Vec<&'a str>,
    pub blobs: Vec<Blob>,
    /// The mean of blue, green and red that a data layer subtracts.
    pub mean: Vec<f32>,
    /// The constants of a local response normalization; `None` if it is within channels.
    pub lrn: Option<Lrn>,
    /// The ε of a batch norm.
    pub epsilon: f32,
}

/// The type of a layer, as far as it matters for its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Convolution,
    InnerProduct {
        transposed: bool,
    },
    BatchNorm,
    Scale,
    Lrn,
    Pooling,
    /// A nested layer of Caffe's format from before 2014.
    Before2014,
    Other(&'a str),
}

impl Default for Layer<'_> {
    fn default() -> Self {
        Layer {
            name: "",
            kind: Kind::Other(""),
            bottoms: Vec::new(),
            tops: Vec::new(),
            blobs: Vec::new(),
            mean: Vec::new(),
            lrn: None,
            epsilon: EPSILON,
        }
    }
}

/// A tensor.
#[derive(Debug, Default)]
pub(super) struct Blob {
    shape: Option<Vec<i64>>,
    /// Number, channels, height and width: the format from before 2014.
    legacy: [Option<i64>; 4],
    values: Vec<f32>,
}

/// Returns the layers of the network in `bytes`.
pub(super) fn layers(bytes: &[u8]) -> Result<Vec<Layer<'_>>> {
    let mut reader = Reader::new(bytes);
    let mut layers = Vec::new();
    while let Some((number, wire)) = reader.field()? {
        match number {
            2 => layers.push(v1_layer(wire.bytes()?)?),
            100 => layers.push(layer(wire.bytes()?)?),
            _ => {}
        }
        if layers.len() > MAX_LAYERS {
            return Err(Error::input(format!("contains more than {MAX_LAYERS} layers")));
        }
    }
    Ok(layers)
}

/// Reads a `V1LayerParameter`.
fn v1_layer(bytes: &[u8]) -> Result<Layer<'_>> {
    let mut layer = Layer::default();
    let mut transposed = false;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match number {
            1 => return Ok(Layer { kind: Kind::Before2014, blobs: vec![Blob::default()], ..layer }),
            2 => layer.bottoms.push(wire.text()?),
            3 => layer.tops.push(wire.text()?),
            4 => layer.name = wire.text()?,
            5 => {
                layer.kind = match wire.integer()? {
                    4 => Kind::Convolution,
                    14 => Kind::InnerProduct { transposed: false },
                    15 => Kind::Lrn,
                    17 => Kind::Pooling,
                    39 => Kind::Other("Deconvolution"),
                    _ => Kind::Other("unknown"),
                }
            }
            6 => layer.add_blob(wire)?,
            17 => transposed = is_transposed(wire.bytes()?)?,
            18 => layer.lrn = lrn(wire.bytes()?)?,
            36 => layer.mean = mean(wire.bytes()?)?,
            _ => {}
        }
    }
    Ok(layer.with_transposed(transposed))
}

/// Reads a `LayerParameter`.
fn layer(bytes: &[u8]) -> Result<Layer<'_>> {
    let mut layer = Layer::default();
    let mut transposed = false;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match number {
            1 => layer.name = wire.text()?,
            2 => {
                layer.kind = match wire.text()? {
                    "Convolution" => Kind::Convolution,
                    "InnerProduct" => Kind::InnerProduct { transposed: false },
                    "BatchNorm" => Kind::BatchNorm,
                    "Scale" => Kind::Scale,
                    "LRN" => Kind::Lrn,
                    "Pooling" => Kind::Pooling,
                    other => Kind::Other(other),
                }
            }
            3 => layer.bottoms.push(wire.text()?),
            4 => layer.tops.push(wire.text()?),
            7 => layer.add_blob(wire)?,
            100 => layer.mean = mean(wire.bytes()?)?,
            117 => transposed = is_transposed(wire.bytes()?)?,
            118 => layer.lrn = lrn(wire.bytes()?)?,
            139 => layer.epsilon = epsilon(wire.bytes()?)?,
            _ => {}
        }
    }
    Ok(layer.with_transposed(transposed))
}

impl Layer<'_> {
    /// Sets `transposed`, which may be read before the type of the layer is known.
    fn with_transposed(mut self, transposed: bool) -> Self {
        if let Kind::InnerProduct { .. } = self.kind {
            self.kind = Kind::InnerProduct { transposed };
        }
        self
    }

    fn add_blob(&mut self, wire: Wire) -> Result<()> {
        if self.blobs.len() == MAX_BLOBS {
            return Err(Error::input(format!("a layer has more than {MAX_BLOBS} blobs")));
        }
        self.blobs.push(Blob::read(wire.bytes()?)?);
        Ok(())
    }
}

/// Reads the mean values of a `TransformationParameter`.
fn mean(bytes: &[u8]) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if number == 5 {
            wire.floats(&mut values)?;
        }
    }
    Ok(values)
}

/// Reads whether an `InnerProductParameter` has transposed weights.
fn is_transposed(bytes: &[u8]) -> Result<bool> {
    let mut transposed = false;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if number == 6 {
            transposed = wire.integer()? != 0;
        }
    }
    Ok(transposed)
}

/// Reads the constants of an `LRNParameter`; `None` if it sums within a channel rather than over channels.
fn lrn(bytes: &[u8]) -> Result<Option<Lrn>> {
    let mut lrn = Lrn { size: 5, alpha: 1.0, beta: 0.75, k: 1.0 };
    let mut within = false;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match number {
            1 => lrn.size = usize::try_from(wire.integer()?).unwrap_or(usize::MAX),
            2 => lrn.alpha = wire.float()?,
            3 => lrn.beta = wire.float()?,
            4 => within = wire.integer()? != 0,
            5 => lrn.k = wire.float()?,
            _ => {}
        }
    }
    Ok((!within).then_some(lrn))
}

/// Reads the ε of a `BatchNormParameter`.
fn epsilon(bytes: &[u8]) -> Result<f32> {
    let mut epsilon = EPSILON;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if number == 3 {
            epsilon = wire.float()?;
        }
    }
    Ok(epsilon)
}

impl Blob {
    fn read(bytes: &[u8]) -> Result<Blob> {
        let mut blob = Blob::default();
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.field()? {
            match number {
                1..=4 => blob.legacy[number as usize - 1] = Some(wire.integer()?.cast_signed()),
                5 => wire.floats(&mut blob.values)?,
                7 => blob.shape = Some(dimensions(wire.bytes()?)?),
                8 => wire.doubles(&mut blob.values)?,
                _ => {}
            }
        }
        Ok(blob)
    }

    /// Returns shape and values if they are consistent.
    pub fn checked(self) -> Result<(Shape, Vec<f32>)> {
        let extents = match self.shape {
            Some(extents) => extents,
            None if self.legacy.iter().any(Option::is_some) => {
                self.legacy.iter().map(|extent| extent.unwrap_or(0)).collect()
            }
            None => return Err(Error::input("a blob without a shape")),
        };
        let shape: Option<Vec<usize>> = extents.iter().map(|extent| usize::try_from(*extent).ok()).collect();
        let Some(shape) = shape.map(Shape::new) else {
            return Err(Error::input(format!("a blob of shape {extents:?}")));
        };
        if shape.checked_len()? != self.values.len() {
            return Err(Error::input(format!(
                "a blob of shape {shape} with {}",
                counted(self.values.len(), "value")
            )));
        }
        Ok((shape, self.values))
    }
}

/// Reads the extents of a `BlobShape`.
fn dimensions(bytes: &[u8]) -> Result<Vec<i64>> {
    let mut extents = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if number == 1 {
            wire.integers(&mut extents)?;
        }
        if extents.len() > MAX_AXES {
            return Err(Error::input(format!("a blob has more than {MAX_AXES} axes")));
        }
    }
    Ok(extents)
}
