//! ONNX messages, valid or not: nodes with attributes, tensors, models. Field numbers are those of `onnx.proto`.

use crate::protobuf::Message;

/// A node with one output, named "the OP".
pub fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Message]) -> Message {
    node_called(&format!("the {op}"), op, inputs, output, attributes)
}

/// A node with the given name.
pub fn node_called(name: &str, op: &str, inputs: &[&str], output: &str, attributes: &[Message]) -> Message {
    let node = inputs.iter().fold(Message::new(), |node, input| node.text(1, input));
    let node = node.text(2, output).text(3, name).text(4, op);
    attributes.iter().fold(node, |node, attribute| node.message(5, attribute))
}

/// An integer attribute.
pub fn int(name: &str, value: i64) -> Message {
    Message::new().text(1, name).integer(3, value.cast_unsigned()).integer(20, 2)
}

/// An attribute with a list of integers.
pub fn ints(name: &str, values: &[i64]) -> Message {
    let start = Message::new().text(1, name);
    values.iter().fold(start, |all, value| all.integer(8, value.cast_unsigned())).integer(20, 7)
}

/// A float attribute.
pub fn float(name: &str, value: f32) -> Message {
    Message::new().text(1, name).float(2, value).integer(20, 1)
}

/// A string attribute.
pub fn text(name: &str, value: &str) -> Message {
    Message::new().text(1, name).text(4, value).integer(20, 3)
}

/// A tensor attribute.
pub fn tensor(name: &str, tensor: &Message) -> Message {
    Message::new().text(1, name).message(5, tensor).integer(20, 4)
}

/// A tensor of ONNX element type `kind`, with raw bytes.
pub fn raw(name: &str, kind: u64, dims: &[i64], bytes: &[u8]) -> Message {
    shaped(name, kind, dims).bytes(9, bytes)
}

/// A tensor of floats.
pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    raw(name, 1, dims, &bytes)
}

/// A tensor of 64-bit integers.
pub fn integers(name: &str, dims: &[i64], values: &[i64]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    raw(name, 7, dims, &bytes)
}

/// A tensor of floats stored outside the file, with the entries that locate them.
pub fn external(name: &str, dims: &[i64], entries: &[(&str, &str)]) -> Message {
    let tensor = shaped(name, 1, dims).integer(14, 1);
    entries.iter().fold(tensor, |tensor, (key, value)| tensor.message(13, &entry(key, value)))
}

fn shaped(name: &str, kind: u64, dims: &[i64]) -> Message {
    let tensor = dims.iter().fold(Message::new(), |all, extent| all.integer(1, extent.cast_unsigned()));
    tensor.integer(2, kind).text(8, name)
}

/// A key-value entry.
pub fn entry(key: &str, value: &str) -> Message {
    Message::new().text(1, key).text(2, value)
}

/// A float input or output of a graph; an extent of −1 is symbolic.
pub fn value(name: &str, extents: &[i64]) -> Message {
    value_of(1, name, extents)
}

/// An input or output of a graph of ONNX element type `kind`.
pub fn value_of(kind: u64, name: &str, extents: &[i64]) -> Message {
    let extent = |extent: i64| match extent {
        -1 => Message::new().text(2, "N"),
        other => Message::new().integer(1, other.cast_unsigned()),
    };
    let shape = extents.iter().fold(Message::new(), |shape, one| shape.message(1, &extent(*one)));
    let kind = Message::new().message(1, &Message::new().integer(1, kind).message(2, &shape));
    Message::new().text(1, name).message(2, &kind)
}

/// An operator set: a domain and its version.
pub fn opset(domain: &str, version: i64) -> Message {
    Message::new().text(1, domain).integer(2, version.cast_unsigned())
}

/// A model with `graph` and the given version of the standard operator set.
pub fn model_of(version: i64, graph: &Message) -> Message {
    Message::new().integer(1, 8).message(8, &opset("", version)).message(7, graph)
}

/// A model for opset 17 with input x `[1, extents…]` and output y.
pub fn model(extents: &[i64], nodes: &[Message], tensors: &[Message]) -> Message {
    model_on(&[&[1], extents].concat(), nodes, tensors)
}

/// A model for opset 17 with input x of these extents, including the batch, and output y.
pub fn model_on(extents: &[i64], nodes: &[Message], tensors: &[Message]) -> Message {
    let graph = nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node));
    let graph = tensors.iter().fold(graph, |graph, tensor| graph.message(5, tensor));
    model_of(17, &graph.message(11, &value("x", extents)).message(12, &value("y", &[1])))
}
