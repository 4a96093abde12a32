//! ONNX's messages: model, graph, node, attribute and tensor, reduced to the fields that are used. Strings and bytes
//! are borrowed from the file. Source: `onnx.proto` of the ONNX project.

use std::collections::HashSet;

use striate_tensor::{Error, Result};

use crate::message::shown;
use crate::protobuf::{Reader, Wire};

/// A model: its opset and its graph.
#[derive(Debug, Default)]
pub(super) struct Model<'a> {
    pub opset: Option<i64>,
    pub graph: Option<Graph<'a>>,
    /// The number of functions that the model defines.
    pub functions: usize,
    /// The metadata of the file, as keys and values.
    pub metadata: Vec<(&'a str, &'a str)>,
}

/// A graph.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub name: &'a str,
    pub nodes: Vec<Node<'a>>,
    pub initializers: Vec<Tensor<'a>>,
    pub inputs: Vec<ValueInfo<'a>>,
    pub outputs: Vec<ValueInfo<'a>>,
    pub sparse: usize,
}

/// A node.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub name: &'a str,
    pub op: &'a str,
    pub domain: &'a str,
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    pub attributes: Vec<Attribute<'a>>,
}

/// The value of an attribute.
#[derive(Debug)]
pub(super) enum Held<'a> {
    Float(f32),
    Int(i64),
    Text(&'a [u8]),
    Tensor(Box<Tensor<'a>>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// A graph, strings, or anything else that no rule uses; not parsed.
    Other,
}

/// An attribute.
#[derive(Debug)]
pub(super) struct Attribute<'a> {
    pub name: &'a str,
    pub held: Held<'a>,
}

/// A tensor as stored in the file.
#[derive(Debug, Default)]
pub(super) struct Tensor<'a> {
    pub name: &'a str,
    pub dims: Vec<i64>,
    pub data_type: u64,
    pub raw: Option<&'a [u8]>,
    pub floats: Vec<f32>,
    pub ints: Vec<i64>,
    /// The keys and values that locate data outside the file.
    pub external: Vec<(&'a str, &'a str)>,
    pub is_external: bool,
    pub segmented: bool,
}

/// A graph's input or output: its name, and its shape if stated, with −1 for open extents.
#[derive(Debug, Default)]
pub(super) struct ValueInfo<'a> {
    pub name: &'a str,
    pub element_type: Option<u64>,
    pub extents: Option<Vec<i64>>,
}

/// Calls `visit` for each field of a message.
fn each<'a>(bytes: &'a [u8], mut visit: impl FnMut(u32, Wire<'a>) -> Result<()>) -> Result<()> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        visit(number, wire)?;
    }
    Ok(())
}

/// Refuses duplicates among the `names` of `what`.
fn once<'a>(what: &str, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(Error::input(format!("{what} {} occurs twice", shown(name)))),
    }
}

impl<'a> Model<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Model<'a>> {
        let mut model = Model::default();
        let mut domains = Vec::new();
        each(bytes, |number, wire| {
            match number {
                7 if model.graph.is_some() => return Err(Error::input("contains two graphs")),
                7 => model.graph = Some(Graph::read(wire.bytes()?)?),
                8 => {
                    let (mut domain, mut version) = ("", 0);
                    each(wire.bytes()?, |number, wire| {
                        match number {
                            1 => domain = wire.text()?,
                            2 => version = wire.integer()?.cast_signed(),
                            _ => {}
                        }
                        Ok(())
                    })?;
                    if domain.is_empty() || domain == "ai.onnx" {
                        (domain, model.opset) = ("ai.onnx", Some(version));
                    }
                    domains.push(domain);
                }
                14 => model.metadata.push(read_entry(wire.bytes()?)?),
                25 => model.functions += 1,
                _ => {}
            }
            Ok(())
        })?;
        once("opset", domains)?;
        once("metadata", model.metadata.iter().map(|(key, _)| *key))?;
        Ok(model)
    }
}

impl<'a> Graph<'a> {
    fn read(bytes: &'a [u8]) -> Result<Graph<'a>> {
        let mut graph = Graph::default();
        each(bytes, |number, wire| {
            match number {
                1 => {
                    let at = |e: Error| e.at(format!("node {}", graph.nodes.len() + 1));
                    let node = Node::read(wire.bytes()?).map_err(at)?;
                    graph.nodes.push(node);
                }
                2 => graph.name = wire.text()?,
                5 => {
                    let at = |e: Error| e.at(format!("initializer {}", graph.initializers.len() + 1));
                    let tensor = Tensor::read(wire.bytes()?).map_err(at)?;
                    graph.initializers.push(tensor);
                }
                11 => graph.inputs.push(ValueInfo::read(wire.bytes()?).map_err(|e| e.at("an input"))?),
                12 => graph.outputs.push(ValueInfo::read(wire.bytes()?).map_err(|e| e.at("an output"))?),
                15 => graph.sparse += 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(graph)
    }
}

impl<'a> Node<'a> {
    fn read(bytes: &'a [u8]) -> Result<Node<'a>> {
        let mut node = Node::default();
        each(bytes, |number, wire| {
            match number {
                1 => node.inputs.push(wire.text()?),
                2 => node.outputs.push(wire.text()?),
                3 => node.name = wire.text()?,
                4 => node.op = wire.text()?,
                5 => node.attributes.push(Attribute::read(wire.bytes()?)?),
                7 => node.domain = wire.text()?,
                _ => {}
            }
            Ok(())
        })?;
        once("attribute", node.attributes.iter().map(|attribute| attribute.name))?;
        Ok(node)
    }

    /// Describes the node for a message: its name, or that of its first result, and its operator.
    pub fn place(&self) -> String {
        let name = if self.name.is_empty() { self.outputs.first().copied().unwrap_or("") } else { self.name };
        format!("node {} ({})", shown(name), shown(self.op))
    }
}

impl<'a> Attribute<'a> {
    fn read(bytes: &'a [u8]) -> Result<Attribute<'a>> {
        let (mut name, mut kind) = ("", 0);
        let (mut float, mut int, mut text, mut tensor) = (None, None, None, None);
        let (mut floats, mut ints) = (Vec::new(), Vec::new());
        let mut is_other = false;
        each(bytes, |number, wire| {
            match number {
                1 => name = wire.text()?,
                2 => float = Some(wire.float()?),
                3 => int = Some(wire.integer()?.cast_signed()),
                4 => text = Some(wire.bytes()?),
                5 => tensor = Some(Box::new(Tensor::read(wire.bytes()?)?)),
                7 => wire.floats(&mut floats)?,
                8 => wire.integers(&mut ints)?,
                20 => kind = wire.integer()?,
                6 | 9..=11 | 14..=15 | 21..=23 => is_other = true,
                _ => {}
            }
            Ok(())
        })?;
        // Old files do not state the type; it follows from the fields that are present.
        let held = match kind {
            1 => Held::Float(float.unwrap_or_default()),
            2 => Held::Int(int.unwrap_or_default()),
            3 => Held::Text(text.unwrap_or_default()),
            4 => Held::Tensor(tensor.unwrap_or_default()),
            6 => Held::Floats(floats),
            7 => Held::Ints(ints),
            0 if !is_other => match (float, int, text, tensor) {
                (Some(value), ..) => Held::Float(value),
                (_, Some(value), ..) => Held::Int(value),
                (_, _, Some(value), _) => Held::Text(value),
                (.., Some(value)) => Held::Tensor(value),
                _ if !floats.is_empty() => Held::Floats(floats),
                _ => Held::Ints(ints),
            },
            _ => Held::Other,
        };
        Ok(Attribute { name, held })
    }
}

impl<'a> Tensor<'a> {
    fn read(bytes: &'a [u8]) -> Result<Tensor<'a>> {
        let mut tensor = Tensor::default();
        each(bytes, |number, wire| {
            match number {
                1 => wire.integers(&mut tensor.dims)?,
                2 => tensor.data_type = wire.integer()?,
                3 => tensor.segmented = true,
                4 => wire.floats(&mut tensor.floats)?,
                5 | 7 | 11 => wire.integers(&mut tensor.ints)?,
                8 => tensor.name = wire.text()?,
                9 => tensor.raw = Some(wire.bytes()?),
                10 => wire.doubles(&mut tensor.floats)?,
                13 => tensor.external.push(read_entry(wire.bytes()?)?),
                14 => tensor.is_external = wire.integer()? == 1,
                _ => {}
            }
            Ok(())
        })?;
        once("external data:", tensor.external.iter().map(|(key, _)| *key))?;
        Ok(tensor)
    }
}

impl<'a> ValueInfo<'a> {
    fn read(bytes: &'a [u8]) -> Result<ValueInfo<'a>> {
        let mut info = ValueInfo::default();
        let mut kind = None;
        each(bytes, |number, wire| {
            match number {
                1 => info.name = wire.text()?,
                2 => kind = Some(wire.bytes()?),
                _ => {}
            }
            Ok(())
        })?;
        let mut tensor = None;
        each(kind.unwrap_or_default(), |number, wire| {
            if number == 1 {
                tensor = Some(wire.bytes()?);
            }
            Ok(())
        })?;
        let mut shape = None;
        each(tensor.unwrap_or_default(), |number, wire| {
            match number {
                1 => info.element_type = Some(wire.integer()?),
                2 => shape = Some(wire.bytes()?),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(shape) = shape {
            let mut extents = Vec::new();
            each(shape, |number, wire| {
                if number == 1 {
                    extents.push(read_extent(wire.bytes()?)?);
                }
                Ok(())
            })?;
            info.extents = Some(extents);
        }
        Ok(info)
    }
}

/// Reads a key and its value.
fn read_entry(bytes: &[u8]) -> Result<(&str, &str)> {
    let (mut key, mut value) = ("", "");
    each(bytes, |number, wire| {
        match number {
            1 => key = wire.text()?,
            2 => value = wire.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

/// Reads an extent: −1 if it is open.
fn read_extent(bytes: &[u8]) -> Result<i64> {
    let mut extent = -1;
    each(bytes, |number, wire| {
        if number == 1 {
            extent = wire.integer()?.cast_signed();
        }
        Ok(())
    })?;
    Ok(extent)
}
