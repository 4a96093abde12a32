#!/usr/bin/env python3
"""Holds striate's ONNX export of every network against ONNX Runtime, and the way back into striate:
scripts/onnx_export.py STRIATE EXPORT_ONNX [NAME…]

EXPORT_ONNX is the example of that name (cargo build --release --package striate --example export_onnx). First weights
under seed 0, a random image, batches 1 and 3; differences relative to the largest output. Exits with 1 above 1e-4."""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime


def run(striate, model, x, folder):
    paths = [os.path.join(folder, name) for name in ("x.npy", "y.npy")]
    np.save(paths[0], x)
    subprocess.run([striate, "run", model, "--input", paths[0], "--output", paths[1]], check=True, capture_output=True)
    return np.load(paths[1])


def main():
    striate, export, *names = sys.argv[1:]
    models = json.loads(subprocess.run([striate, "models", "--json"], check=True, capture_output=True).stdout)["models"]
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        for model in models:
            if names and model["name"] not in names:
                continue
            subprocess.run([export, model["name"], path], check=True, capture_output=True)
            if os.path.getsize(path) < 2**30:
                onnx.checker.check_model(path)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            figures = []
            for batch in (1, 3):
                x = np.random.default_rng(batch).standard_normal([batch, *model["input"]]).astype(np.float32)
                expected = session.run(None, {"input": x})[0]
                for source in (model["name"], path)[: 2 if batch == 1 else 1]:
                    got = run(striate, source, x, folder)
                    scale = max(float(np.abs(expected).max()), 1e-6)
                    figures.append(float(np.abs(got - expected).max()) / scale if got.shape == expected.shape else np.inf)
            worst = max(worst, *figures)
            print(f"{model['name']}: batch 1 {figures[0]:.1e}, read back {figures[1]:.1e}, batch 3 {figures[2]:.1e}", flush=True)
    print(f"worst {worst:.1e}")
    sys.exit(not worst <= 1e-4)


if __name__ == "__main__":
    main()
