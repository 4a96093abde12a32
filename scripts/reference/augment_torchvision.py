#!/usr/bin/env python3
"""Augmentation by torchvision on Pillow's images, written to crates/vision/tests/torchvision.json.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 torchvision==0.29.2 pillow==13.0.0 numpy==2.4.6
    venv/bin/python scripts/reference/augment_torchvision.py

Source images are computed by formulas that the test repeats (`source`). Of small results, the file has the bytes; of
others, a checksum. Where torchvision draws parameters at random, it is given the random numbers of Striate (`Random`),
so that the parameters can be compared too.
"""

import json
import math
import pathlib
import types

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, transforms, v2
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import RandAugment, TrivialAugmentWide, _apply_op

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
MODES = {"nearest": NEAREST, "bilinear": BILINEAR, "bicubic": InterpolationMode.BICUBIC, "box": InterpolationMode.BOX}
SIZES = [(1, 1), (2, 5), (3, 3), (13, 9), (37, 53), (64, 64), (224, 199)]
# Bytes of results up to which they are listed.
SMALL = 30


def source(size, channels, kind):
    i = np.arange(size[0] * size[1] * channels, dtype=np.uint64)
    noise = (i * np.uint64(89) + i * i * np.uint64(7)) % np.uint64(256)
    data = {
        "noise": noise,
        "dim": noise % np.uint64(100) + np.uint64(60),
        "two": noise % np.uint64(2) * np.uint64(200) + np.uint64(20),
        "flat": i * np.uint64(0) + np.uint64(77),
        "smooth": i // np.uint64(channels) % np.uint64(size[0]) * np.uint64(255) // np.uint64(size[0]) ^ i % np.uint64(3),
        # Every color once.
        "colors": i // np.uint64(3) >> np.uint64(8) * (np.uint64(2) - i % np.uint64(3)) & np.uint64(255),
    }[kind].astype(np.uint8)
    return Image.frombytes("L" if channels == 1 else "RGB", size, data.tobytes())


def checksum(image):
    """The sum of all bytes, each times a scrambled function of its place."""
    data = np.frombuffer(image.tobytes(), dtype=np.uint8).astype(np.uint64)
    with np.errstate(over="ignore"):
        place = np.arange(1, len(data) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return int((data * (place ^ place >> np.uint64(29))).sum(dtype=np.uint64))


CASES = []


def case(call, image, result, **arguments):
    size, channels, kind = image
    entry = {"call": call, "source": {"size": size, "channels": channels, "kind": kind}, **arguments}
    entry["result"] = result.size
    entry["checksum"] = checksum(result)
    if result.size[0] * result.size[1] * channels <= SMALL:
        entry["bytes"] = list(result.tobytes())
    CASES.append(entry)


def images(kinds, sizes=SIZES):
    for kind in kinds:
        for size in sizes:
            for channels in (1, 3):
                yield size, channels, kind


def colors():
    factors = [0.0, 0.01, 0.5, 0.815, 1.1, 1.99, 7.0]
    for image in images(["noise", "dim", "smooth"], [(2, 5), (61, 47)]):
        for factor in factors:
            case("brightness", image, F.adjust_brightness(source(*image), factor), amount=factor)
            case("contrast", image, F.adjust_contrast(source(*image), factor), amount=factor)
            case("saturation", image, F.adjust_saturation(source(*image), factor), amount=factor)
        for factor in [-0.5, -0.3, -0.01, 0.0, 0.004, 0.1, 0.49, 0.5]:
            case("hue", image, F.adjust_hue(source(*image), factor), amount=factor)
    for image in images(["noise", "smooth"]):
        for factor in [0.0, 0.1, 0.5, 1.0, 1.9, 3.0]:
            case("sharpness", image, F.adjust_sharpness(source(*image), factor), amount=factor)
    every = ((4096, 4096), 3, "colors")
    for factor in [-0.5, 0.0, 0.123]:
        case("hue", every, F.adjust_hue(source(*every), factor), amount=factor)
    for factor in [0.3, 1.7]:
        case("saturation", every, F.adjust_saturation(source(*every), factor), amount=factor)
    for image in images(["noise"], [(2, 5), (61, 47)]):
        for bits in range(1, 9):
            case("posterize", image, F.posterize(source(*image), bits), amount=bits)
        for threshold in [0, 1, 76.5, 77, 128, 254.5, 255, 256]:
            case("solarize", image, F.solarize(source(*image), threshold), amount=threshold)
    for image in images(["noise", "dim", "two", "flat", "smooth"], SIZES + [(16, 16), (32, 16), (23, 23)]):
        case("autocontrast", image, F.autocontrast(source(*image)))
        case("equalize", image, F.equalize(source(*image)))


def shapes():
    maps = [
        {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]},
        {"angle": 0.0, "translate": [3, -2], "scale": 1.0, "shear": [0.0, 0.0]},
        {"angle": 0.0, "translate": [1, 0], "scale": 0.75, "shear": [0.0, 0.0]},
        {"angle": 0.0, "translate": [0, 0], "scale": 1.5, "shear": [0.0, 0.0]},
        {"angle": 0.0, "translate": [0, 0], "scale": 0.01, "shear": [0.0, 0.0]},
        {"angle": 90.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]},
        {"angle": 180.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]},
        {"angle": 10.0, "translate": [2, 1], "scale": 0.9375, "shear": [8.0, 0.0]},
        {"angle": -33.5, "translate": [-4, 5], "scale": 1.25, "shear": [-12.0, 20.0]},
        {"angle": 77.0, "translate": [0, 0], "scale": 0.0625, "shear": [0.0, 45.0]},
        {"angle": 12.0, "translate": [0, 0], "scale": 100.0, "shear": [89.0, -89.0]},
        {"angle": 12.0, "translate": [0, 0], "scale": 0.01, "shear": [89.0, -89.0]},
    ]
    angles = [0.0, 1.0, -7.25, 30.0, 45.0, 90.0, -90.0, 135.0, 180.0, 181.5, 270.0, 359.0, 360.0, 400.0]
    fill = [9, 130, 255]
    for image in images(["noise"], [(1, 1), (2, 5), (37, 53), (64, 64), (224, 199)]):
        channels = image[1]
        for mode in ("nearest", "bilinear"):
            for map_ in maps:
                result = F.affine(source(*image), interpolation=MODES[mode], fill=fill[:channels], **map_)
                case("affine", image, result, map=map_, interpolation=mode, fill=fill)
            for angle in angles:
                result = F.rotate(source(*image), angle, interpolation=MODES[mode], fill=fill[:channels])
                case("rotate", image, result, amount=angle, interpolation=mode, fill=fill)


def sizes():
    for image in images(["noise"]):
        for size in [1, 8, 40]:
            for name, mode in MODES.items():
                transform = {"name": "Resize", "size": size, "interpolation": name}
                case("transform", image, F.resize(source(*image), size, mode), transform=transform)
        for size in [[5, 8], [64, 31]]:
            transform = {"name": "Resize", "size": size}
            case("transform", image, F.resize(source(*image), size), transform=transform)
            case("transform", image, F.center_crop(source(*image), size), transform={"name": "CenterCrop", "size": size})
        mirrored = F.hflip(source(*image))
        case("transform", image, mirrored, transform={"name": "RandomHorizontalFlip", "p": 1.0})
        upside_down = F.vflip(source(*image))
        case("transform", image, upside_down, transform={"name": "RandomVerticalFlip", "p": 1.0})


def tables():
    """The magnitudes of both tables, and their operations on an image."""
    size, tables = (64, 48), {}
    for name, space in [
        ("TrivialAugmentWide", TrivialAugmentWide()._augmentation_space(31)),
        ("RandAugment", RandAugment()._augmentation_space(31, (size[1], size[0]))),
    ]:
        tables[name] = {op: values.tolist() if values.ndim else None for op, (values, _) in space.items()}
        for image in images(["noise"], [size]):
            for op, (values, signed) in space.items():
                for index in [4, 9, 30] if values.ndim else [0]:
                    magnitude = values[index].item() if values.ndim else 0.0
                    for sign in (1, -1) if signed else (1,):
                        for mode in ("nearest", "bilinear"):
                            result = _apply_op(source(*image), op, sign * magnitude, MODES[mode], None)
                            arguments = {"op": op, "table": name, "bin": index, "sign": sign, "interpolation": mode}
                            case("op", image, result, **arguments)
    return {"size": size, "magnitudes": tables}


def elastic():
    """Fields of noise, smoothed, and images displaced by fixed fields."""
    fields, displaced = [], []
    for size, sigma in [((9, 7), 0.75), ((22, 25), 2.5), ((9, 7), 0.3)]:
        i = torch.arange(size[0] * size[1]).reshape(1, 1, size[1], size[0])
        noise = (i * 37 % 101).float() / 50 - 1
        kernel = int(8 * sigma + 1)
        kernel += kernel % 2 == 0
        smooth = F.gaussian_blur(noise, [kernel, kernel], sigma)
        fields.append({"width": size[0], "sigma": sigma, "values": [round(x, 8) for x in smooth.flatten().tolist()]})
    for size, channels, kind in images(["noise", "smooth"], [(13, 9), (21, 26)]):
        for fill in ([0, 0, 0], [9, 130, 255]):
            i = torch.arange(size[0] * size[1]).reshape(size[1], size[0])
            shifts = [(i * 37 % 101 - 50).float() / 15, (i * 53 % 97 - 48).float() / 7]
            # A shift of 2 in torchvision's units is the whole side.
            grid = torch.stack([shift * 2 / side for shift, side in zip(shifts, size)], -1)[None]
            image = source(size, channels, kind)
            result = F.elastic_transform(image, grid, fill=[float(x) for x in fill[:channels]])
            entry = {"source": {"size": size, "channels": channels, "kind": kind}, "fill": fill}
            displaced.append({**entry, "bytes": list(result.tobytes())})
    return {"fields": fields, "displaced": displaced}


class Random:
    """Striate's random numbers: Philox 4x32-10 by Salmon et al., 2011, for a seed and the sequence of a sample."""

    def __init__(self, seed, sequence):
        augmentation = 4
        self.key = self.philox([augmentation, 0x57426174], [seed & 0xFFFFFFFF, seed >> 32, 0, 0])[:2]
        self.high, self.block, self.words = [sequence & 0xFFFFFFFF, sequence >> 32], 0, []

    @staticmethod
    def philox(key, counter):
        for _ in range(10):
            p0, p1 = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
            counter = [p1 >> 32 ^ counter[1] ^ key[0], p1, p0 >> 32 ^ counter[3] ^ key[1], p0]
            counter = [word & 0xFFFFFFFF for word in counter]
            key = [key[0] + 0x9E3779B9 & 0xFFFFFFFF, key[1] + 0xBB67AE85 & 0xFFFFFFFF]
        return counter

    def word(self):
        if not self.words:
            self.words = self.philox(self.key, [self.block & 0xFFFFFFFF, self.block >> 32, *self.high])
            self.block += 1
        return self.words.pop(0)

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * ((self.word() >> 8) / 2**24)

    def below(self, bound):
        while True:
            product = (self.word() << 32 | self.word()) * bound
            if product % 2**64 >= 2**64 % bound:
                return product >> 64


class Replayed:
    """Stands for the module `torch` in torchvision's transforms, and draws from `random` instead."""

    def __init__(self, random):
        self.random, self.float32 = random, torch.float32

    def empty(self, *_, **__):
        return types.SimpleNamespace(uniform_=lambda low, high: Item(self.random.uniform(float(low), float(high))))

    def randint(self, low, high=None, size=None):
        low, high = (0, low) if high is None else (low, high)
        return Item(low + self.random.below(high - low))

    def tensor(self, values, **_):
        return torch.tensor(values, dtype=torch.float64)

    def log(self, values):
        return torch.log(values)

    def exp(self, value):
        return Item(math.exp(value.item()))


class Item:
    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value


def drawn():
    """What torchvision draws with Striate's random numbers: regions as left, top, width and height."""
    cases = []
    for sequence in range(25):
        for size in [(500, 375), (32, 32), (7, 90), (300, 2), (1, 1)]:
            image = torch.zeros(3, size[1], size[0])
            replay = lambda skipped=0: Replayed(skipping(Random(3, sequence), skipped))
            transforms.torch = replay()
            ratio = (3 / 4, 4 / 3)
            top, left, height, width = transforms.RandomResizedCrop.get_params(image, (0.08, 1.0), ratio)
            entry = {"sequence": sequence, "size": size, "resized_crop": [left, top, width, height]}
            # The first number decides whether anything is erased.
            transforms.torch = replay(1)
            got = transforms.RandomErasing.get_params(image, (0.02, 0.33), (0.3, 3.3), [0.0])
            whole = got[4] is image
            entry["erasing"] = None if whole else [got[1], got[0], got[3], got[2]]
            transforms.torch = replay()
            limits = {"degrees": [-10.0, 30.0], "translate": [0.1, 0.3], "scale_ranges": [0.5, 1.5]}
            shears = [-5.0, 5.0, -20.0, 0.0]
            angle, translate, scale, shear = transforms.RandomAffine.get_params(**limits, shears=shears, img_size=size)
            entry["affine"] = [angle, *translate, scale, *shear]
            if min(size) >= 32:
                transforms.torch = replay()
                padded = torch.zeros(3, size[1] + 8, size[0] + 8)
                top, left, _, _ = transforms.RandomCrop.get_params(padded, (32, 32))
                entry["crop"] = [left - 4, top - 4]
            transforms.torch = torch
            cases.append(entry)
    return cases


def skipping(random, count):
    for _ in range(count):
        random.word()
    return random


def mixtures():
    """Two images mixed with the weight 0.3 (in single precision), and rectangles of cutmix."""
    first = torch.arange(24).reshape(1, 2, 3, 4) * 37 % 101 / 7
    second = torch.arange(24).reshape(1, 2, 3, 4) * 53 % 97 / 11
    weight = float(np.float32(0.3))
    mixup = v2.MixUp(num_classes=3)
    batch = torch.cat([first, second])
    params = {"lam": weight, "labels": None, "batch_size": 2}
    mixed = mixup.transform(batch, params)[0].flatten().tolist()
    rectangles, cutmix = [], v2.CutMix(num_classes=3)
    for share in [0.0, 0.125, 0.5, 0.99, 1.0]:
        for height, width in [(32, 32), (7, 90)]:
            for center in [(0, 0), (width - 1, height - 1), (width // 3, height // 2)]:
                cutmix._dist = types.SimpleNamespace(sample=lambda _: torch.tensor(share, dtype=torch.float64))
                numbers = [torch.tensor([place]) for place in center]
                original, torch.randint = torch.randint, lambda *_, **__: numbers.pop(0)
                params = cutmix.make_params([torch.zeros(2, 3, height, width)])
                torch.randint = original
                left, top, right, bottom = params["box"]
                rectangles.append({
                    "share": share, "size": [width, height], "center": center,
                    "region": [left, top, right - left, bottom - top], "weight": params["lam_adjusted"],
                })
    figures = {"weight": weight, "shape": [2, 3, 4], "rectangles": rectangles, "mixed": mixed}
    return {**figures, "first": first.flatten().tolist(), "second": second.flatten().tolist()}


def main():
    colors()
    shapes()
    sizes()
    figures = {"tables": tables(), "elastic": elastic(), "drawn": drawn(), "mixtures": mixtures(), "cases": CASES}
    target = pathlib.Path(__file__).parents[2] / "crates/vision/tests/torchvision.json"
    target.write_text(json.dumps(figures, separators=(",", ":")) + "\n")
    print(f"{len(CASES)} cases")


if __name__ == "__main__":
    main()
