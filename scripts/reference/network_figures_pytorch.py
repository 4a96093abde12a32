#!/usr/bin/env python3
"""Gradients of light networks in PyTorch's float64, written to crates/testkit/references/networks.json.

    scripts/peers-setup.sh
    target/peers-venv/bin/python scripts/reference/network_figures_pytorch.py

A small version of what `networks_pytorch.py` checks, for a test that needs no PyTorch: loss and fingerprints of the
gradients of one training step on two images with ten classes, without dropout and auxiliary heads.

Weights, images and labels come from the integer hash of `lenet5_pytorch.py`, rounded to float32: tensor number t is a
parameter's index among the names sorted bytewise, the images are number 10000 in ±1, the labels 3 and 8. Kernels and
matrices are in ±√(6/fan_in), coefficients of batch norms in [0.5, 1), all other vectors in ±0.1.
"""

import json
import pathlib

import numpy as np
import torch
from torch import nn

from lenet5_1998_pytorch import spread
from networks_pytorch import NETWORKS, build

SIDE = 64
NAMES = ("squeezenet1_1", "googlenet", "resnet18")


def bounds(parameter, is_norm, name):
    if parameter.dim() > 1:
        bound = float(np.sqrt(6.0 / parameter[0].numel()))
        return -bound, bound
    return (0.5, 1.0) if is_norm and name.endswith("weight") else (-0.1, 0.1)


def by_formula(module):
    norms = {name for name, part in module.named_modules() if isinstance(part, nn.BatchNorm2d)}
    for tensor, (name, parameter) in enumerate(sorted(module.named_parameters())):
        low, high = bounds(parameter, name.rsplit(".", 1)[0] in norms, name)
        parameter.data = spread(tensor, tuple(parameter.shape), low, high)
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        elif isinstance(part, nn.BatchNorm2d):
            part.eps = float(np.float32(part.eps))  # As in striate.


def figures(name):
    module = build(NETWORKS[name][0], 10).double().train()
    by_formula(module)
    images = spread(10000, (2, 3, SIDE, SIDE), -1.0, 1.0)
    loss = nn.functional.cross_entropy(module(images), torch.tensor([3, 8]))
    loss.backward()
    of = lambda g: {"sum": g.sum().item(), "norm": g.norm().item(), "first": g.flatten()[:3].tolist()}
    gradients = {key: of(parameter.grad) for key, parameter in sorted(module.named_parameters())}
    return {"loss": loss.item(), "gradients": gradients}


def main():
    torch.set_num_threads(1)
    networks = [f'"{name}": {json.dumps(figures(name))}' for name in NAMES]
    path = pathlib.Path(__file__).parents[2] / "crates/testkit/references/networks.json"
    path.write_text("{\n" + ",\n".join(networks) + "\n}\n")


if __name__ == "__main__":
    main()
