//! A network as a list of layers, its input's size left open.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use striate_tensor::{DType, Error, Result, Shape, nearest};

use crate::graph::{Graph, Kind, Role, Segment, ValueId};
use crate::ops::{Conv, Operands, SpreadKernels};
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
    /// The layers it reads, by name; [`INPUT`] is the network's input.
    pub inputs: Vec<String>,
}

/// An output besides the last layer, whose loss helps in training and which is left out after it:
/// Szegedy et al., CVPR 2015, section 5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliaryHead {
    /// The layer whose output are its scores `[N, K]`, as many as the network's own.
    pub layer: String,
    /// Factor on its loss.
    pub weight: f32,
}

/// A network: what a person writes down. The last layer is its output.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its name, such as `lenet5`.
    pub name: String,
    /// The extents that it was made for, without the batch: `[C, H, W]` where it takes images.
    pub input: Shape,
    /// How weights are first drawn.
    pub init: Init,
    /// The layers, each after those it reads.
    pub layers: Vec<Layer>,
    /// What it is trained with, where a recipe names no other; without one, the cross-entropy.
    pub loss: Option<Loss>,
    /// Outputs that only training has; layers that they alone need are no part of the network after it.
    pub heads: Vec<AuxiliaryHead>,
}

/// Extents beyond this in a network are a mistake, not a network.
const LARGEST_EXTENT: usize = 1 << 24;
/// Elements of a value beyond this are a mistake.
const MOST_ELEMENTS: usize = 1 << 40;
/// Numbers of all variables together, and of what tables of connections spread, beyond this are a mistake: 64 GiB.
const MOST_WEIGHTS: usize = 1 << 34;
/// Multiply-adds of a layer beyond this are a mistake; so the costs of all layers can be summed.
const MOST_WORK: usize = 1 << 48;
/// More layers than this are a mistake.
pub const MOST_LAYERS: usize = 1 << 14;
/// Characters of a name at most.
const LONGEST_NAME: usize = 1 << 10;

impl Network {
    /// The shape of `batch` inputs of the network's own size: `[N, C, H, W]` where it takes images.
    pub fn input_shape(&self, batch: usize) -> Shape {
        Shape::new([&[batch], &*self.input].concat())
    }

    /// The form of its inputs for a person, such as `[N, 3, 224, 224]`.
    pub fn input_form(&self) -> String {
        self.input.iter().fold("[N".to_owned(), |form, extent| format!("{form}, {extent}")) + "]"
    }

    /// Channels, height and width of the images that the network takes.
    ///
    /// # Errors
    /// If it takes no images.
    pub fn image(&self) -> Result<[usize; 3]> {
        match *self.input {
            [c, h, w] => Ok([c, h, w]),
            _ => Err(Error::input(format!(
                "network {}: takes inputs {}, not images [N, C, H, W]; give it arrays with `striate run`",
                self.name,
                self.input_form()
            ))),
        }
    }

    /// The graph for `batch` inputs of the network's own size.
    ///
    /// # Errors
    /// As [`Network::graph_for`].
    pub fn graph(&self, batch: usize) -> Result<Graph> {
        self.graph_for(&self.input_shape(batch))
    }

    /// The graph for an input of shape `[N, …]` (images `[N, C, H, W]`), without auxiliary heads.
    ///
    /// # Errors
    /// If a layer does not fit what it reads; the message names the layer and the shapes.
    pub fn graph_for(&self, input: &Shape) -> Result<Graph> {
        match self.layers.last() {
            Some(last) if !self.heads.is_empty() => self.until(&last.name)?.whole_graph(input),
            _ => self.whole_graph(input),
        }
    }

    /// The graph for an input of shape `[N, C, H, W]` with the auxiliary heads, as training needs it.
    ///
    /// # Errors
    /// As [`Network::graph_for`], or if a head's output has another shape than the network's.
    pub fn graph_with_heads(&self, input: &Shape) -> Result<Graph> {
        let mut graph = self.whole_graph(input)?;
        let scores = graph.shape(graph.outputs[0]).clone();
        for head in &self.heads {
            let at = |what: String| {
                Error::input(format!("network {}, auxiliary head {}: {what}", self.name, head.layer))
            };
            let is_layer = self.layers.iter().any(|layer| layer.name == head.layer);
            let value = graph.find(&head.layer).filter(|_| is_layer);
            let value = value.ok_or_else(|| at("no layer has this name".into()))?;
            if graph.shape(value) != &scores {
                return Err(at(format!("its output {} is not {scores}, the network's", graph.shape(value))));
            }
            if !(head.weight >= 0.0 && head.weight.is_finite()) {
                return Err(at(format!("its weight {} is not a number from 0", head.weight)));
            }
            graph.heads.push((value, head.weight));
        }
        Ok(graph)
    }

    /// The graph of all layers.
    fn whole_graph(&self, input: &Shape) -> Result<Graph> {
        if self.layers.is_empty() {
            return Err(Error::input(format!("network {}: it has no layers", self.name)));
        }
        check_name(&self.name).map_err(|e| e.at("the network's name"))?;
        if self.layers.len() > MOST_LAYERS {
            let what = format!("network {}: more than {MOST_LAYERS} layers", self.name);
            return Err(Error::input(what));
        }
        check_size(input).map_err(|e| e.at(format!("network {}, input", self.name)))?;
        let mut graph = Graph { name: self.name.clone(), loss: self.loss, ..Graph::default() };
        let start = graph.add_value(INPUT, input.clone(), DType::F32, Kind::Input);
        graph.inputs.push(start);
        let mut made: HashMap<&str, ValueId> = HashMap::from([(INPUT, start)]);
        let mut weights = 0;
        // Names of what follows from the input.
        let mut led: HashSet<&str> = HashSet::from([INPUT]);
        for layer in &self.layers {
            let output = self.add_layer(&mut graph, &made, layer, &mut weights).map_err(|e| {
                e.at(format!("network {}, layer {} ({})", self.name, layer.name, layer.op.name()))
            })?;
            if made.insert(&layer.name, output).is_some() {
                return Err(Error::input(format!(
                    "network {}: two layers are called {}; names are unique",
                    self.name, layer.name
                )));
            }
            if layer.inputs.iter().any(|name| led.contains(name.as_str())) {
                led.insert(&layer.name);
            }
            graph.outputs = vec![output];
        }
        match self.layers.last().filter(|last| !led.contains(last.name.as_str())) {
            None => Ok(graph),
            Some(last) => Err(Error::input(format!(
                "network {}: its output {} does not depend on its input",
                self.name, last.name
            ))),
        }
    }

    /// Adds `layer` to `graph`, and the numbers of its variables to `weights`.
    fn add_layer(
        &self,
        graph: &mut Graph,
        made: &HashMap<&str, ValueId>,
        layer: &Layer,
        weights: &mut usize,
    ) -> Result<ValueId> {
        check_name(&layer.name)?;
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
        for shape in variables.iter().map(|variable| &variable.shape).chain(&whole) {
            check_size(shape)?;
            *weights += shape.checked_len()?;
            if *weights > MOST_WEIGHTS {
                let what = format!("with its weights the network has {weights} of them, absurdly many");
                return Err(Error::input(what));
            }
        }
        check_work(&output, op.terms(&shapes))?;
        for variable in variables {
            let init = variable.init.unwrap_or(self.init);
            let kind = Kind::Variable { role: variable.role, init, fan: variable.fan };
            let name = format!("{}.{}", layer.name, variable.name);
            let value = graph.add_value(name, variable.shape, DType::F32, kind);
            inputs.push(match (&node_op, &whole) {
                (Op::Conv(conv), Some(whole)) if variable.name == "weight" => {
                    spread(graph, conv, value, whole)
                }
                _ => value,
            });
        }
        let output = graph.add_computed(&layer.name, output);
        graph.add_node(&layer.name, node_op, inputs, vec![output], Segment::Accumulate);
        Ok(output)
    }

    /// The network up to the layer `name`, whose output becomes its output.
    ///
    /// # Errors
    /// If there is no such layer; the message names the nearest.
    pub fn until(&self, name: &str) -> Result<Network> {
        let names = || self.layers.iter().map(|layer| layer.name.as_str());
        let Some(last) = names().position(|other| other == name) else {
            let hint = match nearest(name, names()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(Error::input(format!("network {}: no layer {name}; {hint}", self.name)));
        };
        let mut needed: HashSet<&str> = HashSet::from([name]);
        for layer in self.layers[..=last].iter().rev() {
            if needed.contains(layer.name.as_str()) {
                needed.extend(layer.inputs.iter().map(String::as_str));
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

    /// The number of classes: the extent of the last layer's channels.
    ///
    /// # Errors
    /// As [`Network::graph`].
    pub fn classes(&self) -> Result<usize> {
        let graph = self.graph(1)?;
        Ok(graph.shape(graph.outputs[0]).get(1).copied().unwrap_or(1))
    }

    /// Whether the output is made of probabilities: that of a softmax, perhaps under another shape.
    pub fn ends_in_softmax(&self) -> bool {
        let mut wanted = self.layers.last().map(|layer| &layer.name);
        for layer in self.layers.iter().rev() {
            match layer.op {
                _ if Some(&layer.name) != wanted => {}
                Op::Reshape(_) | Op::Flatten(_) => wanted = layer.inputs.first(),
                ref op => return matches!(op, Op::Softmax(_)),
            }
        }
        false
    }

    /// Gives the last linear, RBF or convolutional layer before the output, and before each auxiliary head,
    /// `classes` outputs.
    ///
    /// # Errors
    /// If there is no such layer, or `classes` is zero.
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

    /// Takes inputs of this shape, `[C, H, W]` for images. A depthwise convolution of the input keeps its
    /// number of kernels a channel.
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
        Err(Error::input(format!("network {}: no layer whose outputs are classes", self.name)))
    }

    /// Shapes of all parameters and buffers by name: what a file of weights must hold.
    ///
    /// # Errors
    /// As [`Network::graph`].
    pub fn variables(&self) -> Result<Vec<(String, Shape)>> {
        self.variables_for(&self.input_shape(1))
    }

    /// As [`Network::variables`], for inputs of this shape with the batch.
    ///
    /// # Errors
    /// As [`Network::graph_for`].
    pub fn variables_for(&self, input: &Shape) -> Result<Vec<(String, Shape)>> {
        Ok(stored(self.graph_for(input)?))
    }

    /// Shapes of the parameters and buffers of the auxiliary heads alone: what a file of weights may
    /// hold or lack.
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

/// Names of layers as they are given and made up.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
    /// For each stem a number up to which none is free.
    last: HashMap<String, usize>,
}

impl Names {
    /// Notes that a layer is called `name`.
    pub fn take(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }

    /// The first of `stem1`, `stem2` and so on that no layer has yet.
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

/// The whole weight, of shape `whole`, of a convolution with a table of connections.
fn spread(graph: &mut Graph, conv: &Conv, kernels: ValueId, whole: &Shape) -> ValueId {
    let name = format!("{}.spread", graph.value(kernels).name);
    let weight = graph.add_computed(&name, whole.clone());
    let op = SpreadKernels { connections: conv.connections.clone() };
    graph.add_node(&name, op, vec![kernels], vec![weight], Segment::Accumulate);
    weight
}

/// The variables of `graph` that files keep.
fn stored(graph: Graph) -> Vec<(String, Shape)> {
    let is_stored = |role| matches!(role, Some(Role::Parameter | Role::Buffer));
    let values = graph.values.into_iter().filter(|value| is_stored(value.role()));
    values.map(|value| (value.name, value.shape)).collect()
}

fn find(made: &HashMap<&str, ValueId>, name: &str) -> Result<ValueId> {
    made.get(name).copied().ok_or_else(|| {
        let hint = nearest(name, made.keys().copied()).map(|near| format!("; did you mean {near}?"));
        let hint = hint.unwrap_or_default();
        Error::input(format!("reads {name}, which is no layer before it{hint}"))
    })
}

fn check_operands(wanted: Operands, given: usize) -> Result<()> {
    let (fits, wanted) = match wanted {
        Operands::None => (given == 0, "no inputs"),
        Operands::One => (given == 1, "one input"),
        Operands::Two => (given == 2, "two inputs"),
        Operands::Many => (given >= 1, "at least one input"),
    };
    if fits { Ok(()) } else { Err(Error::input(format!("takes {wanted}, not {given}"))) }
}

fn check_size(shape: &Shape) -> Result<()> {
    let elements = shape.checked_len()?;
    if elements == 0 {
        return Err(Error::input(format!("shape {shape} holds nothing; every extent is at least 1")));
    }
    if shape.iter().any(|extent| *extent > LARGEST_EXTENT) || elements > MOST_ELEMENTS {
        return Err(Error::input(format!("shape {shape} is absurdly large")));
    }
    Ok(())
}

/// Refuses a layer that takes absurdly many multiply-adds: `terms` for each element of its output, and one
/// for a bias.
fn check_work(output: &Shape, terms: usize) -> Result<()> {
    match output.checked_len()?.checked_mul(terms.saturating_add(1)) {
        Some(work) if work <= MOST_WORK => Ok(()),
        _ => Err(Error::input(format!("to compute {output} takes absurdly many multiply-adds"))),
    }
}

/// Refuses names that no person gives, and those that a terminal would obey.
fn check_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Err(Error::input(format!("a name of {length} characters; {LONGEST_NAME} are allowed")));
    }
    match name.chars().any(char::is_control) {
        true => Err(Error::input("a name with control characters")),
        false => Ok(()),
    }
}
