#!/usr/bin/env python3
"""Small cases of every operator in PyTorch, written to crates/testkit/references/operators.json.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python scripts/reference/operators_pytorch.py

The file is `{"cases": [...]}`, one case per line:

    op          conv2d, linear, max_pool, avg_pool, relu, relu6, tanh, sigmoid, scaled_tanh, scale, lrn,
                pad_channels, batch_norm, add, concat, softmax, cross_entropy, binary_cross_entropy,
                mean_squared, hinge, perceptron, rbf_loss, rbf, conv_table, locally_connected,
                conv1d, conv3d, max_pool1d, max_pool2d, max_pool3d, avg_pool1d, avg_pool2d, avg_pool3d
                (max_pool2d and avg_pool2d only with attributes that max_pool and avg_pool lack)
    name        a description of the case
    attributes  numbers, pairs [rows, columns] and flags of the operator, as PyTorch names them; `pads`: numbers
                [before, after] of each axis, passed to PyTorch as zero padding; every fraction is
                exact in f32
    inputs      name -> {shape, tensor, low, high}: element i is low + (high - low) * unit(tensor, i),
                rounded to f32, with the integer hash `unit` of lenet5_pytorch.py (repeated in
                crates/testkit/src/formula.rs). An input `dy` is the gradient of the output
    outputs     name -> {shape, values}, in float64
    gradients   input's name -> values of the gradient of sum(y * dy) (of the loss itself for
                a loss), in float64
    f32         result's name ("y", "gradient.x") -> the largest absolute difference of PyTorch's own
                float32 run from the float64 values

All arrays are flat, in the order of the shape, the last index fastest.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

from lenet5_pytorch import unit

LABELS = [2, 0, 4, 1]


def single(value):
    """The nearest f32 number."""
    return float(np.float32(value))


class Cases:
    """The cases so far; every input in the file has a unique tensor number."""

    def __init__(self):
        self.cases = []
        self.tensor = 1000

    def values(self, shape, low=-1.0, high=1.0):
        self.tensor += 1
        return {"shape": list(shape), "tensor": self.tensor, "low": low, "high": high}

    def add(self, op, name, run, inputs, attributes=None, differentiable=True):
        """`run` takes the inputs by name and gives a dictionary of results, "y" or "loss" among them."""
        spec = {key: self.values(*value) for key, value in inputs.items()}
        outputs = evaluate(run, spec, None, torch.float64)[0]
        is_loss = "loss" in outputs
        if differentiable and not is_loss:
            shape = outputs["y"].shape
            spec["dy"] = self.values(shape)
        results = [
            evaluate(run, spec, "loss" if is_loss else "y" if differentiable else None, dtype)
            for dtype in (torch.float64, torch.float32)
        ]
        (outputs, gradients), (outputs32, gradients32) = results
        wide = {**outputs, **{f"gradient.{key}": value for key, value in gradients.items()}}
        narrow = {**outputs32, **{f"gradient.{key}": value for key, value in gradients32.items()}}
        self.cases.append(
            {
                "op": op,
                "name": name,
                "attributes": attributes or {},
                "inputs": spec,
                "outputs": {k: {"shape": list(v.shape), "values": flat(v)} for k, v in outputs.items()},
                "gradients": {key: flat(value) for key, value in gradients.items()},
                "f32": {key: (wide[key] - narrow[key].double()).abs().max().item() for key in wide},
            }
        )


def flat(tensor):
    return tensor.detach().double().flatten().tolist()


def evaluate(run, spec, root, dtype):
    """Results of one run, and the gradients of all inputs if `root` names the result they start from."""
    inputs = {}
    for key, given in spec.items():
        low, high, count = given["low"], given["high"], int(np.prod(given["shape"]))
        numbers = (low + (high - low) * unit(given["tensor"], count)).astype(np.float32)
        inputs[key] = torch.tensor(numbers.reshape(given["shape"]), dtype=dtype)
    dy = inputs.pop("dy", None)
    for tensor in inputs.values():
        tensor.requires_grad_(root is not None)
    outputs = run(**inputs)
    if root is None:
        return {key: value.detach() for key, value in outputs.items()}, {}
    outputs[root].backward(dy)
    gradients = {key: tensor.grad for key, tensor in inputs.items() if tensor.grad is not None}
    return {key: value.detach() for key, value in outputs.items()}, gradients


def conv2d(cases):
    def case(name, x, w, bias=True, **attributes):
        full = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1, **attributes}
        inputs = {"x": (x,), "w": (w,), **({"b": (w[:1],)} if bias else {})}
        cases.add("conv2d", name, lambda x, w, b=None: {"y": F.conv2d(x, w, b, **full)}, inputs, full)

    case("plain 3x3", (2, 3, 6, 5), (4, 3, 3, 3))
    case("no bias", (1, 2, 5, 5), (3, 2, 3, 3), bias=False)
    case("1x1", (2, 5, 4, 3), (6, 5, 1, 1))
    case("1x1 stride 2", (1, 4, 5, 6), (3, 4, 1, 1), stride=[2, 2])
    case("padding 1", (1, 3, 5, 4), (2, 3, 3, 3), padding=[1, 1])
    case("stride 2 padding 1, last row unused", (2, 2, 6, 7), (3, 2, 3, 3), stride=[2, 2], padding=[1, 1])
    case("5x5 padding 2", (1, 2, 6, 6), (2, 2, 5, 5), padding=[2, 2])
    case("7x7 stride 2 padding 3", (1, 3, 9, 8), (2, 3, 7, 7), stride=[2, 2], padding=[3, 3])
    case("stride beyond the kernel", (1, 2, 8, 8), (2, 2, 2, 2), stride=[3, 4])
    case("padding beyond the kernel's reach", (1, 1, 3, 3), (2, 1, 2, 2), padding=[3, 2])
    case("dilation 2", (1, 2, 7, 8), (3, 2, 3, 3), dilation=[2, 2])
    case("dilation 2x3, padding 2x3", (1, 2, 5, 7), (2, 2, 3, 3), padding=[2, 3], dilation=[2, 3])
    case("groups 2", (2, 4, 5, 4), (6, 2, 3, 3), groups=2, padding=[1, 1])
    case("groups 3, stride 2", (1, 6, 6, 6), (3, 2, 3, 3), groups=3, stride=[2, 2])
    case("depthwise", (1, 5, 5, 5), (5, 1, 3, 3), groups=5, padding=[1, 1])
    case("depthwise, two outputs a channel", (1, 3, 6, 5), (6, 1, 3, 3), groups=3, stride=[2, 1])
    case("1x7 kernel", (1, 2, 3, 8), (3, 2, 1, 7), padding=[0, 3])
    case("7x1 kernel", (1, 2, 8, 3), (3, 2, 7, 1), padding=[3, 0])
    case(
        "everything unequal",
        (2, 4, 9, 7),
        (4, 2, 3, 2),
        stride=[2, 1],
        padding=[2, 1],
        dilation=[1, 3],
        groups=2,
    )


def linear(cases):
    for name, n, i, o, bias in [
        ("plain", 3, 5, 4, True),
        ("no bias", 2, 7, 3, False),
        ("one row", 1, 9, 6, True),
        ("one output", 4, 3, 1, True),
    ]:
        inputs = {"x": ((n, i),), "w": ((o, i),), **({"b": ((o,),)} if bias else {})}
        cases.add("linear", name, lambda x, w, b=None: {"y": F.linear(x, w, b)}, inputs)


def pooling(cases):
    def attributes(kernel, stride, padding, ceil):
        return {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil}

    shapes = [
        ("2x2", (2, 3, 4, 6), attributes([2, 2], [2, 2], [0, 0], False)),
        ("overlapping 3/2", (1, 3, 7, 9), attributes([3, 3], [2, 2], [0, 0], False)),
        ("3/2 padding 1", (1, 2, 6, 7), attributes([3, 3], [2, 2], [1, 1], False)),
        ("3/1 padding 1", (1, 2, 4, 5), attributes([3, 3], [1, 1], [1, 1], False)),
        ("3/2 ceiling", (1, 2, 6, 8), attributes([3, 3], [2, 2], [0, 0], True)),
        ("3/2 padding 1 ceiling", (1, 2, 6, 7), attributes([3, 3], [2, 2], [1, 1], True)),
        ("2/2 ceiling drops a window in the padding", (1, 2, 5, 5), attributes([2, 2], [2, 2], [1, 1], True)),
        ("unequal, ceiling", (2, 1, 8, 7), attributes([4, 3], [3, 2], [2, 1], True)),
        ("stride beyond the window", (1, 2, 8, 9), attributes([2, 2], [3, 4], [0, 0], False)),
        ("the whole map", (2, 3, 4, 3), attributes([4, 3], [4, 3], [0, 0], False)),
    ]
    for name, x, how in shapes:
        cases.add("max_pool", name, lambda x: {"y": F.max_pool2d(x, **how)}, {"x": (x,)}, how)
        for include in (True, False):
            full = {**how, "count_include_pad": include}
            padding = "counted" if include else "not counted"
            cases.add(
                "avg_pool",
                f"{name}, padding {padding}",
                lambda x: {"y": F.avg_pool2d(x, **full)},
                {"x": (x,)},
                full,
            )


def elementwise(cases):
    for op, function, low, high in [
        ("relu", F.relu, -2.0, 2.0),
        ("relu6", F.relu6, -4.0, 10.0),
        ("tanh", torch.tanh, -4.0, 4.0),
        ("sigmoid", torch.sigmoid, -8.0, 8.0),
    ]:
        cases.add(op, "plain", lambda x: {"y": function(x)}, {"x": ((2, 3, 3, 5), low, high)})
    # Where naive formulas overflow or underflow.
    cases.add("tanh", "far out", lambda x: {"y": torch.tanh(x)}, {"x": ((1, 1, 4, 5), -60.0, 60.0)})
    cases.add("sigmoid", "far out", lambda x: {"y": torch.sigmoid(x)}, {"x": ((1, 1, 4, 5), -60.0, 60.0)})
    shape = (2, 3, 4, 3)
    cases.add("add", "plain", lambda a, b: {"y": a + b}, {"a": (shape,), "b": (shape,)})


    # LeCun et al., 1998, appendix A.
    x = {"x": ((2, 3, 3, 5), -4.0, 4.0)}
    cases.add("scaled_tanh", "plain", lambda x: {"y": 1.7159 * torch.tanh(2 * x / 3)}, x)


def channels(cases):
    def scale(x, w, b=None):
        y = x * w.reshape(1, -1, *[1] * (x.dim() - 2))
        return {"y": y if b is None else y + b.reshape(1, -1, *[1] * (x.dim() - 2))}

    for name, shape, bias in [
        ("plain", (2, 5, 3, 4), True),
        ("no bias", (3, 2, 4, 3), False),
        ("rows", (4, 6, 1, 1), True),
    ]:
        inputs = {"x": (shape,), "w": (shape[1:2],), **({"b": (shape[1:2],)} if bias else {})}
        cases.add("scale", name, scale, inputs)
    for name, channels, attributes in [
        ("AlexNet's, alpha by the size", 12, {"size": 5, "alpha": single(5e-4), "beta": 0.75, "k": 2.0}),
        ("strong", 9, {"size": 5, "alpha": 2.0, "beta": 0.75, "k": 1.0}),
        ("a window beyond the channels", 3, {"size": 7, "alpha": 1.5, "beta": 0.5, "k": 0.5}),
        ("one channel alone", 4, {"size": 1, "alpha": 1.0, "beta": 1.25, "k": 1.0}),
        ("a power that is not a quarter", 6, {"size": 3, "alpha": 1.0, "beta": single(0.6), "k": 1.0}),
    ]:
        inputs = {"x": ((2, channels, 3, 2), -2.0, 2.0)}
        cases.add("lrn", name, lambda x: {"y": F.local_response_norm(x, **attributes)}, inputs, attributes)
    for before, after in [(0, 3), (2, 2), (5, 0)]:
        cases.add(
            "pad_channels",
            f"{before} before, {after} behind",
            lambda x: {"y": F.pad(x, (0, 0, 0, 0, before, after))},
            {"x": ((2, 3, 2, 3),)},
            {"before": before, "after": after},
        )


def batch_norm(cases):
    batch_norms(
        cases,
        [
            ("plain", (3, 2, 4, 3), 1e-5, 0.1),
            ("one image, large epsilon", (1, 3, 5, 4), 1e-3, 0.25),
            ("rows", (6, 4, 1, 1), 1e-5, 0.1),
        ],
    )


def batch_norms(cases, all):
    for name, shape, epsilon, momentum in all:
        attributes = {"eps": single(epsilon), "momentum": single(momentum)}

        def training(x, gamma, beta, running_mean, running_var):
            mean, var = running_mean.detach().clone(), running_var.detach().clone()
            y = F.batch_norm(x, mean, var, gamma, beta, training=True, **attributes)
            return {"y": y, "running_mean": mean, "running_var": var}

        def evaluation(x, gamma, beta, running_mean, running_var):
            return {"y": F.batch_norm(x, running_mean, running_var, gamma, beta, training=False, **attributes)}

        channels = shape[1:2]
        inputs = {
            "x": (shape, -2.0, 3.0),
            "gamma": (channels, 0.5, 1.5),
            "beta": (channels,),
            "running_mean": (channels,),
            "running_var": (channels, 0.5, 2.0),
        }
        how = {**attributes, "training": True}
        cases.add("batch_norm", f"{name}, training", training, inputs, how)
        how = {**attributes, "training": False}
        cases.add("batch_norm", f"{name}, evaluation", evaluation, inputs, how, differentiable=False)


def concat(cases):
    for name, channels in [("two", [2, 3]), ("four, one of a single channel", [1, 4, 2, 3])]:
        inputs = {f"part{i}": ((2, count, 3, 2),) for i, count in enumerate(channels)}
        cases.add("concat", name, lambda **parts: {"y": torch.cat(list(parts.values()), 1)}, inputs)


def losses(cases):
    for name, low, high in [("plain", -3.0, 3.0), ("large scores", -200.0, 200.0)]:
        x = {"x": ((4, 5), low, high)}
        cases.add("softmax", name, lambda x: {"y": torch.softmax(x, 1)}, x)
        for smoothing in (0.0, 0.1):
            attributes = {"label_smoothing": single(smoothing), "labels": LABELS}

            def run(x):
                labels = torch.tensor(LABELS)
                return {"loss": F.cross_entropy(x, labels, label_smoothing=attributes["label_smoothing"])}

            cases.add("cross_entropy", f"{name}, smoothing {smoothing}", run, x, attributes)


def class_losses(cases):
    labels = torch.tensor(LABELS)
    target = F.one_hot(labels, 5)

    def case(op, name, run, low=-3.0, high=3.0, **attributes):
        x = {"x": ((4, 5), low, high)}
        cases.add(op, name, lambda x: {"loss": run(x)}, x, {"labels": LABELS, **attributes})

    for name, high in [("plain", 3.0), ("large scores", 200.0)]:
        run = lambda x: F.binary_cross_entropy_with_logits(x, target.to(x.dtype))
        case("binary_cross_entropy", name, run, -high, high)
    case("mean_squared", "plain", lambda x: F.mse_loss(x, target.to(x.dtype)))
    case("perceptron", "plain", lambda x: (x.max(1).values - x.gather(1, labels[:, None]).squeeze(1)).mean())
    for margin, power in [(1.0, 1), (2.5, 1), (1.0, 2)]:
        run = lambda x: F.multi_margin_loss(x, labels, p=power, margin=margin)
        case("hinge", f"margin {margin}, power {power}", run, margin=margin, power=power)
    for j, low in [(1.0, -5.0), (0.25, -400.0)]:
        # Equation 9 of LeCun et al., 1998: the penalties are the negated scores.
        def run(x):
            none = torch.full((len(LABELS), 1), -j, dtype=x.dtype)
            of_label = -x.gather(1, labels[:, None]).squeeze(1)
            return (of_label + torch.logsumexp(torch.cat([none, x], 1), 1)).mean()

        case("rbf_loss", f"j {j}", run, low, 0.0, j=j)


def lenet(cases):
    def distances(x, codes):
        return {"y": -((x[:, None] - codes.detach()) ** 2).sum(2)}

    cases.add("rbf", "plain", distances, {"x": ((3, 7),), "codes": ((4, 7),)})
    table = [[0], [0, 2], [1, 2, 3], [3]]
    places = torch.tensor([(o, i) for o, inputs in enumerate(table) for i in inputs])

    def convolution(x, w):
        whole = torch.zeros(4, 4, 3, 2, dtype=x.dtype).index_put(tuple(places.T), w.squeeze(1))
        return {"y": F.conv2d(x, whole)}

    inputs = {"x": ((2, 4, 5, 4),), "w": ((len(places), 1, 3, 2),)}
    cases.add("conv_table", "plain", convolution, inputs, {"connections": table})


def other_convolutions(cases):
    """Unshared weights `[O, C·KH·KW, OH, OW]` by PyTorch's patches; signals."""
    attributes = {"stride": [2, 1], "padding": [1, 2]}

    def unshared(x, w, b):
        kernel = [2, 3]
        patches = F.unfold(x, kernel, **attributes).reshape(x.shape[0], *w.shape[1:])
        return {"y": torch.einsum("nkhw,okhw->nohw", patches, w) + b}

    inputs = {"x": ((2, 2, 5, 4),), "w": ((3, 12, 3, 6),), "b": ((3, 3, 6),)}
    cases.add("locally_connected", "plain", unshared, inputs, {"kernel_size": [2, 3], **attributes})
    how = {"stride": 2, "padding": 3, "dilation": 2, "groups": 2}
    inputs = {"x": ((2, 4, 11),), "w": ((6, 2, 3),), "b": ((6,),)}
    cases.add("conv1d", "plain", lambda x, w, b: {"y": F.conv1d(x, w, b, **how)}, inputs, how)


def signals_and_volumes(cases):
    def conv(op, name, x, w, bias=True, pads=None, **attributes):
        axes = len(x) - 2
        border = [side for pair in reversed(pads or []) for side in pair]
        convolution = {"conv1d": F.conv1d, "conv3d": F.conv3d}[op]

        def run(x, w, b=None):
            return {"y": convolution(F.pad(x, border), w, b, **attributes)}

        how = {"stride": [1] * axes, "padding": [0] * axes, "dilation": [1] * axes, "groups": 1, **attributes}
        inputs = {"x": (x,), "w": (w,), **({"b": (w[:1],)} if bias else {})}
        cases.add(op, name, run, inputs, {**how, **({"pads": pads} if pads else {})})

    conv("conv1d", "border on one side", (2, 3, 7), (4, 3, 3), pads=[[2, 0]])
    conv("conv1d", "depthwise, stride 3, no bias", (1, 4, 12), (4, 1, 4), bias=False, groups=4, stride=[3])
    conv("conv3d", "plain 3x3x3", (2, 2, 4, 5, 6), (3, 2, 3, 3, 3))
    conv("conv3d", "no bias, padding 1", (1, 3, 3, 4, 5), (2, 3, 3, 3, 3), bias=False, padding=[1, 1, 1])
    conv("conv3d", "1x1x1", (2, 5, 2, 3, 4), (6, 5, 1, 1, 1))
    conv("conv3d", "frame by frame", (1, 2, 3, 5, 5), (3, 2, 1, 3, 3), padding=[0, 1, 1])
    conv("conv3d", "along the depth", (1, 2, 6, 2, 3), (3, 2, 3, 1, 1), padding=[1, 0, 0])
    conv("conv3d", "stride 2", (2, 2, 5, 6, 7), (3, 2, 3, 3, 3), stride=[2, 2, 2], padding=[1, 1, 1])
    conv("conv3d", "stride beyond the kernel", (1, 2, 7, 8, 9), (2, 2, 2, 2, 2), stride=[3, 4, 3])
    conv("conv3d", "padding beyond the kernel's reach", (1, 1, 2, 3, 2), (2, 1, 2, 2, 2), padding=[2, 3, 2])
    conv("conv3d", "dilation", (1, 2, 5, 6, 8), (3, 2, 2, 3, 3), dilation=[2, 1, 3], padding=[0, 1, 2])
    conv("conv3d", "groups", (2, 4, 3, 4, 4), (6, 2, 2, 3, 3), groups=2, padding=[1, 1, 1])
    conv("conv3d", "depthwise, two outputs a channel", (1, 3, 4, 4, 5), (6, 1, 3, 3, 3), groups=3, stride=[1, 2, 1])
    conv("conv3d", "uneven border", (1, 2, 3, 4, 5), (3, 2, 3, 3, 3), pads=[[2, 0], [0, 1], [1, 3]])
    conv(
        "conv3d",
        "everything unequal",
        (2, 4, 7, 6, 9),
        (4, 2, 3, 2, 4),
        stride=[2, 1, 3],
        padding=[2, 1, 0],
        dilation=[1, 3, 2],
        groups=2,
    )

    def pool(op, name, x, **how):
        function = {"max_pool1d": F.max_pool1d, "max_pool2d": F.max_pool2d, "max_pool3d": F.max_pool3d}
        function |= {"avg_pool1d": F.avg_pool1d, "avg_pool2d": F.avg_pool2d, "avg_pool3d": F.avg_pool3d}
        cases.add(op, name, lambda x: {"y": function[op](x, **how)}, {"x": (x,)}, how)

    def both(name, x, dimensions, **how):
        pool(f"max_pool{dimensions}d", name, x, **how)
        for include in (True, False):
            padding = "counted" if include else "not counted"
            pool(f"avg_pool{dimensions}d", f"{name}, padding {padding}", x, **how, count_include_pad=include)

    both("3/2 padding 1", (2, 3, 8), 1, kernel_size=[3], stride=[2], padding=[1], ceil_mode=False)
    both("3/2 ceiling", (1, 2, 10), 1, kernel_size=[3], stride=[2], padding=[1], ceil_mode=True)
    even = {"padding": [0, 0, 0], "ceil_mode": False}
    both("2x2x2", (2, 2, 4, 4, 6), 3, kernel_size=[2, 2, 2], stride=[2, 2, 2], **even)
    both("C3D's first", (1, 3, 3, 4, 6), 3, kernel_size=[1, 2, 2], stride=[1, 2, 2], **even)
    both("overlapping 3/2", (1, 2, 5, 7, 6), 3, kernel_size=[3, 3, 3], stride=[2, 2, 2], **even)
    both("the whole volume", (2, 3, 2, 4, 3), 3, kernel_size=[2, 4, 3], stride=[2, 4, 3], **even)
    both("stride beyond the window", (1, 2, 5, 8, 7), 3, kernel_size=[2, 2, 1], stride=[3, 4, 2], **even)
    padded = {"padding": [1, 1, 1], "stride": [2, 2, 2], "kernel_size": [3, 3, 3]}
    both("3/2 padding 1", (1, 2, 4, 5, 6), 3, **padded, ceil_mode=False)
    both("3/2 padding 1 ceiling", (1, 2, 4, 6, 5), 3, **padded, ceil_mode=True)
    unequal = {"kernel_size": [2, 4, 3], "stride": [2, 3, 2], "padding": [1, 2, 0], "ceil_mode": True}
    both("unequal, ceiling", (2, 1, 5, 8, 7), 3, **unequal)
    pool("max_pool1d", "gaps", (2, 3, 11), kernel_size=[3], stride=[2], padding=[1], dilation=[2], ceil_mode=True)
    gaps = {"kernel_size": [3, 2], "stride": [1, 2], "padding": [1, 1], "dilation": [2, 3]}
    pool("max_pool2d", "gaps", (2, 2, 7, 8), **gaps, ceil_mode=False)
    pool("max_pool2d", "gaps, ceiling", (2, 2, 8, 9), **gaps, ceil_mode=True)
    gaps = {"kernel_size": [2, 3, 2], "stride": [2, 1, 2], "padding": [0, 1, 1], "dilation": [3, 2, 1]}
    pool("max_pool3d", "gaps", (1, 2, 7, 6, 5), **gaps, ceil_mode=True)
    batch_norms(cases, [("signals", (3, 2, 5), 1e-5, 0.1), ("volumes", (2, 3, 2, 3, 4), 1e-5, 0.1)])
    both("one window, covered in part", (2, 3, 2), 1, kernel_size=[3], stride=[2], padding=[0], ceil_mode=True)
    corner = {"kernel_size": [3, 3, 5], "stride": [2, 2, 3], "padding": [0, 0, 0], "ceil_mode": True}
    pool("max_pool3d", "one window, covered in part", (1, 2, 3, 2, 4), **corner)
    # PyTorch refuses averages over a volume smaller than the window; here, the last windows are partially covered.
    both("last windows covered in part", (1, 2, 4, 3, 6), 3, **corner)
    flat = {"kernel_size": [3, 4], "stride": [2, 3], "ceil_mode": True}
    both("one window, covered in part", (2, 2, 2, 3), 2, **flat, padding=[0, 0])
    both("one window, covered in part, padding 1", (2, 3, 1, 1), 2, **flat, padding=[1, 1])


def main():
    torch.set_num_threads(1)
    cases = Cases()
    for part in (conv2d, linear, pooling, elementwise, channels, batch_norm, concat, losses, class_losses, lenet, other_convolutions, signals_and_volumes):
        part(cases)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases.cases)
    path = pathlib.Path(__file__).parents[2] / "crates/testkit/references/operators.json"
    path.write_text(f'{{"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
