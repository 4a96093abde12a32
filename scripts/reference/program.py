"""Calls the program from the reference scripts, and reads its output."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import torch


class Striate:
    """Runs `program` in `folder` and keeps its messages in `messages`. Exits if it fails."""

    def __init__(self, program, folder):
        self.program, self.folder, self.messages = str(pathlib.Path(program).resolve()), pathlib.Path(folder), ""

    def __call__(self, *arguments):
        ran = subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True, text=True)
        self.messages = ran.stderr
        if ran.returncode:
            sys.exit(f"{self.program} {' '.join(arguments)}: {ran.stderr.strip()}")
        return ran.stdout


def scores(striate, name, images, weights="weights.pth", options=()):
    """The output of the network `name` for `images` with the weights in the file `weights`."""
    np.save(striate.folder / "x.npy", images.numpy())
    striate("run", name, "--input", "x.npy", "--output", "y.npy", "--weights", weights, *options)
    return torch.from_numpy(np.load(striate.folder / "y.npy"))


def read_safetensors(path):
    """Returns the tensors of a file of f32 values by name."""
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + first : 8 + length + last], dtype="<f4")
        tensors[key] = torch.from_numpy(values.copy()).reshape(entry["shape"])
    return tensors
