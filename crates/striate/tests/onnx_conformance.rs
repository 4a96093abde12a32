//! ONNX's conformance cases, from its Python wheel (scripts/fetch-data.sh). Each case whose operations are supported
//! must reproduce the stored outputs, or be listed in `onnx_left_out.txt` under the message that refuses it.
//!
//! Networks have a single input, the data; the other inputs of a case become initializers with the case's values.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use striate::engine::{Cpu, Inference};
use striate::formats::{Imported, ReadOptions, read_onnx_bytes, read_onnx_bytes_with};
use striate::tensor::Shape;
use striate_testkit::missing_data;

/// The release of ONNX; scripts/fetch-data.sh downloads the same one.
const RELEASE: &str = "onnx-1.21.0";
const KINDS: [&str; 4] = ["node", "pytorch-converted", "pytorch-operator", "simple"];
/// The supported operations of the domain `ai.onnx`.
const SUPPORTED: &[&str] = &[
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Flatten",
    "Floor",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LRN",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "PRelu",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "Selu",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "Upsample",
];
/// Largest number of floats in a file.
const LIMIT: usize = 1 << 28;

/// A field of a message: its number, with its bytes or its integer.
struct Field<'a> {
    number: u64,
    bytes: &'a [u8],
    integer: u64,
}

/// Returns the fields of a well-formed message.
fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (mut integer, mut held) = (0, &bytes[..0]);
        let length = match key & 7 {
            0 => {
                integer = varint(&mut bytes);
                0
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            _ => 4,
        };
        (held, bytes) = if length > 0 { bytes.split_at(length) } else { (held, bytes) };
        all.push(Field { number: key >> 3, bytes: held, integer });
    }
    all
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let (mut written, mut length) = (vec![(number << 3 | 2) as u8], bytes.len());
    while length >= 0x80 {
        written.push(length as u8 | 0x80);
        length >>= 7;
    }
    written.push(length as u8);
    [&written, bytes].concat()
}

/// Returns the text of field `number` of a message.
fn text(bytes: &[u8], number: u64) -> String {
    let found = fields(bytes).into_iter().rfind(|field| field.number == number);
    String::from_utf8(found.map_or(vec![], |field| field.bytes.to_vec())).unwrap()
}

/// Returns shape and elements of a tensor, and whether it is f16.
fn floats(tensor: &[u8]) -> Result<(Shape, Vec<f32>, bool), String> {
    let (mut dims, mut kind, mut raw, mut values) = (vec![], 0, None, vec![]);
    for field in fields(tensor) {
        match (field.number, field.bytes) {
            (1, []) => dims.push(field.integer as usize),
            (1, mut packed) => {
                while !packed.is_empty() {
                    dims.push(varint(&mut packed) as usize);
                }
            }
            (2, _) => kind = field.integer,
            (4, bytes) => values.extend(bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word))),
            (9, bytes) => raw = Some(bytes),
            _ => {}
        }
    }
    let raw = raw.unwrap_or_default();
    match kind {
        1 => values.extend(raw.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word))),
        10 => values.extend(raw.as_chunks().0.iter().map(|word| half::f16::from_le_bytes(*word).to_f32())),
        11 => values.extend(raw.as_chunks().0.iter().map(|word| f64::from_le_bytes(*word) as f32)),
        _ => return Err("data are not floats".into()),
    }
    let shape = Shape::new(dims);
    match shape.checked_len().ok() == Some(values.len()) {
        true => Ok((shape, values, kind == 10)),
        false => Err("data are not a tensor".into()),
    }
}

/// A case: its model, and its stored inputs and outputs.
struct Case {
    model: Vec<u8>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

impl Case {
    fn read(folder: &Path) -> Case {
        let stored = |side: &str| {
            let path = |index: usize| folder.join(format!("test_data_set_0/{side}_{index}.pb"));
            (0..).map_while(|index| fs::read(path(index)).ok()).collect()
        };
        let model = fs::read(folder.join("model.onnx")).unwrap();
        Case { model, inputs: stored("input"), outputs: stored("output") }
    }

    fn graph(&self) -> &[u8] {
        fields(&self.model).into_iter().find(|field| field.number == 7).expect("a model has a graph").bytes
    }

    /// Returns the operations of its nodes, prefixed by the domain if it is not ONNX's own.
    fn operations(&self) -> BTreeSet<String> {
        let nodes = fields(self.graph()).into_iter().filter(|field| field.number == 1);
        let named = nodes.map(|node| match text(node.bytes, 7).as_str() {
            "" | "ai.onnx" => text(node.bytes, 4),
            domain => format!("{domain}.{}", text(node.bytes, 4)),
        });
        named.collect()
    }

    /// Returns the model with all inputs but the data as initializers.
    fn with_data(&self) -> Vec<u8> {
        let graph = fields(self.graph());
        let of =
            |number: u64| graph.iter().filter(move |field| field.number == number).map(|field| field.bytes);
        let known: BTreeSet<String> = of(5).map(|tensor| text(tensor, 8)).collect();
        let given = of(11).map(|input| text(input, 1)).filter(|name| !known.contains(name));
        let initializers = given.zip(&self.inputs).skip(1);
        let initializers =
            initializers.map(|(name, tensor)| field(5, &[&tensor[..], &field(8, name.as_bytes())].concat()));
        let graph = [self.graph().to_vec(), initializers.collect::<Vec<_>>().concat()].concat();
        let others = fields(&self.model).into_iter().filter(|field| field.number == 8);
        let opsets: Vec<u8> = others.flat_map(|opset| field(8, opset.bytes)).collect();
        let functions = fields(&self.model).into_iter().filter(|field| field.number == 25);
        let functions: Vec<u8> = functions.flat_map(|function| field(25, function.bytes)).collect();
        [opsets, functions, field(7, &graph)].concat()
    }

    /// Runs the case; fails with the error message, or with a description of how an output differs.
    fn run(&self) -> Result<(), Mismatch> {
        let refused = |message: String| Mismatch::Refused(message);
        let error = |e: striate::Error| Mismatch::Refused(e.to_string());
        let data = self.inputs.first().ok_or_else(|| refused("the case has no data".into()))?;
        if self.outputs.is_empty() {
            return Err(refused("the case has no outputs".into()));
        }
        for (index, expected) in self.outputs.iter().enumerate() {
            let output = fields(self.graph()).into_iter().filter(|field| field.number == 12).nth(index);
            let output = output.map(|output| text(output.bytes, 1));
            let options = ReadOptions { output, ..ReadOptions::default() };
            let Imported { network, weights, .. } =
                read_onnx_bytes_with(&self.with_data(), "case", LIMIT, &options).map_err(error)?;
            let (shape, input, half) = floats(data).map_err(refused)?;
            let expected = floats(expected).map_err(refused)?;
            let inference = Inference::new(network, &weights, Cpu::new(1).map_err(error)?).map_err(error)?;
            let got = inference.run(&shape, &input).map_err(error)?;
            let tolerance = if half { 2e-3 } else { 1e-4 };
            difference(&got, &(expected.0, expected.1), tolerance)
                .map_or(Ok(()), |what| Err(Mismatch::Differs(what)))?;
        }
        Ok(())
    }
}

/// The reason why a case fails.
enum Mismatch {
    Refused(String),
    Differs(String),
}

/// Describes the first element that is neither within `tolerance` of the largest element nor as close as ONNX's own
/// runner requires.
fn difference(got: &(Shape, Vec<f32>), expected: &(Shape, Vec<f32>), tolerance: f32) -> Option<String> {
    if got.0 != expected.0 {
        return Some(format!("shape {} instead of {}", got.0, expected.0));
    }
    let largest = expected.1.iter().filter(|x| x.is_finite()).fold(0f32, |most, x| most.max(x.abs()));
    let differs = |(_, (got, expected)): &(usize, (&f32, &f32))| {
        let within = (**got - **expected).abs() <= (tolerance * largest).max(1e-3 * expected.abs() + 1e-7);
        !(within || got == expected || got.is_nan() && expected.is_nan())
    };
    let (i, (got, expected)) = got.1.iter().zip(&expected.1).enumerate().find(differs)?;
    Some(format!("element {i} is {got} instead of {expected}"))
}

/// Returns the cases left out, with the messages that refuse them.
fn left_out() -> BTreeMap<&'static str, &'static str> {
    let (mut all, mut message) = (BTreeMap::new(), "");
    for line in
        include_str!("onnx_left_out.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        match line.strip_prefix("    ") {
            None => message = line,
            Some(name) => assert!(all.insert(name, message).is_none(), "{name} is listed twice"),
        }
    }
    all
}

fn folder(test: &str) -> Option<PathBuf> {
    let folder = striate::data::data_folder().unwrap().join(RELEASE);
    if !folder.is_dir() {
        missing_data(test, &format!("{} is missing; run scripts/fetch-data.sh", folder.display()));
        return None;
    }
    Some(folder)
}

#[test]
fn every_case_agrees_or_is_listed_with_its_refusal() {
    let Some(folder) = folder("every_case_agrees_or_is_listed_with_its_refusal") else { return };
    let mut listed = left_out();
    let (mut agree, mut others, mut mistakes) = (0, 0, Vec::new());
    for kind in KINDS {
        let mut names: Vec<_> =
            fs::read_dir(folder.join(kind)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names.iter().map(|name| format!("{kind}/{}", name.to_str().unwrap())) {
            let case = Case::read(&folder.join(&name));
            let foreign = case.operations().into_iter().find(|op| !SUPPORTED.contains(&op.as_str()));
            match (case.run(), listed.remove(name.as_str()), foreign) {
                (Ok(()), None, None) => agree += 1,
                // The parts of a layer normalization compute shapes with Size, which not every output needs.
                (Ok(()), None, Some(foreign)) if foreign == "Size" => agree += 1,
                (Err(Mismatch::Differs(what)), ..) => mistakes.push(format!("{name} differs: {what}")),
                (Err(Mismatch::Refused(error)), Some(message), None) if error.contains(message) => {}
                (Err(Mismatch::Refused(_)), None, Some(_)) => others += 1,
                (Ok(()), _, Some(foreign)) => {
                    mistakes.push(format!("{name} agrees, so {foreign} is supported"))
                }
                (Ok(()), Some(message), _) => {
                    mistakes.push(format!("{name} agrees, but is listed under: {message}"))
                }
                (Err(Mismatch::Refused(error)), message, None) => {
                    mistakes.push(format!("{name} is listed under {message:?}, but failed with: {error}"))
                }
                (_, Some(_), Some(foreign)) => {
                    mistakes.push(format!("{name} uses {foreign} and needs no entry"))
                }
            }
        }
    }
    mistakes.extend(listed.keys().map(|name| format!("{name} is listed but does not exist")));
    assert!(mistakes.is_empty(), "{} mistakes:\n{}", mistakes.len(), mistakes.join("\n"));
    assert!(agree >= 390, "{agree} agree, {others} use unsupported operations");
}

/// The graphs of classic networks with constant weights, and their stored outputs.
#[test]
fn light_models_reproduce_their_stored_outputs() {
    let Some(folder) = folder("light_models_reproduce_their_stored_outputs") else { return };
    let mut models = 0;
    for entry in fs::read_dir(folder.join("light")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let stored = fs::read(path.with_file_name(format!("{name}_output_0.pb"))).unwrap();
        let (shape, expected, _) = floats(&stored).unwrap();
        let Imported { network, weights, .. } =
            read_onnx_bytes(&fs::read(&path).unwrap(), &name, LIMIT).unwrap();
        let input = network.input_shape(1);
        // The stored outputs belong to this input: onnx/backend/test/runner.
        let image: Vec<f32> = (0..input.numel()).map(|i| i as f32 / input.numel() as f32).collect();
        let inference = Inference::new(network, &weights, Cpu::new(0).unwrap()).unwrap();
        let differs = difference(&inference.run(&input, &image).unwrap(), &(shape, expected), 1e-4);
        assert!(differs.is_none(), "{name}: {differs:?}");
        models += 1;
    }
    assert_eq!(models, 9);
}
