#!/usr/bin/env python3
"""Compares the verdicts of `striate data check` with Pillow's: does an image open or not?

    check_pillow.py PROGRAM FOLDER

Pillow opens and loads every file of FOLDER. Suited are `Tests/images` of Pillow's source package, with many files that
are broken on purpose, and any data set. Formats that `data check` calls unsupported are counted. Every other difference
must be explained below; those that are not are printed, and the exit code is 1.
"""
import collections
import json
import pathlib
import subprocess
import sys
import warnings

from PIL import Image

# Kinds of findings after which a file has no image that can be used.
REFUSED = {"corrupt", "truncated", "empty", "unreadable", "not-an-image", "unsupported", "too-large"}

# Files of Pillow 13 for which the verdicts differ, and why.
EXPLAINED = {
    # Striate opens them, Pillow does not.
    "apng/chunk_no_fctl.png": "frames of animations are not read, only the first image",
    "png_decompression_dos.png": "texts are not read, however long",
    "unknown_compression_method.png": "the color profile is not read, which is compressed in an unknown way",
    "truncated_jpeg.jpg": "only half of the end marker is missing, all pixels are there",
    "bmp/g/rgb32bf.bmp": "any bit fields are read",
    "bmp/q/rgb16-231.bmp": "any bit fields are read",
    "bmp/q/rgb32-111110.bmp": "any bit fields are read",
    "bmp/q/rgba16-4444.bmp": "any bit fields are read",
    "bmp/q/pal2.bmp": "2 bits per pixel are read",
    # Pillow opens them, Striate does not.
    "bmp/b/badplanes.bmp": "violates its format: a number of planes other than 1",
    "bmp/b/badrle.bmp": "violates its format: runs beyond the image",
    "bmp/b/rletopdown.bmp": "violates its format: compressed rows from the top",
    "no_palette.gif": "violates its format: no palette, for which Pillow assumes gray levels",
    "tiff_wrong_bits_per_sample.tiff": "violates its format: one depth for four channels, 35 MB claimed in a small file",
    "tiff_wrong_bits_per_sample_2.tiff": "violates its format: four depths for three channels",
    "truncated_app14.jpg": "violates its format: Adobe's segment is too short",
}


def striate(program, folder):
    """The kind and message by which each file is refused; files that are not images are `skipped`."""
    ran = subprocess.run([program, "data", "check", folder, "--json"], capture_output=True, text=True)
    if ran.returncode not in (0, 1):
        sys.exit(f"{program}: {ran.stderr.strip()}")
    if ran.stderr:
        print(f"messages of the program:\n{ran.stderr}")
    found = {}
    for finding in json.loads(ran.stdout)["findings"]:
        if finding["kind"] in REFUSED | {"skipped"}:
            found.update({file: (finding["kind"], finding["message"]) for file in finding["files"]})
    return found


def pillow(path):
    """The format and mode of an image that Pillow opens and loads, or else its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                image.load()
                return (image.format, image.mode), None
    except Exception as error:  # Pillow raises errors of many types.
        return None, f"{type(error).__name__}: {error}"


def main():
    program, folder = sys.argv[1:]
    found = striate(program, folder)
    counts, unsupported = collections.Counter(), collections.Counter()
    explained, differences = [], []
    for path in sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file()):
        kind, message = found.get(str(path), ("opens", ""))
        image, error = pillow(path)
        counts[kind, "opens" if image else "does not open"] += 1
        if kind == "unsupported":
            unsupported.update([image[0]] if image else [])
        elif (image is not None) != (kind == "opens"):
            name = path.relative_to(folder).as_posix()
            reason = EXPLAINED.get(name)
            verdict = f"{name}: {kind}{message and f' ({message})'}, Pillow: {image or error}"
            (explained if reason else differences).append(f"{verdict}\n    {reason or 'not explained'}")
    for (kind, verdict), count in sorted(counts.items()):
        print(f"{count:6}  {kind:14} Pillow: {verdict}")
    formats = ", ".join(f"{name} {count}" for name, count in unsupported.most_common())
    print(f"unsupported, but opened by Pillow, by Pillow's name of the format: {formats or 'none'}")
    print(f"differences that are explained: {len(explained)}", *explained, sep="\n  ")
    print(f"differences that are not: {len(differences)}", *differences, sep="\n  ")
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
