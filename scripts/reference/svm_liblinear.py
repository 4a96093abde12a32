#!/usr/bin/env python3
"""Linear support vector machines by LIBLINEAR and Platt's calibration, through scikit-learn.

    python3 -m venv venv && venv/bin/pip install scikit-learn==1.9.1
    venv/bin/python scripts/reference/svm_liblinear.py
    venv/bin/python scripts/reference/svm_liblinear.py compare target/debug/examples/svm

The first form writes crates/ancestors/tests/liblinear.json: 200 digits, and for several settings the objective of each
class (half the squared norm of weights and bias, and C times the losses) and the weights, at a tolerance of 1e-6; and
scores with the sigmoids that scikit-learn fits to them. `compare` solves the same problems on all 1,797 digits, on 20,000
made rows, and on badly scaled rows, by both (`cargo build --workspace --examples` builds the program), prints
objectives and seconds, and fails if objectives differ by more than 1e-3.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from sklearn.calibration import _sigmoid_calibration
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

ROOT = pathlib.Path(__file__).parents[2]
DEFAULT = {"loss": "squared_hinge", "c": 1.0, "bias": 1.0, "class_weights": [], "tolerance": 1e-6}


def fit(rows, labels, settings):
    """Weights, biases and objectives by class; two classes are one problem, of which class 0 is returned."""
    weights = dict(enumerate(settings["class_weights"])) or None
    svm = LinearSVC(
        loss=settings["loss"], C=settings["c"], dual=True, tol=settings["tolerance"], class_weight=weights,
        fit_intercept=settings["bias"] > 0, intercept_scaling=settings["bias"] or 1.0, max_iter=20000, random_state=0,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        svm.fit(rows, labels)
    classes = len(svm.classes_)
    coefficients = svm.coef_ if classes > 2 else -svm.coef_
    biases = np.broadcast_to(svm.intercept_ if classes > 2 else -np.asarray(svm.intercept_), len(coefficients))
    factor = settings["class_weights"] or [1.0] * classes
    objectives = []
    for k, (w, b) in enumerate(zip(coefficients, biases)):
        sign = np.where(labels == k, 1.0, -1.0)
        cost = settings["c"] * np.where(labels == k, factor[k], factor[1] if classes == 2 else 1.0)
        short = np.maximum(0, 1 - sign * (rows @ w + b))
        loss = short if settings["loss"] == "hinge" else short**2
        constant = b / settings["bias"] if settings["bias"] else 0.0
        objectives.append(0.5 * (w @ w + constant**2) + cost @ loss)
    return coefficients, biases, objectives, bool(caught)


def cases(labels):
    some = [1 + 0.25 * k for k in range(10)]
    for task, changes in [
        ("digit", {}), ("digit", {"loss": "hinge"}), ("digit", {"c": 0.01}), ("digit", {"bias": 0.0}),
        ("digit", {"bias": 3.0, "loss": "hinge", "c": 0.05}), ("digit", {"class_weights": some, "c": 0.1}),
        ("digit", {"class_weights": some, "loss": "hinge", "c": 0.02}), ("odd", {"c": 0.1}),
        ("odd", {"c": 0.1, "class_weights": [0.5, 4.0]}), ("odd", {"loss": "hinge", "c": 0.1}),
    ]:
        yield task, labels % 2 if task == "odd" else labels, DEFAULT | changes


def sigmoids():
    rng = np.random.default_rng(18)
    for count, shift, scale in [(40, 0.0, 1.0), (200, -1.0, 0.3), (30, 2.0, 5.0), (12, 0.0, 0.0)]:
        positive = rng.random(count) < 0.3
        scores = np.round((positive - 0.5 + rng.normal(0, 0.8, count)) * scale + shift, 3)
        yield scores, positive
    separable = np.arange(-10, 10) / 4
    yield separable, separable > 0
    yield separable, separable < 9
    yield separable * 100, separable < 0
    yield separable, separable > 99


def fixture():
    digits = load_digits()
    pixels, labels = digits.data[:200], digits.target[:200]
    problems = []
    for task, target, settings in cases(labels):
        weights, biases, objectives, _ = fit(pixels / 16, target, settings)
        problem = {"task": task, "settings": settings, "objectives": [round(x, 8) for x in objectives]}
        if settings["loss"] == "squared_hinge":
            problem |= {"weights": np.round(weights[0], 6).tolist(), "bias": round(float(biases[0]), 6)}
        problems.append(problem)
    calibrations = []
    for scores, positive in sigmoids():
        a, b = _sigmoid_calibration(scores, positive)
        case = {"scores": scores.tolist(), "positive": positive.tolist(), "slope": round(a, 7), "offset": round(b, 7)}
        calibrations.append(case)
    lines = lambda items: ",\n".join(json.dumps(item) for item in items)
    file = ROOT / "crates/ancestors/tests/liblinear.json"
    file.write_text(
        f'{{"pixels": {json.dumps(pixels.astype(int).ravel().tolist(), separators=(",", ":"))},\n'
        f'"labels": {json.dumps(labels.tolist())},\n"problems": [{lines(problems)}],\n'
        f'"calibrations": [{lines(calibrations)}]}}\n'
    )
    print(f"{file.stat().st_size} bytes")


def larger():
    """Rows with names: all digits, and two made ones."""
    digits = load_digits()
    yield "digits", digits.data / 16, digits.target
    rng = np.random.default_rng(1)
    centers = rng.normal(0, 1, (10, 50))
    labels = rng.integers(0, 10, 20000)
    yield "20000 rows", centers[labels] + rng.normal(0, 2, (20000, 50)), labels
    scale = 10.0 ** rng.uniform(-2, 2, 64)
    yield "bad scales", digits.data[:600] / 16 * scale, digits.target[:600]


def compare(program):
    worst = 0.0
    for name, rows, labels in larger():
        rows = rows.astype(np.float32).astype(np.float64)
        for _, target, settings in cases(labels):
            # Many rows and bad scales take LIBLINEAR minutes at 1e-6.
            settings["tolerance"] = 1e-4 if name == "digits" else 1e-2
            if name != "digits" and (settings["class_weights"] or settings["c"] > 0.1):
                continue
            start = time.perf_counter()
            _, _, expected, stopped = fit(rows, target, settings)
            theirs = time.perf_counter() - start
            with tempfile.TemporaryDirectory() as place:
                np.save(f"{place}/rows.npy", rows.astype(np.float32))
                np.save(f"{place}/labels.npy", target.astype(np.float32))
                command = [program, place, settings["loss"], str(settings["c"]), str(settings["bias"])]
                command += [str(settings["tolerance"]), ",".join(map(str, settings["class_weights"]))]
                ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            difference = max(abs(a - b) / b for a, b in zip(ours["objectives"], expected, strict=True))
            note = ", LIBLINEAR stopped early" if stopped else ""
            note += "" if ours["converged"] else ", ours stopped early"
            print(f"{difference:.1e}  {ours['seconds']:6.1f} s, LIBLINEAR {theirs:6.1f} s  {name} {settings}{note}", flush=True)
            worst = worst if stopped else max(worst, difference)
    print(f"largest relative difference of objectives {worst:.1e}")
    sys.exit(bool(worst > 1e-3))


if __name__ == "__main__":
    compare(sys.argv[2]) if sys.argv[1:2] == ["compare"] else fixture()
