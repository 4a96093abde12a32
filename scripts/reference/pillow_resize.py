#!/usr/bin/env python3
"""Images that Pillow resized, made grey and wrote, written to crates/vision/tests/pillow.json.

    python3 -m venv venv && venv/bin/pip install pillow
    venv/bin/python scripts/reference/pillow_resize.py

The source image comes from a formula that the test repeats: byte i is (i * 89 + i * i * 7) % 256. Of
large results only the 64-bit FNV-1a hash is stored.
"""

import io
import json
import pathlib

from PIL import Image

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
SIZES = [((13, 9), (7, 5)), ((13, 9), (20, 16)), ((8, 8), (32, 32)), ((31, 17), (5, 17)), ((10, 40), (10, 3))]
LARGE = [((200, 150), (64, 48)), ((61, 47), (224, 199)), ((333, 20), (99, 77)), ((500, 375), (341, 256))]


def source(size, channels):
    data = bytes((i * 89 + i * i * 7) % 256 for i in range(size[0] * size[1] * channels))
    return Image.frombytes("L" if channels == 1 else "RGB", size, data)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def resized(sizes, key, figure):
    cases = []
    for channels in (1, 3):
        for size, target in sizes:
            for name, resample in FILTERS.items():
                data = source(size, channels).resize(target, resample).tobytes()
                cases.append({"channels": channels, "source": size, "target": target, "filter": name, key: figure(data)})
    return cases


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def main():
    # A flat colour survives JPEG's transform, whatever a decoder's rounding.
    cmyk = jpeg(Image.new("CMYK", (8, 8), (200, 40, 90, 20)))
    # Dark on the left as stored; the camera lay on its side.
    halves = Image.new("L", (16, 8), 0)
    halves.paste(255, (8, 0, 16, 8))
    turned = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned[orientation] = list(jpeg(halves, exif=exif))
    figures = {
        "resized": resized(SIZES, "bytes", list),
        "hashes": resized(LARGE, "hash", fnv),
        "grey": fnv(source((40, 30), 3).convert("L").tobytes()),
        "cmyk": {"file": list(cmyk), "colour": Image.open(io.BytesIO(cmyk)).convert("RGB").getpixel((4, 4))},
        "turned": turned,
    }
    path = pathlib.Path(__file__).parents[2] / "crates/vision/tests/pillow.json"
    path.write_text(json.dumps(figures, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
