#!/usr/bin/env python3
"""Compares striate's networks with those of torchvision and timm: names, counts, scores, gradients.

    scripts/peers-setup.sh
    target/peers-venv/bin/pip install timm==1.0.31
    cargo build --release --workspace --examples --bins
    target/peers-venv/bin/python scripts/reference/networks_pytorch.py [--program target/release/striate] [NAME…]

For each network:

* PyTorch's module with random weights and running statistics is saved as .pth, and striate must read it
  under the same names; the counts of `inspect` must agree; scores at batch sizes 1 and 3 at the network's own size must
  agree within 1e-4 of the largest score.
* The gradients of one step on four images with ten classes, without dropout and auxiliary heads, on images small
  enough for float64: striate's training graph run in f64 by its reference kernels, within 1e-8 of PyTorch's float64;
  and the program's own step in f32, within 1e-3 of PyTorch's float64.
* The program's step at the network's own size on two images, within 1e-3, with average instead of max
  pooling: if two values of a window are within rounding of each other, float32 has no comparable gradient, and among
  millions of windows this always occurs.

Each parameter's gradient is compared relative to its own norm, without averaging. `kinks.py` explains how ReLUs are kept
away from their kinks; the seed is the first one for which each channel read by a ReLU or max pool stays at least twice
as far from a kink as PyTorch's largest float32 error in that channel. Prints a table row per network, with PyTorch's own
float32 errors next to ours. Exits with 1 if anything differs by more.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

import numpy as np
import timm
import torch
import torchvision
from torch import nn

import network_gradients as gradients
from program import Striate, scores

WITHOUT_HEADS = dict(aux_logits=False, init_weights=False)
# The module, the size of its images, and a smaller size at which float64 is feasible.
NETWORKS = {
    "alexnet": ("alexnet", 224, 95), "squeezenet1_1": ("squeezenet1_1", 224, 96),
    "vgg11": ("vgg11", 224, 64), "vgg13": ("vgg13", 224, 64),
    "vgg16": ("vgg16", 224, 64), "vgg19": ("vgg19", 224, 64),
    "vgg11-bn": ("vgg11_bn", 224, 64), "vgg13-bn": ("vgg13_bn", 224, 64),
    "vgg16-bn": ("vgg16_bn", 224, 64), "vgg19-bn": ("vgg19_bn", 224, 64),
    "googlenet": ("googlenet", 224, 64), "inception-v3": ("inception_v3", 299, 107),
    "resnet18": ("resnet18", 224, 64), "resnet34": ("resnet34", 224, 64), "resnet50": ("resnet50", 224, 64),
    "resnet101": ("resnet101", 224, 64), "resnet152": ("resnet152", 224, 64),
    "inception-v4": ("timm/inception_v4", 299, 107),
    "inception-resnet-v2": ("timm/inception_resnet_v2", 299, 107),
}
SCORES, EXACT, SINGLE = 1e-4, 1e-8, 1e-3


def build(name, classes):
    if name.startswith("timm/"):
        return timm.create_model(name[5:], num_classes=classes)
    options = WITHOUT_HEADS if name in ("googlenet", "inception_v3") else {}
    return getattr(torchvision.models, name)(weights=None, num_classes=classes, **options)


def build_small(name, size):
    """The module for ten classes. torchvision's AlexNet and VGG pool maps adaptively to 6×6 and 7×7 before their
    classifiers; ours adapts the classifier to the maps, so for small images theirs is adapted too."""
    module = build(name, 10)
    if name.startswith(("alexnet", "vgg")) and size < 224:
        maps = module.features(torch.zeros(1, 3, size, size)).numel()
        first = next(place for place, part in enumerate(module.classifier) if isinstance(part, nn.Linear))
        module.avgpool, module.classifier[first] = nn.Identity(), nn.Linear(maps, 4096)
    return module


def spread_statistics(module):
    """Running statistics as in a trained network, all different from the initial ones."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.3, 0.7)
            part.bias.data.normal_(0, 0.1)


def multiply_adds(module, images):
    """The multiply-adds of all convolutions and linear layers for one image; the module runs on `images`."""
    macs, hooks = [], []
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            count = lambda part, _, output: macs.append(part.weight.numel() * output.shape[2] * output.shape[3])
        elif isinstance(part, nn.Linear):
            count = lambda part, _, output: macs.append(part.weight.numel())
        else:
            continue
        hooks.append(part.register_forward_hook(count))
    with torch.no_grad():
        module(images)
    for hook in hooks:
        hook.remove()
    return sum(macs)


def forward(striate, name, module, size):
    """The largest difference of scores as a share of the largest score; counts must be equal."""
    module.eval()
    counted = json.loads(striate("inspect", name, "--json"))
    ours = counted["params"], counted["macs"]
    macs = multiply_adds(module, torch.zeros(1, 3, size, size))
    theirs = sum(p.numel() for p in module.parameters()), macs
    if ours != theirs:
        sys.exit(f"{name}: parameters and multiply-adds {ours}, PyTorch counts {theirs}")
    torch.save(module.state_dict(), striate.folder / "weights.pth")
    off = []
    for batch in (1, 3):
        images = torch.randn(batch, 3, size, size)
        with torch.no_grad():
            wanted = module(images)
        got = scores(striate, name, images)
        off.append(float((got - wanted).abs().max() / wanted.abs().max()))
    # Unlike Python's max, NumPy's propagates NaN, which fails every comparison.
    return np.max(off)


def step(striate, name, module_name, size, batch, averages):
    """A step of PyTorch; stores everything that striate needs to repeat it in the folder."""
    taken = gradients.Step(lambda: build_small(module_name, size), size, batch, averages)
    taken.save(striate.folder)
    (striate.folder / "net.toml").write_text(gradients.network_text(striate, name, size, averages))
    return taken


def check(striate, example, name):
    """Prints the network's row; returns whether the results agree."""
    module_name, size, small = NETWORKS[name]
    start = time.time()
    torch.manual_seed(1)
    module = build(module_name, 1000)
    spread_statistics(module)
    off = forward(striate, name, module, size)
    taken = step(striate, name, module_name, small, 4, averages=False)
    exact = taken.furthest(gradients.interpreter(example, striate.folder, taken))
    ours, theirs = (taken.furthest(given) for given in (gradients.engine(striate, taken), taken.single))
    share = taken.smallest_share()
    whole = step(striate, name, module_name, size, 2, averages=True)
    ours_whole, theirs_whole = (whole.furthest(given) for given in (gradients.engine(striate, whole), whole.single))
    print(f"| {name} | {off:.1e} | {small} | {taken.seed} | {exact:.1e} | {ours:.1e} | {theirs:.1e} | {share:.0e} "
          f"| {size} | {whole.seed} | {ours_whole:.1e} | {theirs_whole:.1e} | {time.time() - start:.0f} s |", flush=True)
    return off <= SCORES and exact <= EXACT and ours <= SINGLE and ours_whole <= SINGLE


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    parser.add_argument("--example", default="target/release/examples/gradients_f64")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    print("| network | scores | side | seed | f64 | f32 | PyTorch's f32 | smallest share | side | seed | f32, averages "
          "| PyTorch's f32 | time |")
    print("|" + "---|" * 13, flush=True)
    good = True
    for name in arguments.names or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            good &= check(Striate(arguments.program, folder), str(pathlib.Path(arguments.example).resolve()), name)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
