#!/usr/bin/env python3
"""What layers of the Neocognitron's S-cells learn by each rule, computed with NumPy.

    python3 -m venv venv && venv/bin/pip install numpy
    venv/bin/python scripts/reference/neocognitron_numpy.py

Writes crates/ancestors/tests/neocognitron.json. Patterns and initial synapses follow a formula, so that the test makes
the same ones. The areas that cells read are gathered by NumPy's windows, and the planes answer together; nothing is
shared with the Rust code but the rules.
"""

import json
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

OUT = Path(__file__).parents[2] / "crates/ancestors/tests/neocognitron.json"
CHANNELS, HEIGHT, WIDTH = 2, 7, 6
SIDE, PADDING, PLANES, PATTERNS = 3, 1, 8, 60


def numbers(count, first):
    """Numbers in [0, 1) from multiples of the golden ratio."""
    return (np.arange(first, first + count) * 0.6180339887498949) % 1.0


def pattern(index):
    """A few blobs whose places depend on the index, with noise below."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    kind = index % 4
    cy, cx = 1 + (index * 3) % 5, 1 + (index * 5) % 4
    across, along = (1.0, 9.0) if kind < 2 else (9.0, 1.0)
    blob = np.exp(-((y - cy) ** 2) / across - ((x - cx) ** 2) / along)
    planes = np.stack([blob, blob * (kind % 2)])
    planes = planes + 0.05 * numbers(planes.size, 100 * index).reshape(planes.shape)
    return np.where(planes < 0.2, 0.0, planes)


class Layer:
    def __init__(self, selectivity):
        half = np.convolve(np.ones((SIDE + 1) // 2), np.ones((SIDE + 1) // 2))
        c = np.outer(half, half) / half.sum() ** 2 / CHANNELS
        self.c = np.broadcast_to(c, (CHANNELS, SIDE, SIDE))
        self.a = np.zeros((PLANES, CHANNELS, SIDE, SIDE))
        self.b = np.zeros(PLANES)
        self.r = selectivity
        self.used = 0

    def areas(self, u):
        padded = np.pad(u, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)))
        return sliding_window_view(padded, (SIDE, SIDE), axis=(1, 2))  # C, H, W, SIDE, SIDE

    def answer(self, u):
        areas = self.areas(u)
        v = np.sqrt(np.einsum("chwij,cij->hw", areas**2, self.c))
        e = np.einsum("chwij,kcij->khw", areas, self.a)
        h = 2 * self.r / (1 + self.r) * self.b[:, None, None] * v
        return areas, v, self.r * np.maximum((1 + e) / (1 + h) - 1, 0)

    def reinforce(self, plane, place, areas, v, speed):
        y, x = place
        self.a[plane] += speed * self.c * areas[:, y, x]
        self.b[plane] += speed / 2 * v[y, x]

    def generate(self, place, areas, v, speed):
        if self.used < PLANES:
            self.reinforce(self.used, place, areas, v, speed)
            self.used += 1
            return True
        return False


def representatives(u, side):
    """The representatives, from the definition: every column of side×side positions, over all planes."""
    found = {}
    _, height, width = u.shape
    for y in range(height - side + 1):
        for x in range(width - side + 1):
            column = u[:, y : y + side, x : x + side]
            best = column.max()
            if best > 0:
                k, i, j = np.unravel_index(column.argmax(), column.shape)
                if k not in found or best > found[k][0]:
                    found[k] = (best, (y + i, x + j))
    return {int(k): place for k, (_, place) in found.items()}


def learn(rule, selectivity, speed, side):
    layer = Layer(selectivity)
    if rule == "representatives":
        weak = 0.1 * numbers(layer.a.size, 7).reshape(CHANNELS, SIDE, SIDE, PLANES).transpose(3, 0, 1, 2)
        layer.a = weak * layer.c * CHANNELS
        layer.used = PLANES
    labels = []
    for index in range(PATTERNS):
        u = pattern(index)
        areas, v, answers = layer.answer(u)
        used = answers[: layer.used]
        if rule == "labels":
            label = index % 3
            best = used.max() if layer.used else 0
            right = best > 0 and labels[int(used.reshape(layer.used, -1).max(1).argmax())] == label
            if not right and layer.generate((HEIGHT // 2, WIDTH // 2), areas, v, speed):
                labels.append(label)
                continue
            own = [k for k in range(layer.used) if labels[k] == label and used[k].max() > 0]
            if own:
                plane = max(own, key=lambda k: used[k].max())
                layer.reinforce(plane, np.unravel_index(used[plane].argmax(), v.shape), areas, v, speed)
            continue
        silent = (used <= 0).all(0)
        for plane, place in representatives(used, side).items() if layer.used else []:
            layer.reinforce(plane, place, areas, v, speed)
        while rule == "generation":
            strong = np.where(silent & (v > 0) & (v >= 0.1 * v.max()), v, 0)
            place = np.unravel_index(strong.argmax(), v.shape)
            if strong[place] == 0 or not layer.generate(place, areas, v, speed):
                break
            silent[place] = False
            silent &= layer.answer(u)[2][layer.used - 1] <= 0
    return {
        "rule": rule,
        "selectivity": selectivity,
        "speed": speed,
        "column": side,
        "used": layer.used,
        "excitation": [round(float(x), 9) for x in layer.a.ravel()],
        "inhibition": [round(float(x), 9) for x in layer.b],
    }


CASES = [
    learn("representatives", 4.0, 2.0, 3),
    learn("representatives", 1.5, 16.0, 5),
    learn("generation", 3.0, 16.0, 3),
    learn("labels", 4.0, 100.0, 1),
]
for case in CASES:
    print(case["rule"], case["used"], np.round(case["inhibition"], 3))
OUT.write_text(json.dumps({"cases": CASES}) + "\n")
