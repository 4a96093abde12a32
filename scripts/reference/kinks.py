"""Moves values away from the kinks of a network, so that its gradient can be compared between precisions.

ReLU and max pooling have kinks: if a value is within rounding of one, float32 and float64 may fall on different sides,
and their gradients then differ by far more than rounding, in PyTorch as well. Every ReLU of these networks reads the
output of a layer with a bias per channel. `move_aside` shifts each of these biases by at most `WINDOW` standard
deviations of its channel, to the middle of the widest gap between the channel's values near zero. Max pooling has no such
bias. `Kinks` records every map read by a ReLU or max pool and its distance from the kinks, so that rounding can be
compared with that distance; `averages` replaces max pooling by average pooling.
"""

import torch
import torch.nn.functional as F
from torch import nn

WINDOW = 0.2


class Replaced:
    """Replaces functions of `torch.nn.functional`, which all modules call, within a context."""

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
    """Replaces max pooling by average pooling over the same windows, including padding."""

    def average(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        return F.avg_pool2d(x, kernel_size, stride or kernel_size, padding, ceil_mode, count_include_pad=True)

    return Replaced(max_pool2d=average)


def widest_gap(values):
    """Returns, for each row of values, the number within the window around zero that is furthest from all of them."""
    deviation = values.std(dim=1, keepdim=True) + 1e-12
    ends = [values.amin(1, keepdim=True) - deviation, values.amax(1, keepdim=True) + deviation]
    ordered = torch.cat([values, *ends], dim=1).sort(dim=1).values
    low, high = ordered[:, :-1], ordered[:, 1:]
    middle = ((low + high) / 2).clamp(-WINDOW * deviation, WINDOW * deviation)
    distance = torch.minimum(middle - low, high - middle)
    return middle.gather(1, distance.argmax(dim=1, keepdim=True))[:, 0]


def is_scaled(part):
    """Returns whether it is a block of Inception-ResNet-v2, which scales its last convolution."""
    return hasattr(part, "scale") and hasattr(part, "conv2d")


def move_aside(module, images):
    """Shifts biases of `module`, layer by layer, for a step on `images`."""
    last, hooks = [], []
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)) and part.bias is not None:
            hooks.append(part.register_forward_pre_hook(lambda part, _: last.append(part)))
    # Inception-ResNet-v2 scales the output of a branch's last convolution before the sum that its ReLU reads.
    factors = {part.conv2d: part.scale for part in filter(is_scaled, module.modules())}

    def relu(x, inplace=False):
        shift = -widest_gap(by_channel(x))
        last[-1].bias += shift / factors.get(last[-1], 1.0)
        return (x + shift.reshape(1, -1, *[1] * (x.dim() - 2))).clamp_min(0)

    with Replaced(relu=relu), torch.no_grad():
        module(images)
    for hook in hooks:
        hook.remove()


class Kinks:
    """The maps read by ReLUs and max pools, in the order of the calls, each with a function that returns the smallest
    distance of each channel from a kink: of a ReLU's values from zero, of a window's largest value from the next."""

    def __init__(self):
        self.maps = []

    def record(self, maxima):
        """Returns a context that records ReLUs, and optionally max pools."""
        plain, pool = F.relu, F.max_pool2d

        def relu(x, inplace=False):
            seen = x.detach()
            self.maps.append((seen, lambda: by_channel(seen.abs()).amin(1)))
            return plain(x)

        def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
            y = pool(x, kernel_size, stride, padding, dilation, ceil_mode)
            seen, size = x.detach(), y.shape[2:]
            self.maps.append((seen, lambda: smallest_lead(seen, size, kernel_size, stride or kernel_size, padding)))
            return y

        return Replaced(relu=relu, **({"max_pool2d": max_pool} if maxima else {}))

    def are_firm(self, rounded, times):
        """Returns whether each channel's distance exceeds a multiple of the largest error of the `rounded` one."""
        pairs = zip(self.maps, rounded.maps, strict=True)
        errors = ((distance, by_channel((exact - near).abs()).amax(1)) for (exact, distance), (near, _) in pairs)
        return all(bool((distance() > times * error).all()) for distance, error in errors)


def by_channel(x):
    return x.transpose(0, 1).flatten(1)


def smallest_lead(x, size, kernel, stride, padding):
    """The smallest difference between the two largest values of a window, for each channel of the map of `size`. Equal
    values are copies by an overlapping pool before it. Among zeros after a ReLU, it does not matter which one is the
    largest, because none of them passes a gradient."""
    sides = (padding, padding + kernel) * 2
    windows = F.pad(x, sides, value=-torch.inf).unfold(2, kernel, stride).unfold(3, kernel, stride)
    windows = windows[:, :, : size[0], : size[1]].flatten(4)
    first = windows.amax(-1)
    second = windows.masked_fill(windows == first[..., None], -torch.inf).amax(-1)
    return by_channel(torch.where(first > 0, first - second, torch.inf)).amin(1)
