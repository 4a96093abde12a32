//! ONNX files, written field by field.

use striate_testkit::protobuf::Message;

pub fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Message]) -> Message {
    let node = inputs.iter().fold(Message::new(), |node, input| node.text(1, input));
    let node = node.text(2, output).text(4, op);
    attributes.iter().fold(node, |node, attribute| node.message(5, attribute))
}

pub fn int(name: &str, value: i64) -> Message {
    Message::new().text(1, name).integer(3, value.cast_unsigned()).integer(20, 2)
}

pub fn float(name: &str, value: f32) -> Message {
    Message::new().text(1, name).float(2, value).integer(20, 1)
}

/// A tensor of ONNX's type `kind`.
pub fn tensor(name: &str, dims: &[i64], kind: u64, raw: &[u8]) -> Message {
    let tensor = dims.iter().fold(Message::new(), |all, extent| all.integer(1, extent.cast_unsigned()));
    tensor.integer(2, kind).text(8, name).bytes(9, raw)
}

pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Message {
    tensor(name, dims, 1, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
}

pub fn ints(name: &str, values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, &[values.len() as i64], 7, &raw)
}

/// A tensor of floats whose bytes lie where `entries` say.
pub fn external(name: &str, dims: &[i64], entries: &[(&str, &str)]) -> Message {
    let tensor = dims.iter().fold(Message::new(), |all, extent| all.integer(1, extent.cast_unsigned()));
    let tensor = tensor.integer(2, 1).text(8, name).integer(14, 1);
    entries
        .iter()
        .fold(tensor, |all, (key, value)| all.message(13, &Message::new().text(1, key).text(2, value)))
}

/// A model whose input is x `[N, 3, 8, 8]` and whose output is y.
pub fn model(nodes: &[Message], tensors: &[Message]) -> Vec<u8> {
    let extents: Vec<Message> = [3, 8, 8].map(|extent| Message::new().integer(1, extent)).into();
    let batch = Message::new().message(1, &Message::new().text(2, "N"));
    let shape = extents.iter().fold(batch, |shape, extent| shape.message(1, extent));
    let kind = Message::new().message(1, &Message::new().integer(1, 1).message(2, &shape));
    let graph = nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node));
    let graph = tensors.iter().fold(graph, |graph, tensor| graph.message(5, tensor));
    let graph = graph.message(11, &Message::new().text(1, "x").message(2, &kind));
    let graph = graph.message(12, &Message::new().text(1, "y"));
    let opset = Message::new().integer(2, 17);
    Message::new().integer(1, 8).message(8, &opset).message(7, &graph).bytes
}

/// An attribute of integers.
pub fn ints_attribute(name: &str, values: &[i64]) -> Message {
    let attribute =
        values.iter().fold(Message::new().text(1, name), |all, x| all.integer(8, x.cast_unsigned()));
    attribute.integer(20, 7)
}
