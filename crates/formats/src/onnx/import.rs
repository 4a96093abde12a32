//! The walk over a graph: values that are known, layers that compute the others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use striate_graph::ops::{Constant as ConstantLayer, Reshape};
use striate_graph::{INPUT, Init, Layer, MOST_LAYERS, Network, Op};
use striate_tensor::{Error, Result, Shape};

use super::Imported;
use super::budget::Budget;
use super::constant::{Constant, count};
use super::proto::{Graph, Model, Node, ValueInfo};
use super::tensor::{self, Beside, MOST_AXES};
use super::value::{Flow, Value};
use crate::message::shown;
use crate::{ReadOptions, Weights};

/// The operations' version that is read first and last.
const OPSETS: std::ops::RangeInclusive<i64> = 6..=28;
/// The sizes of the batch for which all shapes are worked out: what differs between them depends on it. No
/// network has a use for these numbers, so nothing else equals them.
const BATCHES: [usize; 2] = [1009, 2017];

/// A network under construction.
pub(super) struct Import<'a> {
    pub opset: i64,
    /// The size of the batch that the file fixes.
    pub batch: Option<i64>,
    pub values: HashMap<&'a str, Value>,
    /// What was turned already, by layer and order of axes.
    pub turned: HashMap<(String, Vec<usize>), Flow>,
    pub budget: Budget,
    layers: Vec<Layer>,
    names: HashSet<String>,
    /// The number that the next layer of a stem gets whose own name is taken.
    numbers: HashMap<String, usize>,
    weights: Weights,
    /// Values that some node reads or that are the output.
    wanted: HashSet<&'a str>,
}

pub(super) fn import(
    bytes: &[u8],
    name: &str,
    folder: Option<&Path>,
    limit: usize,
    options: &ReadOptions,
) -> Result<Imported> {
    let model = Model::read(bytes)?;
    let opset = model.opset.ok_or_else(|| Error::input("names no version of its operations (opset)"))?;
    if !OPSETS.contains(&opset) {
        let (first, last) = (OPSETS.start(), OPSETS.end());
        return Err(Error::input(format!("is of opset {opset}; {first} to {last} are read")));
    }
    let graph = model.graph.ok_or_else(|| Error::input("holds no graph"))?;
    if graph.sparse > 0 {
        return Err(Error::input("holds sparse weights, which are not read"));
    }
    if model.functions > 0 {
        return Err(Error::input("defines functions of its own, which are not read"));
    }
    let mut notes = Vec::new();
    let named = |name: &str| {
        let found = graph.outputs.iter().find(|output| output.name == name);
        found.ok_or_else(|| Error::input(format!("its graph has no output {}", shown(name))))
    };
    let first = || graph.outputs.first().ok_or_else(|| Error::input("its graph has no output"));
    let output = options.output.as_deref().map_or_else(first, named)?;
    if graph.outputs.len() > 1 && options.output.is_none() {
        notes.push(format!("of {} outputs the first, {}, is taken", graph.outputs.len(), shown(output.name)));
    }
    let needed = needed_nodes(&graph, output.name);
    let mut import = Import {
        opset,
        batch: None,
        values: HashMap::new(),
        turned: HashMap::new(),
        budget: Budget::new(limit),
        layers: Vec::new(),
        names: HashSet::from([INPUT.to_owned()]),
        numbers: HashMap::new(),
        weights: BTreeMap::new(),
        wanted: HashSet::from([output.name]),
    };
    let metadata =
        model.metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let nodes = || needed.iter().map(|index| &graph.nodes[*index]);
    nodes().for_each(|node| import.wanted.extend(node.inputs.iter().filter(|name| !name.is_empty())));
    import.read_initializers(&graph, folder)?;
    let input = import.take_input(&graph, options)?;
    for node in nodes() {
        import.step(node).map_err(|e| with_open_batch(e).at(node.place()))?;
    }
    let end = match import.values.remove(output.name) {
        Some(Value::Flow(end)) => end,
        Some(Value::Turned(end)) => {
            let turned = import.turn(&Node { name: output.name, ..Node::default() }, end);
            turned.map_err(|e| with_open_batch(e).at(format!("output {}", shown(output.name))))?
        }
        _ => {
            let what = format!("output {}: no node makes it from the input", shown(output.name));
            return Err(Error::input(what));
        }
    };
    let others = import.unused(&graph)?;
    let (network, weights) = import.finish(name, input, &end)?;
    Ok(Imported { network, weights, others, metadata, notes })
}

/// A message about shapes as a person knows them: with N where the batch stands.
fn with_open_batch(error: Error) -> Error {
    let mut message = error.to_string();
    for batch in BATCHES {
        message = message.replace(&format!("[{batch},"), "[N,").replace(&format!("[{batch}]"), "[N]");
    }
    Error::input(message)
}

/// The nodes that `output` depends on, in the file's order, which is the order of computation.
fn needed_nodes(graph: &Graph, output: &str) -> Vec<usize> {
    let mut wanted: HashSet<&str> = HashSet::from([output]);
    let mut needed = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|name| !name.is_empty() && wanted.contains(name)) {
            wanted.extend(&node.inputs);
            needed.push(index);
        }
    }
    needed.reverse();
    needed
}

impl<'a> Import<'a> {
    fn read_initializers(&mut self, graph: &Graph<'a>, folder: Option<&Path>) -> Result<()> {
        let mut seen = HashSet::new();
        let mut beside = folder.map(Beside::new);
        for initializer in &graph.initializers {
            if !seen.insert(initializer.name) {
                return Err(Error::input(format!("two initializers are called {}", shown(initializer.name))));
            }
            if self.wanted.contains(initializer.name) {
                let value = tensor::read(initializer, beside.as_mut(), &mut self.budget)?;
                self.values.insert(initializer.name, Value::Known(Constant { is_weight: true, ..value }));
            }
        }
        Ok(())
    }

    /// Makes the only input that nodes need the network's; its extents without the batch.
    fn take_input(&mut self, graph: &Graph<'a>, options: &ReadOptions) -> Result<Shape> {
        let open =
            |info: &&ValueInfo<'a>| self.wanted.contains(info.name) && !self.values.contains_key(info.name);
        let inputs: Vec<&ValueInfo> = graph.inputs.iter().filter(open).collect();
        let [input] = inputs[..] else {
            let names: Vec<String> = inputs.iter().take(5).map(|input| shown(input.name)).collect();
            return Err(Error::input(format!(
                "needs {} inputs ({}); a network here has one",
                inputs.len(),
                names.join(", ")
            )));
        };
        let at = |what: String| Error::input(format!("input {}: {what}", shown(input.name)));
        if input.element_type.is_some_and(|kind| !matches!(kind, 1 | 10 | 11 | 16)) {
            return Err(at("its elements are no floats".into()));
        }
        let extents = input.extents.as_ref().ok_or_else(|| at("its shape is not stated".into()))?;
        let Some((batch, rest)) = extents.split_first() else { return Err(at("it has no batch".into())) };
        self.batch = (*batch > 0).then_some(*batch);
        let given: Option<Vec<i64>> =
            options.input.as_ref().map(|input| input.iter().map(|extent| *extent as i64).collect());
        let rest = match &given {
            Some(given) if given.len() != rest.len() => {
                return Err(at(format!(
                    "it has {} axes without the batch, but {given:?} is given",
                    rest.len()
                )));
            }
            Some(given) => given,
            None => rest,
        };
        if rest.len() > 7 || rest.iter().any(|extent| !(1..=1 << 24).contains(extent)) {
            let what =
                format!("extents {rest:?} behind the batch are open or impossible (-1 is an open one)");
            return Err(at(format!("{what}; export it with fixed extents, such as height and width")));
        }
        let own: Vec<usize> = rest.iter().map(|extent| *extent as usize).collect();
        let shapes = BATCHES.map(|batch| Shape::new([&[batch], &own[..]].concat()));
        shapes[1].checked_len().map_err(|e| at(with_open_batch(e).to_string()))?;
        self.values.insert(input.name, Value::Flow(Flow { layer: INPUT.into(), shapes }));
        Ok(Shape::new(own))
    }

    fn step(&mut self, node: &Node<'a>) -> Result<()> {
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return Err(Error::input(format!("operations of {} are not known", shown(node.domain))));
        }
        let results = self.rule(node)?;
        for (index, name) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            match results.get(index) {
                Some(_) if self.values.contains_key(name) => {
                    return Err(Error::input(format!("{} is made twice", shown(name))));
                }
                Some(Value::Known(constant)) if constant.shape.len() > MOST_AXES => {
                    let axes = constant.shape.len();
                    return Err(Error::input(format!("its result has {axes} axes; {MOST_AXES} at most")));
                }
                Some(value) => {
                    self.values.insert(name, value.clone());
                }
                None if self.wanted.contains(name) => {
                    return Err(Error::input(format!(
                        "its result {} ({}) is not made here",
                        index + 1,
                        shown(name)
                    )));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Adds a layer of its own variables `weights`, called after `stem`.
    pub fn layer(
        &mut self,
        stem: &str,
        op: impl Into<Op>,
        inputs: &[&Flow],
        weights: Vec<Constant>,
    ) -> Result<Flow> {
        if self.layers.len() >= MOST_LAYERS {
            return Err(Error::input(format!(
                "becomes layer {}; {MOST_LAYERS} are allowed",
                MOST_LAYERS + 1
            )));
        }
        let op = op.into();
        let rule = op.layer().expect("only layers are imported");
        let shapes = [0, 1].map(|side| -> Result<Shape> {
            let shapes: Vec<&Shape> = inputs.iter().map(|flow| &flow.shapes[side]).collect();
            let shape = rule.output(&shapes)?;
            let elements = shape.checked_len()?;
            if elements == 0 || elements > 1 << 40 || shape.len() > MOST_AXES {
                return Err(Error::input(format!("its result {shape} is empty or absurdly large")));
            }
            Ok(shape)
        });
        let [small, large] = shapes;
        let name = self.free_name(stem);
        let first: Vec<&Shape> = inputs.iter().map(|flow| &flow.shapes[0]).collect();
        let (small, large) = (small?, large?);
        for (variable, constant) in rule.variables(&first).into_iter().zip(weights) {
            if *variable.shape != constant.shape[..] {
                return Err(Error::input(format!(
                    "its {} has shape {:?}, but {} is needed",
                    variable.name, constant.shape, variable.shape
                )));
            }
            self.budget.floats(constant.len()?)?;
            self.weights.insert(format!("{name}.{}", variable.name), (variable.shape, constant.to_floats()?));
        }
        let inputs = inputs.iter().map(|flow| flow.layer.clone()).collect();
        self.layers.push(Layer { name: name.clone(), op, inputs });
        Ok(Flow { layer: name, shapes: [small, large] })
    }

    /// The known value `name` as a layer, called after it.
    pub fn constant_layer(&mut self, name: &str, constant: Constant, trained: bool) -> Result<Flow> {
        if count(&constant.shape)? == 0 || !constant.is_float() {
            return Err(Error::input("a value without elements, or of integers, meets the data"));
        }
        let op = ConstantLayer { shape: constant.shape.clone(), trained };
        self.layer(name, op, &[], vec![constant])
    }

    /// `flow` under the shapes `to`, which have as many elements.
    pub fn reshape(&mut self, node: &Node, flow: &Flow, to: &[Shape; 2]) -> Result<Flow> {
        if flow.shapes == *to {
            return Ok(flow.clone());
        }
        let shape = reshape_form(&flow.shapes, to)?;
        self.layer(&format!("{}/shape", stem_of(node)), Reshape { shape }, &[flow], vec![])
    }

    fn free_name(&mut self, stem: &str) -> String {
        let stem = shown(stem);
        let number = self.numbers.entry(stem.clone()).or_insert(2);
        let mut name = stem.clone();
        while !self.names.insert(name.clone()) {
            name = format!("{stem}_{number}");
            *number += 1;
        }
        name
    }

    /// Float initializers that no layer has under their name and shape.
    fn unused(&mut self, graph: &Graph) -> Result<Weights> {
        let mut others = Weights::new();
        for name in graph.initializers.iter().map(|initializer| initializer.name) {
            let Some(Value::Known(constant)) = self.values.get(name) else { continue };
            let shape = Shape::new(constant.shape.clone());
            if constant.is_float() && self.weights.get(name).is_none_or(|(given, _)| *given != shape) {
                others.insert(shown(name), (shape, constant.to_floats()?));
            }
        }
        Ok(others)
    }

    fn finish(mut self, name: &str, input: Shape, end: &Flow) -> Result<(Network, Weights)> {
        if end.layer == INPUT {
            let op = Reshape { shape: vec![0; end.rank()] };
            self.layer("output", op, &[end], vec![])?;
        }
        let last = self.layers.last().map(|layer| layer.name.clone()).unwrap_or_default();
        let whole = Network {
            name: name.to_owned(),
            input,
            init: Init::default(),
            layers: self.layers,
            loss: None,
            heads: Vec::new(),
        };
        let end = if end.layer == INPUT { &last } else { &end.layer };
        let network = whole.until(end)?;
        let wanted: HashSet<String> = network.variables()?.into_iter().map(|(name, _)| name).collect();
        let mut weights = self.weights;
        weights.retain(|name, _| wanted.contains(name));
        Ok((network, weights))
    }
}

/// The name that a node's layers are called after.
pub(super) fn stem_of(node: &Node) -> String {
    if node.name.is_empty() {
        node.outputs.first().copied().unwrap_or("layer").into()
    } else {
        node.name.into()
    }
}

/// The name that a layer gets from its weights, as PyTorch exports them, else from its node.
pub(super) fn stem_of_weights(node: &Node) -> String {
    let of_weights = node.inputs.get(1).and_then(|name| name.strip_suffix(".weight"));
    of_weights.filter(|stem| !stem.is_empty()).map_or_else(|| stem_of(node), str::to_owned)
}

/// A reshape's text for going from one pair of shapes to another: extents that do not depend on the batch stand
/// as they are, those that stay in their place are 0, and one may be open.
fn reshape_form(from: &[Shape; 2], to: &[Shape; 2]) -> Result<Vec<i64>> {
    let numel = |shape: &Shape| shape.checked_len();
    if to[0].len() != to[1].len() || numel(&from[0])? != numel(&to[0])? || numel(&from[1])? != numel(&to[1])?
    {
        return Err(Error::input(format!(
            "the elements of {} have no shape {} for every batch",
            from[0], to[0]
        )));
    }
    let extent = |place: usize| {
        let (small, large) = (to[0][place], to[1][place]);
        let stays = from[0].get(place) == Some(&small) && from[1].get(place) == Some(&large);
        match (small == large, stays) {
            (true, _) => small as i64,
            (false, true) => 0,
            (false, false) => -1,
        }
    };
    let form: Vec<i64> = (0..to[0].len()).map(extent).collect();
    if form.iter().filter(|extent| **extent == -1).count() > 1 {
        return Err(Error::input(format!("the batch is in several extents of {}", to[0])));
    }
    Ok(form)
}
