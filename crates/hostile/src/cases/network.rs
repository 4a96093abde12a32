//! Networks as text: excessive sizes, malformed graphs, names with control characters.

use striate_testkit::networks;

use super::{Case, bad, good};

/// Returns a network of `layers` for 8×8 images of one channel.
fn layers(layers: &str) -> String {
    on("[1, 8, 8]", layers)
}

fn on(input: &str, layers: &str) -> String {
    format!("name = \"n\"\ninput = {input}\nlayers = [{layers}]\n")
}

/// Returns a network of one layer.
fn one(op: &str, attributes: &str) -> String {
    layers(&format!("{{ op = \"{op}\"{attributes} }}"))
}

/// Returns a 3×3 convolution to three channels with further attributes.
fn conv(attributes: &str) -> String {
    one("conv", &format!(", out_channels = 3, kernel_size = 3{attributes}"))
}

/// Returns a convolution with `outputs` channels, connected to the first of 16 million channels.
fn spread(outputs: usize, attributes: &str) -> String {
    let table = "[0],".repeat(outputs);
    let conv = format!("op = \"conv\", out_channels = {outputs}, connections = [{table}]{attributes}");
    on("[16777216, 1, 1]", &format!("{{ {conv} }}"))
}

fn named(name: &str) -> String {
    one("relu", &format!(", name = \"{name}\""))
}

fn with_head(head: &str) -> String {
    one("flatten", "") + &format!("heads = [{head}]\n")
}

pub(super) fn cases() -> Vec<Case> {
    let deep = 100_000;
    let many = "{op=\"relu\"},".repeat(16_385);
    let wide = r#"{ op = "flatten" }, { op = "linear", out_features = 16777216 }, "#;
    let wider = format!("{wide}{}", r#"{ op = "linear", out_features = 16777216 }"#);
    let steps = r#"{ op = "max_pool", kernel_size = 2, padding = 1, stride = 65536 },"#;
    let text = |input: &str, layers: &str| on(input, layers);
    let mut cases: Vec<Case> =
        networks::all().iter().map(|network| good(&network.name, network.to_text())).collect();
    cases.extend([
        good("receptive field beyond 64 bits", layers(&steps.repeat(12))),
        good(
            "only a constant to train",
            on(
                "[2]",
                r#"{ name = "k", op = "constant", shape = [1], inputs = [] }, { op = "add", inputs = ["input", "k"] }"#,
            ),
        ),
        good("1,000 layers", layers(&"{op=\"relu\"},".repeat(1_000))),
        good(
            "a kernel over 16 million channels",
            on("[16777216, 1, 1]", r#"{ op = "conv", out_channels = 1, kernel_size = 31, padding = 15 }"#),
        ),
        good(
            "gradients with stride 65536",
            on(
                "[8, 65536, 65536]",
                r#"{ op = "conv", out_channels = 8, kernel_size = 1 },
                   { op = "conv", out_channels = 8, kernel_size = [65536, 1], stride = 65536 },
                   { op = "flatten" }, { op = "linear", out_features = 2 }"#,
            ),
        ),
        good("a long signal", on("[1, 4000000]", r#"{ op = "conv", out_channels = 64, kernel_size = 9 }"#)),
        good(
            "a wide map",
            on("[1, 1, 16777216]", r#"{ op = "conv", out_channels = 64, kernel_size = [1, 3] }"#),
        ),
        good(
            "a large image, flattened",
            on("[3, 2300, 2300]", r#"{ op = "flatten" }, { op = "linear", out_features = 10 }"#),
        ),
        good(
            "large locally connected maps",
            on(
                "[64, 502, 502]",
                r#"{ op = "locally_connected", out_channels = 8, kernel_size = 3 },"#,
            ),
        ),
        bad("an empty file", "", "missing field `name`"),
        bad("plain text", "a few words", "line 1: "),
        bad("not UTF-8", [b'#', 0xff], "is not UTF-8 text"),
        bad("no layers", layers(""), "it has no layers"),
        bad("no input", "name = \"n\"\nlayers = [{ op = \"relu\" }]", "missing field `input`"),
        bad("an unknown field", "nmae = 1", "unknown field `nmae`"),
        bad("a name that is a number", "name = 1", "line 1: name must be a string, but is 1"),
        bad("above 4 MiB", "#".repeat((4 << 20) + 1), "; the limit is 4194304"),
        bad("9,000 layers without an op", layers(&"{a=1},".repeat(9_000)), "layer 1: "),
        bad("lists nested 100,000 deep", format!("x = {}", "[".repeat(deep)), "line 1: "),
        bad("tables nested 100,000 deep", format!("x = {}", "{a=".repeat(deep)), "line 1: "),
        bad("a key of 100,000 parts", format!("x{} = 1", ".a".repeat(deep)), "more than 1024 dots in keys"),
        bad(
            "a layer with a key of 100,000 parts",
            layers(&format!("{{op=\"relu\", x{} = 1}}", ".a".repeat(deep))),
            "more than 1024 dots in keys",
        ),
        bad("too many layers", layers(&many), "16,385 layers; the limit is 16,384"),
        bad(
            "a network name with control characters",
            "name = \"a\\u001b[2J\"\ninput = [1]\nlayers = [{ op = \"relu\" }]",
            "the network's name: has the character U+001B, which cannot be shown; choose another name",
        ),
        bad(
            "a network name with a bidirectional override",
            "name = \"a\\u202Eb\"\ninput = [1]\nlayers = [{ op = \"relu\" }]",
            "the network's name: has the character U+202E",
        ),
        bad("a layer name with control characters", named("a\\nb"), "a layer's name: has the character U+000A"),
        bad("an overlong name", named(&"x".repeat(1_000_000)), "has 1000000 characters"),
        bad(
            "a name twice",
            layers(r#"{ op = "relu", name = "a" }, { op = "tanh", name = "a" }"#),
            "two layers are named a",
        ),
        bad("the input's name", named("input"), "two layers are named input"),
        bad("a layer's name that is a number", one("relu", ", name = 3"), "layer 1: its name is not a string"),
        bad("no operation", layers("{ name = \"a\" }"), "layer 1: has no op"),
        bad("an unknown operation", one("cnov", ""), "did you mean conv?"),
        bad("an overlong operation", one(&"x".repeat(1_000_000), ""), "layer 1: unknown op x"),
        bad("an unknown attribute", one("relu", ", slope = 3"), "unknown field `slope`"),
        bad(
            "an attribute of another type",
            conv(", stride = \"two\""),
            "must be a whole number, [height, width] or",
        ),
        bad("a missing attribute", one("conv", ", kernel_size = 3"), "missing field `out_channels`"),
        bad(
            "a layer that reads itself",
            one("add", ", name = \"a\", inputs = [\"a\", \"input\"]"),
            "reads a, but no earlier layer has this name",
        ),
        bad(
            "a cycle",
            layers(
                r#"{ op = "relu", name = "a", inputs = ["b"] }, { op = "relu", name = "b", inputs = ["a"] }"#,
            ),
            "reads b, but no earlier layer has this name",
        ),
        bad("numeric inputs", one("add", ", inputs = [1, 2]"), "inputs is not a list of names"),
        bad("no inputs", one("relu", ", inputs = []"), "takes one input, but got 0"),
        bad("one input instead of two", one("add", ""), "takes two inputs, but got 1"),
        bad("nothing to concatenate", one("concat", ", inputs = []"), "takes at least one input, but got 0"),
        bad("an input of no channels", text("[0, 8, 8]", "{ op = \"relu\" }"), "is empty"),
        bad("a negative input", text("[-1, 8, 8]", "{ op = \"relu\" }"), "line 2: input must not be negative, but is -1"),
        bad(
            "an input of 2^63 - 1 channels",
            text("[9223372036854775807, 8, 8]", "{ op = \"relu\" }"),
            "more elements than memory can hold",
        ),
        bad(
            "an input whose product overflows",
            text("[16777216, 16777216, 16777216]", "{ op = \"relu\" }"),
            "more elements than memory can hold",
        ),
        bad(
            "an input of four terabytes",
            text("[1048576, 1048576, 2]", "{ op = \"relu\" }"),
            "is too large; the limits are 16,777,216 per axis",
        ),
        bad(
            "a billion channels",
            one("conv", ", out_channels = 1000000000, kernel_size = 3"),
            "is too large; the limits are 16,777,216 per axis",
        ),
        bad(
            "2^63 - 1 channels",
            one("conv", ", out_channels = 9223372036854775807, kernel_size = 3"),
            "more elements than memory can hold",
        ),
        bad("no channels", one("conv", ", out_channels = 0, kernel_size = 3"), "at least 1"),
        bad(
            "excessive weights",
            layers(&wider),
            "layer linear2 (linear): shape [16777216, 16777216] is too large; the limits are 16,777,216 per axis and 1,099,511,627,776 elements",
        ),
        bad(
            "weights that add up to too many",
            on(
                "[16000]",
                r#"{ op = "linear", out_features = 1000000 },{ op = "linear", out_features = 16000 },"#,
            ),
            "the limit is 17,179,869,184",
        ),
        bad(
            "excessive work",
            on("[65536, 4096, 64]", r#"{ op = "conv", out_channels = 65536, kernel_size = 1 }"#),
            "takes more than 281,474,976,710,656 multiply-adds, the limit",
        ),
        bad("dilation of 0", conv(", dilation = 0"), "at least 1"),
        bad(
            "a kernel of 2^62",
            one("conv", ", out_channels = 1, kernel_size = 4611686018427387904"),
            "kernel_size, stride or dilation exceeds 65536, the limit",
        ),
        bad(
            "a kernel larger than the map",
            one("conv", ", out_channels = 1, kernel_size = 9"),
            "does not fit the input",
        ),
        bad("dilation of 2^62", conv(", dilation = 4611686018427387904"), "dilation exceeds 65536, the limit"),
        bad("padding of 2^63 - 1", conv(", padding = 9223372036854775807"), "padding exceeds 65536, the limit"),
        bad("padding of five numbers", conv(", padding = [1, 2, 3, 4, 5]"), "padding has 5 numbers"),
        bad(
            "a kernel of 2^48 taps",
            on(
                "[65536, 1, 1, 1]",
                r#"{ op = "conv", out_channels = 65536, kernel_size = 65536, padding = 65535 }"#,
            ),
            "kernel_size exceeds 4294967296 taps, the limit",
        ),
        bad("negative padding", conv(", padding = -1"), "padding must be a whole number"),
        bad(
            "a pool's padding of 2^63 - 1",
            one("max_pool", ", kernel_size = 2, stride = 2, padding = 9223372036854775807"),
            "padding exceeds 65536, the limit",
        ),
        bad("no groups", conv(", groups = 0"), "at least 1"),
        bad("groups that do not divide", conv(", groups = 2"), "groups (2) must divide both"),
        bad(
            "connections out of the input",
            conv(", connections = [[0], [0], [1]]"),
            "connections of output channel 2",
        ),
        bad(
            "connections in descending order",
            on("[2, 8, 8]", r#"{ op = "conv", out_channels = 1, kernel_size = 3, connections = [[1, 0]] }"#),
            "in ascending order",
        ),
        bad(
            "sparse connections that expand beyond limits",
            spread(4000, ", kernel_size = 128, padding = [64, 64, 63, 63]"),
            "shape [4000, 16777216, 128, 128] is too large",
        ),
        bad(
            "sparse connections that add up to too many weights",
            spread(2000, ", kernel_size = 1"),
            "its weights bring the network to 33,554,436,000; the limit is 17,179,869,184",
        ),
        bad("too few connections", conv(", connections = [[0]]"), "connections has 1 row and"),
        bad("a linear layer on maps", one("linear", ", out_features = 3"), "put a flatten before it"),
        bad("a probability of one", one("dropout", ", probability = 1.0"), "probability 1 is not in [0, 1)"),
        bad("a probability of NaN", one("dropout", ", probability = nan"), "is not in [0, 1)"),
        bad("an initial bias of NaN", conv(", bias_init = nan"), "bias_init NaN is not finite"),
        bad(
            "an initial value for an absent bias",
            conv(", bias = false, bias_init = 1.0"),
            "bias_init needs a bias",
        ),
        bad("an infinite epsilon", one("batch_norm", ", epsilon = inf"), "epsilon must be positive"),
        bad(
            "an even window of channels",
            one("lrn", ", size = 2, alpha = 1.0, beta = 0.5, k = 1.0"),
            "size 2 must be odd",
        ),
        bad(
            "a window of 2^62 channels",
            one("lrn", ", size = 4611686018427387905, alpha = 1.0, beta = 0.5, k = 1.0"),
            "size 4611686018427387905 exceeds 65536, the limit",
        ),
        bad(
            "an exponent of NaN",
            one("lrn", ", size = 5, alpha = 1.0, beta = nan, k = 1.0"),
            "beta and k must be positive",
        ),
        bad(
            "a shape that overflows",
            one("reshape", ", shape = [9223372036854775807, 9223372036854775807]"),
            "more elements than memory can hold",
        ),
        bad("a shape with another number of elements", one("reshape", ", shape = [0, 63]"), "cannot reshape"),
        bad("a slice past the end", one("slice", ", axis = 2, start = 7, length = 2"), "exceeds axis"),
        bad(
            "a slice that overflows",
            one("slice", ", axis = 2, start = 1, length = 9223372036854775807, step = 9223372036854775807"),
            "exceeds axis",
        ),
        bad("an invalid axis", one("slice", ", axis = 9, start = 0, length = 1"), "axis 9 is out of range"),
        bad("an axis twice", one("transpose", ", permutation = [0, 1, 1, 2]"), "must list each axis"),
        bad(
            "padding that overflows",
            one("pad", ", before = [0, 9223372036854775807, 0, 0], after = [0, 9223372036854775807, 0, 0]"),
            "more elements than memory can hold",
        ),
        bad("an empty constant", one("constant", ", shape = [0], inputs = []"), "is empty"),
        bad(
            "a constant that overflows",
            one("constant", ", shape = [16777216, 16777216, 16777216], inputs = []"),
            "more elements than memory can hold",
        ),
        bad(
            "only a constant",
            one("constant", ", shape = [1], inputs = []"),
            "does not depend on its input",
        ),
        bad("a head without a layer", with_head("{ layer = \"aux\", weight = 0.3 }"), "no layer named aux"),
        bad(
            "a head with an infinite weight",
            with_head("{ layer = \"flatten1\", weight = inf }"),
            "must be finite and not negative",
        ),
        bad(
            "an unknown loss",
            one("relu", "") + "loss = { name = \"hing\" }",
            "unknown name hing; choose from cross_entropy,",
        ),
    ]);
    cases
}
