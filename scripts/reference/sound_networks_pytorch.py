#!/usr/bin/env python3
"""Compares the networks for sounds with PyTorch modules of the same layers: names, parameters, scores.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    cargo build --workspace --bins
    venv/bin/python scripts/reference/sound_networks_pytorch.py [target/debug/striate]

The modules are written after the papers' tables, and have random weights and running statistics. Their state dicts must
load without renaming, `inspect` must count the same parameters, and the scores of three inputs must agree within 1e-5 of
the largest one. Prints the largest difference of each network.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class M5(nn.Module):
    """Dai et al., 2017, table 1."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(1, 128, 80, 4, 38, bias=False), nn.BatchNorm1d(128)
        self.conv2, self.bn2 = nn.Conv1d(128, 128, 3, 1, 1, bias=False), nn.BatchNorm1d(128)
        self.conv3, self.bn3 = nn.Conv1d(128, 256, 3, 1, 1, bias=False), nn.BatchNorm1d(256)
        self.conv4, self.bn4 = nn.Conv1d(256, 512, 3, 1, 1, bias=False), nn.BatchNorm1d(512)
        self.fc1 = nn.Linear(512, 10)

    def forward(self, x):
        for number in range(1, 5):
            x = F.relu(getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x)))
            x = F.max_pool1d(x, 4, 4, ceil_mode=True)
        return self.fc1(x.mean(2))


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 5, 1, 2, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn1(self.conv1(x)))


class Cnn6(nn.Module):
    """Kong et al., 2020, table 1, without the batch norm over mel bands, and with the mean as global pooling."""

    def __init__(self, width):
        super().__init__()
        self.conv_block1, self.conv_block2 = Block(1, width), Block(width, 2 * width)
        self.conv_block3, self.conv_block4 = Block(2 * width, 4 * width), Block(4 * width, 8 * width)
        self.fc1, self.fc_audioset = nn.Linear(8 * width, 8 * width), nn.Linear(8 * width, 527)

    def forward(self, x):
        for block in (self.conv_block1, self.conv_block2, self.conv_block3):
            x = F.avg_pool2d(block(x), 2)
        x = self.conv_block4(x).mean((2, 3))
        return self.fc_audioset(F.relu(self.fc1(x)))


def compare(program, folder, name, module, shape):
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            nn.init.normal_(layer.weight, 1, 0.1)
            nn.init.normal_(layer.bias, 0, 0.1)
    module.eval()
    weights, given, found = (str(folder / file) for file in ("weights.pth", "x.npy", "y.npy"))
    torch.save(module.state_dict(), weights)
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    np.save(given, x)
    subprocess.run([program, "run", name, "--weights", weights, "--input", given, "--output", found], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    difference = np.abs(np.load(found) - expected).max() / np.abs(expected).max()
    shown = subprocess.run([program, "inspect", name, "--json"], check=True, capture_output=True)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert json.loads(shown.stdout)["params"] == parameters, parameters
    print(f"{name:20} {parameters:>9} parameters, largest difference {difference:.1e}")
    return difference < 1e-5


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "target/debug/striate"
    networks = [("m5", M5(), (1, 32000)), ("panns-cnn6", Cnn6(64), (1, 64, 101)),
                ("panns-cnn6-quarter", Cnn6(16), (1, 64, 101))]
    with tempfile.TemporaryDirectory() as folder:
        agree = [compare(program, pathlib.Path(folder), *network) for network in networks]
    sys.exit(not all(agree))


if __name__ == "__main__":
    main()
