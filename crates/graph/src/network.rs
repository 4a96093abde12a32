//! A network as a list of layers, for any input size.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use striate_tensor::text::{grouped, is_unprintable};
use striate_tensor::{DType, Error, Result, Shape, nearest};

use crate::graph::{Graph, Kind, Role, Segment, ValueId};
use crate::ops::{Conv, Operands, ScatterKernels, VariableSpec};
use crate::{Init, Loss, Op};

/// The name by which layers refer to the network's input.
pub const INPUT: &str = "input";

/// One layer: an operation under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Unique in the network; its variables are called `name.weight`, `name.bias` and so on.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The names of the layers it reads; [`INPUT`] is the network's input.
    pub inputs: Vec<String>,
    /// The earlier layer whose variables this layer uses instead of having its own.
    pub shares: Option<String>,
}

/// An additional output whose loss is used only in training: Szegedy et al., CVPR 2015, section 5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliaryHead {
    /// The layer that computes its scores, in the same shape `[N, K]` as the network's.
    pub layer: String,
    /// Factor on its loss.
    pub weight: f32,
}

/// A network as a user defines it. The last layer is the output.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its name, such as `lenet5`.
    pub name: String,
    /// The input extents it was designed for, without the batch: `[C, H, W]` for images.
    pub input: Shape,
    /// How weights are initialized.
    pub init: Init,
    /// The layers, each after those it reads.
    pub layers: Vec<Layer>,
    /// The loss used in training unless a recipe names another; by default the cross-entropy.
    pub loss: Option<Loss>,
    /// Outputs used only in training; layers that only they need are dropped for inference.
    pub heads: Vec<AuxiliaryHead>,
}

/// The largest extent accepted in a network; anything larger is taken for a mistake.
const LARGEST_EXTENT: usize = 1 << 24;
/// The largest number of elements accepted in a value.
const MOST_ELEMENTS: usize = 1 << 40;
/// The largest number of weights accepted in a network, counting connection tables as full kernels: 64 GiB.
const MOST_WEIGHTS: usize = 1 << 34;
/// The largest number of MACs accepted in a layer; low enough that the sum over all layers cannot overflow.
const MOST_WORK: usize = 1 << 48;
/// The largest number of layers accepted in a network.
pub const MOST_LAYERS: usize = 1 << 14;
/// The longest name accepted, in characters.
const LONGEST_NAME: usize = 1 << 10;

impl Network {
    /// The shape of a batch of `batch` inputs of the network's own size: `[N, C, H, W]` for images.
    pub fn input_shape(&self, batch: usize) -> Shape {
        Shape::new([&[batch], &*self.input].concat())
    }

    /// The input shape for display, such as `[N, 3, 224, 224]`.
    pub fn input_form(&self) -> String {
        self.input.iter().fold("[N".to_owned(), |form, extent| format!("{form}, {extent}")) + "]"
    }

    /// Channels, height and width of the images that the network takes.
    ///
    /// # Errors
    /// If it does not take images.
    pub fn image(&self) -> Result<[usize; 3]> {
        match *self.input {
            [c, h, w] => Ok([c, h, w]),
            _ => {
                let signals = if self.takes_signals() { "--data audio:FOLDER or text:FILE, or " } else { "" };
                Err(Error::input(format!(
                    "network {}: takes inputs {}, not images [N, C, H, W]; use {signals}`striate run` with arrays",
                    self.name,
                    self.input_form()
                )))
            }
        }
    }

    /// Channels, height and width of the samples that the network takes; signals `[C, W]` have a height of 1.
    ///
    /// # Errors
    /// If it takes neither images nor signals.
    pub fn sample(&self) -> Result<[usize; 3]> {
        match *self.input {
            [c, w] => Ok([c, 1, w]),
            _ => self.image(),
        }
    }

    /// Whether the network takes signals, `[N, C, W]`.
    pub fn takes_signals(&self) -> bool {
        self.input.len() == 2
    }

    /// The shape of `count` samples of channels, height and width `sample`, as the network takes them: signals without
    /// the height, which is 1.
    pub fn batch_shape(&self, count: usize, sample: [usize; 3]) -> Shape {
        let [c, h, w] = sample;
        match self.takes_signals() {
            true => Shape::from([count, c, h * w]),
            false => Shape::from([count, c, h, w]),
        }
    }

    /// Builds the graph for `batch` inputs of the network's own size.
    ///
    /// # Errors
    /// As [`Network::graph_for`].
    pub fn graph(&self, batch: usize) -> Result<Graph> {
        self.graph_for(&self.input_shape(batch))
    }

    /// Builds the graph for an input of shape `[N, …]` (images: `[N, C, H, W]`), without auxiliary heads.
    ///
    /// # Errors
    /// If a layer does not fit its inputs; the message names the layer and the shapes.
    pub fn graph_for(&self, input: &Shape) -> Result<Graph> {
        match self.layers.last() {
            Some(last) if !self.heads.is_empty() => self.until(&last.name)?.whole_graph(input),
            _ => self.whole_graph(input),
        }
    }

    /// Builds the graph for an input of shape `[N, C, H, W]` with the auxiliary heads, for training.
    ///
    /// # Errors
    /// As [`Network::graph_for`], or if the output of a head differs in shape from the network's.
    pub fn graph_with_heads(&self, input: &Shape) -> Result<Graph> {
        let mut graph = self.whole_graph(input)?;
        let scores = graph.shape(graph.outputs[0]).clone();
        for head in &self.heads {
            let at = |what: String| {
                Error::input(format!("network {}, auxiliary head {}: {what}", self.name, head.layer))
            };
            let is_layer = self.layers.iter().any(|layer| layer.name == head.layer);
            let value = graph.find(&head.layer).filter(|_| is_layer);
            let value = value.ok_or_else(|| at(format!("no layer named {}", head.layer)))?;
            if graph.shape(value) != &scores {
                return Err(at(format!(
                    "its output {} differs from {scores}, the network's output",
                    graph.shape(value)
                )));
            }
            if !(head.weight >= 0.0 && head.weight.is_finite()) {
                return Err(at(format!("weight {} must be finite and not negative", head.weight)));
            }
            graph.heads.push((value, head.weight));
        }
        Ok(graph)
    }

    /// Builds the graph of all layers.
    fn whole_graph(&self, input: &Shape) -> Result<Graph> {
        if self.layers.is_empty() {
            return Err(Error::input(format!("network {}: it has no layers", self.name)));
        }
        check_name(&self.name).map_err(|e| e.at("the network's name"))?;
        if self.layers.len() > MOST_LAYERS {
            let what =
                format!("network {}: more than {} layers, the limit", self.name, grouped(MOST_LAYERS as u64));
            return Err(Error::input(what));
        }
        check_size(input).map_err(|e| e.at(format!("network {}, input", self.name)))?;
        let mut graph = Graph { name: self.name.clone(), loss: self.loss, ..Graph::default() };
        let start = graph.add_value(INPUT, input.clone(), DType::F32, Kind::Input);
        graph.inputs.push(start);
        let mut made: HashMap<&str, ValueId> = HashMap::from([(INPUT, start)]);
        let mut weights = 0;
        // The variables of each layer, for later layers that share them.
        let mut owned: HashMap<&str, Vec<ValueId>> = HashMap::new();
        // Names of the layers that depend on the input.
        let mut dependent: HashSet<&str> = HashSet::from([INPUT]);
        for layer in &self.layers {
            let added = self.add_layer(&mut graph, &made, &owned, layer, &mut weights).map_err(|e| {
                e.at(format!("network {}, layer {} ({})", self.name, layer.name, layer.op.name()))
            })?;
            let (output, variables) = added;
            owned.insert(&layer.name, variables);
            if made.insert(&layer.name, output).is_some() {
                return Err(Error::input(format!(
                    "network {}: two layers are named {}; names must be unique",
                    self.name, layer.name
                )));
            }
            if layer.inputs.iter().any(|name| dependent.contains(name.as_str())) {
                dependent.insert(&layer.name);
            }
            graph.outputs = vec![output];
        }
        match self.layers.last().filter(|last| !dependent.contains(last.name.as_str())) {
            None => Ok(graph),
            Some(last) => Err(Error::input(format!(
                "network {}: its output {} does not depend on its input",
                self.name, last.name
            ))),
        }
    }

    /// Adds `layer` to `graph`, and the number of its weights to `weights`. Returns its output and its variables.
    fn add_layer(
        &self,
        graph: &mut Graph,
        made: &HashMap<&str, ValueId>,
        owned: &HashMap<&str, Vec<ValueId>>,
        layer: &Layer,
        weights: &mut usize,
    ) -> Result<(ValueId, Vec<ValueId>)> {
        check_name(&layer.name).map_err(|e| e.at("a layer's name"))?;
        let mut inputs = layer.inputs.iter().map(|name| find(made, name)).collect::<Result<Vec<_>>>()?;
        let shapes: Vec<Shape> = inputs.iter().map(|id| graph.shape(*id).clone()).collect();
        let node_op = layer.op.for_rank(shapes.first().map_or(0, |shape| shape.len()))?;
        let op = node_op.layer().ok_or_else(|| Error::input("cannot be used as a layer"))?;
        check_operands(op.operands(), inputs.len())?;
        let shapes: Vec<&Shape> = shapes.iter().collect();
        let output = op.output(&shapes)?;
        check_size(&output)?;
        let variables = op.variables(&shapes);
        let whole = match &node_op {
            Op::Conv(conv) if !conv.connections.is_empty() => Some(conv.whole_kernels(shapes[0])),
            _ => None,
        };
        let shared =
            layer.shares.as_deref().map(|owner| shared(owned, owner, &variables, graph)).transpose()?;
        for shape in variables.iter().map(|variable| &variable.shape).chain(&whole) {
            check_size(shape)?;
            if shared.is_some() {
                continue;
            }
            *weights += shape.checked_len()?;
            if *weights > MOST_WEIGHTS {
                let what = format!(
                    "its weights bring the network to {}; the limit is {}",
                    grouped(*weights as u64),
                    grouped(MOST_WEIGHTS as u64)
                );
                return Err(Error::input(what));
            }
        }
        check_work(&output, op.terms(&shapes))?;
        let data = inputs.len();
        inputs.extend(shared.iter().flatten());
        for variable in if shared.is_some() { vec![] } else { variables } {
            let init = variable.init.unwrap_or(self.init);
            let kind = Kind::Variable { role: variable.role, init, fan: variable.fan };
            let name = format!("{}.{}", layer.name, variable.name);
            let value = graph.add_value(name, variable.shape, DType::F32, kind);
            inputs.push(match (&node_op, &whole) {
                (Op::Conv(conv), Some(whole)) if variable.name == "weight" => {
                    scatter(graph, conv, value, whole)
                }
                _ => value,
            });
        }
        let variables = inputs[data..].to_vec();
        let output = graph.add_computed(&layer.name, output);
        graph.add_node(&layer.name, node_op, inputs, vec![output], Segment::Accumulate);
        Ok((output, variables))
    }

    /// Returns the part of the network that computes the layer `name`, which becomes its output.
    ///
    /// # Errors
    /// If no layer has this name; the message suggests the nearest name.
    pub fn until(&self, name: &str) -> Result<Network> {
        let names = || self.layers.iter().map(|layer| layer.name.as_str());
        let Some(last) = names().position(|other| other == name) else {
            let hint = match nearest(name, names()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("its layers are {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(Error::input(format!("network {}: no layer {name}; {hint}", self.name)));
        };
        let mut needed: HashSet<&str> = HashSet::from([name]);
        for layer in self.layers[..=last].iter().rev() {
            if needed.contains(layer.name.as_str()) {
                needed.extend(layer.inputs.iter().chain(&layer.shares).map(String::as_str));
            }
        }
        let kept = self.layers.iter().take(last + 1).filter(|layer| needed.contains(layer.name.as_str()));
        Ok(Network {
            name: self.name.clone(),
            input: self.input.clone(),
            init: self.init,
            layers: kept.cloned().collect(),
            loss: self.loss,
            heads: Vec::new(),
        })
    }

    /// The number of classes: the number of channels of the last layer.
    ///
    /// # Errors
    /// As [`Network::graph`].
    pub fn classes(&self) -> Result<usize> {
        let graph = self.graph(1)?;
        Ok(graph.shape(graph.outputs[0]).get(1).copied().unwrap_or(1))
    }

    /// Returns the layer whose output `loss` reads if it is not the last layer: the one before a final
    /// softmax or sigmoid that the loss includes.
    ///
    /// # Errors
    /// If the output does not fit the loss, or as [`Network::graph`].
    pub fn scores_layer(&self, loss: Loss) -> Result<Option<String>> {
        let graph = self.graph(1)?;
        let output = graph.outputs[0];
        let scores = loss.reads(&graph, output).map_err(|e| e.at(format!("network {}", self.name)))?;
        Ok((scores != output).then(|| graph.value(scores).name.clone()))
    }

    /// Sets the number of outputs of the last linear, RBF or convolutional layer before the output, and before
    /// each auxiliary head, to `classes`.
    ///
    /// # Errors
    /// If the network has no such layer, or `classes` is zero.
    pub fn set_classes(&mut self, classes: usize) -> Result<()> {
        if classes == 0 {
            return Err(Error::input(format!("network {}: it needs at least one class", self.name)));
        }
        let ends = self.layers.last().map(|layer| &layer.name);
        let ends = ends.into_iter().chain(self.heads.iter().map(|head| &head.layer));
        for end in ends.cloned().collect::<Vec<_>>() {
            self.set_classes_before(&end, classes)?;
        }
        Ok(())
    }

    /// Sets the input extents, `[C, H, W]` for images. A depthwise convolution of the input keeps its
    /// number of kernels per channel.
    pub fn set_input(&mut self, input: impl Into<Shape>) {
        let before = std::mem::replace(&mut self.input, input.into());
        let (Some(before), Some(channels)) = (before.first(), self.input.first()) else { return };
        for layer in self.layers.iter_mut().filter(|layer| layer.inputs.iter().any(|input| input == INPUT)) {
            if let Op::Conv(conv) = &mut layer.op
                && conv.groups == *before
                && conv.groups > 1
            {
                conv.out_channels = conv.out_channels / before * channels;
                conv.groups = *channels;
            }
        }
    }

    fn set_classes_before(&mut self, end: &str, classes: usize) -> Result<()> {
        let mut wanted = end.to_owned();
        for layer in self.layers.iter_mut().rev().skip_while(|layer| layer.name != end) {
            if layer.name != wanted {
                continue;
            }
            match &mut layer.op {
                Op::Linear(linear) => linear.out_features = classes,
                Op::Conv(conv) if conv.connections.is_empty() => conv.out_channels = classes,
                Op::Rbf(rbf) => rbf.out_features = classes,
                _ => {
                    wanted = layer.inputs.first().cloned().unwrap_or_default();
                    continue;
                }
            }
            return Ok(());
        }
        Err(Error::input(format!(
            "network {}: no linear, rbf or conv layer found whose outputs are the classes",
            self.name
        )))
    }

    /// The names and shapes of all parameters and buffers: the contents of a weights file.
    ///
    /// # Errors
    /// As [`Network::graph`].
    pub fn variables(&self) -> Result<Vec<(String, Shape)>> {
        self.variables_for(&self.input_shape(1))
    }

    /// Like [`Network::variables`], for inputs of this shape, including the batch.
    ///
    /// # Errors
    /// As [`Network::graph_for`].
    pub fn variables_for(&self, input: &Shape) -> Result<Vec<(String, Shape)>> {
        Ok(stored(self.graph_for(input)?))
    }

    /// The names and shapes of the parameters and buffers that only the auxiliary heads use; a weights file may
    /// omit them.
    ///
    /// # Errors
    /// As [`Network::graph_with_heads`].
    pub fn auxiliary_variables(&self) -> Result<Vec<(String, Shape)>> {
        let needed: HashSet<String> = self.variables()?.into_iter().map(|(name, _)| name).collect();
        let mut all = stored(self.graph_with_heads(&self.input_shape(1))?);
        all.retain(|(name, _)| !needed.contains(name));
        Ok(all)
    }
}

/// The layer names in use, for generating unique ones.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
    /// For each stem, a number up to which all names are taken.
    last: HashMap<String, usize>,
}

impl Names {
    /// Records that a layer is named `name`.
    pub fn take(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }

    /// Returns the first of `stem1`, `stem2` and so on that is not taken.
    pub fn free(&mut self, stem: &str) -> String {
        let last = self.last.entry(stem.to_owned()).or_default();
        loop {
            let name = format!("{stem}{}", *last + 1);
            if !self.taken.contains(&name) {
                return name;
            }
            *last += 1;
        }
    }
}

/// Adds the full weight, of shape `whole`, of a convolution with a connection table.
fn scatter(graph: &mut Graph, conv: &Conv, kernels: ValueId, whole: &Shape) -> ValueId {
    let name = format!("{}.scattered", graph.value(kernels).name);
    let weight = graph.add_computed(&name, whole.clone());
    let op = ScatterKernels { connections: conv.connections.clone() };
    graph.add_node(&name, op, vec![kernels], vec![weight], Segment::Accumulate);
    weight
}

/// The variables of `graph` that are stored in files.
fn stored(graph: Graph) -> Vec<(String, Shape)> {
    let is_stored = |role| matches!(role, Some(Role::Parameter | Role::Buffer));
    let values = graph.values.into_iter().filter(|value| is_stored(value.role()));
    values.map(|value| (value.name, value.shape)).collect()
}

/// The variables of the layer `owner`, which must be those that a layer with `variables` needs.
fn shared(
    owned: &HashMap<&str, Vec<ValueId>>,
    owner: &str,
    variables: &[VariableSpec],
    graph: &Graph,
) -> Result<Vec<ValueId>> {
    let ids = owned.get(owner).ok_or_else(|| {
        Error::input(format!("shares the variables of {owner}, which is not an earlier layer"))
    })?;
    let fits = |(id, variable): (&ValueId, &VariableSpec)| {
        let value = graph.value(*id);
        value.role() == Some(variable.role) && value.shape == variable.shape
    };
    if ids.len() != variables.len() || ids.is_empty() || !ids.iter().zip(variables).all(fits) {
        return Err(Error::input(format!(
            "shares the variables of {owner}, which do not match those it needs"
        )));
    }
    Ok(ids.clone())
}

fn find(made: &HashMap<&str, ValueId>, name: &str) -> Result<ValueId> {
    made.get(name).copied().ok_or_else(|| {
        let hint = nearest(name, made.keys().copied()).map(|near| format!("; did you mean {near}?"));
        let hint = hint.unwrap_or_default();
        Error::input(format!("reads {name}, but no earlier layer has this name{hint}"))
    })
}

fn check_operands(wanted: Operands, given: usize) -> Result<()> {
    let (fits, wanted) = match wanted {
        Operands::None => (given == 0, "no inputs"),
        Operands::One => (given == 1, "one input"),
        Operands::Two => (given == 2, "two inputs"),
        Operands::Many => (given >= 1, "at least one input"),
    };
    if fits { Ok(()) } else { Err(Error::input(format!("takes {wanted}, but got {given}"))) }
}

fn check_size(shape: &Shape) -> Result<()> {
    let elements = shape.checked_len()?;
    if elements == 0 {
        return Err(Error::input(format!("shape {shape} is empty; every extent must be at least 1")));
    }
    if shape.iter().any(|extent| *extent > LARGEST_EXTENT) || elements > MOST_ELEMENTS {
        return Err(Error::input(format!(
            "shape {shape} is too large; the limits are {} per axis and {} elements",
            grouped(LARGEST_EXTENT as u64),
            grouped(MOST_ELEMENTS as u64)
        )));
    }
    Ok(())
}

/// Refuses a layer that takes too many MACs: `terms` per element of its output, plus one for a bias.
fn check_work(output: &Shape, terms: usize) -> Result<()> {
    match output.checked_len()?.checked_mul(terms.saturating_add(1)) {
        Some(work) if work <= MOST_WORK => Ok(()),
        _ => Err(Error::input(format!(
            "computing {output} takes more than {} multiply-adds, the limit",
            grouped(MOST_WORK as u64)
        ))),
    }
}

/// Refuses names that are too long, or have characters that a terminal would interpret.
fn check_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Err(Error::input(format!("has {length} characters; the limit is {LONGEST_NAME}")));
    }
    match name.chars().find(|c| is_unprintable(*c)) {
        Some(c) => Err(Error::input(format!(
            "has the character U+{:04X}, which cannot be shown; choose another name",
            u32::from(c)
        ))),
        None => Ok(()),
    }
}
