//! A network's text form, in TOML:
//!
//! ```toml
//! name = "lenet5"
//! input = [1, 32, 32]
//! init = { xavier = { gain = 1.6666666 } }
//!
//! layers = [
//!     { name = "conv1", op = "conv", out_channels = 6, kernel_size = 5 },
//!     { name = "tanh1", op = "tanh" },
//!     { name = "pool1", op = "average_pool", kernel_size = 2, stride = 2 },
//! ]
//! ```
//!
//! `input` lists the extents of one input, without the batch; images are `[channels, height, width]`.
//! A layer reads the one before it unless it has `inputs = ["a", "b"]`; `name` is optional.
//! `loss = { name = "hinge", margin = 1.0 }` is the loss that the network is trained with unless a recipe
//! names another. With `shares = "a"` a layer uses the variables of layer `a`, which must come before it.
//! Auxiliary heads follow the layers:
//!
//! ```toml
//! heads = [{ layer = "aux1", weight = 0.3 }]
//! ```

use serde::{Deserialize, Serialize};
use striate_tensor::text::{grouped, reword};
use striate_tensor::{Error, Result, Shape, nearest};

use crate::network::{AuxiliaryHead, INPUT, Layer, MOST_LAYERS, Names, Network};
use crate::{Init, Loss, Op, check_toml};

/// The largest text accepted, in bytes.
const LARGEST_TEXT: usize = 4 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    input: Vec<usize>,
    #[serde(default)]
    init: Init,
    loss: Option<Loss>,
    layers: Vec<toml::Table>,
    #[serde(default)]
    heads: Vec<AuxiliaryHead>,
}

impl Network {
    /// Parses the network that `text` describes.
    ///
    /// # Errors
    /// If the text is not valid TOML, or a layer has an unknown operation or attribute; the message names
    /// the layer.
    pub fn from_text(text: &str) -> Result<Network> {
        if text.len() > LARGEST_TEXT {
            return Err(Error::input(format!(
                "the network has {} bytes of text; the limit is {LARGEST_TEXT}",
                text.len()
            )));
        }
        check_toml(text)?;
        let parsed: Text = toml::from_str(text).map_err(|e| unreadable(text, &e))?;
        let mut network = Network {
            name: parsed.name,
            input: Shape::new(parsed.input),
            init: parsed.init,
            layers: Vec::new(),
            loss: parsed.loss,
            heads: parsed.heads,
        };
        if parsed.layers.len() > MOST_LAYERS {
            let count = parsed.layers.len();
            return Err(Error::input(format!(
                "{} layers; the limit is {}",
                grouped(count as u64),
                grouped(MOST_LAYERS as u64)
            )));
        }
        let mut names = Names::default();
        for (index, table) in parsed.layers.into_iter().enumerate() {
            let before = network.layers.last().map_or(INPUT, |layer| &layer.name);
            let layer = read_layer(&mut names, before, table);
            let layer = layer.map_err(|e| e.at(format!("layer {}", index + 1)))?;
            names.take(&layer.name);
            network.layers.push(layer);
        }
        network.graph_with_heads(&network.input_shape(1))?;
        Ok(network)
    }

    /// Writes the network as text, which [`Network::from_text`] reads back.
    pub fn to_text(&self) -> String {
        let mut text = format!("name = {}\ninput = {}\n", quoted(&self.name), self.input);
        if self.init != Init::default() {
            text += &format!("init = {}\n", inline(&self.init));
        }
        if let Some(loss) = &self.loss {
            text += &format!("loss = {}\n", inline(loss));
        }
        text += "\nlayers = [\n";
        let mut before = INPUT;
        for layer in &self.layers {
            text += &format!("    {{ name = {}, {}", quoted(&layer.name), attributes(&layer.op));
            if layer.inputs != [before] {
                let names: Vec<String> = layer.inputs.iter().map(|name| quoted(name)).collect();
                text += &format!(", inputs = [{}]", names.join(", "));
            }
            if let Some(owner) = &layer.shares {
                text += &format!(", shares = {}", quoted(owner));
            }
            text += " },\n";
            before = &layer.name;
        }
        text += "]\n";
        if !self.heads.is_empty() {
            let heads: Vec<String> = self.heads.iter().map(inline).collect();
            text += &format!("\nheads = [{}]\n", heads.join(", "));
        }
        text
    }
}

/// Parses the layer in `table`, which reads the layer `before` unless it has `inputs`.
fn read_layer(names: &mut Names, before: &str, mut table: toml::Table) -> Result<Layer> {
    let op_name = match table.get("op") {
        Some(toml::Value::String(name)) => name.clone(),
        _ => return Err(Error::input("has no op; write op = \"conv\" or another operation")),
    };
    if !Op::LAYERS.contains(&op_name.as_str()) {
        let hint = match nearest(&op_name, Op::LAYERS.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("choose from {}", Op::LAYERS.join(", ")),
        };
        return Err(Error::input(format!("unknown op {op_name}; {hint}")));
    }
    let name = match table.remove("name") {
        None => names.free(&op_name),
        Some(toml::Value::String(name)) => name,
        Some(_) => return Err(Error::input("its name is not a string")),
    };
    let inputs = match table.remove("inputs") {
        None => vec![before.to_owned()],
        Some(list) => {
            list.try_into().map_err(|_| Error::input(format!("{name}: inputs is not a list of names")))?
        }
    };
    let shares = match table.remove("shares") {
        None => None,
        Some(toml::Value::String(owner)) => Some(owner),
        Some(_) => return Err(Error::input(format!("{name}: shares must be the name of a layer"))),
    };
    let op = Op::deserialize(toml::Value::Table(table.clone())).map_err(|e| {
        let what = reword(e.message(), culprit(&table, e.message()));
        Error::input(format!("{name} ({op_name}): {what}"))
    })?;
    Ok(Layer { name, op, inputs, shares })
}

/// Largest number of fields examined; no operation has more.
const MOST_FIELDS: usize = 32;

/// Returns the field of an operation that is to blame for the error `message`: the one without which it does not occur.
fn culprit<'a>(table: &'a toml::Table, message: &str) -> &'a str {
    let is_to_blame = |name: &&String| {
        let mut others = table.clone();
        others.remove(*name);
        let error = Op::deserialize(toml::Value::Table(others)).err();
        *name != "op" && error.is_none_or(|error| error.message() != message)
    };
    table.keys().take(MOST_FIELDS).find(is_to_blame).map_or("a value", String::as_str)
}

/// Formats an operation as `op = "conv", out_channels = 6, …` on one line.
fn attributes(op: &Op) -> String {
    let table = toml::Table::try_from(op).expect("every layer has a text form");
    let mut words = vec![format!("op = {}", quoted(op.name()))];
    words.extend(table.iter().filter(|(key, _)| *key != "op").map(|(key, value)| format!("{key} = {value}")));
    words.join(", ")
}

fn inline(value: &impl Serialize) -> String {
    toml::Value::try_from(value).expect("has a text form").to_string()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Formats a parse error on one line, starting with its position.
fn unreadable(text: &str, error: &toml::de::Error) -> Error {
    let message = error.message().replace('\n', " ");
    match error.span() {
        Some(span) => {
            let before = &text[..span.start.min(text.len())];
            let line = before.matches('\n').count() + 1;
            let start = before.rsplit('\n').next().unwrap_or_default();
            // The value may be in an inline table: `a = { b = "x" }`.
            let name = start.rsplit_once('=').and_then(|(before, _)| {
                before.trim_end().rsplit([' ', '{', ',', '[']).next().filter(|name| !name.is_empty())
            });
            let name = name.unwrap_or("a value");
            Error::input(format!("line {line}: {}", reword(&message, name)))
        }
        None => Error::input(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back() {
        let text = r#"
            name = "small"
            input = [3, 8, 8]
            init = { xavier = { gain = 1.5 } }
            layers = [
                { name = "a", op = "conv", out_channels = 4, kernel_size = [3, 1], padding = [1, 0] },
                { op = "relu" },
                { name = "b", op = "add", inputs = ["a", "relu1"] },
                { op = "flatten" },
                { op = "linear", out_features = 2, bias = false },
            ]"#;
        let network = Network::from_text(text).unwrap();
        assert_eq!(network.layers[4].name, "linear1");
        assert_eq!(Network::from_text(&network.to_text()).unwrap(), network);
    }

    #[test]
    fn auxiliary_heads_are_read_back_and_excluded_from_inference() {
        let text = |heads: &str| {
            format!(
                r#"
                name = "two heads"
                input = [1, 4, 4]
                layers = [
                    {{ name = "flat", op = "flatten" }},
                    {{ name = "aux", op = "linear", out_features = 3, inputs = ["flat"] }},
                    {{ name = "wide", op = "linear", out_features = 5, inputs = ["flat"] }},
                    {{ name = "fc", op = "linear", out_features = 3 }},
                ]
                heads = [{heads}]"#
            )
        };
        let mut network = Network::from_text(&text(r#"{ layer = "aux", weight = 0.3 }"#)).unwrap();
        assert_eq!(Network::from_text(&network.to_text()).unwrap(), network);
        let names = |list: Vec<(String, Shape)>| list.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(network.auxiliary_variables().unwrap()), ["aux.weight", "aux.bias"]);
        assert!(!names(network.variables().unwrap()).contains(&"aux.weight".to_owned()));
        network.set_classes(7).unwrap();
        let graph = network.graph_with_heads(&Shape::from([2, 1, 4, 4])).unwrap();
        assert_eq!(graph.shape(graph.heads[0].0), &Shape::from([2, 7]));
        for (heads, expected) in [
            (r#"{ layer = "aux1", weight = 0.3 }"#, "aux1: no layer named aux1"),
            (r#"{ layer = "wide", weight = 0.3 }"#, "[1, 5] differs from [1, 3]"),
            (r#"{ layer = "aux", weight = -1.0 }"#, "weight -1"),
        ] {
            let error = Network::from_text(&text(heads)).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn inputs_of_any_rank_are_read_back() {
        for (input, rows) in [("[]", 1), ("[7]", 7), ("[5, 3]", 15), ("[2, 3, 2, 2]", 24)] {
            let text = format!("name = \"n\"\ninput = {input}\nlayers = [{{ op = \"flatten\" }}]");
            let network = Network::from_text(&text).unwrap();
            assert_eq!(network.graph(4).unwrap().values[1].shape, Shape::from([4, rows]));
            assert_eq!(Network::from_text(&network.to_text()).unwrap(), network);
            assert!(network.image().unwrap_err().to_string().contains("takes inputs [N"));
        }
    }

    #[test]
    fn errors_name_the_position_of_the_mistake() {
        let layer = |layer: &str| format!("name = \"n\"\ninput = [1, 8, 8]\nlayers = [{layer}]");
        for (text, expected) in [
            (layer(r#"{ op = "cnov" }"#), "layer 1: unknown op cnov; did you mean conv?"),
            (layer(r#"{ op = "conv", kernel_size = 3 }"#), "out_channels"),
            (layer(r#"{ op = "relu", slope = 3 }"#), "slope"),
            (
                layer(r#"{ op = "conv", out_channels = -4, kernel_size = 3 }"#),
                "layer 1: conv1 (conv): out_channels must not be negative, but is -4",
            ),
            (
                layer(r#"{ op = "conv", out_channels = "four", kernel_size = 3 }"#),
                "out_channels must be a whole number, but is \"four\"",
            ),
            (
                layer(r#"{ op = "conv", out_channels = 1.5, kernel_size = 3 }"#),
                "out_channels must be a whole number, but is 1.5",
            ),
            (
                layer(r#"{ op = "linear", out_features = 3, bias = 1 }"#),
                "bias must be true or false, but is 1",
            ),
            (
                layer(r#"{ op = "conv", out_channels = 4, kernel_size = [3, -1] }"#),
                "kernel_size must be a whole number, [height, width] or [depth, height, width]",
            ),
            (
                layer(r#"{ op = "conv", out_channels = 4, kernel_size = 3, padding = -1 }"#),
                "padding must be a whole number, or two, three, four or six of them",
            ),
            (
                layer(r#"{ op = "conv", out_channels = 4, kernel_size = 3, stride = [1] }"#),
                "stride has 1 number; expected one, [height, width] or [depth, height, width]",
            ),
            (
                layer(r#"{ op = "relu" }"#).replacen("[1, ", "[-1, ", 1),
                "line 2: input must not be negative, but is -1",
            ),
            (
                layer(r#"{ op = "relu" }"#).replacen("\"n\"", "3", 1),
                "line 1: name must be a string, but is 3",
            ),
            (layer(r#"{ op = "conv", out_channels = 1, kernel_size = 9 }"#), "[1, 1, 8, 8]"),
            (layer(r#"{ op = "add", inputs = ["input", "inptu"] }"#), "did you mean input?"),
            (
                layer(r#"{ op = "relu" }"#).replacen(
                    "layers",
                    "heads = [{ layer = 'a', weight = 'x' }]\nlayers",
                    1,
                ),
                "weight must be a number, but is \"x\"",
            ),
            ("name = ".to_owned(), "line 1"),
            (
                layer(r#"{ op = "relu", name = "a\u2066b" }"#),
                "a layer's name: has the character U+2066, which cannot be shown",
            ),
            (
                layer(r#"{ op = "relu" }"#).replacen("\"n\"", r#""a\u202Eb""#, 1),
                "the network's name: has the",
            ),
        ] {
            let error = Network::from_text(&text).unwrap_err();
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
