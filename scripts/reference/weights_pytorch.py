#!/usr/bin/env python3
"""PyTorch files as found in practice: checks what the program reads from each, and what it reports.

    scripts/peers-setup.sh
    cargo build --release
    target/peers-venv/bin/python scripts/reference/weights_pytorch.py [--program target/release/striate]

Seeded weights saved by PyTorch without batch norm's counters, under the prefixes of its wrappers, in the legacy format,
with and without auxiliary heads; checkpoints written by the save code of pytorch/examples (imagenet/main.py) and of torchvision's
references (classification/train.py), of timm, Lightning and Accelerate; whole modules. Scores must be the module's within
1e-4 of the largest, and the program must report what it chose and skipped. Then weights for another number of classes:
everything but the last layer must be kept, bit for bit. Exits with 1 if something differs or is not reported.
"""

import argparse
import copy
import json
import pathlib
import random
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


def step(module, make):
    """An optimizer after a step on a copy of `module`, whose state is stored in the checkpoint with the weights."""
    model = copy.deepcopy(module).train()
    optimizer = make(model.parameters())
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    optimizer.step()
    return optimizer


def averaged(module):
    """Weights different from those of `module`."""
    other = copy.deepcopy(module)
    with torch.no_grad():
        for tensor in [*other.parameters(), *other.buffers()]:
            if tensor.is_floating_point():
                tensor.mul_(0.5)
    return other


def imagenet(module):
    """pytorch/examples, imagenet/main.py: save_checkpoint({...}, is_best), with DataParallel."""
    model = nn.DataParallel(module)
    optimizer = step(module, lambda params: torch.optim.SGD(params, 0.1, momentum=0.9, weight_decay=1e-4))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)
    best_acc1 = torch.tensor(71.5)
    return {
        "epoch": 0 + 1,
        "arch": "resnet18",
        "state_dict": model.state_dict(),
        "best_acc1": best_acc1,
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }


def references(module):
    """torchvision, references/classification/train.py with --model-ema, --amp and a warm-up."""
    args = argparse.Namespace(data_path="/data/imagenet", model="resnet18", device="cuda", batch_size=32, lr=0.1, amp=True)
    model_without_ddp = module
    optimizer = step(module, lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True))
    lr_scheduler = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        schedulers=[torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=5),
                    torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=85, eta_min=0.0)],
        milestones=[5],
    )
    model_ema = torch.optim.swa_utils.AveragedModel(averaged(module), use_buffers=True)
    scaler = torch.amp.GradScaler("cpu")
    checkpoint = {
        "model": model_without_ddp.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": lr_scheduler.state_dict(),
        "epoch": 3,
        "args": args,
    }
    checkpoint["model_ema"] = model_ema.state_dict()
    checkpoint["scaler"] = scaler.state_dict()
    return checkpoint


def timm(module):
    """timm, CheckpointSaver._save."""
    optimizer = step(module, lambda params: torch.optim.AdamW(params, 1e-3))
    return {
        "epoch": 3, "arch": "resnet18", "state_dict": module.state_dict(), "optimizer": optimizer.state_dict(), "version": 2,
        "args": argparse.Namespace(model="resnet18", mean=(0.485, 0.456, 0.406)), "amp_scaler": {"scale": 65536.0},
        "state_dict_ema": averaged(module).state_dict(), "metric": np.float64(71.5),
    }


def lightning(module):
    """Lightning's Trainer.save_checkpoint, for a module that contains the network as `model`."""
    optimizer = step(module, lambda params: torch.optim.SGD(params, 0.1, momentum=0.9))
    return {
        "epoch": 2, "global_step": 300, "pytorch-lightning_version": "2.5.0",
        "state_dict": {f"model.{name}": tensor for name, tensor in module.state_dict().items()},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 3}}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_score": torch.tensor(0.25), "dirpath": pathlib.Path("/runs")}},
        "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [],
        "hparams_name": "kwargs", "hyper_parameters": argparse.Namespace(lr=1e-3, path=pathlib.Path("/data")),
    }


def beside(module):
    """Weights nested among losses and states of random number generators."""
    return {
        "loss": torch.tensor(0.5), "history": [torch.rand(90)], "rng_state": torch.get_rng_state(),
        "numpy": np.random.get_state(), "python": random.getstate(), "generator": np.random.default_rng(1).bit_generator.state,
        "runs": [{"teacher": averaged(module).state_dict(), "student": module.state_dict()}],
    }


def split(module):
    """A backbone and a head under separate prefixes."""
    return {("head." if name.startswith("fc.") else "encoder.backbone.") + name: tensor for name, tensor in module.state_dict().items()}


def without_counters(module):
    return {key: value for key, value in module.state_dict().items() if "num_batches_tracked" not in key}


HEADS = dict(aux_logits=True, init_weights=False)
NO_HEADS = dict(aux_logits=False, init_weights=False)
# What is saved, from which module, how, and what the program must report.
CASES = {
    "as it is": ("resnet18", {}, nn.Module.state_dict, {}, None),
    "without num_batches_tracked": ("resnet18", {}, without_counters, {}, None),
    "data parallel": ("resnet18", {}, lambda m: nn.DataParallel(m).state_dict(), {}, "removed the prefix module."),
    "compiled": ("resnet18", {}, lambda m: torch.compile(m).state_dict(), {}, "removed the prefix _orig_mod."),
    "examples/imagenet": ("resnet18", {}, imagenet, {}, "using the state dict \"state_dict\""),
    "examples/imagenet, old format": ("resnet18", {}, imagenet, {"_use_new_zipfile_serialization": False}, "using the state dict \"state_dict\""),
    "references/classification": ("resnet18", {}, references, {}, "model_ema also fits: --key model_ema selects it"),
    "references/classification, protocol 5": ("resnet18", {}, references, {"pickle_protocol": 5}, "using the state dict \"model\""),
    "timm": ("resnet18", {}, timm, {}, "state_dict_ema also fits"),
    "Lightning": ("resnet18", {}, lightning, {}, "removed the prefix model."),
    "beside losses and random states": ("resnet18", {}, beside, {}, "using the state dict \"runs.0.student\""),
    "prefixes of parts": ("resnet18", {}, split, {}, "removed the prefix head. from 2 of"),
    "whole module": ("resnet18", {}, lambda m: m, {}, None),
    "whole module, old format": ("resnet18", {}, lambda m: m, {"_use_new_zipfile_serialization": False}, None),
    "whole GoogLeNet, data parallel, in a dictionary": (
        "googlenet", HEADS, lambda m: {"epoch": 1, "net": nn.DataParallel(m)}, {}, "using the state dict \"net\""),
    "bfloat16": ("resnet18", {}, lambda m: m.bfloat16().state_dict(), {}, "converted bfloat16 to float32"),
    "float64": ("resnet18", {}, lambda m: m.double().state_dict(), {}, "converted float64 to float32"),
    "channels last": ("resnet18", {}, lambda m: m.to(memory_format=torch.channels_last).state_dict(), {}, None),
    "old format": ("resnet18", {}, nn.Module.state_dict, {"_use_new_zipfile_serialization": False}, None),
    "under state_dict": ("resnet18", {}, lambda m: {"epoch": 3, "state_dict": m.state_dict()}, {}, "state_dict"),
    "GoogLeNet with heads": ("googlenet", HEADS, nn.Module.state_dict, {}, "auxiliary"),
    "GoogLeNet without heads": ("googlenet", NO_HEADS, nn.Module.state_dict, {}, "auxiliary heads lack"),
    "Inception V3 with its head": ("inception_v3", HEADS, nn.Module.state_dict, {}, "auxiliary"),
    "Inception V3 without its head": ("inception_v3", NO_HEADS, nn.Module.state_dict, {}, "auxiliary heads lack"),
}
NAMES = {"inception_v3": ("inception-v3", 299)}


def of_case(striate, name, options, saved, how, expected):
    """Returns whether the scores match the module's, and a description."""
    made = module(name, **options)
    torch.save(saved(made), striate.folder / "weights.pth", **how)
    made = made.float()
    name, size = NAMES.get(name, (name, 224))
    images = torch.randn(3, 3, size, size)
    with torch.no_grad():
        wanted = made(images)
    off = float((scores(striate, name, images) - wanted).abs().max() / wanted.abs().max())
    good = off <= SCORES and (expected or "") in striate.messages
    return good, f"scores {off:.1e}; printed: {striate.messages.strip() or 'nothing'}"


def of_safetensors(striate):
    """The file that Accelerate saves for a compiled network in data-parallel training, in bfloat16 and without an extension."""
    import safetensors.torch

    made = module("resnet18").bfloat16()
    state = {f"module._orig_mod.{name}": tensor for name, tensor in made.state_dict().items()}
    safetensors.torch.save_file(state, striate.folder / "weights.bin", {"format": "pt"})
    made = made.float()
    images = torch.randn(3, 3, 224, 224)
    with torch.no_grad():
        wanted = made(images)
    off = float((scores(striate, "resnet18", images, "weights.bin") - wanted).abs().max() / wanted.abs().max())
    return off <= SCORES and "removed the prefix module._orig_mod." in striate.messages, f"scores {off:.1e}; printed: {striate.messages.strip()}"


def other_key(striate):
    """The averaged weights of torchvision's references, selected by key."""
    made = module("resnet18")
    torch.save(references(made), striate.folder / "weights.pth")
    images = torch.randn(3, 3, 224, 224)
    with torch.no_grad():
        wanted = averaged(made)(images)
    off = float((scores(striate, "resnet18", images, options=["--key", "model_ema"]) - wanted).abs().max() / wanted.abs().max())
    return off <= SCORES, f"scores {off:.1e}; printed: {striate.messages.strip()}"


def other_classes(striate, classes):
    """Weights for a thousand classes used for ten: one step at learning rate zero."""
    before = module("resnet18", classes).state_dict()
    torch.save(before, striate.folder / "weights.pth")
    (striate.folder / "data").mkdir()
    np.save(striate.folder / "data/images.npy", np.zeros((10, 3, 64, 64), np.float32))
    np.save(striate.folder / "data/labels.npy", np.arange(10))
    settings = [word for key in ("data.holdout=0", "schedule.warmup=0") for word in ("--set", key)]
    ran = striate("train", "resnet18", "--data", "npy:data", "--weights", "weights.pth", "--batch", "10", "--steps", "1",
                  "--lr", "1e-30", "--out", "run", "--json", *settings)
    after = read_safetensors(striate.folder / json.loads(ran)["model"])
    trained = [key for key in after if "running_" not in key and not key.startswith(("fc.", "golden."))]
    kept = all(torch.allclose(after[key], before[key], rtol=0, atol=1e-20) for key in trained)
    fresh = after["fc.weight"].shape == (10, 512) and float(after["fc.weight"].std()) > 0
    good = kept and fresh and len(trained) == 60 and f"last layer replaced: 10 classes instead of {classes:,}" in striate.messages
    return good, f"{len(trained)} tensors kept: {kept}; printed: {striate.messages.strip()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    program, good = parser.parse_args().program, True
    with tempfile.TemporaryDirectory() as folder:
        striate = Striate(program, folder)
        checks = {title: lambda case=case: of_case(striate, *case) for title, case in CASES.items()}
        checks["Accelerate, safetensors"] = lambda: of_safetensors(striate)
        checks["averaged weights by key"] = lambda: other_key(striate)
        checks["another number of classes"] = lambda: other_classes(striate, 1000)
        for title, check in checks.items():
            passed, description = check()
            good &= passed
            print(f"{title}: {'' if passed else 'WRONG, '}{description}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
