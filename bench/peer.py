#!/usr/bin/env python3
"""A single measurement of another engine, in its own process; called by bench/peers.py.

    peer.py infer|train PEER NETWORK --batch N --threads T --seconds S --folder F
    peer.py kernels PEER FILE --direction forward|data|weights --threads T --seconds S

Prints one JSON object: `images_per_second` and `parameters` (null for engines that read the ONNX file of torch's
network), or `seconds` of each problem of the file (null if the peer has no such kernel), and the `version` of the
engine. The result is the median of five rounds of a fifth of the seconds each, after a warm-up, as in striate's own
bench verbs. Exits with 3 and a line on stderr if the peer does not have the network.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import time

ROUNDS = 5
WARM_UP_SECONDS = 0.5
IMAGES = {"lenet5": (1, 32), "inception_v3": (3, 299)}
CLASSES = {"lenet5": 10}


class Unfit(Exception):
    """The peer cannot run this measurement."""


def images(network):
    """Returns channels and height of an image; images are square."""
    return IMAGES.get(network, (3, 224))


def seconds_of(step, seconds):
    """Returns the seconds per call of `step`."""
    begin, calls = time.perf_counter(), 0
    while calls < 2 or time.perf_counter() - begin < min(WARM_UP_SECONDS, seconds):
        step()
        calls += 1
    rounds = []
    for _ in range(ROUNDS):
        begin, calls = time.perf_counter(), 0
        while True:
            step()
            calls += 1
            elapsed = time.perf_counter() - begin
            if elapsed >= seconds / ROUNDS:
                break
        rounds.append(elapsed / calls)
    return statistics.median(rounds)


def torch_network(network):
    """Returns LeNet-5 as in scripts/reference/lenet5_pytorch.py, or a torchvision network, with random weights."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    if network == "lenet5":
        return nn.Sequential(
            *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
        )
    import torchvision

    if network not in torchvision.models.list_models(module=torchvision.models):
        raise Unfit(f"torchvision has no {network}")
    heads = network in ("googlenet", "inception_v3")
    options = dict(aux_logits=False, init_weights=False) if heads else {}
    return torchvision.models.get_model(network, weights=None, **options)


def torch_step(args):
    import torch

    model = torch_network(args.subject)
    parameters = sum(p.numel() for p in model.parameters())
    channels, size = images(args.subject)
    x = torch.randn(args.batch, channels, size, size)
    if "channels-last" in args.peer or "bf16" in args.peer:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    cast = torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf16" in args.peer)
    if args.mode == "infer":
        model.eval()
        run = torch.compile(model) if "compile" in args.peer else model

        def step():
            with torch.inference_mode(), cast:
                run(x)

        return step, parameters
    model.train()
    # All parameters at once: torch's fastest variant, with the same arithmetic as striate's bench.
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)
    criterion = torch.nn.CrossEntropyLoss()
    labels = torch.arange(args.batch) % CLASSES.get(args.subject, 1000)
    run = torch.compile(model) if "compile" in args.peer else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with cast:
            loss = criterion(run(x), labels)
        loss.backward()
        optimizer.step()

    return step, parameters


def onnx_file(args):
    """Returns the network as an ONNX file in the folder, exporting it once."""
    path = pathlib.Path(args.folder) / f"{args.subject}.onnx"
    if not path.exists():
        import torch

        channels, size = images(args.subject)
        model = torch_network(args.subject).eval()
        torch.onnx.export(
            *(model, torch.randn(1, channels, size, size), str(path)),
            opset_version=13,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )
    return path


def random_images(args):
    import numpy as np

    channels, size = images(args.subject)
    return np.random.default_rng(0).standard_normal((args.batch, channels, size, size), dtype=np.float32)


def onnxruntime_step(args):
    import onnxruntime

    path = onnx_file(args)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    x = random_images(args)
    return lambda: session.run(None, {"x": x}), None


def openvino_step(args):
    import openvino

    core = openvino.Core()
    model = core.read_model(onnx_file(args))
    x = random_images(args)
    model.reshape(list(x.shape))
    # Its default is bf16 if the processor supports it, so the precision is always set.
    hints = {
        "INFERENCE_NUM_THREADS": args.threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if "bf16" in args.peer else "f32",
    }
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    return lambda: request.infer([x], share_inputs=True), None


def tensorflow_step(args):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    layers = tf.keras.layers
    if args.subject == "lenet5":
        model = tf.keras.Sequential(
            [
                *(tf.keras.Input((32, 32, 1)), layers.Conv2D(6, 5, activation="tanh"), layers.AvgPool2D(2)),
                *(layers.Conv2D(16, 5, activation="tanh"), layers.AvgPool2D(2), layers.Flatten()),
                *(layers.Dense(120, "tanh"), layers.Dense(84, "tanh"), layers.Dense(10)),
            ]
        )
    elif args.subject in ("vgg16", "vgg19"):
        build = {"vgg16": tf.keras.applications.VGG16, "vgg19": tf.keras.applications.VGG19}[args.subject]
        model = build(weights=None, classifier_activation=None)
    else:
        # Keras's ResNets and Inception V3 are variants with different costs than torchvision's.
        raise Unfit(f"Keras does not have the same {args.subject}")
    x = tf.constant(random_images(args).transpose(0, 2, 3, 1))
    parameters = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    if args.mode == "infer":
        run = tf.function(lambda x: model(x, training=False))
        return lambda: run(x).numpy(), parameters
    labels = tf.range(args.batch) % CLASSES.get(args.subject, 1000)
    optimizer = tf.keras.optimizers.SGD(1e-3, momentum=0.9)
    criterion = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            loss = criterion(labels, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return lambda: run().numpy(), parameters


def problems(path):
    """Returns the problems of a file (see bench/README.md); None for those that are not convolutions."""
    for line in pathlib.Path(path).read_text().splitlines():
        text = line.strip().split('n"')[0].split("*")[0].strip()
        if text and not text.startswith("#"):
            fields = {key: int(value) for key, value in re.findall(r"([a-z]+)(\d+)", text)}
            yield fields if "ic" in fields else None


def torch_convolution(args, fields):
    """Returns a call of torch's (oneDNN's) convolution for this problem, or None."""
    import torch

    def pair(rows, columns, default):
        first = fields.get(rows, default)
        return [first, fields.get(columns, first)]

    n, g, ic, oc = args.batch or fields.get("mb", 1), fields.get("g", 1), fields["ic"], fields["oc"]
    size, out, kernel = pair("ih", "iw", 0), pair("oh", "ow", 0), pair("kh", "kw", 0)
    stride, pad = pair("sh", "sw", 1), pair("ph", "pw", 0)
    dilation = [d + 1 for d in pair("dh", "dw", 0)]
    # torch pads both sides equally; for other problems, the padded image is the input.
    reach = [(out[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 for i in (0, 1)]
    after = [reach[i] - size[i] - pad[i] for i in (0, 1)]
    if any(after[i] > pad[i] for i in (0, 1)):
        size, pad = [size[i] + pad[i] + max(after[i], 0) for i in (0, 1)], [0, 0]
    x, w = torch.randn(n, ic, *size), torch.randn(oc, ic // g, *kernel)
    if args.peer == "onednn":
        if args.direction != "forward":
            return None
        # oneDNN's own blocked layouts with prepacked weights: the cost of its kernel without reorders.
        x = x.to_mkldnn()
        reorder = torch._C._nn.mkldnn_reorder_conv2d_weight
        w = reorder(w.to_mkldnn(), pad, stride, dilation, g, list(x.shape))
        return lambda: torch.mkldnn_convolution(x, w, None, pad, stride, dilation, g)
    if args.peer == "torch-channels-last":
        x, w = (t.contiguous(memory_format=torch.channels_last) for t in (x, w))
    y = torch.conv2d(x, w, None, stride, pad, dilation, g)
    assert list(y.shape[2:]) == out, (list(y.shape), fields)
    if args.direction == "forward":
        return lambda: torch.conv2d(x, w, None, stride, pad, dilation, g)
    wanted = [args.direction == "data", args.direction == "weights", False]
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(y, x, w, None, stride, pad, dilation, False, [0, 0], g, wanted)


def kernel_seconds(args):
    import torch

    for fields in problems(args.subject):
        call = fields and torch_convolution(args, fields)
        with torch.inference_mode():
            yield seconds_of(call, args.seconds) if call else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("mode", choices=["infer", "train", "kernels"])
    parser.add_argument("peer")
    parser.add_argument("subject")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--direction", default="forward")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--folder", default=".")
    args = parser.parse_args()
    result = {}
    if args.peer.startswith(("torch", "onednn")):
        import torch

        torch.set_num_threads(args.threads)
        result["version"] = f"torch {torch.__version__}"
    if args.mode == "kernels":
        result["seconds"] = list(kernel_seconds(args))
    else:
        engine = args.peer.split("-")[0]
        build = {
            "torch": torch_step,
            "onnxruntime": onnxruntime_step,
            "openvino": openvino_step,
            "tensorflow": tensorflow_step,
        }[engine]
        step, parameters = build(args)
        result.setdefault("version", f"{engine} {sys.modules[engine].__version__}")
        result["parameters"] = parameters
        result["images_per_second"] = args.batch / seconds_of(step, args.seconds)
    print(json.dumps(result))


if __name__ == "__main__":
    try:
        main()
    except Unfit as reason:
        print(reason, file=sys.stderr)
        sys.exit(3)
