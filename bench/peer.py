#!/usr/bin/env python3
"""A single measurement of another engine, in its own process; called by bench/peers.py.

    peer.py infer|train PEER NETWORK --batch N --threads T --seconds S --folder F
    peer.py kernels PEER FILE --direction forward|data|weights --threads T --seconds S

Prints one JSON object: `images_per_second` and `parameters` (null for engines that read an ONNX file), or `seconds` of
each problem of the file (null if the peer has no such kernel), and the `version` of the engine. The result is the median of five rounds of a fifth of the seconds each, after a warm-up, as in striate's own
bench verbs. Exits with 1 and a line on stderr if the peer does not have the network.
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


def torch_step(args):
    import torch

    from torch_networks import classes, images, torch_network

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
    labels = torch.arange(args.batch) % classes(args.subject)
    run = torch.compile(model) if "compile" in args.peer else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with cast:
            loss = criterion(run(x), labels)
        loss.backward()
        optimizer.step()

    return step, parameters


def onnx_file(args):
    """Returns the ONNX file of the network in the folder: striate's if bench/peers.py has written it, else torch's."""
    path = pathlib.Path(args.folder) / f"{args.subject}.onnx"
    if not path.exists():
        import torch

        from torch_networks import images, torch_network

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


def random_images(batch, extents):
    import numpy as np

    return np.random.default_rng(0).standard_normal((batch, *extents), dtype=np.float32)


def onnxruntime_step(args):
    import onnxruntime

    path = onnx_file(args)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    x = random_images(args.batch, given.shape[1:])
    return lambda: session.run(None, {given.name: x}), None


def openvino_step(args):
    import openvino

    core = openvino.Core()
    model = core.read_model(onnx_file(args))
    extents = [extent.get_length() for extent in list(model.input().partial_shape)[1:]]
    x = random_images(args.batch, extents)
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
    from tensorflow_network import Translation
    from torch_networks import classes, images, torch_network

    network = Translation(torch_network(args.subject))
    channels, size = images(args.subject)
    x = tf.constant(random_images(args.batch, (size, size, channels)))
    # Creates the variables.
    network(x[:1], training=False)
    parameters = network.parameters()
    count = sum(parameter.shape.num_elements() for parameter in parameters)
    if args.mode == "infer":
        run = tf.function(lambda x: network(x, training=False))
        return lambda: run(x).numpy(), count
    labels = tf.range(args.batch) % classes(args.subject)
    momenta = [tf.Variable(tf.zeros_like(parameter), trainable=False) for parameter in parameters]

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            scores = network(x, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
            loss = tf.reduce_mean(losses)
        for parameter, momentum, gradient in zip(parameters, momenta, tape.gradient(loss, parameters)):
            tf.raw_ops.ResourceApplyMomentum(
                var=parameter.handle, accum=momentum.handle, lr=1e-3, grad=gradient, momentum=0.9
            )
        return loss

    return lambda: run().numpy(), count


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
    main()
