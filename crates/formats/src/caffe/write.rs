//! Writes a `.caffemodel` with a network's weights. Caffe copies them into the layers with the same names of a network
//! defined by a `.prototxt`.

use std::collections::{HashMap, HashSet};

use striate_graph::ops::{BatchNorm, Lrn};
use striate_graph::{INPUT, Layer, Network, Op};
use striate_tensor::{Error, Result, Shape};

use super::names::{caffe_names, scale_name};
use super::normalization::replace_constants;
use crate::bgr::swap_red_and_blue;
use crate::protobuf::Message;
use crate::{Weights, check_weights};

/// Returns the bytes of a `.caffemodel` with the `weights` of `network`, and notes on what was changed. The first
/// convolution is converted to BGR, a batch norm becomes `BatchNorm` and `Scale`, and the layers of VGG without batch
/// norm, ResNet and SqueezeNet get their published names.
///
/// # Errors
/// If the weights do not fit the network (layers of its auxiliary heads may be absent), a layer has weights that Caffe
/// does not support, two layers would get the same name, or the file would exceed the limit of the format (2 GiB).
pub fn caffemodel_bytes(network: &Network, mut weights: Weights) -> Result<(Vec<u8>, Vec<String>)> {
    check_weights(network, &weights)?;
    check_heads(network, &weights)?;
    let mut notes = Vec::new();
    let names = caffe_names(network);
    if !names.is_empty() {
        notes.push("torchvision's layer names were translated to Caffe's".into());
    }
    if let Some(name) = convert_first_kernel(network, &mut weights) {
        notes.push(format!("{name} was converted from RGB to BGR"));
    }
    if network.name.starts_with("resnet50") && !names.is_empty() {
        add_first_bias(&mut weights);
    }
    let normalizations = with_published_constants(network, &mut weights, &mut notes);
    let scales = scale_names(network, &names)?;
    let mut file = Message::default().bytes(1, &network.name);
    for layer in &network.layers {
        let name = names.get(&layer.name).unwrap_or(&layer.name);
        let written =
            LayerWriter { weights: &weights, normalizations: &normalizations, scales: &scales, layer, name };
        for message in written.messages().map_err(|e| e.at(format!("layer {}", layer.name)))? {
            file = file.bytes(100, message.0);
        }
    }
    Ok((file.finish("a .caffemodel")?, notes))
}

/// A layer to be written.
struct LayerWriter<'a> {
    weights: &'a Weights,
    /// Constants of normalizations, by layer name.
    normalizations: &'a HashMap<&'a str, Lrn>,
    /// Name of the `Scale` after each batch norm, by layer name.
    scales: &'a HashMap<&'a str, String>,
    layer: &'a Layer,
    /// Its name in Caffe.
    name: &'a str,
}

impl LayerWriter<'_> {
    /// Returns the Caffe layers for this layer; none if there is nothing to store, such as for an absent auxiliary
    /// head.
    fn messages(&self) -> Result<Vec<Message>> {
        let blobs = || self.blobs(&["weight", "bias"]);
        Ok(match &self.layer.op {
            Op::Lrn(_) => {
                let constants = constants(&self.normalizations[&self.layer.name[..]]);
                vec![self.named("LRN").bytes(118, constants.0)]
            }
            Op::MaxPool(_) | Op::AveragePool(_) => vec![self.named("Pooling")],
            _ if !self.has_variables() => Vec::new(),
            Op::Conv(conv) if conv.connections.is_empty() => {
                vec![with_blobs(self.named("Convolution"), blobs())]
            }
            Op::Linear(_) => vec![with_blobs(self.named("InnerProduct"), blobs())],
            Op::Scale(_) => vec![with_blobs(self.named("Scale"), blobs())],
            Op::BatchNorm(norm) => self.batch_norm(norm, blobs()).into(),
            other => {
                let what = format!("Caffe has no layer for the weights of {}", other.name());
                return Err(Error::input(what));
            }
        })
    }

    fn has_variables(&self) -> bool {
        let start = format!("{}.", self.layer.name);
        let mut following =
            self.weights.range(start.clone()..).take_while(|(name, _)| name.starts_with(&start));
        following.any(|(name, _)| layer_of(name) == self.layer.name)
    }

    /// Returns means and variances with a scale factor of 1, and γ and β in a separate layer.
    fn batch_norm(&self, norm: &BatchNorm, scale: Vec<Message>) -> [Message; 2] {
        let mut statistics = self.blobs(&["running_mean", "running_var"]);
        statistics.push(blob(&Shape::from([1]), &[1.0]));
        let epsilon = Message::default().float(3, norm.epsilon);
        let own = &self.layer.name;
        let scale_layer = message(&self.scales[&own[..]], "Scale", own, own);
        [
            with_blobs(self.named("BatchNorm"), statistics).bytes(139, epsilon.0),
            with_blobs(scale_layer, scale),
        ]
    }

    fn named(&self, kind: &str) -> Message {
        let input = self.layer.inputs.first().map_or("", String::as_str);
        // By convention, Caffe's input is called "data".
        let bottom = if input == INPUT { "data" } else { input };
        message(self.name, kind, bottom, &self.layer.name)
    }

    fn blobs(&self, parts: &[&str]) -> Vec<Message> {
        let tensors =
            parts.iter().filter_map(|part| self.weights.get(&format!("{}.{part}", self.layer.name)));
        tensors.map(|(shape, values)| blob(shape, values)).collect()
    }
}

/// Returns the name of the `Scale` after each batch norm, by layer name; `names` maps layers to their names in Caffe.
///
/// # Errors
/// If another layer already has such a name.
fn scale_names<'a>(
    network: &'a Network,
    names: &HashMap<String, String>,
) -> Result<HashMap<&'a str, String>> {
    let named = |layer: &'a Layer| names.get(&layer.name).unwrap_or(&layer.name);
    let taken: HashSet<&String> = network.layers.iter().map(named).collect();
    let norms = network.layers.iter().filter(|layer| matches!(layer.op, Op::BatchNorm(_)));
    let one = |layer: &'a Layer| {
        let scale = scale_name(named(layer), names.contains_key(&layer.name));
        if taken.contains(&scale) {
            let norm = &layer.name;
            let what = format!("is needed for the Scale of batch norm {norm} in Caffe; rename the layer");
            return Err(Error::input(format!("layer {scale}: its name {what}")));
        }
        Ok((&layer.name[..], scale))
    };
    norms.map(one).collect()
}

/// Refuses weights with only some of the variables of a layer in an auxiliary head.
fn check_heads(network: &Network, weights: &Weights) -> Result<()> {
    let heads = network.auxiliary_variables()?.into_iter().map(|(name, _)| name);
    let (held, absent): (Vec<_>, Vec<_>) = heads.partition(|name| weights.contains_key(name));
    let held: HashSet<&str> = held.iter().map(|name| layer_of(name)).collect();
    match absent.iter().find(|name| held.contains(layer_of(name))) {
        None => Ok(()),
        Some(name) => Err(Error::input(format!("network {}: no weights for {name}", network.name))),
    }
}

/// Returns the layer that `variable` belongs to.
fn layer_of(variable: &str) -> &str {
    variable.rsplit_once('.').map_or("", |(layer, _)| layer)
}

/// Converts the kernel of the first convolution to BGR and returns its name, if it has three input channels.
fn convert_first_kernel(network: &Network, weights: &mut Weights) -> Option<String> {
    let kernels = network.layers.iter().filter(|layer| matches!(layer.op, Op::Conv(_)));
    let mut names = kernels.map(|layer| format!("{}.weight", layer.name));
    let name = names.find(|name| weights.contains_key(name))?;
    let (shape, values) = weights.get_mut(&name)?;
    swap_red_and_blue(shape, values).then_some(name)
}

/// Changes each normalization to the k and α of Caffe's published networks, since some readers assume that k. Returns
/// the constants by layer name.
fn with_published_constants<'a>(
    network: &'a Network,
    weights: &mut Weights,
    notes: &mut Vec<String>,
) -> HashMap<&'a str, Lrn> {
    let mut constants = HashMap::new();
    for layer in &network.layers {
        let Op::Lrn(own) = &layer.op else { continue };
        let mut lrn = own.clone();
        let published = Lrn { alpha: 1e-4, k: 1.0, ..own.clone() };
        if own.k != published.k
            && own.alpha > 0.0
            && let Some([before, after]) = replace_constants(network, layer, weights, own, &published)
        {
            notes.push(format!(
                "{} is written with k = {} and α = {}: {before} and {after} were rescaled to compensate",
                layer.name, published.k, published.alpha
            ));
            lrn = published;
        }
        constants.insert(&layer.name[..], lrn);
    }
    constants
}

/// Adds a bias to the first convolution, which only the published ResNet-50 `.prototxt` expects.
fn add_first_bias(weights: &mut Weights) {
    if let Some(channels) = weights.get("conv1.weight").and_then(|(shape, _)| shape.first().copied()) {
        weights.insert("conv1.bias".into(), (Shape::from([channels]), vec![0.0; channels]));
    }
}

/// Returns a `LayerParameter` without blobs.
fn message(name: &str, kind: &str, bottom: &str, top: &str) -> Message {
    Message::default().bytes(1, name).bytes(2, kind).bytes(3, bottom).bytes(4, top)
}

fn with_blobs(layer: Message, blobs: Vec<Message>) -> Message {
    blobs.into_iter().fold(layer, |layer, blob| layer.bytes(7, blob.0))
}

/// Returns a `BlobProto`.
fn blob(shape: &Shape, values: &[f32]) -> Message {
    let extents = shape.iter().fold(Message::default(), |extents, extent| extents.int(1, *extent as i64));
    let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Message::default().bytes(7, extents.0).bytes(5, values)
}

/// Returns an `LRNParameter`.
fn constants(lrn: &Lrn) -> Message {
    Message::default().int(1, lrn.size as i64).float(2, lrn.alpha).float(3, lrn.beta).float(5, lrn.k)
}
