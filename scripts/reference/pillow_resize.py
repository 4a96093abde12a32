#!/usr/bin/env python3
"""Images resized, converted to gray and encoded by Pillow, written to crates/vision/tests/pillow.json.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0
    venv/bin/python scripts/reference/pillow_resize.py [FOLDER]

The source image is computed by a formula that the test repeats: byte i is (i * 89 + i * i * 7) % 256. For large
results, only the 64-bit FNV-1a hash is stored. Given the folder of photographs from scripts/fetch-weights.sh, means and
mean pixel-to-pixel differences of resized photographs are written to crates/data/tests/photographs.json.
"""

import io
import json
import pathlib
import sys

from PIL import Image, ImageChops, ImageStat

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
SIZES = [((13, 9), (7, 5)), ((13, 9), (20, 16)), ((8, 8), (32, 32)), ((31, 17), (5, 17)), ((10, 40), (10, 3))]
# Sides of one pixel, before and after.
SIZES += [((1, 1), (7, 5)), ((1, 9), (4, 3)), ((9, 1), (3, 4)), ((13, 7), (1, 1)), ((13, 7), (1, 5)), ((2, 3), (1, 1))]
LARGE = [((200, 150), (64, 48)), ((61, 47), (224, 199)), ((333, 20), (99, 77)), ((500, 375), (341, 256))]
# Odd factors, down and up, integer and fractional.
LARGE += [((105, 63), (35, 21)), ((175, 95), (35, 19)), ((13, 11), (91, 77)), ((9, 7), (81, 21)), ((997, 61), (13, 59))]
# Heights that shrink by more than twice as much as widths, and just less: Pillow 13 then resizes columns first.
LARGE += [((40, 41), (60, 17)), ((97, 61), (101, 31)), ((64, 48), (56, 7)), ((333, 500), (1001, 333))]
LARGE += [((40, 41), (30, 21)), ((40, 41), (30, 20)), ((40, 41), (41, 40)), ((40, 41), (60, 42))]
LARGE += [((1, 701), (3, 99)), ((640, 480), (1, 1)), ((17, 1), (299, 299))]


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


def transparent(mode):
    """Returns a transparent image as a PNG file, and its resized composition on white."""
    channels = len(mode)
    data = bytes((i * 89 + i * i * 7) % 256 for i in range(13 * 9 * channels))
    image = Image.frombytes(mode, (13, 9), data)
    file = io.BytesIO()
    image.save(file, "PNG")
    image = image.convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    on_white = on_white if mode == "RGBA" else on_white.getchannel(0)
    return {
        "file": list(file.getvalue()),
        "resized": [
            {"channels": 3 if mode == "RGBA" else 1, "source": (13, 9), "target": target, "filter": name,
             "bytes": list(on_white.resize(target, FILTERS[name]).tobytes())}
            for target in [(7, 5), (39, 27)] for name in ("bilinear", "bicubic")
        ],
    }


def photographed(file):
    """Returns means of red, green and blue, and mean differences to the right and down, of a photograph resized in several ways."""
    image = Image.open(file).convert("RGB")
    cases = []
    for target in [(227, 227), (75, 51), (1001, 333), (299, 7)]:
        for name in ("bilinear", "bicubic"):
            small = image.resize(target, FILTERS[name])
            (width, height), whole = target, lambda *box: small.crop(box)
            right = ImageChops.difference(whole(1, 0, width, height), whole(0, 0, width - 1, height))
            down = ImageChops.difference(whole(0, 1, width, height), whole(0, 0, width, height - 1))
            means = [round(x, 3) for part in (small, right, down) for x in ImageStat.Stat(part).mean]
            cases.append({"target": target, "filter": name, "means": means})
    return {"file": file.name, "size": image.size, "cases": cases}


def main():
    here = pathlib.Path(__file__).parents[2]
    if len(sys.argv) > 1:
        files = sorted(pathlib.Path(sys.argv[1]).glob("*.jpg"))[:8]
        photographs = ",\n".join(json.dumps(photographed(file), separators=(",", ":")) for file in files)
        (here / "crates/data/tests/photographs.json").write_text(f"[{photographs}]\n")
    # A flat color survives JPEG compression regardless of a decoder's rounding.
    cmyk = jpeg(Image.new("CMYK", (8, 8), (200, 40, 90, 20)))
    # Dark on the left as stored; the camera was rotated.
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
        "gray": fnv(source((40, 30), 3).convert("L").tobytes()),
        "cmyk": {"file": list(cmyk), "color": Image.open(io.BytesIO(cmyk)).convert("RGB").getpixel((4, 4))},
        "turned": turned,
        "transparent": [transparent("RGBA"), transparent("LA")],
    }
    (here / "crates/vision/tests/pillow.json").write_text(json.dumps(figures, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
