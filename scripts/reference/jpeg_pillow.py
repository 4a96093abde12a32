#!/usr/bin/env python3
"""Compares the pixels of JPEG files with Pillow's, byte by byte.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0
    venv/bin/python scripts/reference/jpeg_pillow.py generate FOLDER
    cargo run --release -p striate-vision --example pixels FOLDER > found.txt
    venv/bin/python scripts/reference/jpeg_pillow.py compare FOLDER found.txt

`generate` writes files of all subsamplings, sizes, qualities, restart intervals and orders of scans to FOLDER, and a few
small ones, with checksums of Pillow's pixels, to crates/vision/tests/jpeg.json. `compare` decodes the files of FOLDER, of
any origin, with Pillow, and prints those that differ; files with an EXIF orientation are turned, and CMYK files are
counted apart, since Pillow keeps their colors.
"""
import collections
import io
import json
import pathlib
import random
import sys
import zlib

from PIL import Image, ImageFile, ImageOps

# Pillow encodes into one buffer of this size.
ImageFile.MAXBLOCK = 1 << 20

# Sampling factors of Y, and of Cb and Cr. Pillow writes the first three; others are made by changing the frame of a
# file without subsampling, whose data then means another image.
SUBSAMPLINGS = {"444": 0, "422": 1, "420": 2}
PATCHED = {
    "440": (0x12, 0x11, 0x11), "411": (0x41, 0x11, 0x11), "410": (0x42, 0x11, 0x11), "441": (0x14, 0x11, 0x11),
    "uneven": (0x22, 0x21, 0x11), "chroma": (0x11, 0x21, 0x12), "crossed": (0x22, 0x12, 0x21),
    "middle": (0x11, 0x22, 0x11),
}


def picture(rng, width, height, mode):
    """Smooth shapes under noise."""
    small = Image.frombytes(mode, (5, 4), rng.randbytes(20 * len(mode)))
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    noise = Image.frombytes(mode, (width, height), rng.randbytes(width * height * len(mode)))
    return Image.blend(image, noise, rng.choice([0, 0.05, 0.3, 1]))


def encode(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def patched(rng, factors, width, height, **options):
    """A file with other sampling factors: enough data for the larger image is written, and both are named in the frame."""
    across, down = max(f >> 4 for f in factors), max(f & 15 for f in factors)
    units = -(-width // (8 * across)) * -(-height // (8 * down))
    blocks = sum((f >> 4) * (f & 15) for f in factors)
    # A unit of the source has three blocks; the order of its components is not that of the result, which does not
    # matter, but the tables would differ; gray has one table, so a source of one table for all is used.
    gray = picture(rng, 8 * units * blocks, 8, "L")
    data = encode(gray, **options)
    at = data.index(b"\xff\xc0")
    length = int.from_bytes(data[at + 2:at + 4])
    frame = b"\xff\xc0" + (17).to_bytes(2) + b"\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\x03"
    frame += b"".join(bytes([i + 1, f, 0]) for i, f in enumerate(factors))
    data = data[:at] + frame + data[at + 2 + length:]
    at = data.index(b"\xff\xda")
    length = int.from_bytes(data[at + 2:at + 4])
    scan = b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0"
    return data[:at] + scan + data[at + 2 + length:]


def generate(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(17)
    sizes = [(n, n) for n in range(1, 20)] + [(rng.randint(1, 70), rng.randint(1, 70)) for _ in range(60)]
    sizes += [(1, 70), (70, 1), (2, 33), (33, 2), (3, 17), (17, 3), (300, 200)]
    for number, (width, height) in enumerate(sizes):
        for name in [*SUBSAMPLINGS, "gray", "rgb"]:
            options = {"quality": rng.choice([1, 10, 50, 75, 90, 95, 100])}
            options["progressive"] = rng.random() < 0.4
            options["optimize"] = rng.random() < 0.3
            if rng.random() < 0.3:
                options[rng.choice(["restart_marker_blocks", "restart_marker_rows"])] = rng.randint(1, 5)
            if name in SUBSAMPLINGS:
                options["subsampling"] = SUBSAMPLINGS[name]
            if name == "rgb":
                options["keep_rgb"] = True
            image = picture(rng, width, height, "L" if name == "gray" else "RGB")
            kind = "progressive" if options["progressive"] else "sequential"
            (folder / f"{name}_{kind}_{number:03}_{width}x{height}.jpg").write_bytes(encode(image, **options))
        for name, factors in PATCHED.items():
            quality = rng.choice([10, 50, 75, 90, 95])
            data = patched(rng, factors, width, height, quality=quality)
            (folder / f"{name}_patched_{number:03}_{width}x{height}.jpg").write_bytes(data)


def small_cases(folder):
    """One file of each kind, and two of odd size, for the tests."""
    cases, kinds = [], collections.Counter()
    for path in sorted(folder.glob("*.jpg"), key=lambda path: path.name.split("_")[2]):
        kind = tuple(path.name.split("_")[:2])
        image = Image.open(path)
        size = path.stat().st_size
        if kinds[kind] == 2 or not 9 < min(image.size) or max(image.size) > 45 or size > 2000:
            continue
        kinds[kind] += 1
        cases.append({
            "name": path.stem, "width": image.width, "height": image.height, "channels": len(image.getbands()),
            "checksum": zlib.adler32(image.tobytes()), "file": path.read_bytes().hex(),
        })
    file = pathlib.Path(__file__).parents[2] / "crates/vision/tests/jpeg.json"
    file.write_text("[" + ",\n".join(json.dumps(case) for case in cases) + "]\n")
    print(f"{len(cases)} files, {len(kinds)} kinds: {file.stat().st_size} bytes")


def compare(folder, found):
    lines = dict(line.rstrip("\n").split(" ", 1) for line in open(found))
    counts = collections.Counter()
    for path in sorted(folder.iterdir()):
        ours = lines.get(path.name, "missing")
        try:
            image = Image.open(path)
            if image.format not in ("JPEG", "MPO"):
                continue
            image = ImageOps.exif_transpose(image)
            theirs = f"{image.width} {image.height} {len(image.getbands())} {zlib.adler32(image.tobytes())}"
            kind = image.mode
        except Exception as error:
            theirs, kind = f"{type(error).__name__}: {error}", "refused"
        result = "equal" if ours == theirs else "different"
        group = path.name.split("_")[:2] if "x" in path.stem.split("_")[-1] else []
        counts[kind, *group, result] += 1
        if ours != theirs:
            print(f"{path.name}: {ours}; Pillow: {theirs} ({kind})")
    for key, count in sorted(counts.items()):
        print(f"{count:6}  {' '.join(key)}")
    sys.exit(any(key[-1] == "different" for key in counts))


def main():
    verb, folder, *found = sys.argv[1:]
    if verb == "generate":
        generate(pathlib.Path(folder))
        small_cases(pathlib.Path(folder))
    else:
        compare(pathlib.Path(folder), *found)


if __name__ == "__main__":
    main()
