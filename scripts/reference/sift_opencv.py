#!/usr/bin/env python3
"""Compares key points and descriptors with OpenCV's SIFT.

    python3 -m venv venv && venv/bin/pip install opencv-python-headless==5.0.0.93 numpy pillow
    venv/bin/python scripts/reference/sift_opencv.py
    cargo build --workspace --examples
    venv/bin/python scripts/reference/sift_opencv.py target/debug/examples/features FOLDER [MNIST]

The first form writes OpenCV's key points in an image of waves to crates/vision/tests/sift.json. The other one compares
more: FOLDER contains photographs; MNIST is a file of test images,
`t10k-images-idx3-ubyte`, of which 200 are taken. Both programs get the same gray pixels. Printed are, for each kind of
image:

- the share of OpenCV's key points that are found within 1 pixel and a factor 1.2 of the scale, the share of ours that
  OpenCV has, the mean differences of their coordinates, and, of pairs whose angles differ by less than 10 degrees, the
  Euclidean distance of descriptors of norm 1;
- repeatability of both under rotation, scale and brightness: the share of key points of the original image, those
  within 10 pixels of an edge left out, that the changed image has within 1.5 pixels of it (or of the original if that
  is larger) and a factor 1.2 of the scale; and the share of them whose nearest descriptor is that of such a point.

The script fails if less than 90 % of the key points in photographs are found, or our repeatability is more than 2
points below OpenCV's.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np
from PIL import Image


def opencv(image):
    points, descriptors = cv2.SIFT_create().detectAndCompute(image, None)
    if not points:
        return np.zeros((0, 4)), np.zeros((0, 128))
    points = np.array([(*point.pt, point.size, point.angle) for point in points])
    return points, descriptors / np.maximum(np.linalg.norm(descriptors, axis=1, keepdims=True), 1e-9)


def ours(program, images):
    with tempfile.TemporaryDirectory() as place:
        for number, image in enumerate(images):
            Image.fromarray(image).save(f"{place}/{number:05}.png")
        result = subprocess.run([program, "sift", "{}", place], check=True, capture_output=True, text=True)
    lines = iter(result.stdout.splitlines())
    for _ in images:
        rows = [next(lines).split() for _ in range(int(next(lines)))]
        values = np.array(rows, dtype=np.float64).reshape(-1, 133)
        yield values[:, :4], values[:, 5:]


def pairs(a, b, tolerance=1.0):
    """For each point of `a`, whether each of `b` has its place and scale."""
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)), bool)
    near = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]) <= tolerance
    return near & (np.abs(np.log(a[:, None, 2] / b[None, :, 2])) <= np.log(1.2))


def compare(theirs, own):
    found, has, shifts, distances, apart = [], [], [], [], []
    for (points, descriptors), (own_points, own_descriptors) in zip(theirs, own, strict=True):
        match = pairs(points, own_points)
        found += match.any(1).tolist()
        has += match.any(0).tolist()
        for i, j in zip(*match.nonzero()):
            turn = abs(points[i, 3] - own_points[j, 3])
            if min(turn, 360 - turn) < 10:
                shifts.append(own_points[j, :2] - points[i, :2])
                distances.append(np.linalg.norm(descriptors[i] - own_descriptors[j]))
        if len(points) > 1:
            apart += np.linalg.norm(descriptors - np.roll(descriptors, 1, 0), axis=1).tolist()
    print(f"  key points: OpenCV {len(found)}, ours {len(has)}")
    print(f"  of OpenCV's found {np.mean(found):.1%}, of ours known to OpenCV {np.mean(has):.1%}")
    print(f"  mean shift in x and y {np.mean(shifts, axis=0).round(3)} pixels")
    quantiles = np.quantile(distances, [0.5, 0.9, 0.99]).round(3)
    print(f"  distance of descriptors: median {quantiles[0]}, 90 % below {quantiles[1]}, 99 % below {quantiles[2]}")
    print(f"  of any two descriptors: median {np.median(apart):.3f}")
    return np.mean(found)


def changes():
    """Names and functions that return the changed image and the matrix of its coordinates."""
    def turned(degrees):
        def change(image):
            h, w = image.shape
            matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), degrees, 1.0)
            side = int(np.ceil(np.hypot(h, w)))
            matrix[:, 2] += (side - w) / 2, (side - h) / 2
            size = (side, side)
            return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), matrix
        return change

    def scaled(factor):
        def change(image):
            h, w = image.shape
            size = (round(w * factor), round(h * factor))
            method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
            sx, sy = size[0] / w, size[1] / h
            matrix = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2]])
            return cv2.resize(image, size, interpolation=method), matrix
        return change

    def lit(gain, shift):
        def change(image):
            return np.clip(image * gain + shift, 0, 255).round().astype(np.uint8), np.eye(3)[:2]
        return change

    yield from [(f"turned by {degrees}", turned(degrees)) for degrees in (15, 45, 90)]
    yield from [(f"scaled by {factor}", scaled(factor)) for factor in (0.5, 0.7, 1.4)]
    yield from [("darker", lit(0.6, 0)), ("brighter", lit(1.0, 40)), ("contrast", lit(1.3, -30))]


def repeated(before, after, matrix, shape):
    points, descriptors = before
    inside = (points[:, :2] >= 10).all(1) & (points[:, 0] < shape[1] - 10) & (points[:, 1] < shape[0] - 10)
    points, descriptors = points[inside], descriptors[inside]
    factor = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    moved[:, 2] *= factor
    match = pairs(moved, after[0], 1.5 * max(1.0, factor))
    if not len(points) or not len(after[0]):
        return match.any(1).tolist(), match.any(1).tolist()
    nearest = (descriptors @ after[1].T).argmax(1)
    return match.any(1).tolist(), match[np.arange(len(points)), nearest].tolist()


def repeatability(program, images, theirs, own):
    worst, totals = 0.0, []
    for name, change in changes():
        changed = [change(image) for image in images]
        after = [opencv(image) for image, _ in changed], list(ours(program, [image for image, _ in changed]))
        figures = []
        for before, after in zip((theirs, own), after):
            results = [
                repeated(b, a, matrix, image.shape)
                for b, a, (_, matrix), image in zip(before, after, changed, images, strict=True)
            ]
            figures.append([np.mean(sum((result[k] for result in results), [])) for k in range(2)])
        totals.append(figures)
        worst = max(worst, figures[0][0] - figures[1][0])
        show(name, figures)
    show("mean", np.mean(totals, axis=0))
    return worst


def show(name, figures):
    (a, b), (c, d) = figures
    print(f"  {name:14} repeated: OpenCV {a:.1%}, ours {c:.1%}; with nearest descriptor: OpenCV {b:.1%}, ours {d:.1%}", flush=True)


def photographs(folder):
    for path in sorted(folder.iterdir()):
        image = Image.open(path).convert("L")
        image.thumbnail((500, 500))
        yield np.asarray(image)


def digits(file):
    data = np.frombuffer(open(file, "rb").read(), np.uint8, offset=16).reshape(-1, 28, 28)
    return list(data[:200])


def waves(width, height):
    """The image of the test."""
    y, x = np.mgrid[:height, :width]
    wave = lambda phase: np.where(phase % 512 < 256, phase % 512, 511 - phase % 512)
    return (wave((3 * x * x + x * y) // 30 + 20 * x) * wave((2 * y * y + x * y) // 25 + 15 * y) // 256).astype(np.uint8)


def fixture():
    points, descriptors = cv2.SIFT_create().detectAndCompute(waves(128, 96), None)
    rows = [[round(value, 3) for value in (*point.pt, point.size, point.angle)] for point in points]
    figures = {"size": [128, 96], "points": rows, "descriptors": descriptors[:24].astype(int).tolist()}
    file = pathlib.Path(__file__).parents[2] / "crates/vision/tests/sift.json"
    file.write_text(json.dumps(figures) + "\n")
    print(f"{len(rows)} key points, {file.stat().st_size} bytes")


def main():
    if len(sys.argv) == 1:
        return fixture()
    program, folder, *mnist = sys.argv[1:]
    sets = [("photographs", list(photographs(pathlib.Path(folder))))]
    sets += [("digits", digits(file)) for file in mnist]
    failed = False
    for name, images in sets:
        print(f"{name}: {len(images)}")
        theirs, own = [opencv(image) for image in images], list(ours(program, images))
        found = compare(theirs, own)
        # Digits have a handful of key points each, most of them near an edge.
        if name == "photographs":
            lost = repeatability(program, images, theirs, own)
            failed = found < 0.9 or lost > 0.02
            print(f"found {found:.1%}; repeatability at most {lost:.1%} below OpenCV's")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
