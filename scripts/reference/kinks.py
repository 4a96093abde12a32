"""Kinks of a network moved aside, so that its gradient can be compared between precisions.

A ReLU and a maximum have kinks: where a value lies within rounding of one, float32 and float64 may take different
sides, and then their gradients differ by far more than rounding, PyTorch's own as well as ours. Every ReLU of these
networks reads the output of a layer with a bias for each channel. `move_aside` shifts each of these biases by at most
`WINDOW` deviations of its channel, to the middle of the widest gap between the channel's values near zero. A maximum
has no such bias. `Sides` records which side every ReLU and maximum takes, so that two runs can be held against each
other, and `averages` puts averages in place of maxima.
"""

import torch
import torch.nn.functional as F
from torch import nn

WINDOW = 0.2


class Replaced:
    """Functions of `torch.nn.functional`, which all modules call, replaced while the context lasts."""

    def __init__(self, **given):
        self.given = given

    def __enter__(self):
        self.own = {name: getattr(F, name) for name in self.given}
        for name, function in self.given.items():
            setattr(F, name, function)

    def __exit__(self, *_):
        for name, function in self.own.items():
            setattr(F, name, function)


def averages():
    """Maxima become averages over the same windows, padding counted."""

    def average(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        return F.avg_pool2d(x, kernel_size, stride or kernel_size, padding, ceil_mode, count_include_pad=True)

    return Replaced(max_pool2d=average)


def widest_gap(values):
    """For each row of values the number within the window around zero that lies furthest from all of them."""
    deviation = values.std(dim=1, keepdim=True) + 1e-12
    ends = [values.amin(1, keepdim=True) - deviation, values.amax(1, keepdim=True) + deviation]
    ordered = torch.cat([values, *ends], dim=1).sort(dim=1).values
    low, high = ordered[:, :-1], ordered[:, 1:]
    middle = ((low + high) / 2).clamp(-WINDOW * deviation, WINDOW * deviation)
    distance = torch.minimum(middle - low, high - middle)
    return middle.gather(1, distance.argmax(dim=1, keepdim=True))[:, 0]


def move_aside(module, images):
    """Shifts biases of `module`, layer by layer, for a step on `images`."""
    last, hooks = [], []
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)) and part.bias is not None:
            hooks.append(part.register_forward_pre_hook(lambda part, _: last.append(part)))
    # Inception-ResNet-v2 multiplies what the last convolution of a branch gives before the sum that its ReLU reads.
    scaled = (part for part in module.modules() if hasattr(part, "scale") and hasattr(part, "conv2d"))
    factors = {part.conv2d: part.scale for part in scaled}

    def relu(x, inplace=False):
        shift = -widest_gap(x.transpose(0, 1).flatten(1))
        last[-1].bias += shift / factors.get(last[-1], 1.0)
        return (x + shift.reshape(1, -1, *[1] * (x.dim() - 2))).clamp_min(0)

    with Replaced(relu=relu), torch.no_grad():
        module(images)
    for hook in hooks:
        hook.remove()


class Sides:
    """Which side each ReLU and maximum takes, in the order of their calls."""

    def __init__(self):
        self.taken = []

    def record(self, maxima):
        """A context that records ReLUs, and maxima if wanted."""
        plain = F.relu

        def relu(x, inplace=False):
            self.taken.append(x.detach() > 0)
            return plain(x)

        def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
            y, places = F.max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode)
            # Among zeros behind a ReLU it does not matter which one is the largest: none passes a gradient on.
            self.taken.append(torch.where(y.detach() > 0, places, -1))
            return y

        return Replaced(relu=relu, **({"max_pool2d": max_pool} if maxima else {}))

    def differ(self, other):
        """How many take another side."""
        return sum(int((ours != theirs).sum()) for ours, theirs in zip(self.taken, other.taken, strict=True))
