"""Shared by the scripts that compare striate with ONNX Runtime: running the program, and the difference of two results."""

import os
import subprocess

import numpy as np


def run(striate, model, x, folder, *flags):
    """Returns striate's output for `x`, or None and its error message."""
    paths = [os.path.join(folder, name) for name in ("x.npy", "y.npy")]
    np.save(paths[0], np.ascontiguousarray(x, dtype=np.float32))
    if os.path.exists(paths[1]):
        os.remove(paths[1])
    command = [striate, "run", model, "--input", paths[0], "--output", paths[1], *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        errors = done.stderr.strip().splitlines()
        return None, errors[-1] if errors else f"exit code {done.returncode}"
    return np.load(paths[1]), ""


def difference(got, expected):
    """Returns the largest difference, relative to the largest expected element."""
    if got is None or got.shape != expected.shape:
        return float("inf")
    scale = max(float(np.abs(expected).max(initial=0)), 1e-6)
    return float(np.abs(got - expected).max(initial=0)) / scale
