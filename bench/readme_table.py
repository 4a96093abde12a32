#!/usr/bin/env python3
"""Writes the table of networks into the README, from records of bench/peers.py. A later record replaces figures of the
same network and batch size in an earlier one; what no record has is left open.

    bench/readme_table.py bench/records/DATE-NAME.md...
"""

import pathlib
import re
import sys
import textwrap

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"
# The lines of the README around the table.
MARKS = "<!-- Written by bench/readme_table.py. -->\n", "<!-- End of the table. -->\n"
NAMES = {"onnxruntime": "ORT", "openvino": "OV"}
TEXT = """Networks in inference, in images per second with two threads in f32, beside the better of ONNX Runtime (ORT) and
OpenVINO (OV), which read the network's ONNX export ({records}):
"""


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(text):
    """Yields the inference of a record: a batch size, and network -> engine -> images per second."""
    # Sections of one network each.
    singles = {}
    for section in text.split("\n## ")[1:]:
        lines = section.splitlines()
        rows = [cells(line) for line in lines if line.startswith("| ")]
        title = re.fullmatch(r"Inference, batch (\d+)", lines[0])
        if title and rows:
            engines = [name.removesuffix(" (rounds)") for name in rows[0][1:-1]]
            medians = {row[0]: dict(zip(engines, (cell.split(" (")[0] for cell in row[1:-1]))) for row in rows[2:]}
            yield int(title[1]), medians
        title = re.fullmatch(r"Inference of (\S+), batch (\d+)", lines[0])
        if title:
            engines = {row[0]: row[2] for row in rows[2:] if row[1] == "f32"}
            singles.setdefault(int(title[2]), {})[title[1]] = engines
    yield from singles.items()


def value(cell):
    return float(cell.replace(",", "")) if cell != "–" else 0.0


def row(network, batches):
    out = [f"`{network}`"]
    for medians in batches.values():
        engines = dict(medians.get(network, {}))
        ours = engines.pop("striate", "–")
        best = max(engines, key=lambda engine: value(engines[engine]), default=None)
        if best is None or not value(engines[best]) or not value(ours):
            out += [ours, "–", "–"]
            continue
        out += [ours, f"{engines[best]} ({NAMES.get(best, best)})", f"{value(ours) / value(engines[best]):.2f}"]
    return out


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    batches = {}
    for path in sys.argv[1:]:
        for batch, medians in tables(pathlib.Path(path).read_text()):
            # Torchvision's names have underscores.
            medians = {network.replace("inception_v", "inception-v"): each for network, each in medians.items()}
            batches.setdefault(batch, {}).update(medians)
    batches = dict(sorted(batches.items()))
    if not batches:
        sys.exit("readme_table: no inference in these records")
    networks = list(dict.fromkeys(network for medians in batches.values() for network in medians))
    head = ["network"]
    for batch in batches:
        head += [f"batch {batch}: Striate", "best peer", "ratio"]
    lines = [head, ["---"] * len(head), *(row(network, batches) for network in networks)]
    table = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    begin, end = MARKS
    before, found, rest = README.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        sys.exit("readme_table: README.md lacks the lines around the table")
    records = ", ".join(f"`bench/records/{pathlib.Path(path).name}`" for path in sys.argv[1:])
    text = "\n".join(textwrap.wrap(TEXT.format(records=records), 120)) + "\n"
    README.write_text(f"{before}{begin}\n{text}\n{table}\n{end}{after}")


if __name__ == "__main__":
    main()
