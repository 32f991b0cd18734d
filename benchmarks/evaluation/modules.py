"""Networks by name, as `auditor` takes them: `benchmarks.evaluation.modules:NAME`, called without arguments.

`stored_<name>`: a module of `benchmarks.networks`, dashes written as underscores.
`random_<architecture>_<width>_<channels>_<classes>`: random weights, and a bias that makes it sure of class 0 so that
no sample falls; for costs only, which do not depend on what a network knows.
"""

from __future__ import annotations

import torch
from torch import nn
from torchvision import models

from benchmarks.networks import load


def source(name: str) -> str:
    """What to call the network `name` on auditor's command line."""
    return f"{__name__}:{name}"


def __getattr__(name: str) -> nn.Module:
    kind, _, rest = name.partition("_")
    if kind == "stored":
        return load(rest.replace("_", "-"))
    if kind != "random":
        raise AttributeError(name)
    architecture, width, channels, classes = rest.split("_")
    torch.manual_seed(0)
    model = _build(architecture, int(width), int(channels), int(classes))
    with torch.no_grad():
        last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
        last.weight.mul_(0.1)
        last.bias.zero_()[0] = 8.0
    return model.eval().requires_grad_(False)


def _build(architecture: str, width: int, channels: int, classes: int) -> nn.Module:
    """`convolutional` has two convolutions of `width` and twice that; others are torchvision's, at their own width."""
    if architecture != "convolutional":
        made: nn.Module = getattr(models, architecture)(num_classes=classes)
        return made
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * width, classes),
    )
