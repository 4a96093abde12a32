"""The gradients of one training step: PyTorch's in both precisions, striate's from its engine and its interpreter."""

import contextlib
import copy
import json
import shutil
import subprocess
import sys

import numpy as np
import torch
from torch import nn

import kinks
from program import read_safetensors

LABELS = torch.tensor([0, 9, 4, 5])
CLASSES = 10
# A gradient below this share of the total norm is zero up to rounding, such as that of a bias before a batch norm.
ZERO = 1e-9
SEEDS = range(1, 201)
# Required ratio of a channel's distance from its kinks to PyTorch's largest float32 error in it; 2 because a margin is
# between two values.
FIRM = 2
# The last batch norm of torchvision's residual branches.
LAST_NORM = {"BasicBlock": "bn2", "Bottleneck": "bn3"}


def spread_weights(module):
    """Draws seeded weights like the papers' initial weights, but none of them constant, and with residual branches at half
    strength, without which the deepest networks amplify rounding errors a thousandfold; for the same reason, batch norms without
    residual sums get positive biases. ε and the factors of Inception-ResNet-v2 are rounded to float32, as in striate."""
    is_residual = any(type(part).__name__ in LAST_NORM or hasattr(part, "conv2d") for part in module.modules())
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = float(np.float32(part.eps))
            part.weight.data.uniform_(0.5, 1.0)
            part.bias.data.normal_(0.0 if is_residual else 0.5, 0.1)
        elif isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                part.bias.data.uniform_(0, 0.1)
        elif isinstance(part, nn.Dropout):
            part.p = 0.0
        elif kinks.is_scaled(part):
            part.scale = float(np.float32(part.scale))
    for part in module.modules():
        if last := LAST_NORM.get(type(part).__name__):
            getattr(part, last).weight.data *= 0.5


class Step:
    """A step of PyTorch in float32 and float64, with the first seed for which every kink is so far away that neither
    precision nor the order of summation affects its side."""

    def __init__(self, build, size, batch, averages):
        pools = kinks.averages() if averages else contextlib.nullcontext()
        with pools:
            for self.seed in SEEDS:
                torch.manual_seed(self.seed)
                module = build().train()
                spread_weights(module)
                self.images, self.labels = torch.randn(batch, 3, size, size), LABELS[:batch]
                kinks.move_aside(module, self.images)
                self.weights = {key: value.clone() for key, value in module.state_dict().items()}
                rounded = self.read(module, averages)
                exact = self.read(copy.deepcopy(module).double(), averages)
                if exact.are_firm(rounded, FIRM):
                    self.single = self.gradients(module)
                    self.double = self.gradients(module.double())
                    return
        sys.exit("for every seed, a kink is within rounding error")

    def read(self, module, averages):
        """The inputs of ReLUs and maxima in a forward pass."""
        kinks_read = kinks.Kinks()
        with torch.no_grad(), kinks_read.record(maxima=not averages):
            module(self.images.to(next(module.parameters()).dtype))
        return kinks_read

    def gradients(self, module):
        module.load_state_dict(self.weights)
        module.zero_grad()
        dtype = next(module.parameters()).dtype
        nn.functional.cross_entropy(module(self.images.to(dtype)), self.labels).backward()
        return {key: parameter.grad.double().clone() for key, parameter in module.named_parameters()}

    def furthest(self, given):
        """The largest error of a parameter's gradient as a share of its norm; of a bias whose gradient is zero, as a
        share of its kernel's."""
        whole = norm(self.double.values())
        is_zero = lambda key: self.double[key].norm() < ZERO * whole
        of = lambda key: key.removesuffix("bias") + "weight" if is_zero(key) else key
        off = lambda key, wanted: float((given[key] - wanted).norm() / self.double[of(key)].norm())
        # Unlike Python's max, NumPy's propagates NaN, which fails every comparison.
        return np.max([off(key, wanted) for key, wanted in self.double.items()])

    def smallest_share(self):
        """The smallest norm of a kernel's or matrix's gradient, as a share of the whole gradient's."""
        return float(min(g.norm() for g in self.double.values() if g.dim() > 1) / norm(self.double.values()))

    def save(self, folder):
        shutil.rmtree(folder / "data", ignore_errors=True)
        (folder / "data").mkdir()
        np.save(folder / "data/images.npy", self.images.numpy())
        np.save(folder / "data/labels.npy", self.labels.numpy())
        torch.save(self.weights, folder / "weights.pth")


def norm(parts):
    return torch.stack([part.norm() for part in parts]).norm()


def network_text(striate, name, size, averages):
    """A network's text for ten classes and images of `size`, every dropout at 0, no auxiliary heads."""
    text = striate("inspect", name, "--classes", "10", "--input", f"3,{size},{size}", "--text")
    if averages:
        text = text.replace('op = "max_pool"', 'op = "average_pool"')
    kept = []
    for line in text.splitlines():
        if line.startswith("heads = ") or '"aux' in line.lower():
            continue
        if 'op = "dropout"' in line:
            before, after = line.split("probability = ")
            line = f"{before}probability = 0.0{after.lstrip('0123456789.')}"
        kept.append(line)
    return "\n".join(kept) + "\n"


def engine(striate, step):
    """Gradients of the program's training step in f32."""
    settings = ["optim.name=sgd", "optim.momentum=0.9", "optim.nesterov=false", "optim.weight_decay=0",
                "schedule.name=constant", "schedule.warmup=0", "data.holdout=0", "data.augment=none",
                "data.shuffle=false", "train.clip_norm=0", "optim.head_factor=1"]
    settings = [word for setting in settings for word in ("--set", setting)]
    shutil.rmtree(striate.folder / "run", ignore_errors=True)
    # Data need an image of every class; only the first batch is trained on.
    others = [label for label in range(CLASSES) if label not in step.labels]
    (striate.folder / "train").mkdir(exist_ok=True)
    images = torch.cat([step.images, torch.zeros(len(others), *step.images.shape[1:])])
    np.save(striate.folder / "train/images.npy", images.numpy())
    np.save(striate.folder / "train/labels.npy", torch.cat([step.labels, torch.tensor(others)]).numpy())
    ran = striate("train", "net.toml", "--data", "npy:train", "--weights", "weights.pth",
                  "--batch", str(len(step.labels)), "--steps", "1", "--lr", "1e-30", "--out", "run", "--json",
                  *settings)
    run = striate.folder / json.loads(ran)["run"]
    # After the first step, the momenta are the gradients.
    state = read_safetensors(next(run.glob("checkpoints/*/state.safetensors")))
    return {key: state[f"momentum.{key}"].double() for key in step.double}


def interpreter(example, folder, step):
    """Gradients of the same training graph in f64 by the naive kernels."""
    shutil.rmtree(folder / "gradients", ignore_errors=True)
    files = ["net.toml", "weights.pth", "data/images.npy", "data/labels.npy", "gradients"]
    ran = subprocess.run([example, *files], cwd=folder, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{example}: {ran.stderr.strip()}")
    return {key: torch.from_numpy(np.load(folder / f"gradients/{key}.npy")) for key in step.double}
