//! Converts a graph's nodes in order: constants are folded, everything else becomes layers.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use striate_graph::ops::{Constant as ConstantLayer, Reshape};
use striate_graph::{INPUT, Init, Layer, MOST_LAYERS, Network, Op};
use striate_tensor::text::{counted, grouped};
use striate_tensor::{Error, Result, Shape};

use super::Imported;
use super::budget::Budget;
use super::constant::{Constant, count};
use super::external::External;
use super::integers::IntegerType;
use super::proto::{Graph, Model, Node, ValueInfo};
use super::rules::rule_of;
use super::tensor::{self, MOST_AXES};
use super::value::{Flow, Value};
use super::{output, survey};
use crate::message::shown;
use crate::{ReadOptions, Weights};

/// The supported opsets.
const OPSETS: std::ops::RangeInclusive<i64> = 6..=28;
/// The batch sizes for which all shapes are computed: extents that differ depend on the batch size. They are primes
/// that networks rarely use as sizes.
const BATCHES: [usize; 2] = [1009, 2017];

/// Limit of the elements of a computed value.
const MOST_ELEMENTS: usize = 1 << 40;

/// A network under construction.
pub(super) struct Import<'a> {
    pub opset: i64,
    /// The batch size, if the file fixes it.
    pub batch: Option<i64>,
    pub values: HashMap<&'a str, Value>,
    /// Computed integers: an integer input, and values to which its elements are moved.
    integers: HashSet<&'a str>,
    /// What the input takes, if that is integers.
    taken: Option<IntegerType>,
    /// Transpositions that were carried out, by layer and order of axes.
    pub turned: HashMap<(String, Vec<usize>), Flow>,
    /// Matrices that were transposed, by the identity of the original.
    pub transposed: HashMap<usize, Constant>,
    pub budget: Budget,
    layers: Vec<Layer>,
    names: HashSet<String>,
    /// The next number for layers whose plain name is taken, by stem.
    numbers: HashMap<String, usize>,
    weights: Weights,
    /// The layers that own weights, by the identity of their first weight.
    owners: HashMap<usize, Owner>,
    notes: Vec<String>,
    /// Values that are read by a node or are the output.
    wanted: HashSet<&'a str>,
}

/// A layer whose weights other layers may share.
struct Owner {
    layer: String,
    op: &'static str,
    /// The identities of all its weights.
    identities: Vec<Option<usize>>,
}

/// Operators that move elements and may therefore read integers.
const MOVE_INTEGERS: [&str; 11] = [
    "Cast",
    "Concat",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Shape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

pub(super) fn import(
    bytes: &[u8],
    name: &str,
    folder: Option<&Path>,
    limit: usize,
    options: &ReadOptions,
) -> Result<Imported> {
    let model = Model::read(bytes)?;
    let opset = model.opset.ok_or_else(|| Error::input("does not state its operator set version (opset)"))?;
    if !OPSETS.contains(&opset) {
        let (first, last) = (OPSETS.start(), OPSETS.end());
        return Err(Error::input(format!("has opset {opset}; supported opsets are {first} to {last}")));
    }
    let graph = model.graph.ok_or_else(|| Error::input("contains no graph"))?;
    if graph.sparse > 0 {
        return Err(Error::input("contains sparse weights, which are not supported"));
    }
    if model.functions > 0 {
        return Err(Error::input("defines custom functions, which are not supported"));
    }
    let mut notes = Vec::new();
    let output = output::choose(&graph, options, &mut notes)?;
    output::check(&graph, output)?;
    let needed = survey::needed_nodes(&graph, &[output]);
    survey::check_operators(&graph, &needed)?;
    let mut import = Import {
        opset,
        batch: None,
        values: HashMap::new(),
        integers: HashSet::new(),
        taken: None,
        turned: HashMap::new(),
        transposed: HashMap::new(),
        budget: Budget::new(limit, bytes.len()),
        layers: Vec::new(),
        names: HashSet::from([INPUT.to_owned()]),
        numbers: HashMap::new(),
        weights: BTreeMap::new(),
        owners: HashMap::new(),
        notes,
        wanted: HashSet::from([output]),
    };
    let metadata =
        model.metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let nodes = || needed.iter().map(|index| &graph.nodes[*index]);
    nodes().for_each(|node| import.wanted.extend(node.inputs.iter().filter(|name| !name.is_empty())));
    import.read_initializers(&graph, folder)?;
    let (input, stated) = import.take_input(&graph, options)?;
    let mut walk = || -> Result<Flow> {
        for node in nodes() {
            import.step(node).map_err(|e| with_open_batch(e).at(node.place()))?;
        }
        import.end(output)
    };
    // A graph with sizes in its constants works only for its own size.
    let end = walk().map_err(|e| match &stated {
        Some(stated) => e.at(format!("with --input {input} instead of [{stated}]")),
        None => e,
    })?;
    let others = import.unused(&graph)?;
    let (notes, integers) = (std::mem::take(&mut import.notes), import.taken);
    let (network, weights) = import.finish(name, input, &end)?;
    Ok(Imported { network, weights, others, metadata, integers, notes })
}

/// Replaces the trial batch sizes in a message by N.
fn with_open_batch(error: Error) -> Error {
    let mut message = error.to_string();
    for batch in BATCHES {
        message = message.replace(&format!("[{batch},"), "[N,").replace(&format!("[{batch}]"), "[N]");
    }
    Error::input(message)
}

impl<'a> Import<'a> {
    fn read_initializers(&mut self, graph: &Graph<'a>, folder: Option<&Path>) -> Result<()> {
        let mut seen = HashSet::new();
        let mut external = folder.map(External::new);
        for initializer in &graph.initializers {
            if !seen.insert(initializer.name) {
                return Err(Error::input(format!("two initializers are named {}", shown(initializer.name))));
            }
            if self.wanted.contains(initializer.name) {
                let value = tensor::read(initializer, external.as_mut(), &mut self.budget)?;
                self.values.insert(initializer.name, Value::Known(Constant { is_weight: true, ..value }));
            }
        }
        Ok(())
    }

    /// Makes the only input that nodes read the network's input. Returns its extents without the batch, and the
    /// stated ones if `options` replace them.
    fn take_input(&mut self, graph: &Graph<'a>, options: &ReadOptions) -> Result<(Shape, Option<String>)> {
        let open =
            |info: &&ValueInfo<'a>| self.wanted.contains(info.name) && !self.values.contains_key(info.name);
        let inputs: Vec<&ValueInfo> = graph.inputs.iter().filter(open).collect();
        let [input] = inputs[..] else {
            return Err(Error::input(format!(
                "has {} inputs ({}); only networks with one input are supported",
                inputs.len(),
                survey::list(inputs.iter().map(|input| input.name))
            )));
        };
        let at = |what: String| Error::input(format!("input {}: {what}", shown(input.name)));
        match input.element_type.unwrap_or(1) {
            0 | 1 | 10 | 11 | 16 => {}
            kind => {
                let taken = IntegerType::of(kind).ok_or_else(|| at("its elements are not numbers".into()))?;
                self.integers.insert(input.name);
                self.notes.push(format!(
                    "its input {} takes {taken}, which Striate passes as floats",
                    shown(input.name)
                ));
                self.taken = Some(taken);
            }
        }
        let extents = input.extents.as_ref();
        let extents = match (extents, &options.input) {
            (Some(extents), _) => extents.clone(),
            (None, Some(given)) => vec![-1; given.len() + 1],
            (None, None) => return Err(at("its shape is not stated; set it with --input C,H,W".into())),
        };
        let Some((batch, rest)) = extents.split_first() else {
            return Err(at("it has no batch axis".into()));
        };
        self.batch = (*batch > 0).then_some(*batch);
        let form = |extents: &[i64]| {
            let one = |extent: &i64| if *extent > 0 { extent.to_string() } else { "?".into() };
            extents.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let given: Option<Vec<i64>> =
            options.input.as_ref().map(|input| input.iter().map(|extent| *extent as i64).collect());
        let own = match &given {
            Some(given) if given.len() != rest.len() => {
                let what = format!(
                    "has the shape [N, {}], but --input has {}",
                    form(rest),
                    counted(given.len(), "number")
                );
                return Err(at(what));
            }
            Some(given) => given,
            None => rest,
        };
        if own.len() > 7 || own.iter().any(|extent| !(1..=1 << 24).contains(extent)) {
            let what = format!("has the shape [N, {}], which is open or out of range", form(own));
            return Err(at(format!("{what}; set it with --input C,H,W")));
        }
        let is_replaced = rest.iter().zip(own).any(|(stated, own)| *stated > 0 && stated != own);
        let stated = is_replaced.then(|| form(rest));
        let own: Vec<usize> = own.iter().map(|extent| *extent as usize).collect();
        let shapes = BATCHES.map(|batch| Shape::new([&[batch], &own[..]].concat()));
        shapes[1].checked_len().map_err(|e| at(with_open_batch(e).to_string()))?;
        self.values.insert(input.name, Value::Flow(Flow { layer: INPUT.into(), shapes }));
        Ok((Shape::new(own), stated))
    }

    /// Returns the value that becomes the network's output.
    fn end(&mut self, output: &str) -> Result<Flow> {
        let at = |e: Error| e.at(format!("output {}", shown(output)));
        match self.values.remove(output) {
            Some(Value::Flow(_) | Value::Turned(_)) if self.integers.contains(output) => {
                Err(at(Error::input("is an integer tensor; only floats can be computed")))
            }
            Some(Value::Flow(end)) => Ok(end),
            Some(Value::Turned(end)) => {
                let turned = self.turn(&Node { name: output, ..Node::default() }, end);
                turned.map_err(|e| at(with_open_batch(e)))
            }
            _ => Err(at(Error::input("does not depend on the input"))),
        }
    }

    /// Returns whether a node reads computed integers.
    pub fn reads_integers(&self, node: &Node) -> bool {
        node.inputs.iter().any(|name| self.integers.contains(name))
    }

    fn step(&mut self, node: &Node<'a>) -> Result<()> {
        let reads_integers = self.reads_integers(node);
        if reads_integers && !MOVE_INTEGERS.contains(&node.op) {
            return Err(Error::input("computes with integers; only a cast to floats is supported"));
        }
        let stays = match node.op {
            "Cast" => !matches!(node.int("to")?, Some(1 | 10 | 11 | 16)),
            op => op != "Shape",
        };
        let rule = rule_of(node).ok_or_else(|| Error::input("this operator is not supported"))?;
        let results = rule(self, node)?;
        for (index, name) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            match results.get(index) {
                Some(_) if self.values.contains_key(name) => {
                    return Err(Error::input(format!("produces {}, which already exists", shown(name))));
                }
                Some(Value::Known(constant)) if constant.shape.len() > MOST_AXES => {
                    let axes = constant.shape.len();
                    return Err(Error::input(format!(
                        "its result has {axes} axes; the limit is {MOST_AXES}"
                    )));
                }
                Some(value) => {
                    self.values.insert(name, value.clone());
                    if reads_integers && stays {
                        self.integers.insert(name);
                    }
                }
                None if self.wanted.contains(name) => {
                    return Err(Error::input(format!(
                        "its result {} ({}) is not supported",
                        index + 1,
                        shown(name)
                    )));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Adds a layer with the variables `weights`, named after `stem`.
    pub fn layer(
        &mut self,
        stem: &str,
        op: impl Into<Op>,
        inputs: &[&Flow],
        weights: Vec<Constant>,
    ) -> Result<Flow> {
        if self.layers.len() >= MOST_LAYERS {
            return Err(Error::input(format!(
                "the graph has more than {} layers, the limit",
                grouped(MOST_LAYERS as u64)
            )));
        }
        let op = op.into();
        let rule = op.layer().expect("only layers are imported");
        let shapes = [0, 1].map(|side| -> Result<Shape> {
            let shapes: Vec<&Shape> = inputs.iter().map(|flow| &flow.shapes[side]).collect();
            let shape = rule.output(&shapes)?;
            let elements = shape.checked_len()?;
            if elements == 0 || elements > MOST_ELEMENTS || shape.len() > MOST_AXES {
                return Err(Error::input(format!(
                    "its result {shape} is empty, or exceeds the limits of {MOST_AXES} axes and {} elements",
                    grouped(MOST_ELEMENTS as u64)
                )));
            }
            Ok(shape)
        });
        let [small, large] = shapes;
        let name = self.free_name(stem);
        let first: Vec<&Shape> = inputs.iter().map(|flow| &flow.shapes[0]).collect();
        let (small, large) = (small?, large?);
        let shares = self.owner_of(&name, op.name(), &weights);
        for (variable, constant) in rule.variables(&first).into_iter().zip(weights) {
            if *variable.shape != constant.shape[..] {
                return Err(Error::input(format!(
                    "its {} has shape {:?}; expected {}",
                    variable.name, constant.shape, variable.shape
                )));
            }
            if shares.is_some() {
                continue;
            }
            self.budget.floats(constant.len()?)?;
            self.weights.insert(format!("{name}.{}", variable.name), (variable.shape, constant.to_floats()?));
        }
        let inputs = inputs.iter().map(|flow| flow.layer.clone()).collect();
        self.layers.push(Layer { name: name.clone(), op, inputs, shares });
        Ok(Flow { layer: name, shapes: [small, large] })
    }

    /// Returns the layer whose variables the new layer `name` shares: one of the same kind with the same initializers.
    /// Sharing is recognized only by matrices and kernels, since exporters also merge vectors that just happen to be
    /// equal.
    fn owner_of(&mut self, name: &str, op: &'static str, weights: &[Constant]) -> Option<String> {
        let first = weights.first().filter(|first| first.is_weight && first.shape.len() > 1)?;
        let identities: Vec<Option<usize>> = weights.iter().map(Constant::identity).collect();
        match self.owners.entry(first.identity()?) {
            Entry::Vacant(place) => {
                place.insert(Owner { layer: name.to_owned(), op, identities });
                None
            }
            Entry::Occupied(place) => {
                let owner = &place.get().layer;
                if place.get().op == op && place.get().identities == identities {
                    self.notes.push(format!("{name} shares the weights of {owner}"));
                    return Some(owner.clone());
                }
                self.notes.push(format!(
                    "{name} shares only some weights with {owner} and gets its own copies, which training changes separately"
                ));
                None
            }
        }
    }

    /// Adds the constant `name` as a layer of that name.
    pub fn constant_layer(&mut self, name: &str, constant: Constant, trained: bool) -> Result<Flow> {
        if count(&constant.shape)? == 0 || !constant.is_float() {
            return Err(Error::input("combines the data with integers, or with an empty constant"));
        }
        let op = ConstantLayer { shape: constant.shape.clone(), trained, initial: 0.0 };
        self.layer(name, op, &[], vec![constant])
    }

    /// Reshapes `flow` to the shapes `to`, which have as many elements.
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

    /// Returns the float initializers that no layer has under the same name and shape.
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

/// Returns the stem of the names of a node's layers.
pub(super) fn stem_of(node: &Node) -> String {
    if node.name.is_empty() {
        node.outputs.first().copied().unwrap_or("layer").into()
    } else {
        node.name.into()
    }
}

/// Returns the name that a layer gets from its weights, as PyTorch names them, else from its node.
pub(super) fn stem_of_weights(node: &Node) -> String {
    let of_weights = node.inputs.get(1).and_then(|name| name.strip_suffix(".weight"));
    of_weights.filter(|stem| !stem.is_empty()).map_or_else(|| stem_of(node), str::to_owned)
}

/// Returns the attribute of a reshape between two pairs of shapes: extents that do not depend on the batch size
/// unchanged, extents that keep their position as 0, and at most one open extent.
fn reshape_form(from: &[Shape; 2], to: &[Shape; 2]) -> Result<Vec<i64>> {
    let numel = |shape: &Shape| shape.checked_len();
    if to[0].len() != to[1].len() || numel(&from[0])? != numel(&to[0])? || numel(&from[1])? != numel(&to[1])?
    {
        return Err(Error::input(format!("cannot reshape {} to {} for every batch size", from[0], to[0])));
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
