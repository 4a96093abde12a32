#!/usr/bin/env python3
"""Histograms of oriented gradients by scikit-image, written to crates/vision/tests/hog.json; `compare` compares more.

    python3 -m venv venv && venv/bin/pip install scikit-image==0.26.0 pillow==13.0.0
    venv/bin/python scripts/reference/hog_skimage.py
    venv/bin/python scripts/reference/hog_skimage.py compare FOLDER target/debug/examples/features

The images of the test are formulas, given by the test too: smooth, noisy, of few levels, gray and colored. `compare`
takes images from FOLDER, in gray and in color, and random images of few levels with many orientations, on the
boundaries of which most gradients lie; `cargo build --workspace --examples` builds the program that it runs. It prints
the largest difference by parameters, and fails above 1e-5.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from skimage.feature import hog

ROOT = pathlib.Path(__file__).parents[2]
DEFAULT = {
    "orientations": 9, "pixels_per_cell": [8, 8], "cells_per_block": [3, 3], "block_norm": "L2-Hys",
    "transform_sqrt": False,
}


def formula(kind, height, width, channels):
    """The images of the test; `kind` is smooth, noisy or few."""
    index = np.arange(height * width * channels, dtype=np.uint64)
    y, x, c = index // (width * channels), index // channels % width, index % channels
    noise = (index * 2654435761 % 4294967296) >> 24
    if kind == "smooth":
        values = (x * x + 3 * y * x + 40 * c * y + 7 * y) // 8 % 256
    elif kind == "noisy":
        values = noise
    else:
        values = np.array([0, 1, 3, 4])[(noise % 4).astype(int)]
    return values.astype(np.uint8).reshape(height, width, channels)


def features(image, parameters):
    """Arranged as `[row of cell, column of cell, orientation, row of block, column of block]`."""
    color = {"channel_axis": 2} if image.shape[2] == 3 else {}
    blocks = hog(image if color else image[:, :, 0], **parameters, feature_vector=False, **color)
    return blocks.transpose(2, 3, 4, 0, 1)


def cases():
    for kind, height, width, channels, changes in [
        ("smooth", 28, 28, 1, {"pixels_per_cell": [7, 7], "cells_per_block": [2, 2]}),
        ("noisy", 24, 31, 3, {}),
        ("noisy", 17, 16, 1, {"pixels_per_cell": [4, 5], "cells_per_block": [1, 2], "block_norm": "L1"}),
        ("smooth", 16, 19, 3, {"pixels_per_cell": [3, 4], "cells_per_block": [4, 3], "block_norm": "L1-sqrt"}),
        ("few", 16, 16, 1, {"orientations": 12, "transform_sqrt": True, "block_norm": "L2"}
         | {"pixels_per_cell": [4, 4], "cells_per_block": [2, 2]}),
        ("few", 12, 12, 3, {"orientations": 8, "pixels_per_cell": [6, 6], "cells_per_block": [2, 2]}),
        ("few", 16, 24, 1, {"transform_sqrt": True, "cells_per_block": [2, 1]}),
        ("few", 20, 18, 3, {"transform_sqrt": True, "pixels_per_cell": [5, 6], "cells_per_block": [1, 2]}),
        ("smooth", 9, 1, 1, {"pixels_per_cell": [1, 1], "cells_per_block": [3, 1], "orientations": 2}),
    ]:
        parameters = DEFAULT | changes
        values = features(formula(kind, height, width, channels), parameters)
        yield {
            "kind": kind, "size": [height, width], "channels": channels, "parameters": parameters,
            "shape": [int(np.prod(values.shape[:3])), *values.shape[3:]],
            "values": [round(float(value), 7) for value in values.ravel()],
        }


def images(folder, rng):
    for path in sorted(folder.iterdir())[:8]:
        image = Image.open(path).convert("RGB")
        image.thumbnail((240, 240))
        yield np.asarray(image)
        yield np.asarray(image.convert("L"))[:, :, None]
    levels = [[0, 1, 3, 4], [0, 1, 3, 4, 9, 12, 16, 27], [0, 255], range(256)]
    for seed in range(12):
        shape = (rng.randint(24, 60), rng.randint(24, 60), [1, 3][seed % 2])
        yield np.random.default_rng(seed).choice(levels[seed % 4], shape).astype(np.uint8)


def compare(folder, program):
    rng = random.Random(18)
    worst = 0.0
    with tempfile.TemporaryDirectory() as place:
        pictures = list(images(folder, rng))
        for number, image in enumerate(pictures):
            Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(f"{place}/{number:03}.png")
        for orientations in [2, 4, 6, 8, 9, 12, 18, 20, 28, 36]:
            for norm in ["L1", "L1-sqrt", "L2", "L2-Hys"]:
                parameters = DEFAULT | {"orientations": orientations, "block_norm": norm}
                parameters["transform_sqrt"] = rng.random() < 0.5
                parameters["pixels_per_cell"] = [rng.randint(3, 8), rng.randint(3, 8)]
                parameters["cells_per_block"] = [rng.randint(1, 3), rng.randint(1, 3)]
                command = [program, "hog", json.dumps(parameters), place]
                lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
                differences = []
                for image, line in zip(pictures, lines, strict=True):
                    found = np.array(line.split(), dtype=np.float64)
                    differences.append(np.abs(found - features(image, parameters).ravel()).max())
                worst = max(worst, *differences)
                print(f"{max(differences):.1e}  {json.dumps(parameters)}")
    print(f"largest difference {worst:.1e}")
    sys.exit(bool(worst > 1e-5))


def main():
    if sys.argv[1:2] == ["compare"]:
        compare(pathlib.Path(sys.argv[2]), sys.argv[3])
    file = ROOT / "crates/vision/tests/hog.json"
    file.write_text("[" + ",\n".join(json.dumps(case) for case in cases()) + "]\n")
    print(f"{file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
