#!/usr/bin/env python3
"""Holds striate against ONNX Runtime on what PyTorch's two exporters write for torchvision's networks:
scripts/onnx_pytorch.py STRIATE [NAME…]

Wants Python with torch, torchvision, onnx, onnxruntime and onnxscript (scripts/peers-setup.sh). Each network with
random weights under seed 0 and statistics of batch norm that are none of a new network, exported for an open batch by
torch.onnx's TorchScript exporter and by its newer one (dynamo); a random image, batches 1 and 3; differences relative
to the largest output, 1e-4 at most. Exits with 1 if not."""

import os
import sys
import tempfile
import warnings

import numpy as np
import onnxruntime
import torch
import torchvision

from onnx_runs import difference, run

NETWORKS = """alexnet vgg11 vgg11_bn vgg16 vgg16_bn vgg19 googlenet inception_v3 resnet18 resnet34 resnet50 resnet101 resnet152
squeezenet1_1""".split()


def network(name):
    torch.manual_seed(0)
    arguments = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    if name == "googlenet":
        arguments["aux_logits"] = False
    net = getattr(torchvision.models, name)(weights=None, **arguments).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
    return net


def export(net, x, path, dynamo):
    """Writes the file; a batch of 2, since 1 is a size that exporters take for fixed."""
    if dynamo:
        shapes = ({0: torch.export.Dim("batch", min=1, max=1024)},)
        torch.onnx.export(net, (x,), path, dynamo=True, dynamic_shapes=shapes, input_names=["input"], verbose=False)
    else:
        axes = {"input": {0: "batch"}, "output": {0: "batch"}}
        torch.onnx.export(net, (x,), path, dynamo=False, dynamic_axes=axes, input_names=["input"], output_names=["output"])


def main():
    striate, *names = sys.argv[1:]
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, onnxruntime {onnxruntime.__version__}")
    worst = 0.0
    for name in names or NETWORKS:
        net, side = network(name), 299 if name == "inception_v3" else 224
        for dynamo in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, f"{name}.onnx")
                export(net, torch.zeros(2, 3, side, side), path, dynamo)
                session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
                figures, refusal = [], ""
                for batch in (1, 3):
                    x = np.random.default_rng(batch).standard_normal((batch, 3, side, side)).astype(np.float32)
                    got, refusal = run(striate, path, x, folder)
                    figures.append(difference(got, session.run(None, {"input": x})[0]))
                worst = max(worst, *figures)
                how = "dynamo" if dynamo else "TorchScript"
                print(f"{name}, {how}: batch 1 {figures[0]:.1e}, batch 3 {figures[1]:.1e} {refusal}", flush=True)
    print(f"worst {worst:.1e}")
    sys.exit(not worst <= 1e-4)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
