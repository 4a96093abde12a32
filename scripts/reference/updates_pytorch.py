#!/usr/bin/env python3
"""Training steps of LeNet-5 in PyTorch with every kind of update, written to crates/testkit/references/updates.json.

    python3 -m venv venv && venv/bin/pip install torch numpy timm
    venv/bin/python scripts/reference/updates_pytorch.py

Weights, images and labels are those of `lenet5_pytorch.py`. Each case makes 12 steps: RMSProp in PyTorch's form, LARS in
timm's, rates by layer, no decay of biases, frozen layers, two parts a batch, a running average of the weights, class
weights, and mixed images with label smoothing, in float64. Stored are the losses and fingerprints of the weights.
The rates of a plateau schedule are those of `ReduceLROnPlateau` for a fixed list of losses.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from lenet5_pytorch import batch, fingerprint, forward, parameters
from timm.optim.lars import Lars
from torch.optim.swa_utils import AveragedModel

STEPS = 12
WEIGHTS = [0.5 + 0.25 * k for k in range(10)]


def all_parameters(p):
    return list(p.values())


def groups(p):
    """Rates by layer and without decay of biases."""
    rate = {name: 0.02 * (5.0 if name.startswith("fc3") else 1.0) for name in p}
    decay = {name: 0.01 if name.endswith("weight") else 0.0 for name in p}
    return [{"params": [p[name]], "lr": rate[name], "weight_decay": decay[name]} for name in p]


def without_decay_of_biases(p):
    named = [[v for name, v in p.items() if name.endswith(end)] for end in ("weight", "bias")]
    return [{"params": named[0]}, {"params": named[1], "weight_decay": 0.0}]


def cross_entropy(p, x, y, step):
    return F.cross_entropy(forward(p, x), y)


def weighted(p, x, y, step):
    weight = torch.tensor(WEIGHTS, dtype=x.dtype)
    return F.cross_entropy(forward(p, x), y, weight=weight, label_smoothing=0.1)


def mixed(p, x, y, step):
    share = 0.1 + 0.05 * step
    target = F.one_hot(y, 10).to(x.dtype)
    x = share * x + (1 - share) * x.roll(1, 0)
    target = share * target + (1 - share) * target.roll(1, 0)
    return F.cross_entropy(forward(p, x), target, label_smoothing=0.1)


def in_parts(p, x, y, step):
    """A batch of 8 as parts of 5 and 3."""
    losses = [F.cross_entropy(forward(p, part), label) * len(label) / 8
              for part, label in ((x[:5], y[:5]), (x[5:], y[5:]))]
    return sum(losses)


SGD = {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
CASES = {
    "rms_prop": (lambda p: torch.optim.RMSprop(all_parameters(p), lr=0.001, alpha=0.9, eps=1e-3, weight_decay=4e-5),
                 cross_entropy),
    "rms_prop_momentum": (lambda p: torch.optim.RMSprop(all_parameters(p), lr=0.045, alpha=0.9, eps=1.0, momentum=0.9),
                          cross_entropy),
    "lars": (lambda p: Lars(without_decay_of_biases(p), lr=2.0, momentum=0.9, weight_decay=1e-3, trust_coeff=0.01),
             cross_entropy),
    "groups": (lambda p: torch.optim.SGD(groups(p), lr=0.02, momentum=0.9), cross_entropy),
    "parts": (lambda p: torch.optim.SGD(all_parameters(p), **SGD), in_parts),
    "weighted": (lambda p: torch.optim.SGD(all_parameters(p), **SGD), weighted),
    "mixed": (lambda p: torch.optim.SGD(all_parameters(p), **SGD), mixed),
    "average": (lambda p: torch.optim.SGD(all_parameters(p), **SGD), cross_entropy),
    "frozen": (lambda p: torch.optim.SGD([v for n, v in p.items() if not n.startswith("conv")], **SGD), cross_entropy),
}


class Holder(torch.nn.Module):
    """A module with the given parameters, as `AveragedModel` needs one."""

    def __init__(self, p):
        super().__init__()
        for name, value in p.items():
            self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(value.detach()))


def train(make, objective, dtype):
    p = parameters(dtype)
    optimizer = make(p)
    # The warm-up of the decay is TensorFlow's.
    decay = lambda average, value, n: average + (1 - min(0.7, n / (9 + n))) * (value - average)
    holder, averaged, losses = Holder(p), None, []
    for step in range(STEPS):
        x, y = batch(step, 8, dtype)
        loss = objective(p, x, y, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        averaged = averaged or AveragedModel(holder, avg_fn=decay)
        averaged.update_parameters(holder)
    average = {name: getattr(averaged.module, name.replace(".", "_")) for name in p}
    return {
        "losses": losses,
        "weights": {name: fingerprint(tensor) for name, tensor in p.items()},
        "average": {name: fingerprint(tensor) for name, tensor in average.items()},
    }


LOSSES = [2.0, 1.5, 1.6, 1.49995, 1.2, 1.3, 1.3, 1.3, float("nan"), 1.25, 1.21, 1.1, 1.1, 1.1, 1.1, 1.1]


def plateau():
    """The rate after each epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    rates = []
    for loss in LOSSES:
        schedule.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return {"losses": [None if loss != loss else loss for loss in LOSSES], "rates": rates}


def main():
    torch.set_num_threads(1)
    result = {name: train(*case, torch.float64) for name, case in CASES.items()}
    result["plateau"] = plateau()
    path = pathlib.Path(__file__).parents[2] / "crates/testkit/references/updates.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
