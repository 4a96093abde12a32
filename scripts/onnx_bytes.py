#!/usr/bin/env python3
"""Compares striate with ONNX Runtime on graphs whose input takes bytes (uint8) and which scale them themselves:
scripts/onnx_bytes.py STRIATE

Needs Python with torch, onnx, onnxruntime and Pillow (scripts/peers-setup.sh). A small network with random weights is
exported with a float head and with several outputs; a random photograph of the input's size goes to ONNX Runtime as
bytes, and to `predict` of the file itself, of the model converted from it and of the ONNX file converted from it. The
scores may differ by at most 1e-5. Exits with 1 if they differ by more."""

import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnxruntime
import torch
from PIL import Image


class Net(torch.nn.Module):
    """Divides bytes by 255, normalizes them, and returns scores, with the features that they come from if `several`."""

    def __init__(self, several):
        super().__init__()
        self.several, self.conv, self.head = several, torch.nn.Conv2d(3, 8, 3, 2), torch.nn.Linear(8, 5)

    def forward(self, x):
        x = (x.float() / 255 - 0.45) / 0.22
        features = torch.relu(self.conv(x)).mean((2, 3))
        scores = 4 * self.head(features)
        return (features, scores, scores.argmax(1)) if self.several else scores


def predicted(striate, file, image):
    """Returns the scores of all classes by index."""
    command = [striate, "predict", file, image, "--json", "--top", "5"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    guesses = json.loads(done.stdout)["predictions"][0]["top"]
    return np.array([guess["score"] for guess in sorted(guesses, key=lambda guess: guess["index"])])


def main():
    [striate] = sys.argv[1:]
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name)
        Image.fromarray(pixels).save(path("image.png"))
        for several in (False, True):
            names = ["features", "scores", "best"] if several else ["scores"]
            axes = {"x": {0: "batch"}}
            torch.onnx.export(Net(several).eval(), torch.from_numpy(batch), path("net.onnx"), dynamo=False,
                              input_names=["x"], output_names=names, dynamic_axes=axes)
            session = onnxruntime.InferenceSession(path("net.onnx"), providers=["CPUExecutionProvider"])
            [scores] = session.run(["scores"], {"x": batch})
            expected = np.exp(scores[0] - scores[0].max())
            expected /= expected.sum()
            for file in ("net.onnx", "converted.safetensors", "converted.onnx"):
                if file != "net.onnx":
                    subprocess.run([striate, "convert", path("net.onnx"), path(file)], check=True, capture_output=True)
                difference = np.abs(predicted(striate, path(file), path("image.png")) - expected).max()
                worst = max(worst, difference)
                print(f"{len(names)} outputs, {file}: {difference:.1e}")
    print(f"worst {worst:.1e}")
    sys.exit(not worst <= 1e-5)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
