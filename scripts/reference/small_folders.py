"""Writes two small folders of JPEGs: `three` (3 classes, 120 images) and `two` (2 classes, 20 images).

    python scripts/reference/small_folders.py FOLDER

The classes are noisy horizontal, vertical and diagonal stripes, each with its own tint. Needs Pillow.
"""

import math
import os
import random
import sys

from PIL import Image

NAMES = ["ash", "birch", "cedar"]


def stripes(rng, label):
    """An image of 60 to 90 pixels per side."""
    width, height = rng.randint(60, 90), rng.randint(60, 90)
    frequency, phase = rng.uniform(0.25, 0.5), rng.uniform(0, 6)
    middle = [rng.randint(70, 140) + 40 * (channel == label) for channel in range(3)]
    amplitude = [rng.randint(20, 50) for _ in range(3)]
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            wave = math.sin(frequency * [y, x, 0.7 * (x + y)][label] + phase)
            pixel = [m + a * wave + rng.randint(-20, 20) for m, a in zip(middle, amplitude)]
            image.putpixel((x, y), tuple(max(0, min(255, int(value))) for value in pixel))
    return image


def write(folder, classes, images):
    """Writes `images` images of `classes` classes into class folders of `folder`."""
    rng = random.Random(images)
    for label in range(classes):
        where = os.path.join(folder, NAMES[label])
        os.makedirs(where, exist_ok=True)
        for index in range(images // classes):
            stripes(rng, label).save(os.path.join(where, f"{index:03}.jpg"), quality=90)


if __name__ == "__main__":
    write(os.path.join(sys.argv[1], "three"), 3, 120)
    write(os.path.join(sys.argv[1], "two"), 2, 20)
