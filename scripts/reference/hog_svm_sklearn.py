#!/usr/bin/env python3
"""Compares a trained `hog-svm` with scikit-image's features and scikit-learn's support vector machines.

    python3 -m venv venv && venv/bin/pip install scikit-image==0.26.0 scikit-learn==1.9.1 pillow==13.0.0
    cargo build --workspace --bins
    venv/bin/python scripts/reference/hog_svm_sklearn.py target/debug/striate

It writes the digits of scikit-learn as an image folder, trains on it, and compares the error, the best guess and the
probability of every test image; the factor that calibrates the scores is SciPy's. It fails if a guess differs or a
probability differs by more than 1e-3. It also prints the factor of the test of `crates/ancestors/src/temperature.rs`.
"""

import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from skimage.feature import hog
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

C = 0.1
PARTS = {"train": (0, 1, 2), "val": (3,), "test": (4,)}


def factor(scores, labels):
    """The factor on scores by temperature scaling, with a target of (N + 1) / (N + 2) for the label."""
    own = (len(labels) + 1) / (len(labels) + 2)
    targets = np.full(scores.shape, (1 - own) / (scores.shape[1] - 1))
    targets[np.arange(len(labels)), labels] = own
    loss = lambda power: -(targets * log_softmax(np.exp(power) * scores, 1)).sum()
    return np.exp(minimize_scalar(loss, bounds=(-10, 10), method="bounded", options={"xatol": 1e-12}).x)


def test_case():
    """The scores of the unit test."""
    rows, classes = 40, 4
    row, column = np.meshgrid(np.arange(rows), np.arange(classes), indexing="ij")
    labels = np.arange(rows) ** 2 % classes
    noise = ((row * classes + column) * 7919 % 101) / 50 - 1
    return noise + np.where(column == labels[:, None], 0.75, -0.5), labels


def images():
    """The digits at 32×32 pixels by Pillow, with labels."""
    digits = load_digits()
    small = ((digits.images * 255 + 8) / 16).astype(np.uint8)
    large = [Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC) for image in small]
    return large, digits.target


def run(program, *arguments):
    ran = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stderr)
    return json.loads(ran.stdout)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    print(f"factor of the test: {factor(*test_case()):.7f}")
    pictures, labels = images()
    part = {name: [i for i in range(len(labels)) if i % 5 in rest] for name, rest in PARTS.items()}
    options = {"orientations": 9, "pixels_per_cell": (4, 4), "cells_per_block": (2, 2)}
    features = np.array([hog(np.array(picture), **options) for picture in pictures])
    machine = LinearSVC(C=C, tol=1e-4, max_iter=20_000, dual=True).fit(features[part["train"]], labels[part["train"]])
    scores = machine.decision_function(features)
    own = factor(scores[part["val"]], labels[part["val"]])
    expected = softmax(own * scores[part["test"]], 1)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, indices in part.items():
            for index in indices:
                place = folder / "digits" / name / str(labels[index])
                place.mkdir(parents=True, exist_ok=True)
                pictures[index].save(place / f"{index:04}.png")
        trained = run(
            program, "train", "hog-svm", "--data", folder / "digits", "--out", folder / "run", "--no-report",
            "--set", f"svm.c={C}", "--set", "svm.tolerance=1e-4", "--set", "svm.passes=20000", "--json",
        )
        run(
            program, "eval", folder / "run" / "last.safetensors", "--data", folder / "digits",
            "--csv", folder / "guesses.csv", "--json",
        )
        with open(folder / "guesses.csv", newline="") as file:
            rows = {int(pathlib.Path(row["file"]).stem): row for row in csv.DictReader(file)}
    different, largest = 0, 0.0
    for index, probabilities in zip(part["test"], expected):
        row = rows[index]
        different += row["class1"] != str(probabilities.argmax())
        for rank in range(1, 6):
            guess, score = int(row[f"class{rank}"]), float(row[f"score{rank}"])
            largest = max(largest, abs(probabilities[guess] - score))
    error = (expected.argmax(1) != labels[part["test"]]).mean()
    print(f"test error: {trained['top1_error']:.4%}, scikit-learn's {error:.4%}")
    print(f"factor of scikit-learn's scores: {own:.5f}")
    print(f"{different} of {len(rows)} guesses differ; largest difference of a probability: {largest:.2g}")
    if different or largest > 1e-3:
        sys.exit(1)


if __name__ == "__main__":
    main()
