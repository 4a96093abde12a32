#!/usr/bin/env python3
"""Small .pth files written by PyTorch, with their tensors, stored in crates/formats/tests/pytorch.json.

    scripts/peers-setup.sh
    target/peers-venv/bin/python scripts/reference/pth_pytorch.py

Files are stored as hexadecimal text, each with the expected dictionary of tensors and the notes that a reader prints.
`keyed` are the same files with a key that selects another dictionary. `refused` are files without weights, each with part
of the error message.
"""

import argparse
import collections
import copy
import enum
import io
import json
import pathlib
import random

import numpy as np
import torch
from torch import nn

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
]


class Kind(enum.Enum):
    """An object of a class known only to Python."""

    BASIC = 1


class Parameters(collections.OrderedDict):
    """A dictionary subclass."""


class Attributes(dict):
    """Like Lightning's AttributeDict."""


class Net(nn.Module):
    """A small network with buffers, one of which is not saved."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.blocks = nn.Sequential(nn.Identity(), nn.Linear(2, 2))
        self.register_buffer("scale", torch.tensor([0.5]))
        self.register_buffer("scratch", torch.zeros(3), persistent=False)
        self.register_parameter("absent", None)

    def forward(self, x):
        return self.blocks(self.bn1(self.conv1(x)).mean((2, 3)))


def trained(net, make):
    """An optimizer with state after a step."""
    optimizer = make(net.parameters())
    net(torch.ones(2, 1, 8, 8)).sum().backward()
    optimizer.step()
    return optimizer


def imagenet(net):
    """The checkpoint of pytorch/examples, imagenet/main.py."""
    model = nn.DataParallel(net)
    optimizer = trained(net, lambda params: torch.optim.SGD(params, 0.1, momentum=0.9, weight_decay=1e-4))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)
    return {
        "epoch": 1,
        "arch": "resnet18",
        "state_dict": model.state_dict(),
        "best_acc1": torch.tensor(71.5),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }


def references(net):
    """The checkpoint of torchvision's references/classification/train.py with --model-ema and --amp."""
    args = argparse.Namespace(data_path="/data", model="resnet18", device="cuda", lr=0.1, opt="sgd", amp=True)
    averaged = torch.optim.swa_utils.AveragedModel(net, avg_fn=torch.optim.swa_utils.get_ema_avg_fn(0.99))
    optimizer = trained(net, lambda params: torch.optim.SGD(params, 0.1, momentum=0.9))
    scheduler = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2),
         torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)],
        milestones=[2],
    )
    averaged.update_parameters(net)
    return {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": scheduler.state_dict(),
        "epoch": 4,
        "args": args,
        "model_ema": averaged.state_dict(),
        "scaler": torch.amp.GradScaler("cpu", enabled=True).state_dict(),
    }


def lightning(net):
    """A checkpoint as saved by Lightning's Trainer."""
    optimizer = trained(net, lambda params: torch.optim.AdamW(params, 1e-3))
    return {
        "epoch": 2, "global_step": 12, "pytorch-lightning_version": "2.5.0",
        "state_dict": {f"model.{name}": tensor for name, tensor in net.state_dict().items()},
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_score": torch.tensor(0.25), "kind": Kind.BASIC}},
        "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [],
        "hparams_name": "kwargs", "hyper_parameters": Attributes(lr=1e-3, kind=Kind.BASIC, seed=np.int64(1)),
    }


def timm(net):
    """A checkpoint as saved by timm's CheckpointSaver."""
    averaged = {name: tensor * 0.5 if tensor.is_floating_point() else tensor for name, tensor in net.state_dict().items()}
    optimizer = trained(net, lambda params: torch.optim.SGD(params, 0.1, momentum=0.9))
    return {
        "epoch": 3, "arch": "resnet18", "state_dict_ema": averaged, "state_dict": net.state_dict(),
        "optimizer": optimizer.state_dict(), "version": 2, "args": argparse.Namespace(lr=0.1, kind=Kind.BASIC),
        "amp_scaler": {"scale": 65536.0}, "metric": np.float64(71.5),
    }


def generators():
    """States of random number generators: tensors, arrays and integers of more than 128 bits."""
    return {
        "rng_state": torch.get_rng_state()[:64].clone(), "numpy": np.random.RandomState(1).get_state()[2:],
        "pcg": np.random.PCG64(1).state, "python": random.getstate()[1][:9], "array": np.arange(3.0),
    }


def contents():
    """Objects to save, each with the expected state dict, and keys of others."""
    whole = torch.arange(24.0).reshape(2, 3, 4) - 7.5
    plain = collections.OrderedDict(a=whole, b=torch.tensor([0.1, float("inf")]))
    yield "plain", plain, plain, {}
    yield "dict", dict(plain), plain, {".": plain}
    views = {
        "turned": whole.permute(2, 0, 1), "slice": whole[1, ::2, 1:],
        "scalar": whole[1, 2, 3], "empty": torch.zeros(0, 3), "ones": whole[:, :1, :1], "whole": whole,
        "expanded": torch.ones(1).expand(4, 5),
    }
    yield "views", views, views, {}
    numbers = {str(dtype).split(".")[1]: torch.tensor([0, 1, 3]).to(dtype) for dtype in DTYPES}
    yield "types", numbers, numbers, {}
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    yield "module", net.state_dict(), net.state_dict(), {}
    yield "parameters", net.state_dict(keep_vars=True), net.state_dict(), {}
    nested = {"model": {"params": net.state_dict()}, "size": torch.Size([1, 2])}
    yield "nested", nested, net.state_dict(), {"model.params.1": net[1].state_dict()}
    aside = {
        "a": whole, "steps": 12, "name": "é", "list": [1.5, None, True, (1, 2, 3, 4)], "big": 1 << 70, "set": {1, 2},
        "complex": torch.ones(2, dtype=torch.complex64),
    }
    yield "aside", aside, {"a": whole}, {}
    torch.manual_seed(2)
    net = Net()
    yield "imagenet", imagenet(copy.deepcopy(net)), None, {}
    yield "references", references(copy.deepcopy(net)), None, {}
    yield "lightning", lightning(copy.deepcopy(net)), None, {}
    yield "timm", timm(copy.deepcopy(net)), None, {}
    yield "beside", {"loss": torch.tensor([0.1, 0.2]), **generators(), "found": [{"weights": net.state_dict()}]}, net.state_dict(), {
        "found.0.weights": net.state_dict(), "found.0.weights.blocks.1": net.blocks[1].state_dict(),
    }
    yield "subclass", Parameters(net.state_dict()), net.state_dict(), {}
    yield "whole-module", net, net.state_dict(), {"blocks.1": net.blocks[1].state_dict()}
    yield "whole-parallel", {"epoch": 1, "net": nn.DataParallel(net), "kind": Kind.BASIC}, nn.DataParallel(net).state_dict(), {}
    tagged = whole[0].clone()
    tagged.made_by = "hand"
    parameter = nn.Parameter(whole[1].clone())
    parameter.made_by = "hand"
    yield "tagged", {"a": tagged, "b": parameter}, {"a": tagged, "b": parameter}, {}


# The expected dictionary of each checkpoint, and the keys of others.
MEANT = {
    "imagenet": ("state_dict", {}),
    "references": ("model", {"model_ema": None, "model_ema.module": "module."}),
    "lightning": ("state_dict", {"state_dict.model": "model."}),
    "timm": ("state_dict", {"state_dict_ema": None}),
}


def meant(name, content, state, keys):
    """The expected state dict, and those under keys."""
    if state is not None:
        return state, keys
    path, others = MEANT[name]
    under = lambda key, prefix: (
        content[key] if prefix is None else
        {name.removeprefix(prefix): tensor for name, tensor in content[key.split(".")[0]].items() if name.startswith(prefix)}
    )
    return content[path], {key: under(key, prefix) for key, prefix in others.items()}


def saved(content, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


FORMS = {
    "zip": {},
    "zip-protocol4": {"pickle_protocol": 4},
    "legacy": {"_use_new_zipfile_serialization": False},
    "legacy-protocol5": {"_use_new_zipfile_serialization": False, "pickle_protocol": 5},
}


# Files of several kilobytes, saved only in PyTorch's default protocol.
LARGE = ["imagenet", "references", "lightning", "timm", "beside", "whole-parallel"]


def tensors(state):
    return {
        name: {"shape": list(tensor.shape), "values": [str(x) for x in tensor.detach().double().flatten().tolist()]}
        for name, tensor in state.items()
    }


def refused():
    yield "tensor", saved(torch.ones(2)), "contains a single tensor"
    yield "list", saved([torch.ones(2)]), "no state dict"
    yield "nothing", saved({"epoch": 1}), "no tensors (it has epoch)"
    yield "complex", saved({"a": torch.ones(2, dtype=torch.complex64)}), "no tensors (it has a)"
    yield "expanded", saved({"a": torch.ones(1).expand(1 << 40)}), "share storages so often"
    program = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3))), program)
    yield "program", program.getvalue(), "TorchScript"


def main():
    torch.manual_seed(1)
    # The legacy format contains the source of every module's class, which is not needed here.
    torch.serialization.get_source_lines_and_file = lambda module: ([], 0, "")
    read = []
    for name, content, state, keys in contents():
        state, keys = meant(name, content, state, keys)
        for form, options in FORMS.items():
            if name in LARGE and "protocol" in form:
                continue
            keyed = {key: tensors(other) for key, other in keys.items()}
            read.append(
                {"name": f"{name} {form}", "file": saved(content, **options).hex(), "tensors": tensors(state), "keyed": keyed}
            )
    refusals = [{"name": name, "file": file.hex(), "line": line} for name, file, line in refused()]
    path = pathlib.Path(__file__).parents[2] / "crates/formats/tests/pytorch.json"
    lines = lambda cases: "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]"
    path.write_text(f'{{"read":{lines(read)},\n"refused":{lines(refusals)}}}\n')


if __name__ == "__main__":
    main()
