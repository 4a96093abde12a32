//! Pickles in zipped `.pth` files: calls, objects, bombs, tensors outside their storages.

use super::zip::Zip;
use super::{Case, bad, good};

/// Pickle instructions that push one object.
#[derive(Clone, Default)]
pub(super) struct Assembly(pub Vec<u8>);

impl Assembly {
    pub fn raw(bytes: impl AsRef<[u8]>) -> Assembly {
        Assembly(bytes.as_ref().to_vec())
    }

    pub fn text(text: &str) -> Assembly {
        Assembly([&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat())
    }

    pub fn int(value: i64) -> Assembly {
        Assembly([&[0x8a, 8][..], &value.to_le_bytes()].concat())
    }

    pub fn global(module: &str, name: &str) -> Assembly {
        Assembly(format!("c{module}\n{name}\n").into_bytes())
    }

    pub fn tuple(items: &[Assembly]) -> Assembly {
        Assembly([b"(", &*concat(items), b"t"].concat())
    }

    pub fn list(items: &[Assembly]) -> Assembly {
        Assembly([b"](", &*concat(items), b"e"].concat())
    }

    pub fn dict(items: &[(&str, Assembly)]) -> Assembly {
        let items: Vec<Assembly> =
            items.iter().flat_map(|(key, value)| [Assembly::text(key), value.clone()]).collect();
        Assembly([b"}(", &*concat(&items), b"u"].concat())
    }

    /// Calls `self` with `arguments`.
    pub fn call(self, arguments: &[Assembly]) -> Assembly {
        Assembly([self.0, Assembly::tuple(arguments).0, b"R".to_vec()].concat())
    }

    /// Returns a complete pickle of protocol 2.
    pub fn pickle(self) -> Vec<u8> {
        [&[0x80, 2][..], &self.0, b"."].concat()
    }
}

fn concat(items: &[Assembly]) -> Vec<u8> {
    items.iter().flat_map(|item| item.0.clone()).collect()
}

/// Returns a reference to a storage.
pub(super) fn storage(class: &str, key: &str, len: i64) -> Assembly {
    let parts = [
        Assembly::text("storage"),
        Assembly::global("torch", class),
        Assembly::text(key),
        Assembly::text("cpu"),
        Assembly::int(len),
    ];
    Assembly([Assembly::tuple(&parts).0, b"Q".to_vec()].concat())
}

/// Returns a tensor over `storage`.
pub(super) fn tensor(storage: Assembly, offset: i64, shape: &[i64], strides: &[i64]) -> Assembly {
    let ints =
        |values: &[i64]| Assembly::tuple(&values.iter().map(|x| Assembly::int(*x)).collect::<Vec<_>>());
    let hooks = Assembly::global("collections", "OrderedDict").call(&[]);
    let arguments =
        [storage, Assembly::int(offset), ints(shape), ints(strides), Assembly::raw([0x89]), hooks];
    Assembly::global("torch._utils", "_rebuild_tensor_v2").call(&arguments)
}

/// Returns a tensor over a storage of floats.
pub(super) fn float_tensor(key: &str, len: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Assembly {
    tensor(storage("FloatStorage", key, len), offset, shape, strides)
}

/// Returns a file with this pickle and a storage `0` of zero bytes.
fn file(pickle: &[u8], bytes: usize) -> Vec<u8> {
    Zip::of(&[("x/data.pkl", pickle), ("x/data/0", &vec![0; bytes])]).bytes
}

/// Returns a file whose object is `assembly`.
fn object(assembly: Assembly) -> Vec<u8> {
    file(&assembly.pickle(), 8)
}

/// Returns a file of instructions of protocol 2.
fn code(instructions: impl AsRef<[u8]>) -> Vec<u8> {
    object(Assembly::raw(instructions))
}

/// Returns a file with the state dict `{"a": assembly}`.
fn weight(assembly: Assembly) -> Vec<u8> {
    object(Assembly::dict(&[("a", assembly)]))
}

/// Returns a file with the weight `a` over the eight bytes of storage `0`.
fn view(len: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    weight(float_tensor("0", len, offset, shape, strides))
}

/// Returns instructions that memoize a list of `count` pairs and copy it in `calls` calls.
fn copies(count: usize, calls: usize) -> Vec<u8> {
    let pair = Assembly::raw([b'N', b'N', 0x86]);
    let begin = [Assembly::list(&vec![pair; count]).0, b"\x85q\x010".to_vec()].concat();
    let function = [Assembly::global("collections", "OrderedDict").0, b"q\x020".to_vec()].concat();
    [begin, function, b"h\x02h\x01R0".repeat(calls), b"}".to_vec()].concat()
}

/// Returns a file with `{"a": t, "b": t, …}`: `names` names for one tensor of `len` floats in one storage.
fn shared(names: usize, len: i64) -> Vec<u8> {
    let names: Vec<String> = (0..names).map(|i| format!("t{i}")).collect();
    let first = Assembly([float_tensor("0", len, 0, &[len], &[1]).0, b"q\x01".to_vec()].concat());
    let again = Assembly::raw(b"h\x01");
    let item =
        |(i, name): (usize, &String)| (name.clone(), if i == 0 { first.clone() } else { again.clone() });
    let items: Vec<(String, Assembly)> = names.iter().enumerate().map(item).collect();
    let items: Vec<(&str, Assembly)> =
        items.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
    file(&Assembly::dict(&items).pickle(), len as usize * 4)
}

/// Returns a call of a function with a command, which must never run.
fn attack_of(module: &str, name: &str) -> Assembly {
    Assembly::global(module, name).call(&[Assembly::text("echo attacked")])
}

/// Returns a file with the weight `a` and `other`.
fn weight_with(other: Assembly) -> Vec<u8> {
    object(Assembly::dict(&[("other", other), ("a", float_tensor("0", 2, 0, &[2], &[1]))]))
}

/// Returns a list of `count` dictionaries of one tensor, nested in thirty dictionaries with keys of a kilobyte.
fn dictionaries(count: usize) -> Vec<u8> {
    let first = memoized(float_tensor("0", 2, 0, &[2], &[1]), 0).0;
    let key = memoized(Assembly::text(&"key ".repeat(256)), 1).0;
    let one = [&b"}"[..], &Assembly::text("a").0, b"h\0s"].concat();
    let list = [b"](".to_vec(), one.repeat(count), b"e".to_vec()].concat();
    let wrapped = (0..30).fold(list, |inner, _| [b"}h\x01".to_vec(), inner, b"s".to_vec()].concat());
    object(Assembly([first, b"0".to_vec(), key, b"0".to_vec(), wrapped].concat()))
}

/// Returns a module with these parameters and submodules: an object of an unknown class with its attributes.
fn module(parameters: &[(&str, Assembly)], modules: &[(&str, Assembly)]) -> Assembly {
    let empty = || Assembly::dict(&[]);
    let state = Assembly::dict(&[
        ("training", Assembly::raw([0x88])),
        ("_parameters", Assembly::dict(parameters)),
        ("_buffers", empty()),
        ("_modules", Assembly::dict(modules)),
    ]);
    Assembly([Assembly::global("own", "Net").0, b")\x81".to_vec(), state.0, b"b".to_vec()].concat())
}

/// Stores `assembly` in the memo at `index`.
fn memoized(assembly: Assembly, index: u8) -> Assembly {
    Assembly([assembly.0, vec![b'q', index]].concat())
}

/// Returns a module that is its own child.
fn module_in_itself() -> Vec<u8> {
    let state = Assembly::dict(&[
        ("_parameters", Assembly::dict(&[("a", float_tensor("0", 2, 0, &[2], &[1]))])),
        ("_modules", Assembly::dict(&[("own", Assembly::raw(b"h\x01"))])),
    ]);
    object(Assembly([b"cown\nNet\n)\x81q\x01".to_vec(), state.0, b"b".to_vec()].concat()))
}

/// Returns a module whose two children are the same module, recursively: 2^`depth` names.
fn repeated_modules(depth: u8) -> Vec<u8> {
    let mut whole = memoized(module(&[("a", float_tensor("0", 2, 0, &[2], &[1]))], &[]), 0);
    for place in 1..=depth {
        let again = Assembly::raw([b'h', place - 1]);
        let outer = module(&[], &[("x", again.clone()), ("y", again)]);
        whole = Assembly([whole.0, b"0".to_vec(), memoized(outer, place).0].concat());
    }
    object(whole)
}

/// Returns a module that contains a module with `parameters` parameters `times` times.
fn many_modules(parameters: usize, times: usize) -> Vec<u8> {
    let first = memoized(float_tensor("0", 2, 0, &[2], &[1]), 0).0;
    let names: Vec<String> = (0..parameters).map(|i| format!("parameter{i}")).collect();
    let parameters: Vec<(&str, Assembly)> =
        names.iter().map(|name| (&**name, Assembly::raw(b"h\0"))).collect();
    let inner = memoized(module(&parameters, &[]), 1).0;
    let names: Vec<String> = (0..times).map(|i| format!("module{i}")).collect();
    let modules: Vec<(&str, Assembly)> =
        names.iter().map(|name| (&**name, Assembly::raw(b"h\x01"))).collect();
    object(Assembly([first, b"0".to_vec(), inner, b"0".to_vec(), module(&[], &modules).0].concat()))
}

pub(super) fn cases() -> Vec<Case> {
    let one = || float_tensor("0", 2, 0, &[2], &[1]);
    let attack = |module: &str, name: &str| object(attack_of(module, name));
    let state_dict = || Assembly::dict(&[("a", one())]);
    let with_others = object(Assembly::dict(&[
        ("best_acc1", one()),
        ("args", Assembly::global("argparse", "Namespace").call(&[])),
        ("rng", Assembly::list(&[one(), Assembly::int(1)])),
        ("optimizer", Assembly::dict(&[("state", Assembly::list(&[state_dict()]))])),
        (
            "any",
            Assembly::list(&[Assembly::dict(&[("weights", Assembly::dict(&[("a", one()), ("b", one())]))])]),
        ),
    ]));
    let inner = module(&[("a", one())], &[]);
    let nested_modules = object(Assembly::list(&[module(&[], &[("0", module(&[], &[("conv", inner)]))])]));
    let items_of_object = Assembly(
        [attack_of("own", "Dict").0, b"(".to_vec(), Assembly::text("k").0, one().0, b"uK\x02K\x03s".to_vec()]
            .concat(),
    );
    let huge = i64::MAX;
    let depth = 1_000_000;
    let nested = [b"]".repeat(depth), b"a".repeat(depth - 1)].concat();
    let sized =
        |bytes: usize| weight(Assembly::raw([&b"X"[..], &(bytes as u32).to_le_bytes(), b"x"].concat()));
    let with_key = |key: &str| weight(float_tensor(key, 2, 0, &[2], &[1]));
    let calls = |function: &str, arguments: &[Assembly]| {
        object(Assembly::global("torch._utils", function).call(arguments))
    };
    let many = [b"(((".to_vec(), vec![b'N'; 1_500_000]].concat();
    let storages = [
        Assembly::tuple(&[
            Assembly::text("storage"),
            Assembly::global("torch", "FloatStorage"),
            Assembly::text("0"),
            Assembly::text("cpu"),
            Assembly::int(2),
        ])
        .0,
        b"q\x010".to_vec(),
        b"h\x01Q0".repeat(300_000),
    ]
    .concat();
    let dict_of_itself = [b"}q\x01".to_vec(), Assembly::text("state_dict").0, b"h\x01s".to_vec()].concat();
    let text = Assembly::text;
    vec![
        good("one tensor", weight(one())),
        good("transposed", view(2, 0, &[1, 2], &[1, 1])),
        good("a scalar", view(2, 1, &[], &[])),
        good("a parameter", weight(Assembly::global("torch._utils", "_rebuild_parameter").call(&[one()]))),
        good(
            "wrapped with metadata",
            object(Assembly::dict(&[
                ("epoch", Assembly::int(3)),
                ("model", Assembly::dict(&[("a", one())])),
            ])),
        ),
        good("shared a few times", shared(4, 8)),
        good("with losses and random states", with_others),
        good("a whole module", object(module(&[("a", one())], &[]))),
        good("a module in a module in a list", nested_modules),
        good("os.system next to the weights", weight_with(attack_of("os", "system"))),
        good("posix.system next to the weights", weight_with(attack_of("posix", "system"))),
        good("builtins.eval next to the weights", weight_with(attack_of("builtins", "eval"))),
        good("__builtin__.getattr next to the weights", weight_with(attack_of("__builtin__", "getattr"))),
        good("torch.load next to the weights", weight_with(attack_of("torch", "load"))),
        good("a call of a call", weight_with(attack_of("os", "system").call(&[text("again")]))),
        good("items of an object", weight_with(items_of_object)),
        good(
            "a number for the attributes of an object",
            weight_with(Assembly([attack_of("a", "B").0, b"K\x01b".to_vec()].concat())),
        ),
        good("an integer of 255 bytes", weight_with(Assembly::raw([&[0x8a, 255][..], &[1; 255]].concat()))),
        good("text that is not UTF-8", weight_with(Assembly::raw(b"X\x01\0\0\0\xff"))),
        good("a set", weight_with(Assembly::raw(b"\x8f(K\x01\x90"))),
        good("a complex tensor", weight_with(tensor(storage("ComplexFloatStorage", "0", 1), 0, &[1], &[1]))),
        good("protocol 5", file(&[&[0x80, 5][..], &Assembly::dict(&[("a", one())]).0, b"."].concat(), 8)),
        good("a thousand dictionaries under a long path", dictionaries(1000)),
        bad("too many dictionaries", dictionaries(50_000), "has more than 16384 dictionaries of tensors"),
        bad("only os.system", attack("os", "system"), "contains no state dict"),
        bad("only subprocess.Popen", attack("subprocess", "Popen"), "contains no state dict"),
        bad("only numpy.load", attack("numpy", "load"), "contains no state dict"),
        bad("os.system for a weight", weight(attack_of("os", "system")), "contains no tensors (it has a)"),
        bad("a module without tensors", object(module(&[], &[])), "contains no state dict"),
        bad("a module that contains itself", module_in_itself(), "nested more than 32 deep"),
        bad(
            "modules that repeat each other exponentially",
            repeated_modules(28),
            "has modules that contain each other endlessly",
        ),
        bad(
            "a module repeated a thousand times",
            many_modules(100, 1000),
            "has modules that contain each other",
        ),
        good("a module with a wide child", many_modules(2000, 1)),
        bad(
            "a wide module repeated a hundred times",
            many_modules(20_000, 100),
            "has modules that contain each other",
        ),
        bad(
            "os.system from the stack",
            object(Assembly([text("os").0, text("system").0, vec![0x93]].concat())),
            "contains no state dict",
        ),
        bad("an invalid name from the stack", code(b"NN\x93"), "a global whose name is not text"),
        bad("an unterminated global", code(b"cos"), "a name without an end"),
        bad("INST", code(b"(ios\nsystem\n"), "(INST)"),
        bad("OBJ", code(b"(No"), "(OBJ)"),
        bad("an object of a number", code(b"K\x01)\x81"), "an instance of a non-class"),
        bad("an object without arguments", code(b"ca\nB\nN\x81"), "an instance of a non-class"),
        bad("an object of two operands", code(b")N\x92"), "its stack is empty"),
        bad("EXT1", code(b"\x82\x01"), "(EXT)"),
        bad("PERSID", code(b"P0\n"), "(PERSID)"),
        bad("protocol 0", code(b"(lp0\n"), "(of protocol 0)"),
        bad("protocol 9", file(b"\x80\x09N.", 8), "protocol 9"),
        bad("an unknown instruction", code([0xff]), "unknown instruction 0xff"),
        bad("a call of a string", code(b"X\x01\0\0\0a)R"), "a call of a non-function"),
        bad("a call without a tuple", code(b"ca\nB\nNR"), "a call without a tuple of arguments"),
        bad(
            "a call of a storage type",
            object(Assembly::global("torch", "FloatStorage").call(&[])),
            "contains no state dict",
        ),
        bad("attributes of a number", code(b"K\x01}b"), "attributes set on a value without attributes"),
        bad("append to a number", code(b"K\x01Na"), "an append to a non-list"),
        bad("item of a list", code(b"]NNs"), "set in a non-dictionary"),
        bad("key without a value", code(b"}(Nu"), "a key without a value"),
        bad("empty stack", code(b"0"), "its stack is empty"),
        bad("pop below a mark", code(b"N(0"), "its stack is empty"),
        bad("no mark", code(b"t"), "a mark is missing"),
        bad("empty memo", code(b"h\x07"), "memo 7 is empty"),
        bad("no end", file(b"\x80\x02}", 8), "it is truncated"),
        bad("bytes after the pickle", file(b"\x80\x02}.more", 8), "4 bytes follow its pickle"),
        bad("a string longer than the file", sized(u32::MAX as usize), "it is truncated"),
        bad(
            "a string with a 64-bit length",
            code(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff"),
            "it is truncated",
        ),
        bad("nested a million deep", code(&nested), "contains no state dict"),
        bad("more than a million objects", code(&many), "more than 1048576 objects"),
        bad("too many references", code(&storages), "more than 262144 tensors and storages"),
        bad("exponential copies", code(copies(100_000, 1000)), "copies its own lists endlessly"),
        bad("a dictionary that contains itself", code(&dict_of_itself), "contains no tensors"),
        bad(
            "an OrderedDict of a number",
            object(Assembly::global("collections", "OrderedDict").call(&[Assembly::int(1)])),
            "not made from a list of pairs",
        ),
        bad(
            "an OrderedDict of two lists",
            object(
                Assembly::global("collections", "OrderedDict")
                    .call(&[Assembly::raw("]"), Assembly::raw("]")]),
            ),
            "with several arguments",
        ),
        bad(
            "a key that is not text",
            object(Assembly::raw([b"}K\x01".to_vec(), one().0, b"s".to_vec()].concat())),
            "contains no tensors",
        ),
        bad("a name twice", object(Assembly::dict(&[("a", one()), ("a", one())])), "contains a twice"),
        bad(
            "no weights",
            object(Assembly::dict(&[("a", Assembly::int(1)), ("b", text("x"))])),
            "contains no tensors (it has a, b)",
        ),
        bad("only a tensor", object(one()), "contains a single tensor"),
        bad("only a number", object(Assembly::int(1)), "contains no state dict"),
        bad("a reference that is not a tuple", code(b"K\x01Q"), "a reference to a non-storage"),
        bad(
            "a reference of another kind",
            weight(Assembly::raw(
                [
                    Assembly::tuple(&[
                        text("other"),
                        Assembly::global("torch", "FloatStorage"),
                        text("0"),
                        text("cpu"),
                        Assembly::int(2),
                    ])
                    .0,
                    b"Q".to_vec(),
                ]
                .concat(),
            )),
            "a reference to a non-storage",
        ),
        bad("a missing storage", with_key("1"), "a: its storage 1 is missing"),
        bad(
            "a storage with a path",
            with_key("../../../etc/passwd"),
            "its storage ../../../etc/passwd is missing",
        ),
        bad("a storage with control characters", with_key("\x1b[2J\n"), "its storage  [2J  is missing"),
        bad("a storage with an overlong key", with_key(&"0".repeat(1000)), "a key of 1000 bytes"),
        bad(
            "a complex weight",
            weight(tensor(storage("ComplexFloatStorage", "0", 1), 0, &[1], &[1])),
            "contains no tensors (it has a)",
        ),
        bad("a storage of negative length", view(-1, 0, &[0], &[1]), "-1 as a size"),
        bad("a storage shorter than declared", view(3, 0, &[3], &[1]), "8 bytes instead of 3 elements of 4"),
        bad(
            "a storage of 2^63 - 1 numbers",
            view(huge, 0, &[2], &[1]),
            "8 bytes instead of 9223372036854775807 elements",
        ),
        bad("a tensor larger than its storage", view(2, 0, &[3], &[1]), "exceeds its storage of 2"),
        bad(
            "an offset after the storage",
            view(2, 2, &[1], &[1]),
            "from element 2 on exceeds its storage of 2",
        ),
        bad("an offset of 2^63 - 1", view(2, huge, &[2], &[1]), "exceeds its storage"),
        bad("a negative offset", view(2, -1, &[1], &[1]), "-1 as a size, offset or stride"),
        bad("a negative extent", view(2, 0, &[-2], &[1]), "-2 as a size, offset or stride"),
        bad("a negative stride", view(2, 1, &[2], &[-1]), "-1 as a size, offset or stride"),
        bad(
            "an extent that is a string",
            weight(Assembly::global("torch._utils", "_rebuild_tensor_v2").call(&[
                storage("FloatStorage", "0", 2),
                Assembly::int(0),
                Assembly::tuple(&[text("2")]),
                Assembly::tuple(&[Assembly::int(1)]),
            ])),
            "not an integer",
        ),
        bad(
            "extents whose product overflows",
            view(2, 0, &[huge, huge, huge], &[0, 0, 0]),
            "more elements than memory",
        ),
        bad("strides that overflow", view(2, 0, &[huge, 2], &[huge, 1]), "exceeds its storage of 2"),
        good("stride 0", view(2, 0, &[64], &[0])),
        bad("stride 0 over a large extent", view(2, 0, &[1 << 40], &[0]), "share storages so often"),
        bad("a stride beyond the storage", view(2, 0, &[2], &[huge]), "exceeds its storage"),
        bad("more strides than extents", view(2, 0, &[2], &[1, 1]), "with strides [1, 1]"),
        bad("17 extents", view(2, 0, &[1; 17], &[1; 17]), "a tensor of 17 extents"),
        bad(
            "a tensor with too few arguments",
            calls("_rebuild_tensor_v2", &[Assembly::int(1)]),
            "too few arguments",
        ),
        bad(
            "a tensor without a storage",
            calls("_rebuild_tensor_v2", &vec![Assembly::int(1); 4]),
            "a tensor without a storage",
        ),
        bad("a parameter without arguments", calls("_rebuild_parameter", &[]), "a call without arguments"),
        bad("1,000 tensors in one storage", shared(1000, 1000), "share storages so often"),
    ]
}
