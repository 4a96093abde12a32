#!/usr/bin/env python3
"""Encoded texts by PyTorch's one_hot, for the tests, and the networks for texts as PyTorch modules: names, parameters,
scores.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    cargo build --workspace --bins
    venv/bin/python scripts/reference/text_pytorch.py [target/debug/striate]

Writes crates/text/tests/texts.json: for each text, the plane and the column of every one. A text is encoded as in the
paper (Zhang, Zhao and LeCun, NIPS 2015, section 2.2): characters beyond the length are ignored, the order is reversed,
and characters that are not in the alphabet are all zeros; each character is in lower case on its own.

The modules are written after the paper's tables, with random weights. Their state dicts must load without renaming,
`inspect` must count the same parameters, and the scores of three random texts must agree within 1e-5 of the largest
one.
Prints the largest difference of each network.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

TEXTS = pathlib.Path(__file__).parents[2] / "crates/text/tests/texts.json"

# The paper's list of 70 has the hyphen twice; 69 characters differ.
PAPER = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+=<>()[]{}\n"
KERNELS = [7, 7, 3, 3, 3, 3]
CASES = [
    (PAPER, 40, "Character-level Convolutional Networks"),
    (PAPER, 12, "Character-level Convolutional Networks"),
    (PAPER, 30, "Tabs\tand\nlines: 100 % (é, ß, 日) {}"),
    ("aäbcdeéfghijklmnoöprstuüvwzß", 32, "Größe, ÄÖÜ, ẞ, café, CAFE\u0301"),
    ("αβγδεζηθικλμνξοπρσςτυφχψω", 24, "Σίσυφος ΣΊΣΥΦΟΣ"),
    ("абвгдежзийклмнопрстуфхцчшщъыьэюя", 50, "Съешь же ещё этих мягких французских булок"),
    ("ai\u0307st", 10, "İstanbul"),
    ("😀x", 5, "x😀X😀y"),
    ("ab", 3, ""),
]


def encoded(alphabet, length, text):
    """The planes [C, W] of a text."""
    places = {character: place for place, character in enumerate(alphabet, 1)}
    lower = [letter for character in text for letter in character.lower()][:length][::-1]
    indices = torch.tensor([places.get(character, 0) for character in lower] + [0] * (length - len(lower)))
    return F.one_hot(indices, len(alphabet) + 1)[:, 1:].T.float()


def cases():
    for alphabet, length, text in CASES:
        ones = encoded(alphabet, length, text).nonzero().tolist()
        yield {"alphabet": alphabet, "length": length, "text": text, "ones": ones}


class CharCnn(nn.Module):
    """Tables 1 and 2, the small network."""

    def __init__(self):
        super().__init__()
        for number, (channels, kernel) in enumerate(zip([70] + [256] * 5, KERNELS), 1):
            setattr(self, f"conv{number}", nn.Conv1d(channels, 256, kernel))
        self.fc1, self.fc2, self.fc3 = nn.Linear(34 * 256, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 14)

    def forward(self, x):
        for number in range(1, 7):
            x = F.relu(getattr(self, f"conv{number}")(x))
            if number in (1, 2, 6):
                x = F.max_pool1d(x, 3)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


class CharCnnShort(nn.Module):
    """The same convolutions with 128 features and batch norm, and the mean over the text."""

    def __init__(self):
        super().__init__()
        for number, (channels, kernel) in enumerate(zip([70] + [128] * 5, KERNELS), 1):
            setattr(self, f"conv{number}", nn.Conv1d(channels, 128, kernel, bias=False))
            norm = nn.BatchNorm1d(128)
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 1.5)
            nn.init.normal_(norm.weight, 1, 0.1)
            nn.init.normal_(norm.bias, 0, 0.1)
            setattr(self, f"bn{number}", norm)
        self.fc = nn.Linear(128, 14)

    def forward(self, x):
        for number in range(1, 7):
            x = F.relu(getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x)))
            if number <= 2:
                x = F.max_pool1d(x, 3)
        return self.fc(x.mean(2))


def texts(count, length):
    """Random texts, encoded; the 70th plane stays empty."""
    letters = np.random.default_rng(0).integers(0, len(PAPER), (count, length))
    planes = torch.stack([encoded(PAPER, length, "".join(PAPER[place] for place in row)) for row in letters])
    return F.pad(planes, (0, 0, 0, 1)).numpy()


def compare(program, folder, name, module, length):
    module.eval()
    weights, given, found = (str(folder / file) for file in ("weights.pth", "x.npy", "y.npy"))
    torch.save(module.state_dict(), weights)
    x = np.ascontiguousarray(texts(3, length))
    np.save(given, x)
    subprocess.run([program, "run", name, "--weights", weights, "--input", given, "--output", found], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    difference = np.abs(np.load(found) - expected).max() / np.abs(expected).max()
    shown = subprocess.run([program, "inspect", name, "--json"], check=True, capture_output=True)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert json.loads(shown.stdout)["params"] == parameters, parameters
    print(f"{name:20} {parameters:>9} parameters, largest difference {difference:.1e}")
    return difference < 1e-5


def main():
    TEXTS.write_text(json.dumps(list(cases()), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    program = sys.argv[1] if len(sys.argv) > 1 else "target/debug/striate"
    torch.manual_seed(0)
    networks = [("char-cnn", CharCnn(), 1014), ("char-cnn-short", CharCnnShort(), 204)]
    with tempfile.TemporaryDirectory() as folder:
        agree = [compare(program, pathlib.Path(folder), *network) for network in networks]
    sys.exit(not all(agree))


if __name__ == "__main__":
    main()
