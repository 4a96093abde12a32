#!/usr/bin/env python3
"""Compares striate with PyTorch on torchvision's networks as exported by PyTorch's two ONNX exporters:
scripts/onnx_pytorch.py STRIATE [NAME…]

Needs Python with torch, torchvision, onnx and onnxscript (scripts/peers-setup.sh). Each network has random weights
under seed 0 and batch-norm statistics unlike those of a new network, and is exported with an open batch by
torch.onnx's TorchScript exporter and by its newer one (dynamo). Random images, batches 1 and 3; the difference from
PyTorch's own output, relative to its largest element, may be at most 1e-4. Exits with 1 if it is larger."""

import os
import sys
import tempfile
import warnings

import numpy as np
import torch
import torchvision

from onnx_runs import difference, run

NETWORKS = """alexnet vgg11 vgg11_bn vgg16 vgg16_bn vgg19 googlenet inception_v3 resnet18 resnet34 resnet50 resnet101 resnet152
squeezenet1_1 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large densenet121 mnasnet1_0 shufflenet_v2_x1_0 regnet_x_400mf
regnet_y_400mf""".split()


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
    """Writes the file with a batch of 2, since exporters treat size 1 as fixed."""
    if dynamo:
        shapes = ({0: torch.export.Dim("batch", min=1, max=1024)},)
        torch.onnx.export(net, (x,), path, dynamo=True, dynamic_shapes=shapes, input_names=["input"], verbose=False)
    else:
        axes = {"input": {0: "batch"}, "output": {0: "batch"}}
        torch.onnx.export(net, (x,), path, dynamo=False, dynamic_axes=axes, input_names=["input"], output_names=["output"])


def main():
    striate, *names = sys.argv[1:]
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    worst = 0.0
    for name in names or NETWORKS:
        net, side = network(name), 299 if name == "inception_v3" else 224
        for dynamo in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, f"{name}.onnx")
                export(net, torch.zeros(2, 3, side, side), path, dynamo)
                figures, refusal = [], ""
                for batch in (1, 3):
                    x = np.random.default_rng(batch).standard_normal((batch, 3, side, side)).astype(np.float32)
                    got, refusal = run(striate, path, x, folder)
                    with torch.no_grad():
                        expected = net(torch.from_numpy(x)).numpy()
                    figures.append(difference(got, expected))
                worst = max(worst, *figures)
                how = "dynamo" if dynamo else "TorchScript"
                print(f"{name}, {how}: batch 1 {figures[0]:.1e}, batch 3 {figures[1]:.1e} {refusal}", flush=True)
    print(f"worst {worst:.1e}")
    sys.exit(not worst <= 1e-4)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
