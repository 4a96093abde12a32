"""The networks that bench/peer.py measures, as torch modules with random weights."""

import sys

import torch
import torch.nn.functional as F
from torch import nn

# Channels and height of an image, where not 3 and 224; images are square.
IMAGES = {"lenet5": (1, 32), "inception_v3": (3, 299)}
CLASSES = {"lenet5": 10}
# The CIFAR networks of He et al., by depth; striate lists the same ones.
CIFAR = {f"resnet{depth}": depth for depth in (20, 32, 44, 56, 110)}
IMAGES |= dict.fromkeys(CIFAR, (3, 32))
CLASSES |= dict.fromkeys(CIFAR, 10)


def images(network):
    """Returns channels and height of an image."""
    return IMAGES.get(network, (3, 224))


def classes(network):
    return CLASSES.get(network, 1000)


class Block(nn.Module):
    """Two 3×3 convolutions with a shortcut of option A: every other pixel, and zeros in the added channels."""

    def __init__(self, inputs, channels):
        super().__init__()
        self.added = channels - inputs
        stride = 2 if self.added else 1
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.added:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.added))
        return F.relu(y + x, inplace=True)


def cifar_resnet(depth):
    """Returns the ResNet for CIFAR-10 as in section 4.2 of the paper."""
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    inputs = 16
    for channels in (16, 32, 64):
        for _ in range((depth - 2) // 6):
            layers.append(Block(inputs, channels))
            inputs = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def lenet5():
    """Returns LeNet-5 as in scripts/reference/lenet5_pytorch.py."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def torch_network(network):
    """Returns LeNet-5, a ResNet for CIFAR-10, or a torchvision network."""
    torch.manual_seed(0)
    if network == "lenet5":
        return lenet5()
    if network in CIFAR:
        return cifar_resnet(CIFAR[network])
    import torchvision

    if network not in torchvision.models.list_models(module=torchvision.models):
        sys.exit(f"torchvision has no {network}")
    heads = network in ("googlenet", "inception_v3")
    options = dict(aux_logits=False, init_weights=False) if heads else {}
    return torchvision.models.get_model(network, weights=None, **options)
