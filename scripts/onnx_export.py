#!/usr/bin/env python3
"""Compares striate's ONNX export of every network with ONNX Runtime, and imports it into striate again:
scripts/onnx_export.py STRIATE EXPORT_ONNX [NAME…]

EXPORT_ONNX is the example of that name (cargo build --release --package striate --example export_onnx). Initial weights
with seed 0, random images, batch sizes 1 and 3; differences must be at most 1e-4 of the largest output. The result of
`striate convert` must have the names and bits of the file's initializers. Exits with 1 otherwise."""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from onnx_runs import difference, run


def tensors(path):
    """Returns the float32 tensors of a safetensors file, by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start, held = file.tell(), {}
        for name, entry in header.items():
            if name != "__metadata__":
                first, end = entry["data_offsets"]
                file.seek(start + first)
                held[name] = np.frombuffer(file.read(end - first), np.float32).reshape(entry["shape"])
    return held


def keeps_weights(striate, model, path, folder):
    """Returns whether names and bits of the weights survive convert; helper tensors have a / after the layer's name."""
    back = os.path.join(folder, "back.safetensors")
    command = [striate, "convert", path, back, "--model", model, "--tensors-only"]
    subprocess.run(command, check=True, capture_output=True)
    held = tensors(back)
    given = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
    same = all(name in given and np.array_equal(numpy_helper.to_array(given[name]), array) for name, array in held.items())
    suffixes = ("weight", "bias", "running_mean", "running_var", "codes")
    return same and {name for name in given if name.rsplit(".", 1)[-1] in suffixes} == set(held)


def main():
    striate, export, *names = sys.argv[1:]
    models = json.loads(subprocess.run([striate, "models", "--json"], check=True, capture_output=True).stdout)["models"]
    worst, good, count = 0.0, True, 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        for model in models:
            name = model["name"]
            if names and name not in names:
                continue
            subprocess.run([export, name, path], check=True, capture_output=True)
            if os.path.getsize(path) < 2**30:
                onnx.checker.check_model(path)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            figures = []
            for batch in (1, 3):
                x = np.random.default_rng(batch).standard_normal([batch, *model["input"]]).astype(np.float32)
                expected = session.run(None, {"input": x})[0]
                sources = (name, path)[: 2 if batch == 1 else 1]
                figures += [difference(run(striate, source, x, folder)[0], expected) for source in sources]
            del session
            kept = keeps_weights(striate, name, path, folder)
            worst, good, count = max(worst, *figures), good and kept, count + 1
            print(
                f"{name}: batch 1 {figures[0]:.1e}, read back {figures[1]:.1e}, batch 3 {figures[2]:.1e}, "
                f"weights {'the same' if kept else 'DIFFER'} after convert", flush=True)
    print(f"{count} of {len(models)} networks, worst {worst:.1e}")
    sys.exit(not (worst <= 1e-4 and good))


if __name__ == "__main__":
    main()
