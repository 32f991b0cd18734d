"""The networks that every case is made of: the two of the demo, with their stored weights, and one that needs none."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np
import torch
from torch import Tensor, nn

SIDE = 28
HIDDEN = 7
"""Layers of a network up to the last hidden activations; what follows is linear."""


def convolutional() -> nn.Sequential:
    """Two strided convolutions and two dense layers for 1 x 28 x 28, as `benchmarks/make_demo.py` trained them."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 96),
        nn.ReLU(),
        nn.Linear(96, 10),
    )


def plain() -> nn.Sequential:
    """The undefended network of the demo."""
    return _filled("plain")


def hardened() -> nn.Sequential:
    """The network of the demo that was trained against PGD at linf 0.3."""
    return _filled("hardened")


def linear() -> nn.Sequential:
    """The nearest class mean of the demo's digits, which is a linear model: its distances are known in closed form."""
    layer = nn.Linear(SIDE * SIDE, 10)
    weight, bias = nearest_mean()
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return _resting(nn.Sequential(nn.Flatten(), layer))


def nearest_mean() -> tuple[Tensor, Tensor]:
    """Weight `(10, 784)` and bias `(10,)` of the linear model."""
    x, y = digits()
    means = torch.stack([x[y == label].flatten(1).mean(0) for label in range(10)])
    return means, -0.5 * means.square().sum(1)


@cache
def digits() -> tuple[Tensor, Tensor]:
    """The demo's 500 digits, `(500, 1, 28, 28)` float32 in `[0, 1]`, and their labels."""
    with np.load(BytesIO(files("auditor.demo").joinpath("digits.npz").read_bytes())) as stored:
        return torch.from_numpy(stored["x"]).float() / 255.0, torch.from_numpy(stored["y"])


@cache
def _weights(name: str) -> dict[str, Tensor]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(files("auditor.demo").joinpath(f"{name}.onnx").read_bytes()).graph
    # The exporter keeps the module's own names for its weights.
    return {item.name: torch.from_numpy(numpy_helper.to_array(item).copy()) for item in graph.initializer}


def _filled(name: str) -> nn.Sequential:
    network, stored = convolutional(), _weights(name)
    network.load_state_dict({key: stored[key] for key in network.state_dict()})
    return _resting(network)


def _resting(network: nn.Sequential) -> nn.Sequential:
    return network.eval().requires_grad_(False)
