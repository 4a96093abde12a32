#!/usr/bin/env python3
"""Compares Grad-CAM, saliency and occlusion of `striate look` with PyTorch's hooks and autograd.

    scripts/peers-setup.sh && scripts/fetch-weights.sh
    target/peers-venv/bin/pip install timm==1.0.31
    cargo build --release --workspace --bins
    target/peers-venv/bin/python scripts/reference/look_torch.py [--program target/release/striate]

* SqueezeNet 1.1 and EfficientNet-Lite0 with their real weights, on two of the photographs, decoded and resized by
  Pillow: the maps before resizing, of the best guess and of another class, at the default layer and at another one.
  All must agree within 1e-4 of the largest number of the map. Saliency may differ by more in 3 % of the pixels: if a
  ReLU or a maximum is within rounding of its kink, the gradients in its receptive field differ.
* A small network with batch norm, residual addition, concatenation and dropout, with ten classes and with a single
  sigmoid, in float64. Its maps are written to crates/testkit/references/look.json, for the tests of `insight`.

Prints the largest difference of each map. Exits with 1 if one differs by more.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from torch import nn

from lenet5_pytorch import unit
from program import Striate, read_safetensors

TOLERANCE = 1e-4
# The largest share of a saliency map in which kinks may change gradients.
KINKED = 0.03
WEIGHTS = pathlib.Path.home() / ".cache/striate/weights"
PHOTOGRAPHS = ["imagenet_16_251.jpg", "imagenet_00_243.jpg"]


def grad_cam(module, layer, x, score):
    """Selvaraju et al. 2017, equations 1 and 2, at the output of the module `layer`."""
    kept = []
    # A copy, because a later layer may work in place.
    hook = layer.register_forward_hook(lambda _, __, output: kept.append(output) or output.clone())
    value = score(module(x.clone().requires_grad_()))
    hook.remove()
    [gradient] = torch.autograd.grad(value, kept[0])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return torch.relu((weights * kept[0]).sum(dim=1))[0].detach().numpy()


def saliency(module, x, score):
    """Simonyan et al. 2014, section 3.1."""
    x = x.clone().requires_grad_()
    [gradient] = torch.autograd.grad(score(module(x)), x)
    return gradient.abs().amax(dim=1)[0].numpy()


def positions(length, side, stride):
    starts = list(range(0, length - side + 1, stride))
    return starts if starts[-1] == length - side else [*starts, length - side]


def occlusion(module, x, probability, fill):
    """Zeiler and Fergus 2014, section 4.2: drops of the probability under a square of `fill` (a value a channel)."""
    height, width = x.shape[2:]
    side = max(min(height, width) // 8, 1)
    stride = max(side // 2, 1)
    with torch.no_grad():
        whole = probability(module(x)).item()
        rows = []
        for top in positions(height, side, stride):
            covered = []
            for left in positions(width, side, stride):
                image = x.clone()
                image[0, :, top : top + side, left : left + side] = fill[:, None, None]
                covered.append(image)
            rows.append((whole - probability(module(torch.cat(covered)))).numpy())
    return np.stack(rows)


class Small(nn.Module):
    """The network of `small` in crates/insight/tests/look_torch.rs, layer by layer."""

    def __init__(self, outputs):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.norm2 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.left, self.right = nn.Conv2d(6, 5, 1), nn.Conv2d(6, 4, 3, padding=1)
        self.drop, self.fc = nn.Dropout(0.4), nn.Linear(9, outputs)
        self.added, self.joined = nn.Identity(), nn.Identity()

    def forward(self, x):
        x = torch.relu(self.norm1(self.conv1(x)))
        x = self.added(torch.relu(self.norm2(self.conv2(x)) + x))
        x = nn.functional.max_pool2d(x, 2)
        x = self.joined(torch.cat([torch.relu(self.left(x)), torch.tanh(self.right(x))], 1))
        return self.fc(self.drop(x.mean(dim=(2, 3))))


def filled(module):
    """Sets all parameters and buffers by formula, numbered in the order of their names."""
    values = {name: value for name, value in module.state_dict().items() if "num_batches" not in name}
    for number, (name, value) in enumerate(sorted(values.items())):
        low, high = (0.5, 1.5) if "norm" in name and ("weight" in name or "var" in name) else (-0.6, 0.6)
        numbers = (low + (high - low) * unit(number, value.numel())).astype(np.float32).astype(np.float64)
        value.copy_(torch.from_numpy(numbers).reshape(value.shape))
    return module.double().eval()


def small_maps():
    """The maps of the small network, in float64."""
    numbers = unit(1000, 3 * 12 * 10).astype(np.float32).astype(np.float64)
    x = torch.from_numpy(numbers).reshape(1, 3, 12, 10)
    found = {}
    for name, outputs in [("classes", 10), ("sigmoid", 1)]:
        with torch.no_grad():
            module = filled(Small(outputs).double())
        for index in [0, 1] if outputs == 1 else [3, 8]:
            if outputs == 1:
                sign = 1 if index else -1
                score = lambda y: sign * y[0, 0]
                probability = lambda y: torch.sigmoid(sign * y[:, 0])
            else:
                score = lambda y: y[0, index]
                probability = lambda y: torch.softmax(y, 1)[:, index]
            maps = {
                "added": grad_cam(module, module.added, x, score),
                "joined": grad_cam(module, module.joined, x, score),
                "saliency": saliency(module, x, score),
                "occlusion": occlusion(module, x, probability, torch.full((3,), 0.5, dtype=torch.float64)),
            }
            found[f"{name}-{index}"] = {key: [float(v) for v in value.flat] for key, value in maps.items()}
    return found


def weights(name):
    """The weights in a model file, without its example."""
    tensors = read_safetensors(WEIGHTS / f"{name}.safetensors")
    return {key: value for key, value in tensors.items() if not key.startswith("golden.")}


def squeezenet():
    module = torchvision.models.squeezenet1_1()
    module.load_state_dict(weights("squeezenet1_1"))
    mean = torch.tensor([123.68, 116.779, 103.939])
    layers = {None: module.classifier[2], "features.10.squeeze_activation": module.features[10].squeeze_activation}
    return module.eval(), 227, lambda x: x - mean[:, None, None], layers


def efficientnet():
    module = timm.create_model("tf_efficientnet_lite0")
    own = weights("efficientnet-lite0")
    parts = [("conv_stem", "_conv_stem"), ("bn1", "_bn0"), ("conv_head", "_conv_head"), ("bn2", "_bn1")]
    parts.append(("classifier", "_fc"))
    blocks = [f"blocks.{s}.{b}" for s, stage in enumerate(module.blocks) for b in range(len(stage))]
    for number, block in enumerate(blocks):
        expands = f"_blocks.{number}._expand_conv.weight" in own
        theirs = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
        theirs = theirs if expands else ["conv_dw", "bn1", "conv_pw", "bn2"]
        ours = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"][0 if expands else 2 :]
        parts += [(f"{block}.{a}", f"_blocks.{number}.{b}") for a, b in zip(theirs, ours)]
    renamed = {}
    for a, b in parts:
        kinds = [key[len(b) :] for key in own if key.startswith(b + ".")]
        renamed |= {a + kind: own[b + kind] for kind in kinds}
    missing = module.load_state_dict(renamed, strict=False).missing_keys
    assert all("num_batches" in key for key in missing), missing
    layers = {None: module.bn2, "_blocks.4.add": module.blocks[2][1]}
    return module.eval(), 224, lambda x: (x - 127) / 128, layers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    program = parser.parse_args().program
    path = pathlib.Path(__file__).parents[2] / "crates/testkit/references/look.json"
    path.write_text(json.dumps(small_maps(), indent=0) + "\n")
    wrong = 0
    for name, build in [("squeezenet1_1", squeezenet), ("efficientnet-lite0", efficientnet)]:
        module, side, normalize, layers = build()
        for photograph in PHOTOGRAPHS:
            with tempfile.TemporaryDirectory() as folder:
                striate = Striate(program, folder)
                image = Image.open(WEIGHTS / "photographs" / photograph).convert("RGB").resize((side, side))
                image.save(striate.folder / "image.png")
                pixels = torch.from_numpy(np.asarray(image, dtype=np.float32).copy()).permute(2, 0, 1)
                x = normalize(pixels)[None]
                # Byte 128 as the network reads it.
                fill = normalize(torch.full((3, 1, 1), 128.0))[:, 0, 0]
                for index, layer, number in [(None, None, 0), (281, None, 1), (None, [*layers][1], 2)]:
                    options = [] if index is None else ["--class", f"{index}"]
                    options += [] if layer is None else ["--layer", layer]
                    model = str(WEIGHTS / f"{name}.safetensors")
                    facts = json.loads(striate("look", model, "image.png", "--out", f"{number}", "--json", *options))
                    index = facts["class"]["index"]
                    score = lambda y: y[0, index]
                    probability = lambda y: torch.softmax(y, 1)[:, index]
                    expected = {"grad-cam": grad_cam(module, layers[layer], x, score)}
                    expected["saliency"] = saliency(module, x, score)
                    if number == 0:
                        expected["occlusion"] = occlusion(module, x, probability, fill)
                    for kind, value in expected.items():
                        got = np.load(striate.folder / f"{number}" / f"{kind}.npy")
                        assert got.shape == value.shape, (got.shape, value.shape)
                        differences = np.abs(got - value) / np.abs(value).max()
                        beyond = (~(differences <= TOLERANCE)).mean()
                        wrong += beyond > (KINKED if kind == "saliency" else 0)
                        place = "" if kind != "grad-cam" else f" at {facts['grad_cam']['name']}"
                        print(f"{name} {photograph} class {index} {kind}{place}: median {np.median(differences):.1e}, "
                              f"largest {differences.max():.1e}, {beyond:.2%} beyond {TOLERANCE}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
