#!/usr/bin/env python3
"""Holds striate's networks against those of torchvision and timm: names, counts, scores, gradients.

    scripts/peers-setup.sh
    target/peers-venv/bin/pip install timm==1.0.31
    cargo build --release
    target/peers-venv/bin/python scripts/reference/networks_pytorch.py [--program target/release/striate] [NAME…]

For each network: PyTorch's module with random weights and running statistics is saved as .pth, which striate reads
under the same names; the counts of `inspect`; scores on a batch of three; and the gradients of one step on a batch of
four with ten classes, without dropout and auxiliary heads, taken from the weights before and after a step at a rate
so large that nothing is lost in the difference. Gradients are held against PyTorch's in float64; how far PyTorch's own
in float32 are off is shown beside ours. Ends with 1 if a score is off by 1e-4 of the largest, or the gradient by 1e-3.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import timm
import torch
import torchvision
from torch import nn

WITHOUT_HEADS = dict(aux_logits=False, init_weights=False)
NETWORKS = {
    "alexnet": ("alexnet", 224), "squeezenet1_1": ("squeezenet1_1", 224),
    "vgg11": ("vgg11", 224), "vgg13": ("vgg13", 224), "vgg16": ("vgg16", 224), "vgg19": ("vgg19", 224),
    "vgg11-bn": ("vgg11_bn", 224), "vgg13-bn": ("vgg13_bn", 224),
    "vgg16-bn": ("vgg16_bn", 224), "vgg19-bn": ("vgg19_bn", 224),
    "googlenet": ("googlenet", 224), "inception-v3": ("inception_v3", 299),
    "resnet18": ("resnet18", 224), "resnet34": ("resnet34", 224), "resnet50": ("resnet50", 224),
    "resnet101": ("resnet101", 224), "resnet152": ("resnet152", 224),
    "inception-v4": ("timm/inception_v4", 299), "inception-resnet-v2": ("timm/inception_resnet_v2", 299),
}
SCORES, GRADIENTS = 1e-4, 1e-3
RATE = 1000.0


def build(name, classes):
    if name.startswith("timm/"):
        return timm.create_model(name[5:], num_classes=classes)
    options = WITHOUT_HEADS if name in ("googlenet", "inception_v3") else {}
    return getattr(torchvision.models, name)(weights=None, num_classes=classes, **options)


def spread_statistics(module):
    """Running statistics as a trained network has them: none of them the first ones."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.3, 0.7)
            part.bias.data.normal_(0, 0.1)


def multiply_adds(module, images):
    """Those of all convolutions and linear layers for one image; the module runs on `images`."""
    macs, hooks = [], []
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            count = lambda part, _, output: macs.append(part.weight.numel() * output.shape[2] * output.shape[3])
        elif isinstance(part, nn.Linear):
            count = lambda part, _, output: macs.append(part.weight.numel())
        else:
            continue
        hooks.append(part.register_forward_hook(count))
    with torch.no_grad():
        scores = module(images)
    for hook in hooks:
        hook.remove()
    return scores, sum(macs)


class Striate:
    def __init__(self, program, folder):
        self.program, self.folder = str(pathlib.Path(program).resolve()), folder

    def __call__(self, *arguments):
        ran = subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True, text=True)
        if ran.returncode:
            sys.exit(f"striate {' '.join(arguments)}: {ran.stderr.strip()}")
        return ran.stdout


def forward(striate, name, module, size):
    """The largest difference of scores as a share of the largest score; counts must be equal."""
    module.eval()
    images = torch.randn(3, 3, size, size)
    scores, macs = multiply_adds(module, images)
    counted = json.loads(striate("inspect", name, "--json"))
    ours, theirs = (counted["params"], counted["macs"]), (sum(p.numel() for p in module.parameters()), macs)
    if ours != theirs:
        sys.exit(f"{name}: parameters and multiply-adds {ours}, PyTorch counts {theirs}")
    torch.save(module.state_dict(), striate.folder / "weights.pth")
    np.save(striate.folder / "x.npy", images.numpy())
    striate("run", name, "--input", "x.npy", "--output", "y.npy", "--weights", "weights.pth")
    ours = torch.from_numpy(np.load(striate.folder / "y.npy"))
    return float((ours - scores).abs().max() / scores.abs().max())


def without_dropout_and_heads(text):
    """A network's text with every dropout at 0 and no auxiliary heads."""
    lines = [line for line in text.splitlines() if not line.startswith("heads = ")]
    is_dropout = lambda line: 'op = "dropout"' in line
    cut = lambda line: line[: line.index("probability")] + "probability = 0.0" + line[line.index("probability") :][
        len("probability = ") :
    ].lstrip("0123456789.")
    lines = [cut(line) if is_dropout(line) else line for line in lines]
    return "\n".join(line for line in lines if '"aux' not in line.lower()) + "\n"


def gradients(striate, name, module, size):
    """How far the whole gradient is from PyTorch's in float64, as a share of its norm: ours, and PyTorch's own in
    float32."""
    module.train()
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    images, labels = torch.randn(4, 3, size, size), torch.tensor([0, 9, 4, 5])
    before = {key: value.clone() for key, value in module.state_dict().items()}
    nn.functional.cross_entropy(module(images), labels).backward()
    single = {key: parameter.grad.double() for key, parameter in module.named_parameters()}
    module.load_state_dict(before)
    module.zero_grad()
    nn.functional.cross_entropy(module.double()(images.double()), labels).backward()
    folder = striate.folder
    (folder / "data").mkdir(exist_ok=True)
    np.save(folder / "data/images.npy", images.numpy())
    # Ten classes, though four images have four labels: the count is that of the largest label and one.
    np.save(folder / "data/labels.npy", labels.numpy())
    torch.save(before, folder / "weights.pth")
    (folder / "net.toml").write_text(without_dropout_and_heads(striate("inspect", name, "--classes", "10", "--text")))
    settings = ["optim.name=sgd", "optim.momentum=0", "optim.nesterov=false", "optim.weight_decay=0",
                "schedule.name=constant", "schedule.warmup=0", "data.holdout=0", "data.augment=none"]
    settings = [word for setting in settings for word in ("--set", setting)]
    ran = striate("train", "net.toml", "--data", "npy:data", "--weights", "weights.pth", "--batch", "4", "--steps", "1",
                  "--lr", str(RATE), "--out", f"run-{name}", "--json", *settings)
    after = read_safetensors(folder / json.loads(ran)["model"])
    ours = {key: (before[key].double() - after[key].double()) / RATE for key in single}
    wanted = {key: parameter.grad for key, parameter in module.named_parameters()}
    norm = lambda parts: torch.cat([part.flatten() for part in parts]).norm()
    off = lambda given: float(norm([given[key] - g for key, g in wanted.items()]) / norm(wanted.values()))
    return off(ours), off(single)


def read_safetensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + first : 8 + length + last], dtype="<f4")
        tensors[key] = torch.from_numpy(values.copy()).reshape(entry["shape"])
    return tensors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    failed = False
    for name in arguments.names or NETWORKS:
        module_name, size = NETWORKS[name]
        torch.manual_seed(1)
        with tempfile.TemporaryDirectory() as folder:
            striate = Striate(arguments.program, pathlib.Path(folder))
            module = build(module_name, 1000)
            spread_statistics(module)
            scores = forward(striate, name, module, size)
            ours, single = gradients(striate, name, build(module_name, 10), size)
        failed |= not (scores <= SCORES and ours <= GRADIENTS)
        print(f"{name:<20} scores {scores:.1e}  gradient {ours:.1e}, PyTorch in float32 {single:.1e}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
