#!/usr/bin/env python3
"""Compares `striate convert` and the readers of weights files with PyTorch, safetensors and timm.

    scripts/peers-setup.sh
    target/peers-venv/bin/pip install timm==1.0.31 safetensors
    cargo build --release
    target/peers-venv/bin/python scripts/reference/convert_pytorch.py [--program target/release/striate]

1. torchvision's ResNet-18 with random weights, saved by PyTorch as float32, float64, float16 and bfloat16, in the zip and
   the legacy format, wrapped and bare, and by safetensors: striate converts each to .pth and .safetensors, which
   `torch.load(weights_only=True)` and safetensors must read with every bit that float32 preserves.
2. timm's inception_v4 and inception_resnet_v2, as .pth and as .safetensors: striate's scores must be timm's within 1e-4 of
   the largest; with seven classes, it must report a new last layer, and all other weights must be timm's.
3. Images of odd sizes through model files of ResNet-18, GoogLeNet and timm's networks: probabilities must be those of
   PyTorch after the libraries' own transforms.

Exits with 1 if anything differs.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import safetensors.torch
import timm
import torch
import torchvision
from PIL import Image

TYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}
LEGACY = {"_use_new_zipfile_serialization": False}
TIMM = {"inception-v4": ("inception_v4", "last_linear"), "inception-resnet-v2": ("inception_resnet_v2", "classif")}
SCORES = 1e-4
PROBABILITIES = 1e-3


class Striate:
    def __init__(self, program, folder):
        self.program, self.folder = str(pathlib.Path(program).resolve()), folder

    def __call__(self, *arguments):
        """Returns the program's output on stdout and on stderr."""
        ran = subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True, text=True)
        if ran.returncode:
            sys.exit(f"striate {' '.join(arguments)}: {ran.stderr.strip()}")
        return ran.stdout, ran.stderr


def must(holds, what):
    if not holds:
        sys.exit(f"wrong: {what}")


def spread_statistics(module):
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.3, 0.7)
            part.bias.data.normal_(0, 0.1)


def saved_forms(folder, state):
    """Files of `state` with the expected tensors, and a part of the expected message."""
    for name, dtype in TYPES.items():
        cast = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
        word = "" if name == "float32" else f"converted {name} to float32"
        for form, options in (("zip", {}), ("legacy", LEGACY)):
            torch.save(cast, folder / f"{name}-{form}.pth", **options)
            yield f"{name}-{form}.pth", cast, word
        safetensors.torch.save_file(cast, folder / f"{name}.safetensors")
        yield f"{name}.safetensors", cast, word and "to float32"
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}
    torch.save(wrapped, folder / "wrapped.pth")
    yield "wrapped.pth", state, "removed the prefix module."
    bare = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(bare, folder / "bare.pth")
    yield "bare.pth", bare, ""


def same(ours, state):
    wanted = {key: value.float() for key, value in state.items() if not key.endswith("num_batches_tracked")}
    bits = lambda tensor: tensor.contiguous().view(torch.int32)
    return ours.keys() == wanted.keys() and all(
        ours[key].dtype == torch.float32 and torch.equal(bits(ours[key]), bits(value)) for key, value in wanted.items()
    )


def conversions(striate):
    torch.manual_seed(1)
    module = torchvision.models.resnet18(weights=None)
    spread_statistics(module)
    count = 0
    for file, state, word in saved_forms(striate.folder, module.state_dict()):
        for out in ("out.pth", "out.safetensors"):
            _, messages = striate("convert", file, out, "--model", "resnet18")
            must(word in messages, f"{file} to {out}: {messages!r} lacks {word!r}")
            load = lambda path: torch.load(path, weights_only=True) if out == "out.pth" else safetensors.torch.load_file(path)
            ours = load(striate.folder / out)
            ours = {key: value for key, value in ours.items() if not key.startswith("golden.")}
            must(same(ours, state), f"{file} to {out}")
            count += 1
        module.load_state_dict(torch.load(striate.folder / "out.pth", weights_only=True), strict=False)
    print(f"{count} conversions keep every bit")


def through_timm(striate, name):
    torch.manual_seed(2)
    kind, head = TIMM[name]
    module = timm.create_model(kind).eval()
    spread_statistics(module)
    images = torch.randn(2, 3, 299, 299)
    with torch.no_grad():
        scores = module(images)
    np.save(striate.folder / "x.npy", images.numpy())
    torch.save(module.state_dict(), striate.folder / "timm.pth")
    safetensors.torch.save_file(module.state_dict(), striate.folder / "timm.safetensors")
    for file in ("timm.pth", "timm.safetensors"):
        run = ("--input", "x.npy", "--output", "y.npy")
        striate("run", name, "--weights", file, *run)
        ours = torch.from_numpy(np.load(striate.folder / "y.npy"))
        off = float((ours - scores).abs().max() / scores.abs().max())
        must(off <= SCORES, f"{name} from {file}: scores are off by {off:.1e}")
        # Seven classes instead of a thousand: all layers before the last are still timm's.
        text, _ = striate("inspect", name, "--classes", "7", "--text")
        (striate.folder / "seven.toml").write_text(text)
        _, messages = striate("run", "seven.toml", "--weights", file, "--classes", "7", *run)
        wanted = f"last layer replaced: 7 classes instead of 1,000 ({head}.weight and 1 more newly initialized)"
        must(wanted in messages, f"{name} with seven classes: {messages!r}")
        must(np.load(striate.folder / "y.npy").shape == (2, 7), f"{name}: the scores of seven classes")
        striate("run", "seven.toml", "--weights", file, "--layer", "global_pool", *run)
        with torch.no_grad():
            pooled = module.forward_head(module.forward_features(images), pre_logits=True)
        ours = torch.from_numpy(np.load(striate.folder / "y.npy")).flatten(1)
        trunk = float((ours - pooled).abs().max() / pooled.abs().max())
        must(trunk <= SCORES, f"{name} with seven classes: its trunk is off by {trunk:.1e}")
        print(f"{name} from {file}: scores {off:.1e}, trunk under seven classes {trunk:.1e}")


def transformed(name):
    """Returns the module for `name` with random weights, and its library's own preprocessing."""
    torch.manual_seed(3)
    if name in TIMM:
        module = timm.create_model(TIMM[name][0])
        return module, timm.data.create_transform(**timm.data.resolve_data_config({}, model=module))
    transform = torchvision.models.get_model_weights(name).IMAGENET1K_V1.transforms(antialias=True)
    options = dict(aux_logits=False, init_weights=False, transform_input=True) if name == "googlenet" else {}
    return getattr(torchvision.models, name)(weights=None, **options), transform


def picture(random, width, height):
    blocks = random.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def awake(module, batch):
    """Sets the statistics of every batch norm from `batch`, and a last layer whose scores change by a fifth if all channels
    change by about one gray level."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
    last = [part for part in module.modules() if isinstance(part, torch.nn.Linear)][-1]
    with torch.no_grad():
        module.train()(batch)
        change = module.eval()(batch + 0.01) - module(batch)
        last.weight.mul_(0.2 / change.abs().max())
    return module.eval()


def pictures(striate, name):
    module, transform = transformed(name)
    random = np.random.default_rng(4)
    module = awake(module, torch.stack([transform(picture(random, 400, 400)) for _ in range(8)]))
    torch.save(module.state_dict(), striate.folder / "net.pth")
    striate("convert", "net.pth", "net.safetensors", "--model", name)

    def probabilities(image):
        with torch.no_grad():
            return module(transform(image)[None]).softmax(1)[0]

    off, brighter, smaller = 0.0, 0.0, 0.0
    for width, height in ((500, 375), (301, 457), (256, 256), (1023, 341)):
        image = picture(random, width, height)
        image.save(striate.folder / "picture.png")
        wanted = probabilities(image)
        printed, _ = striate("predict", "net.safetensors", "picture.png", "--top", "5", "--json")
        for guess in json.loads(printed)["predictions"][0]["top"]:
            off = max(off, abs(guess["score"] / float(wanted[guess["index"]]) - 1))
        best = wanted.topk(5).indices
        change = lambda other: float((probabilities(other)[best] / wanted[best] - 1).abs().max())
        brighter = max(brighter, change(Image.eval(image, lambda byte: min(255, byte + 1))))
        smaller = max(smaller, change(image.resize((width - 4, height - 4))))
    print(f"{name}: probabilities of pictures {off:.1e}; a gray level would be {brighter:.1e}, four pixels {smaller:.1e}")
    must(off <= PROBABILITIES < min(brighter, smaller) / 5, f"{name}: probabilities of pictures")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        striate = Striate(arguments.program, pathlib.Path(folder))
        conversions(striate)
        for name in TIMM:
            through_timm(striate, name)
        for name in ("resnet18", "googlenet", *TIMM):
            pictures(striate, name)


if __name__ == "__main__":
    main()
