#!/usr/bin/env python3
"""Compares striate's import and export of .caffemodel files with OpenCV, which reads them with their .prototxt.

    scripts/caffe-opencv.sh

Tests built-in networks with random weights in Caffe's format and, from the folder given by `--real`, a ResNet trained
with Caffe, on random images and photographs. Both get the same images: OpenCV in BGR from 0 to 255 minus the mean,
striate in RGB. OpenCV then runs the weights exported by striate with the same .prototxt. Exits with 1 if a score of
either differs by more than 1e-4 of the largest.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import caffe_networks
import cv2
import numpy as np

NETWORKS = {
    "alexnet-2012": caffe_networks.alexnet,
    "googlenet-2014": caffe_networks.googlenet,
    "vgg16": caffe_networks.vgg16,
    "squeezenet1_1": caffe_networks.squeezenet,
    "nin": caffe_networks.nin,
    "resnet50-v1": lambda: caffe_networks.resnet(50, (3, 4, 6, 3)),
    "resnet101-v1": lambda: caffe_networks.resnet(101, (3, 4, 23, 3)),
}
MEAN = np.array([104, 117, 123], "f4").reshape(1, 3, 1, 1)
SCORES = 1e-4


def run(program, folder, network, images):
    """Returns striate's scores and its messages."""
    np.save(folder / "x.npy", np.ascontiguousarray(images[:, ::-1]))
    command = [program, "run", network, "--weights", "weights.caffemodel", "--input", "x.npy", "--output", "y.npy"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ran.returncode:
        return None, ran.stderr.strip()
    return np.load(folder / "y.npy"), ran.stderr.strip()


def opencv(folder, images, end=None):
    net = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "weights.caffemodel"))
    net.setInput(images)
    scores = net.forward(end) if end else net.forward()
    return scores.reshape(len(images), -1)


def off(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def pixels(side, count):
    random = np.random.default_rng(7)
    # Blocks of one color, so that images are more than noise.
    blocks = random.uniform(0, 255, (count, 3, side // 8 + 1, side // 8 + 1)).repeat(8, 2).repeat(8, 3)
    noise = random.normal(0, 10, (count, 3, side, side))
    return (np.clip(blocks[:, :, :side, :side] + noise, 0, 255) - MEAN).astype("f4")


def compare(program, folder, name):
    net = NETWORKS[name]()
    # GoogLeNet's auxiliary heads are only in the weights file.
    (folder / "net.prototxt").write_text(net.prototxt(left_out=["loss1/", "loss2/"]))
    (folder / "weights.caffemodel").write_bytes(net.caffemodel())
    images = pixels(net.side, 2)
    ours, messages = run(program, folder, name, images)
    if ours is None:
        sys.exit(f"{name}: {messages}")
    theirs = opencv(folder, images)
    messages = "\n".join([messages, *rewrite(program, folder, name)])
    # Unlike Python's max, NumPy's propagates NaN, which fails every comparison.
    return np.max([off(ours, theirs), off(opencv(folder, images), theirs)]), messages


def rewrite(program, folder, name):
    """Replaces the weights by striate's export; returns its messages."""
    command = [program, "convert", "weights.caffemodel", "written.caffemodel", "--model", name]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{name}: {ran.stderr.strip()}")
    (folder / "written.caffemodel").rename(folder / "weights.caffemodel")
    messages = ran.stderr.strip().splitlines()
    return messages[next((place for place, line in enumerate(messages) if "RGB to BGR" in line), 0):]


def text_network(prototxt):
    """Translates the .prototxt of a network of convolutions, batch norms, sums and pools to striate's text form."""
    layers, value = [], {}
    for part in re.split(r"\nlayer \{", prototxt)[1:]:
        get = lambda key, otherwise=None: (re.findall(rf'\b{key}: "?([^"\s]+)', part) or [otherwise])[0]
        name, kind, top = get("name"), get("type"), get("top")
        bottoms = [value.get(bottom, "input") for bottom in re.findall(r'bottom: "(.*?)"', part)]
        number = lambda key, otherwise: int(get(key, otherwise))
        window = lambda: f'kernel_size = {get("kernel_size")}, stride = {number("stride", 1)}, padding = {number("pad", 0)}'
        if kind == "Convolution":
            op = f'"conv", out_channels = {get("num_output")}, {window()}, bias = {get("bias_term", "true")}'
        elif kind == "Pooling":
            op = f'"{dict(MAX="max_pool", AVE="average_pool")[get("pool")]}", {window()}, ceil_mode = true'
        elif kind == "InnerProduct":
            layers.append(f'{{ name = "{name}.flat", op = "flatten", inputs = ["{bottoms[0]}"] }}')
            bottoms = [f"{name}.flat"]
            op = f'"linear", out_features = {get("num_output")}'
        elif kind in ("Input", "Scale", "Softmax"):
            continue
        else:
            op = {"BatchNorm": '"batch_norm"', "ReLU": '"relu"', "Eltwise": '"add"'}[kind]
        inputs = ", ".join(f'"{bottom}"' for bottom in bottoms)
        layers.append(f'{{ name = "{name}", op = {op}, inputs = [{inputs}] }}')
        value[top] = name
    return 'name = "caffe"\ninput = [3, 224, 224]\nlayers = [\n' + ",\n".join(layers) + "\n]\n"


def photographs(folder):
    files = sorted(folder.glob("*.jpg"))[:6] if folder else []
    if not files:
        print("skipped: photographs are missing; run scripts/fetch-weights.sh")
        return np.zeros((0, 3, 224, 224), "f4")
    images = [cv2.resize(cv2.imread(str(file)), (224, 224), interpolation=cv2.INTER_AREA) for file in files]
    return np.stack(images).transpose(0, 3, 1, 2).astype("f4") - MEAN


def compare_real(program, folder, real, pictures):
    [prototxt], [weights] = real.glob("*.prototxt"), real.glob("*.caffemodel")
    (folder / "net.prototxt").write_text(prototxt.read_text())
    (folder / "weights.caffemodel").write_bytes(weights.read_bytes())
    (folder / "net.toml").write_text(text_network(prototxt.read_text()))
    images = np.concatenate([pixels(224, 2), photographs(pictures)])
    ours, messages = run(program, folder, "net.toml", images)
    if ours is None:
        sys.exit(f"{weights.name}: {messages}")
    return off(ours, opencv(folder, images, "fc_nsfw")), messages


def refuses_caffenet(program, folder):
    """Checks the refusal of CaffeNet, which has AlexNet's names and shapes but pools before normalizing."""
    net = caffe_networks.alexnet(pool_first=True)
    (folder / "weights.caffemodel").write_bytes(net.caffemodel())
    ours, messages = run(program, folder, "alexnet-2012", pixels(net.side, 1))
    if ours is not None:
        sys.exit("CaffeNet was accepted as AlexNet")
    return messages


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/striate")
    parser.add_argument("--real", type=pathlib.Path, help="folder with a .prototxt and a .caffemodel")
    parser.add_argument("--photographs", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    failed = False

    def report(name, compared):
        share, messages = compared
        print(f"{name:<16} scores {share:.1e}", *messages.splitlines(), sep="\n    ", flush=True)
        return not share <= SCORES

    for name in arguments.names or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            failed |= report(name, compare(program, pathlib.Path(folder), name))
    with tempfile.TemporaryDirectory() as folder:
        print("CaffeNet was refused", refuses_caffenet(program, pathlib.Path(folder)), sep="\n    ")
        if arguments.real:
            failed |= report("trained", compare_real(program, pathlib.Path(folder), arguments.real, arguments.photographs))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
