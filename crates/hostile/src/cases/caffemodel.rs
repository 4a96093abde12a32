//! Caffe's `.caffemodel`: malformed protocol buffers and inconsistent blobs.

use striate_testkit::protobuf::{Message, blob, legacy_blob};

use super::{Case, bad, good};

/// Returns a `LayerParameter`.
fn layer(name: &str, kind: &str, blobs: &[Message]) -> Message {
    let start = Message::new().text(1, name).text(2, kind).text(3, "data").text(4, name);
    blobs.iter().fold(start, |layer, blob| layer.message(7, blob))
}

/// Returns a file with these layers.
fn net(layers: &[Message]) -> Vec<u8> {
    layers.iter().fold(Message::new().text(1, "net"), |net, layer| net.message(100, layer)).bytes
}

/// Returns a file with one layer `fc`.
fn one(kind: &str, blobs: &[Message]) -> Vec<u8> {
    net(&[layer("fc", kind, blobs)])
}

/// Returns a file with one inner product with this blob.
fn linear(weight: Message) -> Vec<u8> {
    one("InnerProduct", &[weight])
}

/// Returns a file with one `V1LayerParameter`.
fn v1_file(kind: u64, blobs: &[Message]) -> Vec<u8> {
    let start = Message::new().text(4, "fc").integer(5, kind).text(2, "data").text(3, "fc");
    Message::new().message(2, &blobs.iter().fold(start, |layer, blob| layer.message(6, blob))).bytes
}

/// Returns a message nested `depth` deep.
fn nested(depth: usize) -> Message {
    (0..depth).fold(Message::new(), |inner, _| Message::new().message(100, &inner))
}

pub(super) fn cases() -> Vec<Case> {
    let matrix = || blob(&[2, 3], &[0.5; 6]);
    let bias = || blob(&[2], &[0.5; 2]);
    let kernel = || blob(&[2, 3, 1, 1], &[0.5; 6]);
    let norm = || [blob(&[2], &[1.0; 2]), blob(&[2], &[2.0; 2]), blob(&[1], &[1.0])];
    let floats = |count: usize| vec![0; count * 4];
    let shaped = |extents: &[u64], bytes: &[u8]| {
        Message::new().message(7, &Message::new().packed(1, extents)).bytes(5, bytes)
    };
    let transform = Message::new().float(5, 104.0).float(5, 117.0).float(5, 124.0);
    let whole = net(&[
        layer("data", "Data", &[]).message(100, &transform),
        layer("conv", "Convolution", &[kernel(), bias()]),
        layer("bn", "BatchNorm", &norm()),
        layer("fc", "InnerProduct", &[matrix(), bias()]),
    ]);
    let cut = whole[..whole.len() - 1].to_vec();
    let max = u64::MAX;
    let many = vec![1; 40];
    let layers = Message::new().raw(&[0xa2, 0x06, 0].repeat(20_000));
    vec![
        good("every type of layer", whole),
        good("a V1 layer", v1_file(14, &[legacy_blob([1, 1, 2, 3], &[0.5; 6])])),
        good("unknown fields", [linear(matrix()), Message::new().integer(99, 7).bytes].concat()),
        good(
            "a layer without weights",
            net(&[layer("odd", "Python", &[]), layer("fc", "InnerProduct", &[matrix()])]),
        ),
        bad("an empty file", "", "is not a .caffemodel with weights"),
        bad("plain text", "a few words that are none", "is damaged or not a protocol buffer"),
        bad("truncated", cut, "where"),
        bad("no layers", Message::new().text(1, "net").bytes, "is not a .caffemodel with weights"),
        bad(
            "layers without weights",
            net(&[layer("relu", "ReLU", &[])]),
            "is not a .caffemodel with weights",
        ),
        bad("an overlong integer", [0xff; 40], "an integer of more than 64 bits"),
        bad("a field without a value", [0x08], "it ends early"),
        bad("a field number 0", [0, 0], "invalid field number 0"),
        bad(
            "a field number above 2^29",
            [0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0],
            "invalid field number 4294967296",
        ),
        bad("a group", [0x0b], "field 1 is a group"),
        bad("an unknown wire type", [0x0e], "field 1 has wire type 6"),
        bad(
            "a layer longer than the file",
            Message::new().claim(100, 1 << 40).bytes,
            "a field of 1099511627776 bytes where 0 are left",
        ),
        bad(
            "a layer of 2^64 - 1 bytes",
            Message::new().claim(100, max).bytes,
            "a field of 18446744073709551615 bytes",
        ),
        bad("a layer that is a number", Message::new().integer(100, 7).bytes, "an integer instead of bytes"),
        bad(
            "a blob that is a number",
            net(&[layer("fc", "InnerProduct", &[]).integer(7, 7)]),
            "an integer instead of bytes",
        ),
        bad("a name that is a number", net(&[Message::new().integer(1, 7)]), "an integer instead of bytes"),
        bad(
            "a name that is not UTF-8",
            net(&[Message::new().bytes(1, &[0xff])]),
            "text that is not valid UTF-8",
        ),
        bad(
            "a type that is not UTF-8",
            net(&[Message::new().bytes(2, &[0xff])]),
            "text that is not valid UTF-8",
        ),
        bad("nested 1,000 deep", net(&[nested(1000)]), "is not a .caffemodel with weights"),
        bad("20,000 layers", layers.bytes, "contains more than 16384 layers"),
        bad("17 blobs", one("InnerProduct", &vec![bias(); 17]), "a layer has more than 16 blobs"),
        bad("40 axes", linear(shaped(&many, &floats(1))), "a blob has more than 32 axes"),
        bad("no shape", linear(Message::new().bytes(5, &floats(6))), "layer fc: a blob without a shape"),
        bad("a negative extent", linear(shaped(&[max, 3], &floats(6))), "a blob of shape [-1, 3]"),
        bad(
            "extents whose product overflows",
            linear(shaped(&[1 << 40, 1 << 40], &[])),
            "more elements than memory can hold",
        ),
        bad(
            "a billion missing values",
            linear(shaped(&[1_000_000_000], &[])),
            "a blob of shape [1000000000] with 0 values",
        ),
        bad(
            "fewer values than the shape",
            linear(blob(&[2, 3], &[0.5; 5])),
            "a blob of shape [2, 3] with 5 values",
        ),
        bad(
            "more values than the shape",
            linear(blob(&[2, 3], &[0.5; 7])),
            "a blob of shape [2, 3] with 7 values",
        ),
        bad("an incomplete value", linear(shaped(&[2], &[0; 7])), "7 bytes instead of floats"),
        bad(
            "integer values",
            linear(Message::new().message(7, &Message::new().packed(1, &[1])).integer(5, 1)),
            "an integer instead of floats",
        ),
        bad(
            "an incomplete double",
            linear(Message::new().message(7, &Message::new().packed(1, &[1])).bytes(8, &[0; 7])),
            "7 bytes instead of doubles",
        ),
        bad("a matrix of three axes", linear(blob(&[2, 3, 1], &[0.5; 6])), "a matrix of shape [2, 3, 1]"),
        bad("a kernel of two axes", one("Convolution", &[matrix()]), "a kernel of shape [2, 3]"),
        bad("a bias of two axes", one("InnerProduct", &[matrix(), matrix()]), "instead of a vector"),
        bad(
            "three blobs",
            one("InnerProduct", &[matrix(), bias(), bias()]),
            "expected a weight and a bias, got 3 blobs",
        ),
        bad(
            "a batch norm with two blobs",
            one("BatchNorm", &[bias(), bias()]),
            "a mean, a variance and their scale factor",
        ),
        bad(
            "a batch norm with two factors",
            one("BatchNorm", &[bias(), bias(), bias()]),
            "exactly one scale factor",
        ),
        bad(
            "a batch norm without a factor",
            one("BatchNorm", &[bias(), bias(), blob(&[0], &[])]),
            "exactly one scale factor",
        ),
        bad(
            "a name twice",
            net(&[layer("fc", "InnerProduct", &[matrix()]), layer("fc", "InnerProduct", &[matrix()])]),
            "fc.weight appears twice",
        ),
        bad(
            "transposed weights",
            net(&[layer("fc", "InnerProduct", &[matrix()]).message(117, &Message::new().integer(6, 1))]),
            "stored transposed",
        ),
        bad(
            "an unsupported layer with weights",
            one("Deconvolution", &[kernel()]),
            "weights in a layer of type Deconvolution",
        ),
        bad(
            "a type with control characters",
            one("\x1b[2J\n", &[kernel()]),
            "weights in a layer of type  [2J  are not",
        ),
        bad(
            "a name with control characters",
            net(&[layer("\x1b]0;x\x07", "Odd", &[kernel()])]),
            "layer  ]0;x : weights in a layer of type Odd",
        ),
        bad(
            "an overlong name",
            net(&[layer(&"n".repeat(100_000), "Odd", &[kernel()])]),
            "n…: weights in a layer of type Odd",
        ),
        bad("a V1 deconvolution", v1_file(39, &[kernel()]), "weights in a layer of type Deconvolution"),
        bad("V1 layer type 1000", v1_file(1000, &[kernel()]), "weights in a layer of type unknown"),
        bad(
            "a negative extent in a V1 layer",
            v1_file(14, &[legacy_blob([1, 1, max, 3], &[0.5; 6])]),
            "a blob of shape [1, 1, -1, 3]",
        ),
        bad(
            "a layer from before 2014",
            Message::new().message(2, &Message::new().message(1, &Message::new())).bytes,
            "Caffe's format from before 2014",
        ),
    ]
}
