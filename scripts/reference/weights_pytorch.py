#!/usr/bin/env python3
"""PyTorch's files as they are found: what the program makes of each, and what it says.

    scripts/peers-setup.sh
    cargo build --release
    target/peers-venv/bin/python scripts/reference/weights_pytorch.py [--program target/release/striate]

Seeded weights saved by PyTorch without batch norm's counters, under the prefixes of its wrappers, in the old format, with
and without auxiliary heads: scores must be the module's within 1e-4 of the largest, and the program must say what it
left aside. Then weights for another number of classes: everything but the last layer must be kept, bit by bit. Ends with
1 if something differs or is not said.
"""

import argparse
import json
import sys
import tempfile

import numpy as np
import torch
import torchvision
from torch import nn

from networks_pytorch import SCORES, spread_statistics
from program import Striate, read_safetensors, scores


def module(name, classes=1000, **options):
    torch.manual_seed(1)
    made = getattr(torchvision.models, name)(weights=None, num_classes=classes, **options).eval()
    spread_statistics(made)
    return made


def without_counters(module):
    return {key: value for key, value in module.state_dict().items() if "num_batches_tracked" not in key}


HEADS = dict(aux_logits=True, init_weights=False)
NO_HEADS = dict(aux_logits=False, init_weights=False)
# What is saved, of which module, how, and what the program must say of it.
CASES = {
    "as it is": ("resnet18", {}, nn.Module.state_dict, {}, None),
    "without num_batches_tracked": ("resnet18", {}, without_counters, {}, None),
    "data parallel": ("resnet18", {}, lambda m: nn.DataParallel(m).state_dict(), {}, "without the prefix module."),
    "compiled": ("resnet18", {}, lambda m: torch.compile(m).state_dict(), {}, "without the prefix _orig_mod."),
    "old format": ("resnet18", {}, nn.Module.state_dict, {"_use_new_zipfile_serialization": False}, None),
    "under state_dict": ("resnet18", {}, lambda m: {"epoch": 3, "state_dict": m.state_dict()}, {}, "state_dict"),
    "GoogLeNet with heads": ("googlenet", HEADS, nn.Module.state_dict, {}, "auxiliary"),
    "GoogLeNet without heads": ("googlenet", NO_HEADS, nn.Module.state_dict, {}, "auxiliary heads lack"),
    "Inception V3 with its head": ("inception_v3", HEADS, nn.Module.state_dict, {}, "auxiliary"),
    "Inception V3 without its head": ("inception_v3", NO_HEADS, nn.Module.state_dict, {}, "auxiliary heads lack"),
}
NAMES = {"inception_v3": ("inception-v3", 299)}


def of_case(striate, name, options, saved, how, said):
    """Whether the scores are the module's, and what was said of it."""
    made = module(name, **options)
    torch.save(saved(made), striate.folder / "weights.pth", **how)
    name, size = NAMES.get(name, (name, 224))
    images = torch.randn(3, 3, size, size)
    with torch.no_grad():
        wanted = made(images)
    off = float((scores(striate, name, images) - wanted).abs().max() / wanted.abs().max())
    good = off <= SCORES and (said or "") in striate.said
    return good, f"scores {off:.1e}; says: {striate.said.strip() or 'nothing'}"


def other_classes(striate, classes):
    """Weights for a thousand classes where ten are wanted: one step at rate zero."""
    before = module("resnet18", classes).state_dict()
    torch.save(before, striate.folder / "weights.pth")
    (striate.folder / "data").mkdir()
    np.save(striate.folder / "data/images.npy", np.zeros((10, 3, 64, 64), np.float32))
    np.save(striate.folder / "data/labels.npy", np.arange(10))
    settings = [word for key in ("data.holdout=0", "schedule.warmup=0") for word in ("--set", key)]
    ran = striate("train", "resnet18", "--data", "npy:data", "--weights", "weights.pth", "--batch", "10", "--steps", "1",
                  "--lr", "0", "--out", "run", "--json", *settings)
    after = read_safetensors(striate.folder / json.loads(ran)["model"])
    trained = [key for key in after if "running_" not in key and not key.startswith(("fc.", "golden."))]
    kept = all(torch.equal(after[key], before[key]) for key in trained)
    fresh = after["fc.weight"].shape == (10, 512) and float(after["fc.weight"].std()) > 0
    good = kept and fresh and len(trained) == 60 and f"a new last layer for 10 classes in place of one for {classes}" in striate.said
    return good, f"{len(trained)} tensors kept: {kept}; says: {striate.said.strip()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    program, good = parser.parse_args().program, True
    with tempfile.TemporaryDirectory() as folder:
        striate = Striate(program, folder)
        checks = {title: lambda case=case: of_case(striate, *case) for title, case in CASES.items()}
        checks["another number of classes"] = lambda: other_classes(striate, 1000)
        for title, check in checks.items():
            passed, told = check()
            good &= passed
            print(f"{title}: {'' if passed else 'WRONG, '}{told}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
