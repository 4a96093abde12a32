#!/usr/bin/env python3
"""Writes bench/problems/*.txt: every convolution of the classic networks, as text.

    scripts/peers-setup.sh
    target/peers-venv/bin/pip install timm==1.0.31
    target/peers-venv/bin/python scripts/reference/problems_pytorch.py

Networks of torchvision and timm are run on PyTorch's "meta" device, where tensors have shapes but no data, with a hook on
each convolution. The others are listed here as in their papers. Each distinct convolution is listed once in its file,
under the name of the first layer that has it. Totals are checked against known figures (multiply-adds including fully
connected layers, or parameters) before a file is written. Prints the rows of the table in bench/README.md. base.txt is
not generated: it contains selected shapes.
"""

import pathlib
from dataclasses import dataclass

import timm
import torch
import torchvision
from torch import nn

FOLDER = pathlib.Path(__file__).parents[2] / "bench/problems"


@dataclass(frozen=True)
class Conv:
    """A convolution; pairs are (rows, columns)."""

    groups: int
    in_channels: int
    input: tuple
    out_channels: int
    output: tuple
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple

    def weights(self):
        return self.out_channels * self.in_channels // self.groups * self.kernel[0] * self.kernel[1]

    def macs(self):
        """Returns the multiply-adds per image, including those on padding."""
        return self.weights() * self.output[0] * self.output[1]

    def text(self, batch):
        """Returns the problem in the syntax of bench/README.md, without defaults."""

        def pair(letters, value, default):
            (rows, columns), (h, w) = value, letters
            if columns != rows:
                return f"{h}{rows}{w}{columns}"
            return f"{h}{rows}" if rows != default else ""

        return "".join(
            [
                f"mb{batch}",
                f"g{self.groups}" if self.groups > 1 else "",
                f"ic{self.in_channels}",
                pair(("ih", "iw"), self.input, None),
                f"oc{self.out_channels}",
                pair(("oh", "ow"), self.output, None),
                pair(("kh", "kw"), self.kernel, None),
                pair(("sh", "sw"), self.stride, 1),
                pair(("ph", "pw"), self.padding, 0),
                pair(("dh", "dw"), tuple(d - 1 for d in self.dilation), 0),
            ]
        )


class Layers:
    """The convolutions of a network in order, with the multiply-adds of its fully connected layers."""

    def __init__(self):
        self.convs = []
        self.linear_macs = 0

    def add(self, name, conv):
        self.convs.append((name, conv))

    def macs(self):
        return sum(conv.macs() for _, conv in self.convs)


class Chain(Layers):
    """Layers listed by hand: square maps, each layer reading the one before."""

    def __init__(self, channels, size):
        super().__init__()
        self.channels, self.size = channels, size

    def conv(self, name, out_channels, kernel, stride=1, pad=0, groups=1, same=False):
        """`same` pads like TensorFlow: the output size is the input size divided by the stride, rounded up, and an odd row
        of padding is added at the bottom and on the right."""
        if same:
            output = -(-self.size // stride)
            pad = max((output - 1) * stride + kernel - self.size, 0) // 2
        else:
            output = (self.size + 2 * pad - kernel) // stride + 1
        size, output2, kernel, stride, pad = ((n, n) for n in (self.size, output, kernel, stride, pad))
        self.add(
            name,
            Conv(groups, self.channels, size, out_channels, output2, kernel, stride, pad, dilation=(1, 1)),
        )
        self.channels, self.size = out_channels, output

    def pool(self, kernel, stride, pad=0):
        """Ceiling mode, as in Caffe, which equals TensorFlow's "same" in these networks."""
        self.size = -(-(self.size + 2 * pad - kernel) // stride) + 1

    def branches(self, *branches):
        """Several small chains on the same input, whose outputs are concatenated. A branch is a function of
        a chain, or a number of channels passed through."""
        channels, first = 0, (self.channels, self.size)
        size = self.size
        for branch in branches:
            self.channels, self.size = first
            if callable(branch):
                branch(self)
                channels, size = channels + self.channels, self.size
            else:
                channels += branch
        self.channels, self.size = channels, size

    def linear(self, *features):
        """Fully connected layers; nothing follows them."""
        features = (self.channels * self.size**2, *features)
        self.linear_macs = sum(a * b for a, b in zip(features, features[1:]))


def lenet5():
    net = Chain(1, 32)
    net.conv("conv1", 6, 5)
    net.pool(2, 2)
    net.conv("conv2", 16, 5)
    net.pool(2, 2)
    net.linear(120, 84, 10)
    return net


def alexnet():
    net = Chain(3, 227)
    net.conv("conv1", 96, 11, stride=4)
    net.pool(3, 2)
    net.conv("conv2", 256, 5, pad=2, groups=2)
    net.pool(3, 2)
    net.conv("conv3", 384, 3, pad=1)
    net.conv("conv4", 384, 3, pad=1, groups=2)
    net.conv("conv5", 256, 3, pad=1, groups=2)
    net.pool(3, 2)
    net.linear(4096, 4096, 1000)
    return net


def nin():
    net = Chain(3, 224)
    net.conv("conv1", 96, 11, stride=4)
    net.conv("cccp1", 96, 1)
    net.conv("cccp2", 96, 1)
    net.pool(3, 2)
    net.conv("conv2", 256, 5, pad=2)
    net.conv("cccp3", 256, 1)
    net.conv("cccp4", 256, 1)
    net.pool(3, 2)
    net.conv("conv3", 384, 3, pad=1)
    net.conv("cccp5", 384, 1)
    net.conv("cccp6", 384, 1)
    net.pool(3, 2)
    net.conv("conv4-1024", 1024, 3, pad=1)
    net.conv("cccp7-1024", 1024, 1)
    net.conv("cccp8-1024", 1000, 1)
    return net


def nin_cifar():
    net = Chain(3, 32)
    net.conv("conv1", 192, 5, pad=2)
    net.conv("cccp1", 160, 1)
    net.conv("cccp2", 96, 1)
    net.pool(3, 2)
    net.conv("conv2", 192, 5, pad=2)
    net.conv("cccp3", 192, 1)
    net.conv("cccp4", 192, 1)
    net.pool(3, 2)
    net.conv("conv3", 192, 3, pad=1)
    net.conv("cccp5", 192, 1)
    net.conv("cccp6", 10, 1)
    return net


def vgg(*stages):
    """`stages`: the kernel sizes of each stage."""
    net = Chain(3, 224)
    for stage, (channels, kernels) in enumerate(zip((64, 128, 256, 512, 512), stages), 1):
        for layer, kernel in enumerate(kernels, 1):
            net.conv(f"conv{stage}_{layer}", channels, kernel, pad=kernel // 2)
        net.pool(2, 2)
    net.linear(4096, 4096, 1000)
    return net


def googlenet():
    net = Chain(3, 224)

    def inception(name, conv1, reduce3, conv3, reduce5, conv5, pool):
        def two(size, reduce, out):
            def branch(net):
                net.conv(f"inception_{name}/{size}x{size}_reduce", reduce, 1)
                net.conv(f"inception_{name}/{size}x{size}", out, size, pad=size // 2)

            return branch

        net.branches(
            lambda net: net.conv(f"inception_{name}/1x1", conv1, 1),
            two(3, reduce3, conv3),
            two(5, reduce5, conv5),
            lambda net: net.conv(f"inception_{name}/pool_proj", pool, 1),
        )

    net.conv("conv1/7x7_s2", 64, 7, stride=2, pad=3)
    net.pool(3, 2)
    net.conv("conv2/3x3_reduce", 64, 1)
    net.conv("conv2/3x3", 192, 3, pad=1)
    net.pool(3, 2)
    inception("3a", 64, 96, 128, 16, 32, 32)
    inception("3b", 128, 128, 192, 32, 96, 64)
    net.pool(3, 2)
    inception("4a", 192, 96, 208, 16, 48, 64)
    inception("4b", 160, 112, 224, 24, 64, 64)
    inception("4c", 128, 128, 256, 24, 64, 64)
    inception("4d", 112, 144, 288, 32, 64, 64)
    inception("4e", 256, 160, 320, 32, 128, 128)
    net.pool(3, 2)
    inception("5a", 256, 160, 320, 32, 128, 128)
    inception("5b", 384, 192, 384, 48, 128, 128)
    net.pool(7, 1)
    net.linear(1000)
    return net


def inception_v2():
    """BN-Inception as in TensorFlow's slim: a separable first layer, two 3x3 instead of the 5x5."""
    net = Chain(3, 224)

    def chain(name, branch, convs, stride=1):
        """1x1, then 3x3s; the last of them has the stride."""

        def build(net):
            for place, out_channels in enumerate(convs):
                last = place == len(convs) - 1
                kernel, by = (1 if place == 0 else 3), (stride if last else 1)
                letters = f"{1 if by > 1 else 0}{'abc'[0 if by > 1 else place]}"
                scope = f"{name}/Branch_{branch}/Conv2d_{letters}_{kernel}x{kernel}"
                net.conv(scope, out_channels, kernel, by, same=True)

        return build

    def mixed(name, conv1, double, triple, pool):
        projection = lambda net: net.conv(f"{name}/Branch_3/Conv2d_0b_1x1", pool, 1)
        branches = [chain(name, i, convs) for i, convs in enumerate(([conv1], double, triple))]
        net.branches(*branches, projection)

    def smaller(name, double, triple):
        """Halves the maps; the third branch is a max pool of the input."""
        net.branches(chain(name, 0, double, 2), chain(name, 1, triple, 2), net.channels)

    net.conv("Conv2d_1a_7x7/depthwise", 24, 7, 2, groups=3, same=True)
    net.conv("Conv2d_1a_7x7/pointwise", 64, 1)
    net.pool(3, 2)
    net.conv("Conv2d_2b_1x1", 64, 1)
    net.conv("Conv2d_2c_3x3", 192, 3, same=True)
    net.pool(3, 2)
    mixed("Mixed_3b", 64, [64, 64], [64, 96, 96], 32)
    mixed("Mixed_3c", 64, [64, 96], [64, 96, 96], 64)
    smaller("Mixed_4a", [128, 160], [64, 96, 96])
    mixed("Mixed_4b", 224, [64, 96], [96, 128, 128], 128)
    mixed("Mixed_4c", 192, [96, 128], [96, 128, 128], 128)
    mixed("Mixed_4d", 160, [128, 160], [128, 160, 160], 96)
    mixed("Mixed_4e", 96, [128, 192], [160, 192, 192], 96)
    smaller("Mixed_5a", [128, 192], [192, 256, 256])
    mixed("Mixed_5b", 352, [192, 320], [160, 224, 224], 128)
    mixed("Mixed_5c", 352, [192, 320], [192, 224, 224], 128)
    net.pool(7, 1)
    net.linear(1000)
    return net


def plain(net, stages):
    """Stages of pairs of 3x3 under torchvision's names; all stages but the first start with stride 2."""
    for stage, (channels, blocks) in enumerate(stages, 1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            net.conv(f"layer{stage}.{block}.conv1", channels, 3, stride, pad=1)
            net.conv(f"layer{stage}.{block}.conv2", channels, 3, pad=1)
    net.size = 1
    return net


def plain_imagenet(blocks):
    net = Chain(3, 224)
    net.conv("conv1", 64, 7, stride=2, pad=3)
    net.pool(3, 2)
    plain(net, zip((64, 128, 256, 512), blocks)).linear(1000)
    return net


def resnet_cifar(depth):
    """Shortcuts of option A have no weights, so these are the convolutions of the plain net too."""
    net = Chain(3, 32)
    net.conv("conv1", 16, 3, pad=1)
    plain(net, [(channels, (depth - 2) // 6) for channels in (16, 32, 64)]).linear(10)
    return net


def hooked(build, size):
    """The convolutions of a PyTorch module, in the order in which it runs them."""
    net = Layers()

    def watch(name):
        def hook(module, inputs, output):
            if isinstance(module, nn.Linear):
                net.linear_macs += module.weight.numel()
                return
            shape = tuple(inputs[0].shape[2:]), module.out_channels, tuple(output.shape[2:])
            window = module.kernel_size, module.stride, module.padding, module.dilation
            net.add(name, Conv(module.groups, module.in_channels, *shape, *window))

        return hook

    with torch.device("meta"), torch.no_grad():
        model = build().eval()
        for name, module in model.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.register_forward_hook(watch(name))
        model(torch.empty(1, 3, size, size))
    return net


def of_torchvision(name, size=224, **options):
    return hooked(lambda: getattr(torchvision.models, name)(weights=None, **options), size)


def of_timm(name, size):
    return hooked(lambda: timm.create_model(name), size)


VGG = "(Simonyan and Zisserman, 2014) on 224x224"
RESNET = "(He et al., 2015) on 224x224"
RESNET_V15 = "(He et al., 2015; stride in the 3x3) on 224x224, names of torchvision"
RESNET_CIFAR = "(He et al., 2015) on 32x32, shortcuts without weights"
WITHOUT_HEADS = dict(aux_logits=False, init_weights=False)
THREE = [3, 3, 3]

# File; title in the table of bench/README.md; header of the file; batch size; layers; and the known figure for the
# layers: multiply-adds including the fully connected layers.
NETWORKS = [
    ("lenet5", "LeNet-5 with full connections, 32×32", "LeNet-5 (LeCun et al., 1998) on 32x32", 64,
     lenet5, 416_520),
    ("alexnet", "AlexNet as in the paper, two groups, 227×227",
     "AlexNet as in the paper (Krizhevsky et al., 2012) on 227x227, two groups", 16, alexnet, 724.4e6),
    ("alexnet-torchvision", "AlexNet as in torchvision, 64-192-384-256-256 channels, no groups",
     "AlexNet of torchvision (Krizhevsky, 2014) on 224x224, no groups, names of torchvision", 16,
     lambda: of_torchvision("alexnet"), 0.714e9),
    ("nin", "Network in Network for ImageNet", "Network in Network for ImageNet (Lin et al., 2013) on 224x224, "
     "names of Caffe's model", 16, nin, None),
    ("nin-cifar", "Network in Network for CIFAR-10, 32×32",
     "Network in Network for CIFAR-10 (Lin et al., 2013) on 32x32", 128, nin_cifar, None),
    ("vgg11", "VGG-11, configuration A", f"VGG-11, configuration A {VGG}", 16,
     lambda: vgg([3], [3], [3, 3], [3, 3], [3, 3]), 7.609e9),
    ("vgg13", "VGG-13, configuration B", f"VGG-13, configuration B {VGG}", 16,
     lambda: vgg(*[[3, 3]] * 5), 11.308e9),
    ("vgg16-c", "VGG-16, configuration C, with 1×1", f"VGG-16, configuration C {VGG}", 16,
     lambda: vgg([3, 3], [3, 3], *[[3, 3, 1]] * 3), 11.771e9),
    ("vgg16", "VGG-16, configuration D", f"VGG-16, configuration D {VGG}", 16,
     lambda: vgg([3, 3], [3, 3], THREE, THREE, THREE), 15.470e9),
    ("vgg19", "VGG-19, configuration E", f"VGG-19, configuration E {VGG}", 16,
     lambda: vgg([3, 3], [3, 3], *[[3] * 4] * 3), 19.632e9),
    ("googlenet", "GoogLeNet as in the paper, without auxiliary heads",
     "GoogLeNet as in the paper (Szegedy et al., 2014) on 224x224, without auxiliary heads", 16,
     googlenet, 1.583e9),
    ("googlenet-torchvision", "GoogLeNet as in torchvision, 3×3 where the paper has 5×5, no auxiliary heads",
     "GoogLeNet of torchvision (Szegedy et al., 2014; 3x3 where the paper has 5x5) on 224x224, without "
     "auxiliary heads", 16, lambda: of_torchvision("googlenet", **WITHOUT_HEADS), 1.498e9),
    ("inception-v2", "Inception V2 (BN-Inception) as in TensorFlow's slim",
     "Inception V2 (BN-Inception; Ioffe and Szegedy, 2015) on 224x224, layers and names of TensorFlow's slim",
     16, inception_v2, None),
    ("inception-v3", "Inception V3 as in torchvision, 299×299, no auxiliary head",
     "Inception V3 of torchvision (Szegedy et al., 2015) on 299x299, without auxiliary head", 16,
     lambda: of_torchvision("inception_v3", 299, **WITHOUT_HEADS), 5.713e9),
    ("inception-v4", "Inception V4 as in timm, 299×299",
     "Inception V4 of timm (Szegedy et al., 2016) on 299x299", 16, lambda: of_timm("inception_v4", 299), 12.3e9),
    ("inception-resnet-v2", "Inception-ResNet-v2 as in timm, 299×299",
     "Inception-ResNet-v2 of timm (Szegedy et al., 2016) on 299x299", 16,
     lambda: of_timm("inception_resnet_v2", 299), 13.2e9),
    ("plain18", "plain-18, ResNet-18 without shortcuts", f"plain-18 {RESNET}: ResNet-18 without shortcuts", 16,
     lambda: plain_imagenet([2, 2, 2, 2]), 1.795e9),
    ("plain34", "plain-34, ResNet-34 without shortcuts", f"plain-34 {RESNET}: ResNet-34 without shortcuts", 16,
     lambda: plain_imagenet([3, 4, 6, 3]), 3.644e9),
    ("resnet18", "ResNet-18", f"ResNet-18 {RESNET}, names of torchvision", 16,
     lambda: of_torchvision("resnet18"), 1.814e9),
    ("resnet34", "ResNet-34", f"ResNet-34 {RESNET}, names of torchvision", 16,
     lambda: of_torchvision("resnet34"), 3.664e9),
    ("resnet50", "ResNet-50 v1.5, the stride in the 3×3", f"ResNet-50 v1.5 {RESNET_V15}", 16,
     lambda: of_torchvision("resnet50"), 4.089e9),
    ("resnet101", "ResNet-101 v1.5", f"ResNet-101 v1.5 {RESNET_V15}", 16,
     lambda: of_torchvision("resnet101"), 7.801e9),
    ("resnet152", "ResNet-152 v1.5", f"ResNet-152 v1.5 {RESNET_V15}", 16,
     lambda: of_torchvision("resnet152"), 11.514e9),
    ("resnet20-cifar", "ResNet-20 for CIFAR-10, 32×32; plain-20 too", f"ResNet-20 for CIFAR-10 {RESNET_CIFAR}",
     128, lambda: resnet_cifar(20), 40.55e6),
    ("resnet56-cifar", "ResNet-56 for CIFAR-10, 32×32; plain-56 too", f"ResNet-56 for CIFAR-10 {RESNET_CIFAR}",
     128, lambda: resnet_cifar(56), 125.5e6),
    ("resnet110-cifar", "ResNet-110 for CIFAR-10, 32×32", f"ResNet-110 for CIFAR-10 {RESNET_CIFAR}",
     128, lambda: resnet_cifar(110), 252.9e6),
    ("squeezenet1_1", "SqueezeNet 1.1",
     "SqueezeNet 1.1 of torchvision (Iandola et al., 2016) on 224x224", 16,
     lambda: of_torchvision("squeezenet1_1"), 0.349e9),
]  # fmt: skip

# Parameters, including biases, of networks whose multiply-adds are not published.
PARAMETERS = {"nin": 7_595_176, "nin-cifar": 966_986}


def check(file, net, known_macs):
    """Figures are known to at least three digits; variants of a network differ by more."""
    macs = net.macs() + net.linear_macs
    if known_macs is not None:
        assert abs(macs / known_macs - 1) < 4e-3, f"{file}: {macs:,}, not {known_macs:,} multiply-adds"
    if file in PARAMETERS:
        parameters = sum(conv.weights() + conv.out_channels for _, conv in net.convs)
        assert parameters == PARAMETERS[file], f"{file}: {parameters:,} parameters"


def file_text(head, batch, net):
    distinct = {}
    for name, conv in net.convs:
        distinct.setdefault(conv, [name, 0])[1] += 1
    lines = [f"# {head}", f"# {len(net.convs)} convolutions, {net.macs():,} multiply-adds per image"]
    for conv, (name, count) in distinct.items():
        lines.append(f'{conv.text(batch)}n"{name}"' + (f" *{count}" if count > 1 else ""))
    return "\n".join(lines) + "\n", len(distinct)


def main():
    for file, title, head, batch, build, known_macs in NETWORKS:
        net = build()
        check(file, net, known_macs)
        text, distinct = file_text(head, batch, net)
        (FOLDER / f"{file}.txt").write_text(text)
        print(f"| `{file}.txt` | {title} | {len(net.convs)}, {distinct} | {net.macs():,} |")


if __name__ == "__main__":
    main()
