//! ONNX files that are made here: one that is right, and many that are not, each refused with its own words.

use std::fs;

use striate_formats::{onnx_bytes, read_onnx, read_onnx_bytes};
use striate_graph::{Builder, Network, Padding, concat};

/// A message: fields with their numbers.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn int(mut self, field: u32, value: i64) -> Message {
        self.varint(u64::from(field) << 3);
        self.varint(value.cast_unsigned());
        self
    }

    fn bytes(mut self, field: u32, bytes: impl AsRef<[u8]>) -> Message {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.as_ref().len() as u64);
        self.0.extend(bytes.as_ref());
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

fn message() -> Message {
    Message::default()
}

fn value(name: &str, extents: &[i64]) -> Vec<u8> {
    let shape = extents.iter().fold(message(), |shape, extent| shape.bytes(1, message().int(1, *extent).0));
    message().bytes(1, name).bytes(2, message().bytes(1, message().int(1, 1).bytes(2, shape.0).0).0).0
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let node = inputs.iter().fold(message(), |node, input| node.bytes(1, input));
    let node = node.bytes(2, output).bytes(3, format!("the {op}")).bytes(4, op);
    attributes.iter().fold(node, |node, attribute| node.bytes(5, attribute)).0
}

fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    values.iter().fold(message().bytes(1, name), |all, value| all.int(8, *value)).int(20, 7).0
}

fn int(name: &str, value: i64) -> Vec<u8> {
    message().bytes(1, name).int(3, value).int(20, 2).0
}

fn text(name: &str, value: &str) -> Vec<u8> {
    message().bytes(1, name).bytes(4, value).int(20, 3).0
}

/// A tensor of floats with so many bytes.
fn tensor(name: &str, dims: &[i64], bytes: usize) -> Vec<u8> {
    let tensor = dims.iter().fold(message(), |tensor, extent| tensor.int(1, *extent));
    tensor.int(2, 1).bytes(8, name).bytes(9, vec![0; bytes]).0
}

fn integers(name: &str, values: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    message().int(1, values.len() as i64).int(2, 7).bytes(8, name).bytes(9, raw).0
}

fn external(entries: &[(&str, &str)]) -> Vec<u8> {
    let tensor = message().int(1, 2).int(1, 2).int(2, 1).bytes(8, "w").int(14, 1);
    entries
        .iter()
        .fold(tensor, |tensor, (key, value)| tensor.bytes(13, message().bytes(1, key).bytes(2, value).0))
        .0
}

fn model_of(opset: i64, graph: Message) -> Vec<u8> {
    message().int(1, 8).bytes(8, message().bytes(1, "").int(2, opset).0).bytes(7, graph.0).0
}

/// A model whose input is x `[1, extents…]` and whose output is y.
fn model(extents: &[i64], nodes: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    let graph = nodes.iter().fold(message(), |graph, node| graph.bytes(1, node));
    let graph = tensors.iter().fold(graph, |graph, tensor| graph.bytes(5, tensor));
    let input = [&[1], extents].concat();
    model_of(17, graph.bytes(11, value("x", &input)).bytes(12, value("y", &[1])))
}

fn conv(weight: &[i64], attributes: &[Vec<u8>]) -> Vec<u8> {
    let bytes = weight.iter().product::<i64>() as usize * 4;
    model(&[3, 8, 8], &[node("Conv", &["x", "w"], "y", attributes)], &[tensor("w", weight, bytes)])
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let relu = node("Relu", &["x"], "y", &[]);
    let one = |op: &str, attributes: &[Vec<u8>]| model(&[3, 8, 8], &[node(op, &["x"], "y", attributes)], &[]);
    let with = |op: &str, tensor: Vec<u8>| model(&[3, 8, 8], &[node(op, &["x", "w"], "y", &[])], &[tensor]);
    let good = conv(&[2, 3, 3, 3], &[]);
    let plain = |opset| {
        model_of(opset, message().bytes(1, &relu).bytes(11, value("x", &[1, 2])).bytes(12, value("y", &[1])))
    };
    let subgraph = (0..5000).fold(vec![], |inner, _| message().bytes(6, inner).0);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "opset"),
        ("words", b"this is no model at all".to_vec(), "damaged"),
        ("cut off", good[..good.len() - 1].to_vec(), "are left"),
        ("endless integer", vec![0xff; 40], "more than 64 bits"),
        ("no opset", message().bytes(7, vec![]).0, "names no version"),
        ("opset 99", plain(99), "opset 99"),
        ("opset 3", plain(3), "opset 3"),
        ("negative opset", plain(-1), "opset -1"),
        ("no graph", message().bytes(8, message().int(2, 17).0).0, "no graph"),
        ("two graphs", message().bytes(7, vec![]).bytes(7, vec![]).0, "two graphs"),
        ("no output", model_of(17, message().bytes(1, &relu).bytes(11, value("x", &[1, 2]))), "no output"),
        ("no input", model_of(17, message().bytes(1, &relu).bytes(12, value("y", &[1]))), "needs 0 inputs"),
        ("unmade output", model(&[2], &[node("Relu", &["x"], "z", &[])], &[]), "needs 0 inputs"),
        (
            "two inputs",
            {
                let graph = message().bytes(1, node("Add", &["x", "z"], "y", &[]));
                model_of(
                    17,
                    graph
                        .bytes(11, value("x", &[1, 2]))
                        .bytes(11, value("z", &[1, 2]))
                        .bytes(12, value("y", &[1])),
                )
            },
            "needs 2 inputs (x, z)",
        ),
        ("negative extent", model(&[-5, 8], std::slice::from_ref(&relu), &[]), "open or impossible"),
        ("giant extent", model(&[i64::MAX, 8], std::slice::from_ref(&relu), &[]), "open or impossible"),
        ("giant product", model(&[1 << 24; 5], std::slice::from_ref(&relu), &[]), "memory"),
        ("unknown op", one("Zebra", &[]), "node the Zebra (Zebra): this operation is not known"),
        (
            "cycle",
            model(
                &[2],
                &[
                    node("Add", &["x", "b"], "a", &[]),
                    node("Relu", &["a"], "b", &[]),
                    node("Relu", &["b"], "y", &[]),
                ],
                &[],
            ),
            "a cycle",
        ),
        ("missing operand", model(&[2], &[node("Add", &["x"], "y", &[])], &[]), "operand 2 is missing"),
        ("unknown operand", model(&[2], &[node("Add", &["x", "nobody"], "y", &[])], &[]), "reads nobody"),
        ("made twice", model(&[2], &[relu.clone(), relu.clone()], &[]), "y is made twice"),
        (
            "equal initializers",
            model(&[2], &[node("Add", &["x", "w"], "y", &[])], &[tensor("w", &[2], 8), tensor("w", &[2], 8)]),
            "two initializers",
        ),
        ("few bytes", with("Add", tensor("w", &[8], 12)), "tensor w: 12 bytes for shape [8]"),
        ("negative dims", with("Add", tensor("w", &[-8], 0)), "extent -8"),
        ("giant dims", with("Add", tensor("w", &[1 << 31, 1 << 31, 1 << 31], 0)), "memory"),
        ("many axes", with("Add", tensor("w", &[1; 9], 4)), "9 axes"),
        ("type of texts", with("Add", message().int(1, 1).int(2, 8).bytes(8, "w").0), "texts"),
        ("type 77", with("Add", message().int(1, 1).int(2, 77).bytes(8, "w").0), "type 77"),
        ("integers for floats", with("Add", integers("w", &[1])), "of integers"),
        ("group 0", conv(&[2, 3, 3, 3], &[int("group", 0)]), "attribute group"),
        ("group 7", conv(&[2, 3, 3, 3], &[int("group", 7)]), "7 groups"),
        ("kernel of another size", conv(&[2, 3, 3, 3], &[ints("kernel_shape", &[5, 5])]), "kernel_shape"),
        ("stride 0", conv(&[2, 3, 3, 3], &[ints("strides", &[0, 1])]), "attribute strides"),
        ("giant pads", conv(&[2, 3, 3, 3], &[ints("pads", &[i64::MAX; 4])]), "attribute pads"),
        ("few pads", conv(&[2, 3, 3, 3], &[ints("pads", &[1])]), "attribute pads"),
        ("unknown auto_pad", conv(&[2, 3, 3, 3], &[text("auto_pad", "SIDEWAYS")]), "SIDEWAYS"),
        (
            "attribute of another type",
            conv(&[2, 3, 3, 3], &[text("group", "1")]),
            "attribute group is no integer",
        ),
        ("other channels", conv(&[2, 4, 3, 3], &[]), "[2, 3, 3, 3] is needed"),
        ("kernel too large", conv(&[2, 3, 9, 9], &[]), "does not fit the input [N, 3, 8, 8]"),
        ("axis 9", one("Softmax", &[int("axis", 9)]), "axis 9"),
        ("perm twice", one("Transpose", &[ints("perm", &[0, 1, 1, 2])]), "perm"),
        ("no kernel_shape", one("MaxPool", &[]), "kernel_shape is missing"),
        (
            "a graph for an attribute",
            one("Softmax", &[message().bytes(1, "axis").bytes(6, subgraph).int(20, 5).0]),
            "no integer",
        ),
        ("impossible shape", with("Reshape", integers("w", &[0, 5, -1])), "have no shape"),
        ("two open extents", with("Reshape", integers("w", &[-1, -1])), "have no shape"),
        (
            "arithmetic that overflows",
            model(
                &[3, 8, 8],
                &[node("Mul", &["w", "w"], "s", &[]), node("Reshape", &["x", "s"], "y", &[])],
                &[integers("w", &[i64::MAX])],
            ),
            "overflows",
        ),
        (
            "division by zero",
            model(
                &[3, 8, 8],
                &[node("Div", &["v", "w"], "s", &[]), node("Reshape", &["x", "s"], "y", &[])],
                &[integers("v", &[1]), integers("w", &[0])],
            ),
            "divides by zero",
        ),
        (
            "filled without end",
            model(
                &[2],
                &[node("ConstantOfShape", &["w"], "s", &[]), node("Add", &["x", "s"], "y", &[])],
                &[integers("w", &[1 << 30, 2])],
            ),
            "more numbers than are read",
        ),
        ("no folder", with("Add", external(&[("location", "w.bin")])), "no folder"),
        (
            "functions",
            message().bytes(8, message().int(2, 17).0).bytes(25, "f").bytes(7, vec![]).0,
            "functions",
        ),
    ];
    assert!(cases.len() >= 50);
    for (name, bytes, expected) in cases {
        let error = read_onnx_bytes(&bytes, name, 1 << 20).map(|_| ()).expect_err(name);
        assert!(error.is_input() && error.to_string().contains(expected), "{name}: {error}");
        assert!(!error.to_string().contains('\n'), "{name}: {error}");
    }
    assert!(read_onnx_bytes(&good, "good", 1 << 20).is_ok());
    // No cut and no flipped bit of a good file makes more than an error.
    for end in 0..good.len() {
        let _ = read_onnx_bytes(&good[..end], "cut", 1 << 20);
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[end] ^= 1 << bit;
            let _ = read_onnx_bytes(&flipped, "flipped", 1 << 20);
        }
    }
}

#[test]
fn weights_beside_the_file_stay_in_its_folder() {
    let root = std::env::temp_dir().join(format!("striate-onnx-{}", std::process::id()));
    let folder = root.join("model");
    fs::create_dir_all(&folder).unwrap();
    fs::write(root.join("secret.bin"), [0; 64]).unwrap();
    fs::write(folder.join("w.bin"), [0; 20]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.join("secret.bin"), folder.join("link.bin")).unwrap();
    let absolute = root.join("secret.bin").to_str().unwrap().to_owned();
    let refusals: &[(&[(&str, &str)], &str)] = &[
        (&[("location", "../secret.bin")], "leads out of the model's folder"),
        (&[("location", "a/../../secret.bin")], "leads out of the model's folder"),
        (&[("location", &absolute)], "leads out of the model's folder"),
        #[cfg(unix)]
        (&[("location", "link.bin")], "leads out of the model's folder"),
        (&[("location", "nothere.bin")], "nothere.bin"),
        (&[("location", ".")], "is no file"),
        (&[("location", "")], "leads out"),
        (&[("offset", "0")], "no location"),
        (&[("location", "w.bin"), ("offset", "-1")], "offset -1 is no number"),
        (&[("location", "w.bin"), ("offset", "8")], "past the end"),
        (&[("location", "w.bin"), ("offset", "18446744073709551615")], "past the end"),
        (&[("location", "w.bin"), ("length", "99")], "99 bytes for 16"),
    ];
    let path = folder.join("model.onnx");
    let file = |entries: &[(&str, &str)]| {
        model(&[2], &[node("MatMul", &["x", "w"], "y", &[])], &[external(entries)])
    };
    for (entries, expected) in refusals {
        fs::write(&path, file(entries)).unwrap();
        let error = read_onnx(&path).map(|_| ()).expect_err(expected);
        assert!(error.is_input() && error.to_string().contains(expected), "{entries:?}: {error}");
    }
    fs::write(&path, file(&[("location", "w.bin"), ("offset", "4"), ("length", "16")])).unwrap();
    assert_eq!(read_onnx(&path).unwrap().network.classes().unwrap(), 2);
    fs::remove_dir_all(root).unwrap();
}

/// What is exported comes back as a network of the same layers, shapes and weights.
#[test]
fn what_is_exported_is_read_back() {
    let net = Builder::new("small", [3, 9, 8]);
    let x = net.input().conv(4, 3).pad(1).named("first").batch_norm().relu();
    let y = x.conv(4, 1).relu6();
    read_back(&(x + y).max_pool(3, 2).ceil().flatten().dropout(0.3).linear(5).softmax().finish().unwrap());

    let net = Builder::new("volumes", [2, 5, 6, 7]);
    let x = net.input().conv(4, 3).pad(1).groups(2).batch_norm().relu();
    let uneven = Padding { front: 1, bottom: 2, right: 1, ..Padding::default() };
    let y = x.conv(4, (1, 3, 2)).stride((1, 2, 1)).dilation((1, 1, 2)).pad(uneven).max_pool(2, 1).dilation(2);
    let y = y.average_pool((2, 1, 3), (1, 2, 3)).pad((1, 0, 1)).exclude_padding().ceil();
    read_back(
        &concat([y.global_average_pool(), x.global_average_pool()]).flatten().linear(3).finish().unwrap(),
    );
}

fn read_back(network: &Network) {
    let weights = network
        .variables()
        .unwrap()
        .into_iter()
        .map(|(name, shape)| {
            let values = (0..shape.numel()).map(|i| i as f32 + 1.0).collect();
            (name, (shape, values))
        })
        .collect();
    let again = read_onnx_bytes(&onnx_bytes(network, &weights).unwrap(), "small", 1 << 20).unwrap();
    let ops = |network: &Network| network.layers.iter().map(|layer| layer.op.clone()).collect::<Vec<_>>();
    assert_eq!(ops(&again.network), ops(network));
    assert_eq!(again.weights.values().collect::<Vec<_>>(), weights.values().collect::<Vec<_>>());
}
