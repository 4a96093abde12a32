#!/usr/bin/env python3
"""Resized images by Pillow, written to crates/vision/tests/pillow.json.

    python3 -m venv venv && venv/bin/pip install pillow
    venv/bin/python scripts/reference/pillow_resize.py

The source image comes from a formula that the test repeats: byte i is (i * 89 + i * i * 7) % 256.
"""

import json
import pathlib

from PIL import Image

FILTERS = {"box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SIZES = [((13, 9), (7, 5)), ((13, 9), (20, 16)), ((8, 8), (32, 32)), ((31, 17), (5, 17)), ((10, 40), (10, 3))]


def main():
    cases = []
    for channels in (1, 3):
        for source, target in SIZES:
            count = source[0] * source[1] * channels
            data = bytes((i * 89 + i * i * 7) % 256 for i in range(count))
            image = Image.frombytes("L" if channels == 1 else "RGB", source, data)
            for name, resample in FILTERS.items():
                resized = image.resize(target, resample)
                cases.append({"channels": channels, "source": source, "target": target, "filter": name, "bytes": list(resized.tobytes())})
    path = pathlib.Path(__file__).parents[2] / "crates/vision/tests/pillow.json"
    path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
