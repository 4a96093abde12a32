#!/usr/bin/env python3
"""Compares the verdicts of `striate data check` with Pillow's: does an image open or not?

    check_pillow.py PROGRAM FOLDER

Pillow opens and loads every file of FOLDER. Suited folders are `Tests/images` of Pillow's source package, with many
files that are broken on purpose, and any data set. Prints each difference that is not explained below; exits with 1 if
there is one.
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
    counts, differences = collections.Counter(), []
    for path in sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file()):
        kind, message = found.get(str(path), ("opens", ""))
        image, error = pillow(path)
        counts[kind, "opens" if image else "does not open"] += 1
        explained = kind == "unsupported" if image else kind != "opens"
        if (image is not None) != (kind == "opens") and not explained or (image is None and kind == "opens"):
            differences.append(f"{path}: {kind} ({message}), Pillow: {image or error}")
    for (kind, verdict), count in sorted(counts.items()):
        print(f"{count:6}  {kind:14} Pillow: {verdict}")
    print(*differences, sep="\n")
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
