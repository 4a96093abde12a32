"""Caffe networks with random weights, as a .prototxt and a .caffemodel.

The layers are those of the models published for Caffe: bvlc_alexnet, bvlc_reference_caffenet, bvlc_googlenet, VGG-16,
SqueezeNet 1.1, Network in network and ResNet, in the layer format in which each was published.
Field numbers are those of Caffe's caffe.proto.
"""

import dataclasses
import struct

import numpy as np


@dataclasses.dataclass
class Layer:
    name: str
    type: str
    bottoms: list
    tops: list
    parameters: dict
    blobs: list


# Message of a layer's parameters: its field number in LayerParameter, and the numbers and types of its fields.
PARAMETERS = {
    "Convolution": ("convolution_param", 106, {
        "num_output": (1, int), "bias_term": (2, bool), "pad": (3, int), "kernel_size": (4, int), "group": (5, int),
        "stride": (6, int)}),
    "InnerProduct": ("inner_product_param", 117, {"num_output": (1, int)}),
    "LRN": ("lrn_param", 118, {"local_size": (1, int), "alpha": (2, float), "beta": (3, float)}),
    "Pooling": ("pooling_param", 121, {
        "pool": (1, ["MAX", "AVE"]), "kernel_size": (2, int), "stride": (3, int), "pad": (4, int),
        "global_pooling": (12, bool)}),
    "BatchNorm": ("batch_norm_param", 139, {"use_global_stats": (1, bool)}),
    "Scale": ("scale_param", 142, {"bias_term": (4, bool)}),
}


# V1LayerParameter, the format of models published in 2014: numbers of layer types and of their parameters.
V1_LAYERS = {"Concat": (3, None), "Convolution": (4, 10), "InnerProduct": (14, 17), "LRN": (15, 18), "Pooling": (17, 19),
              "ReLU": (18, None)}


class Net:
    """A sequence of layers; each method adds one and returns the name of its output."""

    def __init__(self, name, side, seed, v1=False):
        self.name, self.side, self.v1, self.layers = name, side, v1, []
        self.random = np.random.default_rng(seed)
        self.channels = {"data": 3}
        self.sides = {"data": side}

    def add(self, name, type, bottoms, channels, side, top=None, blobs=(), **parameters):
        top = top or name
        self.layers.append(Layer(name, type, bottoms, [top], parameters, list(blobs)))
        self.channels[top], self.sides[top] = channels, side
        return top

    def normal(self, *shape, deviation):
        return self.random.normal(0, deviation, shape).astype("<f4")

    def conv(self, x, name, channels, kernel, stride=1, pad=0, group=1, bias=True):
        inputs = self.channels[x] // group
        blobs = [self.normal(channels, inputs, kernel, kernel, deviation=(2 / inputs / kernel**2) ** 0.5)]
        blobs += [self.normal(channels, deviation=1)] if bias else []
        side = (self.sides[x] + 2 * pad - kernel) // stride + 1
        return self.add(name, "Convolution", [x], channels, side, None, blobs, num_output=channels, bias_term=bias,
                        pad=pad, kernel_size=kernel, group=group, stride=stride)

    def linear(self, x, name, outputs):
        inputs = self.channels[x] * self.sides[x] ** 2
        blobs = [self.normal(outputs, inputs, deviation=(2 / inputs) ** 0.5), self.normal(outputs, deviation=1)]
        return self.add(name, "InnerProduct", [x], outputs, 1, None, blobs, num_output=outputs)

    def in_place(self, x, name, type, blobs=(), **parameters):
        return self.add(name, type, [x], self.channels[x], self.sides[x], x, blobs, **parameters)

    def relu(self, x, name):
        return self.in_place(x, name, "ReLU")

    def norm(self, x, bn, scale, variance=1.0):
        """Adds means and variances with a scale factor to divide them by, and γ and β in a separate layer."""
        channels, factor = self.channels[x], self.random.uniform(0.5, 999.0)
        mean = self.normal(channels, deviation=0.1 * variance**0.5) * factor
        var = self.random.uniform(0.5, 1.5, channels) * variance * factor
        blobs = [mean.astype("<f4"), var.astype("<f4"), np.array([factor], "<f4")]
        x = self.in_place(x, bn, "BatchNorm", blobs, use_global_stats=True)
        gamma = self.random.uniform(0.3, 0.7, channels).astype("<f4")
        return self.in_place(x, scale, "Scale", [gamma, self.normal(channels, deviation=0.1)], bias_term=True)

    def pool(self, x, name, kernel, stride, pad=0, pool="MAX"):
        # Caffe rounds up, and drops a window that would start in the padding.
        side = -(-(self.sides[x] + 2 * pad - kernel) // stride) + 1
        if pad and (side - 1) * stride >= self.sides[x] + pad:
            side -= 1
        return self.add(name, "Pooling", [x], self.channels[x], side, pool=pool, kernel_size=kernel, stride=stride, pad=pad)

    def global_pool(self, x, name):
        return self.add(name, "Pooling", [x], self.channels[x], 1, pool="AVE", global_pooling=True)

    def lrn(self, x, name):
        return self.add(name, "LRN", [x], self.channels[x], self.sides[x], local_size=5, alpha=0.0001, beta=0.75)

    def concat(self, parts, name):
        return self.add(name, "Concat", parts, sum(self.channels[x] for x in parts), self.sides[parts[0]])

    def sum(self, a, b, name):
        return self.add(name, "Eltwise", [a, b], self.channels[a], self.sides[a])

    def prototxt(self, left_out=()):
        """Returns the text that defines the network."""
        lines = [f'name: "{self.name}"', 'layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: 1 '
                 f"dim: 3 dim: {self.side} dim: {self.side} }} }} }}"]
        for layer in self.layers:
            if layer.name.startswith(tuple(left_out)):
                continue
            ends = [f'bottom: "{b}"' for b in layer.bottoms] + [f'top: "{t}"' for t in layer.tops]
            text = f'layer {{ name: "{layer.name}" type: "{layer.type}" {" ".join(ends)}'
            if layer.parameters:
                shown = {k: str(v).lower() if isinstance(v, bool) else v for k, v in layer.parameters.items()}
                fields = " ".join(f"{key}: {value}" for key, value in shown.items())
                text += f" {PARAMETERS[layer.type][0]} {{ {fields} }}"
            lines.append(text + " }")
        return "\n".join(lines) + "\n"

    def caffemodel(self):
        """Returns a NetParameter with the layers, as Caffe writes it after training."""
        if self.v1:
            return text(1, self.name) + b"".join(message(2, encoded_first(layer)) for layer in self.layers)
        return text(1, self.name) + b"".join(message(100, encoded(layer)) for layer in self.layers)


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def text(number, value):
    return message(number, value.encode())


def field(number, type, value):
    if type is float:
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(type.index(value) if isinstance(type, list) else int(value))


def blob(values):
    shape = message(1, b"".join(varint(extent) for extent in values.shape))
    return message(7, shape) + message(5, values.astype("<f4").tobytes())


def fields_of(layer):
    known = PARAMETERS[layer.type][2]
    return b"".join(field(*known[key], value) for key, value in layer.parameters.items())


def encoded(layer):
    data = text(1, layer.name) + text(2, layer.type)
    data += b"".join(text(3, x) for x in layer.bottoms) + b"".join(text(4, x) for x in layer.tops)
    data += b"".join(message(7, blob(values)) for values in layer.blobs)
    return data + (message(PARAMETERS[layer.type][1], fields_of(layer)) if layer.parameters else b"")


def legacy_blob(values):
    """Number, channels, height and width instead of a shape."""
    extents = (1,) * (4 - values.ndim) + values.shape
    return b"".join(field(i, int, extent) for i, extent in enumerate(extents, 1)) + message(5, values.astype("<f4").tobytes())


def encoded_first(layer):
    type, parameters = V1_LAYERS[layer.type]
    data = b"".join(text(2, x) for x in layer.bottoms) + b"".join(text(3, x) for x in layer.tops)
    data += text(4, layer.name) + field(5, int, type) + b"".join(message(6, legacy_blob(values)) for values in layer.blobs)
    return data + (message(parameters, fields_of(layer)) if layer.parameters else b"")


def alexnet(pool_first=False):
    """bvlc_alexnet, or with `pool_first` bvlc_reference_caffenet, which pools before normalizing."""
    net = Net("AlexNet", 227, 1, v1=True)

    def normalized(x, number):
        steps = [lambda x: net.lrn(x, f"norm{number}"), lambda x: net.pool(x, f"pool{number}", 3, 2)]
        for step in reversed(steps) if pool_first else steps:
            x = step(x)
        return x

    x = net.relu(net.conv("data", "conv1", 96, 11, stride=4), "relu1")
    x = net.relu(net.conv(normalized(x, 1), "conv2", 256, 5, pad=2, group=2), "relu2")
    x = net.relu(net.conv(normalized(x, 2), "conv3", 384, 3, pad=1), "relu3")
    x = net.relu(net.conv(x, "conv4", 384, 3, pad=1, group=2), "relu4")
    x = net.relu(net.conv(x, "conv5", 256, 3, pad=1, group=2), "relu5")
    x = net.relu(net.linear(net.pool(x, "pool5", 3, 2), "fc6", 4096), "relu6")
    net.linear(net.relu(net.linear(x, "fc7", 4096), "relu7"), "fc8", 1000)
    return net


GOOGLENET = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet():
    """bvlc_googlenet, including its auxiliary heads, as in the published weights."""
    net = Net("GoogleNet", 224, 2, v1=True)

    def unit(x, stem, part, channels, kernel, **options):
        return net.relu(net.conv(x, f"{stem}/{part}", channels, kernel, **options), f"{stem}/relu_{part}")

    def head(x, name):
        x = unit(net.pool(x, f"{name}/ave_pool", 5, 3, pool="AVE"), name, "conv", 128, 1)
        net.linear(net.relu(net.linear(x, f"{name}/fc", 1024), f"{name}/relu_fc"), f"{name}/classifier", 1000)

    x = net.relu(net.conv("data", "conv1/7x7_s2", 64, 7, stride=2, pad=3), "conv1/relu_7x7")
    x = net.lrn(net.pool(x, "pool1/3x3_s2", 3, 2), "pool1/norm1")
    x = unit(unit(x, "conv2", "3x3_reduce", 64, 1), "conv2", "3x3", 192, 3, pad=1)
    x = net.pool(net.lrn(x, "conv2/norm2"), "pool2/3x3_s2", 3, 2)
    for module, (one, reduce3, three, reduce5, five, projection) in GOOGLENET.items():
        stem = f"inception_{module}"
        parts = [
            unit(x, stem, "1x1", one, 1),
            unit(unit(x, stem, "3x3_reduce", reduce3, 1), stem, "3x3", three, 3, pad=1),
            unit(unit(x, stem, "5x5_reduce", reduce5, 1), stem, "5x5", five, 5, pad=2),
            unit(net.pool(x, f"{stem}/pool", 3, 1, pad=1), stem, "pool_proj", projection, 1),
        ]
        x = net.concat(parts, f"{stem}/output")
        if module in ("4a", "4d"):
            head(x, {"4a": "loss1", "4d": "loss2"}[module])
        if module in ("3b", "4e"):
            x = net.pool(x, f"pool{module[0]}/3x3_s2", 3, 2)
    net.linear(net.global_pool(x, "pool5/7x7_s1"), "loss3/classifier", 1000)
    return net


def vgg16():
    net = Net("VGG_ILSVRC_16_layers", 224, 3, v1=True)
    x = "data"
    for stage, (channels, count) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
        for number in range(1, count + 1):
            x = net.relu(net.conv(x, f"conv{stage}_{number}", channels, 3, pad=1), f"relu{stage}_{number}")
        x = net.pool(x, f"pool{stage}", 2, 2)
    x = net.relu(net.linear(x, "fc6", 4096), "relu6")
    net.linear(net.relu(net.linear(x, "fc7", 4096), "relu7"), "fc8", 1000)
    return net


def squeezenet():
    net = Net("squeezenet_v1.1", 227, 4)
    x = net.pool(net.relu(net.conv("data", "conv1", 64, 3, stride=2), "relu_conv1"), "pool1", 3, 2)
    for number, squeeze in enumerate([16, 16, 32, 32, 48, 48, 64, 64], 2):
        stem = f"fire{number}"
        x = net.relu(net.conv(x, f"{stem}/squeeze1x1", squeeze, 1), f"{stem}/relu_squeeze1x1")
        parts = [(f"expand{k}x{k}", k) for k in (1, 3)]
        parts = [net.relu(net.conv(x, f"{stem}/{p}", 4 * squeeze, k, pad=k // 2), f"{stem}/relu_{p}") for p, k in parts]
        x = net.concat(parts, f"{stem}/concat")
        if number in (3, 5):
            x = net.pool(x, f"pool{number}", 3, 2)
    net.global_pool(net.relu(net.conv(x, "conv10", 1000, 1), "relu_conv10"), "pool10")
    return net


def nin():
    net = Net("nin_imagenet", 224, 5, v1=True)
    relu = iter(range(99))

    def conv(x, name, channels, *window, **options):
        return net.relu(net.conv(x, name, channels, *window, **options), f"relu{next(relu)}")

    x = conv("data", "conv1", 96, 11, stride=4)
    x = net.pool(conv(conv(x, "cccp1", 96, 1), "cccp2", 96, 1), "pool0", 3, 2)
    x = conv(x, "conv2", 256, 5, pad=2)
    x = net.pool(conv(conv(x, "cccp3", 256, 1), "cccp4", 256, 1), "pool2", 3, 2)
    x = conv(x, "conv3", 384, 3, pad=1)
    x = net.pool(conv(conv(x, "cccp5", 384, 1), "cccp6", 384, 1), "pool3", 3, 2)
    x = conv(x, "conv4-1024", 1024, 3, pad=1)
    net.global_pool(conv(conv(x, "cccp7-1024", 1024, 1), "cccp8-1024", 1000, 1), "pool4")
    return net


def resnet(depth, counts):
    """Kaiming He's ResNet: the stride in the first 1×1 convolution, a max pool that rounds up instead of being padded."""
    net = Net(f"ResNet-{depth}", 224, depth)

    def normed(x, name, *window, variance=1.0, **options):
        x = net.conv(x, f"res{name}", *window, bias=False, **options)
        return net.norm(x, f"bn{name}", f"scale{name}", variance)

    # The published ResNet-50 has a bias in its first convolution, the deeper ones have none.
    x = net.conv("data", "conv1", 64, 7, stride=2, pad=3, bias=depth == 50)
    x = net.relu(net.norm(x, "bn_conv1", "scale_conv1", variance=5000.0), "conv1_relu")
    x = net.pool(x, "pool1", 3, 2)
    for stage, (channels, count) in enumerate(zip((64, 128, 256, 512), counts), 2):
        for block in range(count):
            # Long stages number their blocks: a, b1, b2, …
            name = f"{stage}{'a' if block == 0 else f'b{block}' if depth > 50 and count > 3 else 'abcdef'[block]}"
            stride = 2 if stage > 2 and block == 0 else 1
            shortcut = normed(x, f"{name}_branch1", 4 * channels, 1, stride=stride) if block == 0 else x
            y = net.relu(normed(x, f"{name}_branch2a", channels, 1, stride=stride), f"res{name}_branch2a_relu")
            y = net.relu(normed(y, f"{name}_branch2b", channels, 3, pad=1), f"res{name}_branch2b_relu")
            y = normed(y, f"{name}_branch2c", 4 * channels, 1)
            x = net.relu(net.sum(shortcut, y, f"res{name}"), f"res{name}_relu")
    net.linear(net.global_pool(x, "pool5"), "fc1000", 1000)
    return net
