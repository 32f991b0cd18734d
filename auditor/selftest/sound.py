"""Honest models: the networks of the demo as people wire, wrap and export them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.selftest.masks import Chain
from auditor.selftest.networks import hardened, linear, plain

_LUMA = (0.299, 0.587, 0.114)


def probabilities() -> nn.Module:
    """A softmax at its end."""
    return nn.Sequential(hardened(), nn.Softmax(1))


def log_probabilities() -> nn.Module:
    """A log-softmax at its end."""
    return nn.Sequential(plain(), nn.LogSoftmax(1))


def even_or_odd() -> nn.Module:
    """Two classes."""
    return Chain(hardened(), lambda logits: torch.stack([logits[:, ::2].logsumexp(1), logits[:, 1::2].logsumexp(1)], 1))


def odd() -> nn.Module:
    """Two classes behind one number, the logarithm of their odds."""
    return Chain(even_or_odd(), lambda two: two[:, 1:] - two[:, :1])


def three_classes() -> nn.Module:
    """Three classes: 0 to 2, 3 to 5, and the rest."""
    parts = (slice(0, 3), slice(3, 6), slice(6, 10))
    return Chain(plain(), lambda logits: torch.stack([logits[:, part].logsumexp(1) for part in parts], 1))


class _Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.networks = nn.ModuleList([plain(), hardened()])

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([network(x).softmax(1) for network in self.networks]).mean(0)


def ensemble() -> nn.Module:
    """The mean of two networks' probabilities."""
    return _Mean()


def blurred() -> nn.Module:
    """A blur in front, which is differentiable."""
    return Chain(lambda x: functional.avg_pool2d(x, 3, 1, 1), hardened())


def softened() -> nn.Module:
    """Softplus where there was ReLU."""
    return nn.Sequential(*[nn.Softplus(10.0) if isinstance(part, nn.ReLU) else part for part in plain()])


def double_precision() -> nn.Module:
    """Weights and arithmetic in float64."""
    return plain().double()


def colour() -> nn.Module:
    """A network for colour that looks at brightness."""
    return Chain(lambda x: (x * x.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True), plain())


def sure() -> nn.Module:
    """Logits three times as large, as long training makes them."""
    return Chain(plain(), lambda logits: 3.0 * logits)


def inside_normalised() -> nn.Module:
    """A network that normalises by itself, and undoes it."""
    return Chain(lambda x: (x - 0.1307) / 0.3081, lambda x: x * 0.3081 + 0.1307, hardened())


def linear_probabilities() -> nn.Module:
    """A linear model and a softmax."""
    return nn.Sequential(linear(), nn.Softmax(1))
