#!/usr/bin/env python3
"""Figures of LeNet-5 in PyTorch, written to crates/testkit/references/lenet5.json.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python scripts/reference/lenet5_pytorch.py

Weights, images and labels come from the integer hash in `unit` (crates/testkit/src/formula.rs repeats
it), so that only results are stored: scores and loss of batches of four and three, fingerprints of the
gradients, the losses of 20 steps of three optimizers and fingerprints of the weights after them, all in
float64. Each result is accompanied by that of float32 (its name with `_f32`), which shows how close an f32
engine can come.

The formula: tensor number t is the index of a parameter in `SHAPES`, 100 + n for the images of batch
number n. Weights are (2 * unit - 1) / sqrt(fan_in), images unit, both rounded to float32; the label of
image i is (7 * i + 3 + n) % 10. Step s trains on batch s; the batch of three is number 20.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

SHAPES = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "fc1.weight": (120, 400),
    "fc1.bias": (120,),
    "fc2.weight": (84, 120),
    "fc2.bias": (84,),
    "fc3.weight": (10, 84),
    "fc3.bias": (10,),
}
FAN_IN = {"conv1": 25, "conv2": 150, "fc1": 400, "fc2": 120, "fc3": 84}


def unit(tensor, count):
    """Returns numbers in [0, 1) with 24 bits: a hash of tensor number and index."""
    mask = np.uint64(0xFFFFFFFF)
    h = np.arange(count, dtype=np.uint64) * np.uint64(2654435761)
    h = (h + np.uint64(tensor * 40503 + 12345)) & mask
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(2246822519)) & mask
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(3266489917)) & mask
    h ^= h >> np.uint64(16)
    return (h >> np.uint64(8)).astype(np.float64) / 16777216.0


def parameters(dtype):
    values = {}
    for tensor, (name, shape) in enumerate(SHAPES.items()):
        bound = 1.0 / np.sqrt(FAN_IN[name.split(".")[0]])
        flat = ((2.0 * unit(tensor, int(np.prod(shape))) - 1.0) * bound).astype(np.float32)
        values[name] = torch.tensor(flat.reshape(shape), dtype=dtype, requires_grad=True)
    return values


def batch(number, size, dtype):
    images = unit(100 + number, size * 32 * 32).astype(np.float32).reshape(size, 1, 32, 32)
    labels = [(7 * i + 3 + number) % 10 for i in range(size)]
    return torch.tensor(images, dtype=dtype), torch.tensor(labels)


def forward(p, x):
    x = F.avg_pool2d(torch.tanh(F.conv2d(x, p["conv1.weight"], p["conv1.bias"])), 2)
    x = F.avg_pool2d(torch.tanh(F.conv2d(x, p["conv2.weight"], p["conv2.bias"])), 2)
    x = x.flatten(1)
    x = torch.tanh(F.linear(x, p["fc1.weight"], p["fc1.bias"]))
    x = torch.tanh(F.linear(x, p["fc2.weight"], p["fc2.bias"]))
    return F.linear(x, p["fc3.weight"], p["fc3.bias"])


def fingerprint(tensor):
    flat = tensor.detach().double().flatten()
    return {"sum": flat.sum().item(), "norm": flat.norm().item(), "first": flat[:8].tolist()}


def train(optimizer, dtype):
    p = parameters(dtype)
    optimizer = optimizer(list(p.values()))
    losses = []
    for step in range(20):
        x, y = batch(step, 8, dtype)
        loss = F.cross_entropy(forward(p, x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "weights": {name: fingerprint(tensor) for name, tensor in p.items()}}


def one_batch(number, size, dtype):
    p = parameters(dtype)
    x, y = batch(number, size, dtype)
    scores = forward(p, x)
    loss = F.cross_entropy(scores, y)
    loss.backward()
    return {
        "scores": scores.tolist(),
        "loss": loss.item(),
        "gradients": {name: fingerprint(tensor.grad) for name, tensor in p.items()},
    }


def with_single(double, single):
    """Returns the float64 results, and the float32 ones under names with `_f32`."""
    return {**double, **{f"{name}_f32": value for name, value in single.items()}}


def main():
    torch.set_num_threads(1)
    dtypes = (torch.float64, torch.float32)
    result = with_single(*(one_batch(0, 4, dtype) for dtype in dtypes))
    result["batch_of_three"] = with_single(*(one_batch(20, 3, dtype) for dtype in dtypes))
    result["training"] = {}
    optimizers = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=5e-4),
        "adam": lambda p: torch.optim.Adam(p, lr=0.002),
    }
    for name, optimizer in optimizers.items():
        result["training"][name] = with_single(*(train(optimizer, dtype) for dtype in dtypes))
    path = pathlib.Path(__file__).parents[2] / "crates/testkit/references/lenet5.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
