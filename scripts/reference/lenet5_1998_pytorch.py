#!/usr/bin/env python3
"""The original LeNet-5 in PyTorch: figures for crates/testkit/references/lenet5_1998.json, and the program's initial loss.

    scripts/peers-setup.sh
    cargo build --release
    target/peers-venv/bin/python scripts/reference/lenet5_1998_pytorch.py [--program target/release/striate]

LeCun, Bottou, Bengio and Haffner, Proc. IEEE 86(11), 1998, reimplemented from section II.B, table I and equation 9, in
float64: each kernel of C3 separately, subsampling as sums of four, distances to the codes, the loss

    E = 1/P Σ_p ( y_D + log(e^−j + Σ_i e^−y_i) )

where y_i is the penalty of class i, y_D that of the label, and j = 1. Three things differ only in form:
striate's coefficient of subsampling multiplies the mean, the paper's the sum, so it is four times the paper's;
striate's scores are −y; and the bitmaps of the digits (figure 3) are those that striate stores with the weights; they
are read from there and printed.

Weights, images and labels come from the integer hash of `lenet5_pytorch.py`: tensor number t is a parameter's index in
`SHAPES`, the images are number 100. Stored are scores, loss and fingerprints of the gradients. Then the program's own
initial weights are checked: its loss must equal equation 9 within 1e-5. Exits with 1 otherwise.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F

from lenet5_pytorch import fingerprint, unit
from program import Striate, read_safetensors

# Rows are the maps of S2, columns those of C3, as in table I.
TABLE_I = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
""".split()
SHAPES = {
    "C1.weight": ((6, 1, 5, 5), 0.2), "C1.bias": ((6,), 0.2),
    "S2.weight": ((6,), 1.0), "S2.bias": ((6,), 0.2),
    "C3.weight": ((60, 1, 5, 5), 0.1), "C3.bias": ((16,), 0.1),
    "S4.weight": ((16,), 1.0), "S4.bias": ((16,), 0.2),
    "C5.weight": ((120, 16, 5, 5), 0.05), "C5.bias": ((120,), 0.05),
    "F6.weight": ((84, 120), 0.09), "F6.bias": ((84,), 0.09),
}
J = 1.0


def squash(a):
    return 1.7159 * torch.tanh(2.0 / 3.0 * a)


def subsample(x, coefficient, bias):
    four = x[..., 0::2, 0::2] + x[..., 0::2, 1::2] + x[..., 1::2, 0::2] + x[..., 1::2, 1::2]
    return squash(four * coefficient.reshape(-1, 1, 1) + bias.reshape(-1, 1, 1))


def c3(x, kernels, bias):
    kernels, maps = iter(kernels), []
    for column in range(16):
        a = bias[column]
        for row in range(6):
            if TABLE_I[row][column] == "X":
                a = a + F.conv2d(x[:, row : row + 1], next(kernels)[None])
        maps.append(a)
    assert next(kernels, None) is None
    return squash(torch.cat(maps, dim=1))


def penalties(p, codes, x):
    """Returns y of every class, `[P, 10]`."""
    x = squash(F.conv2d(x, p["C1.weight"], p["C1.bias"]))
    x = subsample(x, p["S2.weight"] / 4, p["S2.bias"])
    x = c3(x, p["C3.weight"], p["C3.bias"])
    x = subsample(x, p["S4.weight"] / 4, p["S4.bias"])
    x = squash(F.conv2d(x, p["C5.weight"], p["C5.bias"])).flatten(1)
    x = squash(x @ p["F6.weight"].T + p["F6.bias"])
    return torch.stack([((x - code) ** 2).sum(dim=1) for code in codes], dim=1)


def loss(y, labels):
    total = 0.0
    for row, label in zip(y, labels):
        total = total + row[label] + torch.log(np.exp(-J) + torch.exp(-row).sum())
    return total / len(y)


def spread(tensor, shape, low, high):
    flat = (low + (high - low) * unit(tensor, int(np.prod(shape)))).astype(np.float32)
    return torch.tensor(flat.reshape(shape), dtype=torch.float64)


def by_formula():
    values = {}
    for tensor, (name, (shape, bound)) in enumerate(SHAPES.items()):
        # Coefficients are around one, everything else around zero.
        low, high = (0.5, 1.5) if bound == 1.0 else (-bound, bound)
        values[name] = spread(tensor, shape, low, high).requires_grad_()
    return values, spread(100, (4, 1, 32, 32), -0.1, 1.175), torch.tensor([(7 * i + 3) % 10 for i in range(4)])


def first_step(program, images, labels):
    """Returns the program's initial weights, and the loss that it reports for them."""
    with tempfile.TemporaryDirectory() as folder:
        striate = Striate(program, folder)
        (striate.folder / "data").mkdir()
        np.save(striate.folder / "data/images.npy", images.float().numpy())
        np.save(striate.folder / "data/labels.npy", labels.numpy())
        settings = ["optim.weight_decay=0", "schedule.warmup=0", "data.holdout=0", "data.augment=none"]
        settings = [word for setting in settings for word in ("--set", setting)]
        ran = striate("train", "lenet5-1998", "--data", "npy:data", "--batch", str(len(labels)), "--steps", "1",
                      "--lr", "1e-30", "--out", "run", "--json", *settings)
        ran = json.loads(ran)
        return read_safetensors(striate.folder / ran["model"]), ran["losses"][0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    torch.set_num_threads(1)
    values, images, labels = by_formula()
    # The program trains on every class.
    ten_images, ten_labels = spread(100, (10, 1, 32, 32), -0.1, 1.175), torch.arange(10)
    weights, printed = first_step(parser.parse_args().program, ten_images, ten_labels)
    codes = weights["output.codes"].double()
    pictures = ["".join("#" if x > 0 else "." for x in code) for code in codes]
    for row in range(12):
        print(" ".join(picture[row * 7 : row * 7 + 7] for picture in pictures))
    y = penalties(values, codes, images)
    value = loss(y, labels)
    value.backward()
    result = {"codes": pictures, "scores": (-y).tolist(), "loss": value.item(),
              "gradients": {name: fingerprint(tensor.grad) for name, tensor in values.items()}}
    path = pathlib.Path(__file__).parents[2] / "crates/testkit/references/lenet5_1998.json"
    path.write_text(json.dumps(result, indent=1) + "\n")

    own = loss(penalties({name: tensor.double() for name, tensor in weights.items()}, codes, ten_images), ten_labels)
    own = own.item()
    print(f"initial loss: the program {printed}, equation 9 {own}")
    sys.exit(0 if abs(printed - own) <= 1e-5 * own else 1)


if __name__ == "__main__":
    main()
