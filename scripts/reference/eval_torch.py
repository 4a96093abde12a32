#!/usr/bin/env python3
"""Evaluation protocols as in their papers, with PyTorch, torchvision and Pillow, beside `striate eval`.

    scripts/fetch-weights.sh
    scripts/peers-setup.sh
    cargo build --release
    target/peers-venv/bin/python scripts/reference/eval_torch.py [--program target/release/striate] [--only NAME]

SqueezeNet 1.1 and EfficientNet-Lite0 with their real weights, and a small VGG with seeded ones, classify the 20
ImageNet photographs under each protocol, alone and with mirror images; then both real networks together. The five
scores of each image in the table of `--csv` must be those computed here within 1e-4; prints the largest difference of
each, and exits with 1 if one is larger. With --figures, prints the table FIGURES of crates/cli/tests/eval.rs and stops.
"""

import argparse
import csv
import json
import os
import pathlib
import sys
import tempfile

import timm
import torch
import torchvision
from PIL import Image
from timm.layers import Conv2dSame
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from program import Striate, read_safetensors

CACHE = pathlib.Path(os.environ.get("STRIATE_DATA", pathlib.Path.home() / ".cache/striate")) / "weights"
PHOTOGRAPHS = 20
TOLERANCE = 1e-4


# The protocols. `side` is the network's input size; papers give sizes for networks that see 224×224 pixels.


def scaled(size, side):
    return int(size * side / 224 + 0.5)


def center(image, model):
    return [model.preprocess(image)]


def ten_crop(image, model):
    """Krizhevsky et al. 2012: "extracting five 224×224 patches (the four corner patches and the center patch) as well
    as their horizontal reflections", from an image whose shorter side is 256."""
    patches = F.five_crop(F.resize(image, scaled(256, model.side), model.filter), [model.side, model.side])
    return [view for patch in patches for view in (patch, F.hflip(patch))]


def crops_144(image, model):
    """Szegedy et al. 2015: "we resize the image to 4 scales where the shorter dimension is 256, 288, 320 and 352, take
    the left, center and right square of these resized images (in the case of portrait images, we take the top, center
    and bottom squares). For each square, we then take the 4 corners and the center 224×224 crop as well as the square
    resized to 224×224, and their mirrored versions." """
    views = []
    for size in (256, 288, 320, 352):
        resized = F.resize(image, scaled(size, model.side), model.filter)
        width, height = resized.size
        short = min(width, height)
        squares = [F.crop(resized, 0, 0, short, short), F.center_crop(resized, [short, short])]
        squares.append(F.crop(resized, height - short, width - short, short, short))
        for square in squares:
            crops = [*F.five_crop(square, [model.side] * 2), F.resize(square, [model.side] * 2, model.filter)]
            views += [view for crop in crops for view in (crop, F.hflip(crop))]
    assert len(views) == 144
    return views


def dense(image, model):
    """Simonyan and Zisserman 2015, 3.2: "the resulting fully-convolutional net is then applied to the whole (uncropped)
    image. ... the class score map is spatially averaged"."""
    return [F.resize(image, scaled(256, model.side), model.filter)]


def multiscale(image, model):
    """VGG, 4.2: models trained with fixed S at "Q = {S - 32, S, S + 32}"; He et al. 2016, 3.4: "images are resized such
    that the shorter side is in {224, 256, 384, 480, 640}"."""
    sizes = (224, 256, 288) if model.is_connected else (224, 256, 384, 480, 640)
    return [F.resize(image, scaled(size, model.side), model.filter) for size in sizes]


PROTOCOLS = {"center": center, "10crop": ten_crop, "144crop": crops_144, "dense": dense, "multiscale": multiscale}


# The networks.


class Model:
    """A network with its preprocessing. `whole` is the network for images of any size."""

    is_connected = False

    def normalized(self, view):
        return (F.to_tensor(view) - self.mean) / self.std

    def probabilities(self, image, protocol, mirror):
        views = PROTOCOLS[protocol](image, self)
        if mirror:
            views = [view for each in views for view in (each, F.hflip(each))]
        network = self.whole if protocol in ("dense", "multiscale") else self.network
        with torch.no_grad():
            each = [network(self.normalized(view)[None]).double().softmax(1)[0] for view in views]
        return torch.stack(each).mean(0)


def constants(values, divisor=1.0):
    return torch.tensor(values).reshape(3, 1, 1) / divisor


class SqueezeNet(Model):
    """The network ends in a mean over the map, and runs on images of any size."""

    name, side, filter = "squeezenet1_1", 227, InterpolationMode.BILINEAR

    def __init__(self):
        form = metadata("squeezenet1_1")["predict"]
        self.mean, self.std = constants(form["mean"]), constants(form["std"])
        self.network = torchvision.models.squeezenet1_1(weights=None).eval()
        self.network.load_state_dict(weights("squeezenet1_1"), strict=True)
        self.whole = self.network

    def preprocess(self, image):
        return F.resize(image, [227, 227], self.filter)


class Padded(nn.Conv2d):
    """A convolution with the zeros that TensorFlow's "same" adds to maps of even size at stride 2, as in the port of
    EfficientNet-Lite to PyTorch."""

    def forward(self, x):
        total = self.kernel_size[0] - self.stride[0]
        before = total // 2
        return super().forward(nn.functional.pad(x, (before, total - before, before, total - before)))


class EfficientNetLite0(Model):
    name, side, filter = "efficientnet-lite0", 224, InterpolationMode.BICUBIC
    mean, std = constants([127.0] * 3, 255), constants([128.0] * 3, 255)

    def __init__(self):
        self.network = timm.create_model("tf_efficientnet_lite0").eval()
        for module in self.network.modules():
            if isinstance(module, Conv2dSame):
                module.__class__ = Padded
                module.padding = (0, 0)
        self.network.load_state_dict(lite_weights(self.network), strict=True)
        self.whole = self.network

    def preprocess(self, image):
        return F.resize(image, [224, 224], self.filter)


def lite_weights(network):
    """The weights under timm's names: in both, tensors follow each other in the order of computation."""
    tensors = weights("efficientnet-lite0")
    names = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    state, number = {}, 0
    for stage, blocks in enumerate(network.blocks):
        for place, _ in enumerate(blocks):
            block = f"blocks.{stage}.{place}"
            first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
            later = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
            later |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
            names |= {f"_blocks.{number}.{a}": f"{block}.{b}" for a, b in (later if number else first).items()}
            number += 1
    for name, tensor in tensors.items():
        layer, kind = name.rsplit(".", 1)
        if layer in names:
            state[f"{names[layer]}.{kind}"] = tensor
    counters = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" in name}
    return state | counters


class SmallVgg(Model):
    """As VGG: convolutions and max pools, then fully connected layers; for 64×64 pixels."""

    name, side, filter, is_connected = "small-vgg", 64, InterpolationMode.BILINEAR, True
    mean, std = constants([0.485, 0.456, 0.406]), constants([0.229, 0.224, 0.225])
    text = """name = "small-vgg"
input = [3, 64, 64]
layers = [
    { name = "features.0", op = "conv", out_channels = 8, kernel_size = 3, padding = 1 },
    { op = "relu" },
    { op = "max_pool", kernel_size = 2, stride = 2 },
    { name = "features.3", op = "conv", out_channels = 16, kernel_size = 3, padding = 1 },
    { op = "relu" },
    { op = "max_pool", kernel_size = 2, stride = 2 },
    { name = "features.6", op = "conv", out_channels = 32, kernel_size = 3, padding = 1 },
    { op = "relu" },
    { op = "max_pool", kernel_size = 2, stride = 2 },
    { op = "flatten" },
    { name = "classifier.0", op = "linear", out_features = 64 },
    { op = "relu" },
    { op = "dropout", probability = 0.5 },
    { name = "classifier.3", op = "linear", out_features = 1000 },
]
"""

    def __init__(self, folder):
        torch.manual_seed(7)
        convolutions = [(3, 8), (8, 16), (16, 32)]
        layers = [[nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2)] for a, b in convolutions]
        features = nn.Sequential(*[layer for stage in layers for layer in stage])
        classifier = nn.Sequential(nn.Linear(32 * 8 * 8, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1000))
        with torch.no_grad():
            # Initial weights give every class the same probability; these tell images apart.
            for parameter in [*features.parameters(), *classifier.parameters()]:
                parameter.mul_(3.0)
        self.network = nn.Sequential()
        self.network.features, self.network.classifier = features, classifier
        torch.save(self.network.state_dict(), folder / "small-vgg.pth")
        (folder / "small-vgg.toml").write_text(self.text)
        self.network = nn.Sequential(features, nn.Flatten(), classifier).eval()
        # "The first fully connected layer becomes a 7×7 convolution, the last two become 1×1": here 8×8 and 1×1.
        first, last = nn.Conv2d(32, 64, 8), nn.Conv2d(64, 1000, 1)
        for convolution, linear in ((first, classifier[0]), (last, classifier[3])):
            convolution.weight = nn.Parameter(linear.weight.reshape(convolution.weight.shape))
            convolution.bias = linear.bias
        mean = nn.AdaptiveAvgPool2d(1)
        self.whole = nn.Sequential(features, first, nn.ReLU(), last, mean, nn.Flatten()).eval()

    def preprocess(self, image):
        return F.center_crop(F.resize(image, 73, self.filter), [64, 64])


def weights(name):
    """The tensors of a model file without its example."""
    tensors = read_safetensors(CACHE / f"{name}.safetensors")
    return {key: tensor for key, tensor in tensors.items() if not key.startswith("golden.")}


def metadata(name):
    data = (CACHE / f"{name}.safetensors").read_bytes()
    found = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return {"predict": json.loads(found["predict"]), "classes": json.loads(found["classes"])}


# The comparison.


def photographs(folder, classes, count):
    """Writes the photographs as PNG, so that all programs read the same pixels, into a folder for each class; returns
    them by path."""
    files = sorted((CACHE / "photographs").glob("*.jpg"))
    assert len(files) == PHOTOGRAPHS
    found = {}
    for file in files[:count]:
        # imagenet_NN_LABEL.jpg
        place = folder / "set" / classes[int(file.stem.rsplit("_", 1)[1])]
        place.mkdir(parents=True, exist_ok=True)
        image = Image.open(file).convert("RGB")
        image.save(place / f"{file.stem}.png")
        found[str(pathlib.Path("set") / place.name / f"{file.stem}.png")] = image
    return found


def compared(striate, arguments, models, images, classes, protocol, mirror):
    """The largest difference of a score."""
    options = ["--protocol", protocol, *(["--mirror"] if mirror else [])]
    striate("eval", *arguments, "--data", "set", "--csv", "guesses.csv", *options)
    rows = list(csv.DictReader(open(striate.folder / "guesses.csv", newline="", encoding="utf-8")))
    assert len(rows) == len(images), len(rows)
    largest = 0.0
    for row in rows:
        each = [model.probabilities(images[row["file"]], protocol, mirror) for model in models]
        scores = torch.stack(each).mean(0)
        own = [float(row[f"score{rank}"]) for rank in range(1, 6)]
        for rank in range(1, 6):
            index = classes.index(row[f"class{rank}"])
            largest = max(largest, abs(float(scores[index]) - own[rank - 1]))
        # The five best of PyTorch, in case other classes are listed.
        best = scores.topk(5).values.tolist()
        largest = max([largest, *(abs(a - b) for a, b in zip(best, own))])
        right = classes[int(scores.argmax())] == row["class"]
        if (row["correct"] == "true") != right and best[0] - best[1] > TOLERANCE:
            sys.exit(f"{row['file']}: correct is {row['correct']}")
    return largest


def figures():
    """The first prediction for an image that the test computes too, under each protocol."""
    width, height = 320, 240
    pixels = [((x * 255) // 319, (y * 255) // 239, (x * y) // 150 % 256) for y in range(height) for x in range(width)]
    image = Image.frombytes("RGB", (width, height), bytes(value for pixel in pixels for value in pixel))
    for model in (SqueezeNet(), EfficientNetLite0()):
        for protocol, mirror in (
            ("center", False),
            ("center", True),
            ("10crop", False),
            ("144crop", False),
            ("dense", True),
            ("multiscale", False),
        ):
            if protocol != "144crop" or model.name == "squeezenet1_1":
                score, index = model.probabilities(image, protocol, mirror).max(0)
                print(f'    ("{model.name}", "{protocol}", {str(mirror).lower()}, {int(index)}, {float(score):.6f}),', flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    parser.add_argument("--only", help="only cases whose name contains this")
    parser.add_argument("--photographs", type=int, default=20, help="only so many")
    parser.add_argument("--figures", action="store_true")
    options = parser.parse_args()
    if options.figures:
        return figures()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        striate = Striate(options.program, folder)
        classes = metadata("squeezenet1_1")["classes"]
        images = photographs(folder, classes, options.photographs)
        squeezenet, lite, vgg = SqueezeNet(), EfficientNetLite0(), SmallVgg(folder)
        files = {model: [str(CACHE / f"{model.name}.safetensors")] for model in (squeezenet, lite)}
        options_of_vgg = ["--model", "small-vgg.toml", "--preprocessing", "imagenet", "--names", "imagenet"]
        files[vgg] = ["small-vgg.pth", *options_of_vgg]
        cases = [([model], protocol, mirror) for model in files for protocol in PROTOCOLS for mirror in (False, True)]
        cases += [([squeezenet, lite], protocol, False) for protocol in ("center", "10crop", "dense")]
        worst = 0.0
        for models, protocol, mirror in cases:
            if mirror and protocol.endswith("crop"):
                continue  # They include mirror images.
            name = f"{' + '.join(model.name for model in models)}, {protocol}{', mirror' if mirror else ''}"
            if options.only and options.only not in name:
                continue
            arguments = [argument for model in models for argument in files[model]]
            found = compared(striate, arguments, models, images, classes, protocol, mirror)
            print(f"{name}: {found:.1e}", flush=True)
            worst = max(worst, found)
    print(f"largest difference: {worst:.1e}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
