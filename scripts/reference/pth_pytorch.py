#!/usr/bin/env python3
"""Small .pth files that PyTorch wrote, with their tensors, written to crates/formats/tests/pytorch.json.

    scripts/peers-setup.sh
    target/peers-venv/bin/python scripts/reference/pth_pytorch.py

Files are stored as hexadecimal text. `refused` are files that hold more than tensors, each with a part of
the line that refuses it.
"""

import collections
import io
import json
import pathlib

import torch
from torch import nn

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
]


def contents():
    """Objects to save, each with the state dict that is meant."""
    whole = torch.arange(24.0).reshape(2, 3, 4) - 7.5
    plain = collections.OrderedDict(a=whole, b=torch.tensor([0.1, float("inf")]))
    yield "plain", plain, plain
    yield "dict", dict(plain), plain
    views = {
        "turned": whole.permute(2, 0, 1), "slice": whole[1, ::2, 1:],
        "scalar": whole[1, 2, 3], "empty": torch.zeros(0, 3), "ones": whole[:, :1, :1], "whole": whole,
    }
    yield "views", views, views
    numbers = {str(dtype).split(".")[1]: torch.tensor([0, 1, 3]).to(dtype) for dtype in DTYPES}
    yield "types", numbers, numbers
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    yield "module", net.state_dict(), net.state_dict()
    yield "parameters", net.state_dict(keep_vars=True), net.state_dict()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    net(torch.ones(1, 1, 8, 8)).sum().backward()
    optimizer.step()
    checkpoint = {"epoch": 3, "state_dict": net.state_dict(), "optimizer": optimizer.state_dict(), "best": 0.5}
    yield "checkpoint", checkpoint, net.state_dict()
    nested = {"model": {"params": net.state_dict()}, "size": torch.Size([1, 2])}
    yield "nested", nested, net.state_dict()
    aside = {"a": whole, "steps": 12, "name": "é", "list": [1.5, None, True, (1, 2, 3, 4)], "big": 1 << 70}
    yield "aside", aside, {"a": whole}


def saved(content, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


FORMS = {
    "zip": {},
    "zip-protocol4": {"pickle_protocol": 4},
    "legacy": {"_use_new_zipfile_serialization": False},
    "legacy-protocol4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
}


def tensors(state):
    return {
        name: {"shape": list(tensor.shape), "values": [str(x) for x in tensor.detach().double().flatten().tolist()]}
        for name, tensor in state.items()
    }


def refused():
    net = nn.Sequential(nn.Conv2d(1, 2, 3))
    yield "whole module", saved(net), "torch.nn.modules.container.Sequential"
    yield "whole module, legacy", saved(net, _use_new_zipfile_serialization=False), "torch.nn.modules.container.Sequential"
    yield "tensor", saved(torch.ones(2)), "without a name"
    yield "list", saved([torch.ones(2)]), "no state dict"
    yield "nothing", saved({"epoch": 1}), "no tensors (it has epoch)"
    yield "complex", saved({"a": torch.ones(2, dtype=torch.complex64)}), "ComplexFloatStorage"
    yield "expanded", saved({"a": torch.ones(1).expand(1000)}), "larger than its storage"
    program = io.BytesIO()
    torch.jit.save(torch.jit.script(net), program)
    yield "program", program.getvalue(), "TorchScript"


def main():
    torch.manual_seed(1)
    read = [
        {"name": f"{name} {form}", "file": saved(content, **options).hex(), "tensors": tensors(state)}
        for name, content, state in contents()
        for form, options in FORMS.items()
    ]
    refusals = [{"name": name, "file": file.hex(), "line": line} for name, file, line in refused()]
    path = pathlib.Path(__file__).parents[2] / "crates/formats/tests/pytorch.json"
    lines = lambda cases: "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]"
    path.write_text(f'{{"read":{lines(read)},\n"refused":{lines(refusals)}}}\n')


if __name__ == "__main__":
    main()
