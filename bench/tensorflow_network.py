"""A torch module as a TensorFlow function: the same layers and weights on channels-last images.

Keras's own ResNets and Inception V3 are variants with other costs than torchvision's.
"""

import operator
import sys

# Triton, which torch loads for GPUs, and TensorFlow contain different versions of LLVM, which cannot share a process.
sys.modules["triton"] = None

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import fx, nn

# Torch's axes of a batch of images, as TensorFlow's.
AXES = {0: 0, 1: 3, 2: 1, 3: 2}


def pair(value):
    return list(value) if isinstance(value, (tuple, list)) else [value, value]


def explicit(pad, more=(0, 0)):
    """Returns TensorFlow's padding of rows and columns, with `more` at the end."""
    return [[0, 0], [pad[0], pad[0] + more[0]], [pad[1], pad[1] + more[1]], [0, 0]]


class Translation(fx.Interpreter):
    """Runs a traced module on a TensorFlow tensor."""

    def __init__(self, module):
        super().__init__(fx.symbolic_trace(module))
        self.training = False
        self.variables = {}
        # The extents [C, H, W] that were flattened and that the next linear layer reads.
        self.flattened = None

    def variable(self, tensor, form=lambda values: values, trainable=True):
        if id(tensor) not in self.variables:
            values = form(tensor.detach()).contiguous().numpy()
            self.variables[id(tensor)] = tf.Variable(values, trainable=trainable)
        return self.variables[id(tensor)]

    def parameters(self):
        return [variable for variable in self.variables.values() if variable.trainable]

    def __call__(self, x, training):
        self.training = training
        return self.run(x)

    def call_module(self, target, args, kwargs):
        layer, (x,) = self.fetch_attr(target), args
        for kind, translate in MODULES.items():
            if isinstance(layer, kind):
                return translate(self, x, layer)
        sys.exit(f"no TensorFlow form of {layer}")

    def call_function(self, target, args, kwargs):
        if target not in FUNCTIONS:
            sys.exit(f"no TensorFlow form of {target}")
        return FUNCTIONS[target](self, *args, **kwargs)

    def convolution(self, x, layer):
        if layer.groups != 1:
            sys.exit("TensorFlow has no convolution with groups on the CPU")
        weight = self.variable(layer.weight, lambda values: values.permute(2, 3, 1, 0))
        y = tf.nn.conv2d(x, weight, layer.stride, explicit(layer.padding), dilations=layer.dilation)
        return y if layer.bias is None else tf.nn.bias_add(y, self.variable(layer.bias))

    def batch_norm(self, x, layer):
        scale, offset = self.variable(layer.weight), self.variable(layer.bias)
        statistics = [self.variable(v, trainable=False) for v in (layer.running_mean, layer.running_var)]
        # `exponential_avg_factor` is the share of the old statistics.
        y, *updated, _, _, _ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, mean=statistics[0], variance=statistics[1], epsilon=layer.eps,
            exponential_avg_factor=1.0 - layer.momentum, is_training=self.training,
        )  # fmt: skip
        if self.training:
            for variable, value in zip(statistics, updated):
                variable.assign(value)
        return y

    def linear(self, x, layer):
        extents, self.flattened = self.flattened, None

        def form(values):
            if extents is not None:
                values = values.reshape(-1, *extents).permute(0, 2, 3, 1).flatten(1)
            return values.T

        y = tf.matmul(x, self.variable(layer.weight, form))
        return y if layer.bias is None else tf.nn.bias_add(y, self.variable(layer.bias))

    def flatten(self, x, *_):
        rows, columns, channels = x.shape[1:]
        self.flattened = (channels, rows, columns)
        return tf.reshape(x, [x.shape[0], -1])

    def max_pool(self, x, kernel, stride=None, padding=0, dilation=1, ceil_mode=False, **_):
        kernel, stride, padding = pair(kernel), pair(stride or kernel), pair(padding)
        more = [0, 0]
        for axis in (0, 1) if ceil_mode else ():
            free = x.shape[1 + axis] + 2 * padding[axis] - kernel[axis]
            more[axis] = -free % stride[axis]
        return tf.nn.max_pool2d(x, kernel, stride, explicit(padding, more))

    def average_pool(self, x, kernel_size, stride=None, padding=0, **_):
        x = tf.pad(x, explicit(pair(padding))) if any(pair(padding)) else x
        return tf.nn.avg_pool2d(x, pair(kernel_size), pair(stride or kernel_size), "VALID")

    def adaptive_average_pool(self, x, size):
        if pair(size) == [1, 1]:
            return tf.reduce_mean(x, [1, 2], keepdims=True)
        if pair(size) != list(x.shape[1:3]):
            sys.exit(f"no TensorFlow form of adaptive pooling from {x.shape} to {size}")
        return x

    def dropout(self, x, p, *_, **__):
        return tf.nn.dropout(x, p) if self.training else x

    def strided(self, x, slices):
        return x[tuple(slices[axis] for axis in (0, 2, 3, 1))]

    def pad(self, x, widths, **_):
        pads = [[0, 0]] * 4
        for axis, (before, after) in enumerate(zip(widths[::2], widths[1::2])):
            pads[AXES[3 - axis]] = [before, after]
        return tf.pad(x, pads)


MODULES = {
    nn.Conv2d: Translation.convolution,
    nn.BatchNorm2d: Translation.batch_norm,
    nn.Linear: Translation.linear,
    nn.Flatten: Translation.flatten,
    nn.ReLU: lambda self, x, layer: tf.nn.relu(x),
    nn.Tanh: lambda self, x, layer: tf.tanh(x),
    nn.Dropout: lambda self, x, layer: self.dropout(x, layer.p),
    nn.AdaptiveAvgPool2d: lambda self, x, layer: self.adaptive_average_pool(x, layer.output_size),
    nn.AvgPool2d: lambda self, x, layer: self.average_pool(x, layer.kernel_size, layer.stride, layer.padding),
    nn.MaxPool2d: lambda self, x, layer: self.max_pool(
        x, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode
    ),
}
FUNCTIONS = {
    operator.add: lambda self, x, y: x + y,
    operator.iadd: lambda self, x, y: x + y,
    operator.getitem: Translation.strided,
    torch.cat: lambda self, parts, axis: tf.concat(parts, AXES[axis]),
    torch.flatten: Translation.flatten,
    F.relu: lambda self, x, inplace=False: tf.nn.relu(x),
    F.dropout: Translation.dropout,
    F.max_pool2d: Translation.max_pool,
    F.avg_pool2d: Translation.average_pool,
    F.adaptive_avg_pool2d: Translation.adaptive_average_pool,
    F.pad: Translation.pad,
}
